"""`dsice extend`: go on with old measurements after the space of a study file has grown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from dsice.cli import output
from dsice.errors import OptionError
from dsice.journal.extend import extend as extend_journal
from dsice.space import Axis, Space
from dsice.space.values import as_text
from dsice.study.file import read_study

_SHOWN = 10  # ids of trials


def add_extend(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice extend``."""
    command.add_argument("path", metavar="STUDY.toml")
    text = "what the old trials were measured with, for each new parameter"
    command.add_argument("--value", action="append", default=[], metavar="NAME=VALUE", help=text)
    command.set_defaults(act=lambda args: extend(args.path, values=args.value))


def extend(path: str, *, values: Sequence[str] = (), wait: float = 0.0) -> int:
    """Carry a study's journal over to the space that its file has now.

    Parameters
    ----------
    path
        The study file.
    values
        ``NAME=VALUE`` for each new axis: what the old trials were measured with.
    wait
        Seconds to wait for another writer.
    """
    study = read_study(path)
    given = dict(_parse(text, study.space) for text in values)
    done = extend_journal(study.journal, study.space, given=given, wait=wait)
    if done.copy is None:
        output.say("nothing to do: the journal has this space already")
        return 0
    with study.tuner(orphans="keep"):  # goal, strategy and budget of the file are noted, too
        pass
    output.say(
        f"{done.trials} trials carried over to {study.space.size} grid points; "
        f"the journal as it was: {done.copy}"
    )
    if done.forbidden:
        named = ", ".join(map(str, done.forbidden[:_SHOWN]))
        named += ", ..." if done.forbidden[_SHOWN:] else ""
        output.say(
            f"{len(done.forbidden)} of them break a rule that is new ({named}): they stay in the "
            "log and inform the search, are not asked again, and none is the best; "
            f"with them: dsice best {path} --forbidden"
        )
    output.say(f"go on with: dsice {'run' if study.program else 'ask'} {path}")
    return 0


def _parse(text: str, space: Space) -> tuple[str, Any]:
    """Name and level of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise OptionError(f"--value {text}: expected NAME=VALUE")
    if name not in space.names:
        raise OptionError(
            f"--value {text}: {name!r} is no axis of the study file; "
            f"it has {', '.join(space.names)}"
        )
    axis = space.axes[name]
    meant = {level for way in (_by_text, _by_json) for level in way(axis, value)}
    if len(meant) == 1:
        return name, axis.values[meant.pop()]
    if meant:
        shown = ", ".join(map(repr, (axis.values[level] for level in sorted(meant))))
        raise OptionError(
            f"--value {text}: it may mean each of {shown}; use extend() in Python, which takes the "
            "value itself"
        )
    raise OptionError(
        f"--value {text}: not on the axis; {name!r} has the values "
        f"{', '.join(map(as_text, axis.values))}"
    )


def _by_text(axis: Axis, text: str) -> list[int]:
    """Levels whose value is written like that."""
    return [
        level
        for level, value in enumerate(axis.values)
        if text in (str(value), as_text(value))
        or (isinstance(value, bool) and text.lower() == str(value).lower())
    ]


def _by_json(axis: Axis, text: str) -> list[int]:
    """The level of the value that a text is in JSON, if there is one."""
    try:
        value = json.loads(text)
        return [] if isinstance(value, (str, bool)) or value is None else [axis.level(value)]
    except (ValueError, RecursionError):  # no JSON, or nothing of the axis
        return []
