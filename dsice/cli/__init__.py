"""The command line: one module per command, named as it is typed; `main` reads the arguments."""
