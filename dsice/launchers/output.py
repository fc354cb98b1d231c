"""How the measurement of a shell command is read: ``metrics``, ``result``, ``invalid_exit``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from dsice.checks import text, whole, wrong
from dsice.errors import OptionError

_OWN = ("job.json", "params.json", "process.json", "exit.json", "batch.json")
_OWN_MARKS = ("alive", "steps", "stop", "stopping")
_LARGEST_CODE = 255
_MOST_REPEATS = 100_000
STDOUT = "stdout"


@dataclass(frozen=True)
class Search:
    """Where a metric is in what a command prints.

    Attributes
    ----------
    pattern
        Regular expression whose group holds the number.
    last
        How many of its matches count, from the last one back: more than one are repeats.
    """

    pattern: re.Pattern[str]
    last: int = 1


@dataclass(frozen=True)
class Output:
    """What a shell command leaves behind.

    Attributes
    ----------
    patterns
        By the name of a metric, where it is.
    result
        The file with the measurement, in the trial's directory; None: it is printed.
    invalid_exit
        Exit code by which it says that its result is wrong; None: none.
    """

    patterns: Mapping[str, Search] = field(default_factory=dict)
    result: str | None = None
    invalid_exit: int | None = None


PRINTED = Output()
"""The measurement is printed as JSON."""


def output_of(
    owner: str,
    metrics: Mapping[str, Any] | None = None,
    result: str | None = None,
    invalid_exit: int | None = None,
) -> Output:
    """The options of a launcher, checked.

    Parameters
    ----------
    owner
        The launcher, for messages.
    metrics
        Regular expressions by metric, or tables of ``pattern`` and ``last``.

    Raises
    ------
    OptionError
        One of them is of the wrong kind: a pattern without its group, a file elsewhere than in the
        trial's directory.
    """
    if metrics is not None and not isinstance(metrics, Mapping):
        expected = "a mapping of metrics to regular expressions, such as {'loss': 'loss: (.*)'}"
        raise wrong(owner, "metrics", metrics, expected)
    patterns = {name: _search(owner, name, given) for name, given in (metrics or {}).items()}
    if result is not None:
        _check_place(owner, text(owner, "result", result))
    if invalid_exit is not None:
        hint = "an exit code of the program"
        invalid_exit = whole(owner, "invalid_exit", invalid_exit, 1, hint, most=_LARGEST_CODE)
    return Output(patterns, result, invalid_exit)


def _search(owner: str, name: object, given: object) -> Search:
    if not isinstance(given, Mapping):
        return Search(_pattern(owner, name, given))
    if unknown := set(given) - {"pattern", "last"}:
        raise OptionError(
            f"{owner}(metrics={{{name!r}: ...}}): unknown keys {sorted(unknown, key=str)}; known "
            "are ['last', 'pattern']"
        )
    what = f"metrics[{name!r}]['last']"
    last = whole(owner, what, given.get("last", 1), 1, "how many matches count", most=_MOST_REPEATS)
    return Search(_pattern(owner, name, given.get("pattern")), last)


def _pattern(owner: str, name: object, given: object) -> re.Pattern[str]:
    where = f"{owner}(metrics={{{name!r}: {given!r}}})"
    if not isinstance(name, str) or not name or not isinstance(given, str):
        raise OptionError(f"{where}: expected the name of a metric and a regular expression")
    try:
        found = re.compile(given, re.MULTILINE)
    except re.error as error:
        raise OptionError(f"{where}: this is no regular expression ({error})") from error
    if found.groups != 1:
        raise OptionError(
            f"{where}: expected one group in parentheses, around the number, as in "
            f"'{name}[:=] *([-+0-9.eE]+)'; other groups are written (?:...)"
        )
    return found


def _check_place(owner: str, result: str) -> None:
    path = PurePosixPath(result)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in result:
        expected = (
            "the path of a file in the trial's directory; let the command write it there, as in "
            "'cd \"$DSICE_DIR\" && ...'"
        )
        raise wrong(owner, "result", result, expected)
    if str(path) in (*_OWN, *_OWN_MARKS):
        raise wrong(owner, "result", result, f"another name: {path} is a file of dsice's own")
