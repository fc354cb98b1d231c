"""Programs of trials: a shell command, or a Python function that a fresh interpreter calls."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from dsice.checks import passable
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.journal.files import read_file, replace_file
from dsice.launchers.base import Job, Study
from dsice.launchers.command import Command
from dsice.launchers.foreseen import check_command, warn_of_formats
from dsice.launchers.home import FUNCTION_PREFIX
from dsice.launchers.output import PRINTED, Output, output_of
from dsice.launchers.trial_directory import plain_params
from dsice.space.values import has_tuples

_STANDARD = """\
import os, sys
sys.path[:0] = [os.path.dirname(os.__file__), *[p for p in sys.path if p.endswith("lib-dynload")]]
"""
LOADER = (
    _STANDARD
    + """\
from hashlib import sha256
file, digest = sys.argv[1:3]
del sys.argv[1:3]
try:
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        code = opened.read(1 << 20) or b""
    problem = "" if sha256(code).hexdigest() == digest else "it is not what dsice wrote there"
except OSError as error:
    problem = str(error)
if problem:
    import json
    text = f"{file} was not run: {problem}; see who can write to that directory"
    print(f"dsice: {text}", file=sys.stderr)
    result = f"{sys.argv[1]}/result.json"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with open(os.open(result, flags, 0o666), "w") as opened:
            json.dump({"refused": text}, opened)
    finally:
        os._exit(97)
exec(compile(code, file, "exec"), {"__name__": "__main__", "__file__": file})
"""
)
"""A program for ``python -c FILE HASH DIRECTORY ...`` that runs a script if its SHA-256 is HASH.

It reads the file once, and what it runs are the very bytes that it has compared. A refusal stands
in ``result.json`` of the trial's DIRECTORY. Its imports come from the standard library, whatever
modules of the same names the user has.
"""


class ShellProgram:
    """A shell command with placeholders, as the program of a launcher.

    Attributes
    ----------
    name
        The command as the user wrote it.
    output
        How its measurement is read.
    """

    function = False

    def __init__(self, text: str, output: Output = PRINTED) -> None:
        if not text.strip():
            raise OptionError(
                "program must be a Python function or a shell command, got an empty string"
            )
        if not passable(text):
            raise OptionError(f"no command line can hold a NUL or half a surrogate pair: {text!r}")
        self._commands: dict[tuple[str, ...], Command] = {}
        self._checked: Study | None = None
        self._warned = False
        self.name = text
        self.output = output

    def check(self, study: Study | None) -> None:
        """Raise LaunchError where some trial of a study could not be started."""
        if study is None or not study.parameters or self._checked == study:
            return
        command = self._command(study.parameters)
        if not command.fits_all(study.conditional):
            check_command(command, study.conditional, study.values)
            warn_of_formats(command, study.conditional, study.values)
        if study.values:
            self._checked = study

    def arguments(self, directory: Path, job: Job, home: Path) -> list[str]:
        """Program and arguments that run a job."""
        params = plain_params(job.params)
        known = job.study.parameters if job.study is not None else ()
        command = self._command(known) if known else self._guessed(params)
        unused = command.unused(params)
        if unused and not self._warned and "DSICE_DIR" not in self.name:
            self._warned = True
            warnings.warn(
                f"the command has no placeholder for {', '.join(unused)}, so the program learns "
                f"of it only from $DSICE_DIR/params.json: {self.name!r}",
                DsiceWarning,
                stacklevel=5,
            )
        return ["/bin/sh", "-c", command.render(params)]

    def _command(self, parameters: tuple[str, ...]) -> Command:
        if parameters not in self._commands:
            self._commands[parameters] = Command.parse(self.name, parameters)
        return self._commands[parameters]

    def _guessed(self, params: Mapping[str, Any]) -> Command:
        """The command of a job without a study, which may have parameters that are not active."""
        return Command.parse(self.name, params, partial=True)


class GuardedFile:
    """A file whose content is loaded in the processes of trials, which know it by its hash.

    Attributes
    ----------
    digest
        SHA-256 of the content, in hexadecimal.
    """

    def __init__(self, content: bytes) -> None:
        self.digest = hashlib.sha256(content).hexdigest()
        self._content = content
        self._left: dict[Path, tuple[int, ...] | None] = {}

    def put(self, path: Path) -> Path:
        """Write it to `path`, unless it is there as this object left it; returns the path.

        What was there before is never used: somebody else may have put it there.
        """
        if self._left.get(path) != _stamp(path):
            replace_file(path, self._content, fsync=False, mode=0o600)
            stamp = _stamp(path)
            # somebody may have exchanged it before the stamp was taken
            whole = read_file(path, len(self._content) + 1) == self._content
            self._left[path] = stamp if whole else None
        return path


def _stamp(path: Path) -> tuple[int, ...]:
    """What tells whether a file was touched; empty where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return ()
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_ino, found.st_mode, found.st_uid, found.st_size, *times)


def bundled(source: Path, parts: Sequence[Path]) -> bytes:
    """A script and the modules that it imports by their bare names, as one file."""
    if not parts:
        return source.read_bytes()
    modules = {part.stem: part.read_text(encoding="utf-8") for part in parts}
    text = f"""\
import sys
for name, text in {modules!r}.items():
    part = sys.modules[name] = type(sys)(name)
    exec(compile(text, name, "exec"), part.__dict__)
exec(compile({source.read_text(encoding="utf-8")!r}, __file__, "exec"), globals())
"""
    return text.encode()


class Helper:
    """A stand-alone script as jobs run it: a copy, in `place`, that they know by its hash.

    `parts` are the modules of its own that it imports.

    Attributes
    ----------
    path
        Where the copy is or will be.
    words
        What runs it, after an interpreter and its options and before the script's own arguments.
    """

    def __init__(self, place: Path, name: str, source: Path, *parts: Path) -> None:
        self._file = GuardedFile(bundled(source, parts))
        self.path = place / self._file.digest[:12] / name
        self.words = ("-c", LOADER, str(self.path), self._file.digest)

    def put(self) -> None:
        """Write the copy, unless it is there as it was left."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file.put(self.path)


class FunctionProgram:
    """A Python function, pickled once, as the program of a launcher."""

    function = True
    output = PRINTED

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function_name(function)
        content = pickle.dumps({"path": list(sys.path), "function": pickled(function)})
        self._file = GuardedFile(content)

    @property
    def digest(self) -> str:
        """The hash by which a trial's process knows the function's file."""
        return self._file.digest

    def check(self, study: Study | None) -> None:
        """Nothing: a function takes whatever parameters there are."""

    def arguments(self, directory: Path, job: Job, home: Path) -> list[str]:
        """Program and arguments that run a job; the function's file is written if need be."""
        plain_params(job.params)
        call = [*script("_call", "-P"), str(directory), str(self.file(home))]
        return [*call, *self.words(job.params)]

    def words(self, params: Mapping[str, Any]) -> list[str]:
        """Arguments by which a trial's process knows the function and which parameters it gets."""
        # their lists in JSON are tuples in Python
        tuples = [name for name, value in params.items() if has_tuples(value)]
        return [self.digest, *([json.dumps(tuples)] if tuples else [])]

    def file(self, home: Path) -> Path:
        """The function's file in `home`, written unless it is there as it was left."""
        return self._file.put(self.path(home))

    def path(self, home: Path) -> Path:
        """Where the function's file is or will be."""
        return home / f"{FUNCTION_PREFIX}{self.digest[:16]}.pkl"


Program: TypeAlias = ShellProgram | FunctionProgram


def program_of(work: Callable[..., Any] | str, owner: str = "", **options: Any) -> Program:
    """The program that a function or a shell command stands for.

    Parameters
    ----------
    owner, options
        The launcher, and its options that say how the measurement of a command is read, as for
        `output_of`; a function returns its measurement.

    Raises
    ------
    OptionError
        `work` is neither, or an empty command; a wrong option.
    LaunchError
        A function that cannot be pickled.
    """
    given = any(value is not None for value in options.values())
    output = output_of(owner, **options) if given else PRINTED
    if isinstance(work, str):
        return ShellProgram(work, output)
    if callable(work):
        if given:
            raise OptionError(
                "metrics=, result= and invalid_exit= are for shell commands: a function returns "
                "its metrics, and raises dsice.Invalid where its result is wrong"
            )
        return FunctionProgram(work)
    raise OptionError(
        f"program must be a Python function or a shell command, got {type(work).__name__} {work!r}"
    )


def script(module: str, *options: str) -> list[str]:
    """Command of a Python process that runs a module of `standalone`, found by its bare name.

    A module has a compiled file in the cache; a script would be compiled in every process. No
    module of the user's can take its place or that of what it imports, and it hides none of them:
    its name is forgotten before it runs.
    """
    place = str(Path(__file__).parent / "standalone")
    return [
        interpreter(),
        *options,
        "-c",
        f"{_STANDARD}sys.path.insert(0, {place!r}); import {module} as module; "
        f"del sys.modules[{module!r}]; module.run()",
    ]


def interpreter() -> str:
    """The Python that runs this process; whether it is there is seen when it is started.

    Raises
    ------
    LaunchError
        It is unknown.
    """
    if not sys.executable:
        raise LaunchError(
            "the Python interpreter is unknown (sys.executable is empty): no trial can be started"
        )
    return sys.executable


def function_name(function: Callable[..., Any]) -> str:
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
            f"the function {function_name(function)} cannot be sent to a trial's process: "
            f"{type(error).__name__}: {error}. Open files, locks, sockets and GPU handles inside "
            "the function instead of around it, or give a shell command as the program"
        ) from error
    return sent
