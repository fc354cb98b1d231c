"""Programs of trials: a shell command, or a Python function that a fresh interpreter calls."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from dsice.checks import passable
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.journal.files import read_file, replace_file
from dsice.launchers.home import FUNCTION_PREFIX
from dsice.space.values import as_text, has_tuples

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
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class Placeholder:
    """One ``{name}`` or ``{name:default}``."""

    text: str

    def find(self, params: Mapping[str, Any]) -> tuple[str, str | None]:
        """Name of the parameter, and the default where one is given.

        A name may hold a colon itself: what is a parameter as it stands has no default.
        """
        if self.text in params or ":" not in self.text:
            return self.text, None
        name, _, default = self.text.partition(":")
        return name, default


@dataclass(frozen=True)
class Command:
    """A shell command that parameters are filled into.

    ``{lr}`` becomes the value of the parameter ``lr``, quoted for the shell; ``{momentum:0.9}``
    becomes ``0.9``, as it stands, in trials where ``momentum`` is not active; ``{{`` and ``}}`` are
    braces. A bool or None is written as in Python (``True``, ``None``), a list or dict as JSON, a
    float without the noise of a computation (0.3 for 0.30000000000000004).

    Attributes
    ----------
    text
        The command as the user wrote it.
    parts
        Literal text and placeholders, in order.
    """

    text: str
    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: str) -> Command:
        """Split `text` at its placeholders.

        Raises
        ------
        LaunchError
            If a brace is neither part of a placeholder nor doubled.
        """
        parts: list[str | Placeholder] = []
        end = 0
        for match in _BRACES.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match[0] in ("{{", "}}"):
                parts.append(match[0][0])
            elif match[1]:
                parts.append(Placeholder(match[1]))
            else:
                raise LaunchError(
                    f"command has a lone {match[0]!r} at character {match.start()}: {text!r}; "
                    "write {name} for a parameter, and {{ or }} for a brace"
                )
        parts.append(text[end:])
        return cls(text, tuple(part for part in parts if part))

    def unused(self, params: Mapping[str, Any]) -> list[str]:
        """Names in `params` that the command has no placeholder for."""
        used = {part.find(params)[0] for part in self.parts if isinstance(part, Placeholder)}
        return [name for name in params if name not in used]

    def render(self, params: Mapping[str, Any]) -> str:
        """Fill `params` in.

        Raises
        ------
        LaunchError
            If a placeholder without a default is not in `params`.
        """
        return "".join(
            part if isinstance(part, str) else self._fill(part, params) for part in self.parts
        )

    def _fill(self, part: Placeholder, params: Mapping[str, Any]) -> str:
        name, default = part.find(params)
        if name in params:
            return shlex.quote(as_text(params[name]))
        if default is not None:
            return default
        raise LaunchError(
            f"command has the placeholder {{{name}}}, and the trial's parameters are "
            f"{', '.join(params) or 'none'}; correct the name, write {{{name}:default}} if the "
            "parameter is not active in every trial, or double the braces if it is none of "
            f"dsice's. Command: {self.text!r}"
        )


class ShellProgram:
    """A shell command with placeholders, as the program of a launcher."""

    function = False

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise OptionError(
                "program must be a Python function or a shell command, got an empty string"
            )
        if not passable(text):
            raise OptionError(f"no command line can hold a NUL or half a surrogate pair: {text!r}")
        self._command = Command.parse(text)
        self._warned = False
        self.name = text

    def arguments(self, directory: Path, params: Mapping[str, Any], home: Path) -> list[str]:
        """Program and arguments that run the trial."""
        unused = self._command.unused(params)
        if unused and not self._warned and "DSICE_DIR" not in self.name:
            self._warned = True
            warnings.warn(
                f"the command has no placeholder for {', '.join(unused)}, so the program learns "
                f"of it only from $DSICE_DIR/params.json: {self.name!r}",
                DsiceWarning,
                stacklevel=5,
            )
        return ["/bin/sh", "-c", self._command.render(params)]


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

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function_name(function)
        content = pickle.dumps({"path": list(sys.path), "function": pickled(function)})
        self._file = GuardedFile(content)

    @property
    def digest(self) -> str:
        """The hash by which a trial's process knows the function's file."""
        return self._file.digest

    def arguments(self, directory: Path, params: Mapping[str, Any], home: Path) -> list[str]:
        """Program and arguments that run the trial; the function's file is written if need be."""
        call = [*script("_call", "-P"), str(directory), str(self.file(home))]
        return [*call, *self.words(params)]

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


def program_of(work: Callable[..., Any] | str) -> Program:
    """The program that a function or a shell command stands for.

    Raises
    ------
    OptionError
        `work` is neither, or an empty command.
    LaunchError
        A function that cannot be pickled, a command whose braces do not match.
    """
    if isinstance(work, str):
        return ShellProgram(work)
    if callable(work):
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
