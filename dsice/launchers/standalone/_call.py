"""Call a Python function as a trial, with the arguments DIRECTORY FUNCTION_FILE SHA256 [TUPLES],
in a ``python -P``. TUPLES are the names, in JSON, of parameters whose lists in JSON are tuples.

The parameters come from ``params.json``, what the function returned goes to ``result.json`` (by
rename). The function's file is read once and loaded only if its hash is SHA256, which comes from
the coordinator that wrote it; else nothing is run, and ``result.json`` says why. What the machine
lacks for the moment - room on the disk, file handles - is waited for: what was measured is kept.
It imports neither dsice nor numpy; the function brings what it needs.
"""

# pathlib is not loaded unless the function does it
# ruff: noqa: PTH105, PTH108, PTH116, PTH119, PTH123
from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Callable, Mapping

try:  # hashlib loads OpenSSL, which takes as long as half of the other imports
    if sys.version_info >= (3, 12):
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    else:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # private modules: another Python may not have them
    from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TRACEBACK_LINES = 25
LONGEST = 20_000  # characters of an error: it goes into the journal
PARAMS_BYTES = 1 << 26
PATIENCE = 600.0  # seconds that files are waited for which cannot be read or written now
ABSENT = (2, 20, 21, 40)  # ENOENT, ENOTDIR, EISDIR, ELOOP: waiting does not help
STANDARD = tuple(sys.path)  # the standard library comes first in it, where this file is a program
INVALID = "invalid"
"""Key of a program's metrics that says, with true or a text, that its result is wrong."""
WRONG = "the program says that its result is wrong"
DEEPEST = 50  # lists and objects in a tag
CONFIRM_SECONDS = 1.0  # between two looks at a claim that is another's


class Unusable(Exception):
    """The function returned something that is no measurement."""


def number(value: Any, what: str) -> float:
    """`value` as a float; None is NaN."""
    if value is None:
        return float("nan")
    is_text = isinstance(value, (str, bytes))
    if is_text or is_bool(value) or not hasattr(type(value), "__float__"):
        raise Unusable(f"{what} must be a number, got {type(value).__name__} {shown(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable(f"{what} must be a number, got {type(value).__name__}: {error}") from None


def is_bool(value: Any) -> bool:
    """Whether it is true or false, of Python or another library."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")


def numbers(value: Any, what: str) -> float | list[float]:
    """A number, or a list of repeats."""
    try:
        return number(value, what)
    except Unusable:
        parts = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(parts, (list, tuple)) or not parts:
            raise
    return [number(part, f"{what}, entry {i},") for i, part in enumerate(parts)]


def shown(value: Any) -> str:
    """A value for a message."""
    return repr(shortened(str(value), 200))


def record(returned: Any) -> dict[str, Any]:
    """Returned value as what goes into ``result.json``: a number, a list of numbers, or named
    metrics with what else the mapping holds as tags."""
    if isinstance(returned, Mapping):
        return named(returned)
    if hasattr(returned, "tolist"):  # numpy, pandas, torch
        returned = returned.tolist()
    if returned is None:
        raise Unusable(
            "the function returned None; return a number, a list of numbers or a mapping of "
            "named metrics"
        )
    if isinstance(returned, (list, tuple)):
        if not returned:
            raise Unusable("the function returned an empty list; return at least one number")
        return {"value": [number(value, f"returned[{i}]") for i, value in enumerate(returned)]}
    return {"value": number(returned, "the returned value")}


def named(returned: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping that a function returned: numbers and lists of them are metrics, the rest tags."""
    if not returned:
        raise Unusable("the function returned an empty mapping; return at least one named metric")
    problem = None
    metrics: dict[str, Any] = {}
    try:  # true and false are 1 and 0 where nothing else is beside the numbers, as in 0.1.0
        for name, value in returned.items():
            what = f"metric {str(name)!r}"
            metrics[str(name)] = bool(value) if is_bool(value) else number(value, what)
        tags: dict[str, Any] = {}
    except Unusable as error:
        problem = error
        metrics, tags = parted(returned)
    reason = invalid_reason(metrics.get(INVALID, tags.get(INVALID)))
    if reason:
        metrics.pop(INVALID, None)
        tags.pop(INVALID, None)
    elif problem and not metrics:
        raise problem
    found = {"metrics": metrics, "tags": tags, "invalid": reason}
    return {name: value for name, value in found.items() if value or name == "metrics"}


def parted(returned: Mapping[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The numbers and lists of numbers in a mapping, and what else is in it."""
    metrics: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for name, value in returned.items():
        try:
            metrics[str(name)] = numbers(value, "")
        except Unusable:
            tags[str(name)] = as_tag(value.tolist() if hasattr(value, "tolist") else value)
    return metrics, tags


def invalid_reason(value: Any) -> str:
    """What a program says with the key `INVALID`; empty: nothing."""
    if value is True:
        return WRONG
    return f"{WRONG}: {value}" if isinstance(value, str) and value.strip() else ""


def as_tag(value: Any) -> Any:
    """What is no number, as JSON can keep it; what JSON cannot keep, or is too long, as text."""
    text = value if isinstance(value, str) else ""
    try:
        text = text or json.dumps(value)
        json.dumps(value, allow_nan=False)  # a journal has none either
        deep = text is not value and text.count("[") + text.count("{") > DEEPEST
        return shortened(text) if deep or len(text) > LONGEST else value
    except (TypeError, ValueError, RecursionError):
        return shortened(text or str(value))


class Refused(Exception):
    """What the coordinator wrote for this process is missing, or is not what it wrote."""


def read(path: str, most: int = sys.maxsize) -> tuple[bytes, os.stat_result]:
    """Content and state of a regular file; it never waits for a FIFO, nor follows a link."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if found.st_mode & 0o170000 != 0o100000:
            raise OSError(f"{path} is no regular file")
        return file.read(min(most, found.st_size)), found


def patiently(act: Callable[[], Any]) -> Any:
    """What `act` returns, which is called again where files are out of reach for the moment."""
    began, pause = time.monotonic(), 0.05
    while True:
        try:
            return act()
        except OSError as error:
            late = time.monotonic() - began > PATIENCE
            if late or error.errno is None or error.errno in ABSENT:
                raise
            if error.errno == 24:  # EMFILE: the function left this process no handle but this
                os.closerange(0, 1)
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def sent(directory: str, program: str, digest: str) -> tuple[dict[str, Any], bytes]:
    """Parameters and pickled function as the coordinator wrote them.

    Raises
    ------
    Refused
        They cannot be read, or somebody else may have changed the function.
    """
    try:
        params = json.loads(patiently(lambda: read(f"{directory}/params.json", PARAMS_BYTES)[0]))
        content, found = patiently(lambda: read(program))
        home = os.stat(directory)
    except (OSError, ValueError) as error:
        raise Refused(f"what the trial was given cannot be read: {error}") from None
    if sha256(content).hexdigest() != digest:
        raise Refused(f"{program} is not what this trial's coordinator wrote there")
    if found.st_uid not in (0, os.geteuid(), home.st_uid):
        raise Refused(f"{program} belongs to another user, number {found.st_uid}")
    if found.st_mode & ~home.st_mode & 0o022:
        raise Refused(f"{program} can be written to by other users; its mode is not what it was")
    return params, content


def with_tuples(value: Any) -> Any:
    """A value of JSON with its lists as tuples."""
    if isinstance(value, list):
        return tuple([with_tuples(part) for part in value])
    if isinstance(value, dict):
        return {name: with_tuples(part) for name, part in value.items()}
    return value


def attempt(directory: str, program: str, digest: str, tuples: str = "[]") -> dict[str, Any]:
    """Load the function and call it; what happened, as a record."""
    try:
        params, content = sent(directory, program, digest)
        params.update({n: with_tuples(params[n]) for n in json.loads(tuples) if n in params})
    except Refused as problem:
        text = f"the function was not run: {problem}; see who can write to that directory"
        print(f"dsice: {text}", file=sys.stderr)
        return {"refused": text}
    try:
        # the very bytes whose hash the coordinator gave
        loaded = pickle.loads(content)  # noqa: S301
        sys.path[:] = loaded["path"]
        function = pickle.loads(loaded["function"])  # noqa: S301
    except Exception as error:
        advice = (
            "Its module must be importable in a fresh interpreter: install it, or define the "
            "function in the script itself."
        )
        return {
            "error": f"the function cannot be loaded: {type(error).__name__}: {error}. {advice}",
            "traceback": story(error),
        }
    started = time.perf_counter()
    try:
        returned = function(**params, **prepared(function, params, os.environ))
        seconds = time.perf_counter() - started
        if os.path.basename(directory).startswith("prepare-"):  # what it made is in its directory
            return {"seconds": seconds}
        return {**record(returned), "seconds": seconds}
    except Unusable as error:
        return {"error": str(error)}
    except Exception as error:
        return failure(error)


def failure(error: Exception) -> dict[str, Any]:
    """The record of a function that raised; `dsice.Invalid` says that its result is wrong."""
    kinds = [(kind.__module__, kind.__name__) for kind in type(error).__mro__]
    if ("dsice.errors", "Invalid") in kinds:
        return {"invalid": invalid_reason(shortened(str(error)).strip() or True)}
    text = shortened(f"{type(error).__name__}: {error}")
    found = {"error": text, "traceback": story(error)}
    return {**found, "errno": error.errno} if isinstance(error, OSError) else found


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text, or its beginning and its end where it is too long: some errors show whole arrays."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... ({len(text)} characters) ... {text[-half:]}"


def prepared(
    function: Any, params: Mapping[str, Any], variables: Mapping[str, str]
) -> dict[str, Any]:
    """The argument `prepared`, where something was prepared and the function takes it: a
    directory, or several by name."""
    found = {name: value for name, value in variables.items() if name.startswith("DSICE_PREPARED")}
    if not found or "prepared" in params:
        return {}
    # a tenth of the start-up time, and only needed here
    inspect = standard("inspect")
    try:
        takes = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin that does not say
        return {}
    if "prepared" not in takes:
        return {}
    one = found.get("DSICE_PREPARED")
    several = {name.removeprefix("DSICE_PREPARED_").lower(): value for name, value in found.items()}
    return {"prepared": several if one is None else one}


def standard(name: str) -> Any:
    """A module of the standard library, whatever the user's modules are called."""
    if name in sys.modules:
        return sys.modules[name]
    before = sys.path[:]
    sys.path[:0] = STANDARD
    try:
        return __import__(name)
    finally:
        sys.path[:] = before


def story(error: BaseException) -> str:
    """The last lines of the traceback, without the frame of this file."""
    traceback = standard("traceback")  # only now: a trial that goes well is there sooner
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    lines = "".join(traceback.format_exception(type(error), error, frames)).splitlines()
    return shortened("\n".join(lines[-TRACEBACK_LINES:]))


def main(directory: str, program: str, digest: str = "", tuples: str = "[]") -> int:
    """Run the trial; the exit code of this process."""
    token = os.environ.get("DSICE_NONCE") or owner(directory)
    done = {**attempt(directory, program, digest, tuples), "token": token}
    if "traceback" in done:
        log(done["traceback"])
    patiently(lambda: publish(directory, token, done))
    return 1 if "error" in done or "refused" in done else 0


def log(text: str) -> None:
    """Print to stderr, unless its disk is full."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        return


def publish(directory: str, token: str, done: Mapping[str, Any]) -> None:
    """Write the result, whole or not at all, unless the directory is another submission's by now.

    A link is only made where no file is: even a process that was suspended at the worst moment does
    not write over the result of another submission.
    """
    path = f"{directory}/result.json"
    new = f"{path}.{token}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(new, flags, 0o666), "w", encoding="utf-8") as file:
            json.dump(done, file)
        if superseded(directory, token):
            print("the trial was started again meanwhile: no result is left", file=sys.stderr)
            return
        try:
            os.link(new, path)
        except FileExistsError:  # of this submission, of one before it, or of one after it
            if not superseded(directory, token):
                os.replace(new, path)
        except OSError:  # a file system without links
            os.replace(new, path)
    finally:
        if os.path.lexists(new):
            os.unlink(new)


def superseded(directory: str, token: str) -> bool:
    """Whether the directory belongs to another submission for certain.

    A coordinator may take a claim back that it made a moment before: it is looked at twice.
    """
    for again in (False, True):
        if again:
            time.sleep(CONFIRM_SECONDS)
        if owner(directory) in ("", token):
            return False
    return True


def owner(directory: str) -> str:
    """Token of the submission that has the directory; empty where that cannot be read."""
    try:
        return str(json.loads(read(f"{directory}/job.json", PARAMS_BYTES)[0])["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def run() -> None:
    """What the process does."""
    sys.exit(main(*sys.argv[1:5]))


if __name__ == "__main__":  # where a copy of this file is run, on a machine without dsice
    run()
