"""The command line: one module for each command, named as the command is typed.

The commands work on a study file, on a journal, or on both. `run` has ``run``, ``resume`` and
``advance``, which tune a study; `status` has ``status`` and ``best``, which look at it while it
runs; `ask_tell` has ``ask`` and ``tell``, for trials that other programs start. `cancel`,
`doctor`, `extend`, `journal` and `replay` have the command of their name, `insight` has
``importance`` and ``effects``.

Each module has a function that adds the arguments of a command to its parser, and one that does
what the command does and returns the exit code. `main` reads the arguments; `output` prints;
`search_log` is the search that ``replay`` shows.
"""
