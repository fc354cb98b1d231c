"""Call a Python function as a trial, with the arguments DIRECTORY FUNCTION_FILE, in a
``python -P``.

The parameters come from ``params.json``, what the function returned goes to ``result.json`` (by
rename).
It imports neither dsice nor numpy; the function brings what it needs.
"""

# pathlib is not loaded unless the function does it
# ruff: noqa: PTH105, PTH108, PTH119, PTH123
from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TRACEBACK_LINES = 25
CONFIRM_SECONDS = 1.0  # between two looks at a claim that is another's


class Unusable(Exception):
    """The function returned something that is no measurement."""


def number(value: Any, what: str) -> float:
    """`value` as a float; None is NaN."""
    if value is None:
        return float("nan")
    if isinstance(value, (str, bytes)) or not hasattr(type(value), "__float__"):
        raise Unusable(f"{what} must be a number, got {type(value).__name__} {str(value)[:80]!r}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable(f"{what} must be a number, got {type(value).__name__}: {error}") from None


def record(returned: Any) -> dict[str, Any]:
    """Returned value as what goes into ``result.json``: a number, a list of numbers or a mapping
    of named metrics."""
    if isinstance(returned, Mapping):
        if not returned:
            raise Unusable(
                "the function returned an empty mapping; return at least one named metric"
            )
        return {
            "metrics": {
                str(name): number(value, f"metric {str(name)!r}")
                for name, value in returned.items()
            }
        }
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


def attempt(directory: str, program: str) -> dict[str, Any]:
    """Load the function and call it; what happened, as a record."""
    with open(f"{directory}/params.json", encoding="utf-8") as file:
        params = json.load(file)
    try:
        with open(program, "rb") as file:
            # written by the coordinator that started this process
            sent = pickle.load(file)  # noqa: S301
        sys.path[:] = sent["path"]
        function = pickle.loads(sent["function"])  # noqa: S301
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
        return {"error": f"{type(error).__name__}: {error}", "traceback": story(error)}


def prepared(
    function: Any, params: Mapping[str, Any], variables: Mapping[str, str]
) -> dict[str, Any]:
    """The argument `prepared`, where something was prepared and the function takes it: a
    directory, or several by name."""
    found = {name: value for name, value in variables.items() if name.startswith("DSICE_PREPARED")}
    if not found or "prepared" in params:
        return {}
    import inspect  # a tenth of the start-up time, and only needed here

    try:
        takes = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin that does not say
        return {}
    if "prepared" not in takes:
        return {}
    one = found.get("DSICE_PREPARED")
    several = {name.removeprefix("DSICE_PREPARED_").lower(): value for name, value in found.items()}
    return {"prepared": several if one is None else one}


def story(error: BaseException) -> str:
    """The last lines of the traceback, without the frame of this file."""
    import traceback  # only now: a trial that goes well is there sooner

    frames = error.__traceback__.tb_next if error.__traceback__ else None
    lines = "".join(traceback.format_exception(type(error), error, frames)).splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])


def main(directory: str, program: str) -> int:
    """Run the trial; the exit code of this process."""
    token = os.environ.get("DSICE_NONCE") or owner(directory)
    done = {**attempt(directory, program), "token": token}
    if "traceback" in done:
        print(done["traceback"], file=sys.stderr)
    publish(directory, token, done)
    return 1 if "error" in done else 0


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
        with open(f"{directory}/job.json", encoding="utf-8") as file:
            return str(json.load(file)["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def run() -> None:
    """What the process does."""
    sys.exit(main(*sys.argv[1:3]))


if __name__ == "__main__":  # where a copy of this file is run, on a machine without dsice
    run()
