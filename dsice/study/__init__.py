"""Study files: a tuning described in TOML, with no line of Python.

A study file has what a script would have: the program, a `dsice.Space`, a `dsice.Goal`, a
strategy, a launcher, and the options of `dsice.run`. The same file starts a study and goes on
with it; the journal beside it holds what was measured. For example, ``[strategy]`` with
``name = "random"`` makes the study a random search.

`file` reads a file into a `Study`, which makes the tuner and the launcher; `sections` reads each
section, key by key, into the object that it describes, with errors that name file, section and key.
"""

from dsice.study.file import Study, read_study

__all__ = ["Study", "read_study"]
