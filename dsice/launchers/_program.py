"""Programs of trials: a shell command, or a Python function as a file that a fresh interpreter calls."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers._command import Command

_PREFIX = "function-"


class ShellProgram:
    """A shell command with placeholders."""

    function = False

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise OptionError(
                "program must be a Python function or a shell command, got an empty string"
            )
        self._command = Command.parse(text)
        self._warned = False
        self.name = text

    def arguments(self, directory: Path, params: Mapping[str, Any], home: Path) -> list[str]:
        """Program and arguments that run the trial."""
        unused = self._command.unused(params)
        if unused and not self._warned and "DSICE_DIR" not in self.name:
            self._warned = True
            warnings.warn(
                f"the command has no placeholder for {', '.join(unused)}, so the program learns of it only from "
                f"$DSICE_DIR/params.json: {self.name!r}",
                DsiceWarning,
                stacklevel=5,
            )
        return ["/bin/sh", "-c", self._command.render(params)]


class FunctionProgram:
    """A Python function, pickled once."""

    function = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = label(function)
        self._sent = pickle.dumps({"path": list(sys.path), "function": pickled(function)})
        self._file: Path | None = None

    def arguments(self, directory: Path, params: Mapping[str, Any], home: Path) -> list[str]:
        """Program and arguments that run the trial; the first call writes the function into `home`."""
        return [*script("_call", "-P"), str(directory), str(self.file(home))]

    def file(self, home: Path) -> Path:
        """The function's file; the first call writes it into `home`."""
        if self._file is None or self._file.parent != home:
            self._file = self._write(home)
        return self._file

    def path(self, home: Path) -> Path:
        """Where the function's file is or will be."""
        return home / f"{_PREFIX}{hashlib.sha256(self._sent).hexdigest()[:16]}.pkl"

    def _write(self, home: Path) -> Path:
        # Written anew even if it is there: a pickle that somebody else left in the directory is never loaded.
        file = self.path(home)
        new = file.with_suffix(".new")
        new.write_bytes(self._sent)
        return new.replace(file)


Program: TypeAlias = ShellProgram | FunctionProgram


def is_function(path: Path) -> bool:
    """Whether `path` is the file of a pickled function."""
    return path.name.startswith(_PREFIX) and path.suffix == ".pkl"


def parse(work: Callable[..., Any] | str) -> Program:
    """The program that `work` stands for."""
    if isinstance(work, str):
        return ShellProgram(work)
    if callable(work):
        return FunctionProgram(work)
    raise OptionError(
        f"program must be a Python function or a shell command, got {type(work).__name__} {work!r}"
    )


def script(module: str, *options: str) -> list[str]:
    """A Python process that runs a module of this package, alone: a script would be compiled anew in every process."""
    place = str(Path(__file__).parent)
    return [
        interpreter(),
        *options,
        "-c",
        f"import sys; sys.path.append({place!r}); import {module}; {module}.run()",
    ]


def interpreter() -> str:
    """The Python that runs this process."""
    if not sys.executable or not os.access(sys.executable, os.X_OK):
        raise LaunchError(
            f"the Python interpreter is unknown (sys.executable is {sys.executable!r}), so no trial can be started"
        )
    return sys.executable


def label(function: Callable[..., Any]) -> str:
    """Module and name of a function, for messages and to recognise it by."""
    kind = type(function)
    qualified = getattr(function, "__qualname__", kind.__qualname__)
    return f"{getattr(function, '__module__', kind.__module__)}.{qualified}"


def pickled(function: Callable[..., Any]) -> bytes:
    """A function as bytes, with what it closes over; ``pickle.loads`` makes it a function again.

    Raises
    ------
    LaunchError
        It holds something that cannot travel; the message names it.
    """
    import cloudpickle

    try:
        sent: bytes = cloudpickle.dumps(function)
    except Exception as error:  # whatever an object's own __reduce__ raises
        raise LaunchError(
            f"the function {label(function)} cannot be sent to a trial's process: {type(error).__name__}: {error}. Open files, "
            "locks, sockets and GPU handles inside the function instead of around it, or give a shell command as the program"
        ) from error
    return sent
