"""What the command line does: one function per command, which prints and returns the exit code."""
