"""`dsice withdraw` and `dsice retry`: trials that are to count no more, or to be measured anew.

Where a coordinator has the journal, it is asked to do that: a file beside the journal says what.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import numpy as np

from dsice.cli import output
from dsice.cli.in_use import StudyInUse, Wish
from dsice.errors import OptionError
from dsice.journal import requests
from dsice.journal.format import Kind
from dsice.trial import State
from dsice.tuner import Tuner, revising

_FAILED = (State.FAILED, State.TIMED_OUT, State.INVALID, State.LOST)


def add_withdraw(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice withdraw``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    command.add_argument("ids", type=int, nargs="+", metavar="ID", help="the trials")
    text = "why, in words; it is kept with them"
    command.add_argument("--reason", required=True, metavar="TEXT", help=text)
    command.set_defaults(act=lambda args: withdraw(args.path, args.ids, args.reason))


def add_retry(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice retry``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    command.add_argument("ids", type=int, nargs="*", metavar="ID", help="the trials")
    text = "all that failed, timed out, were invalid or lost"
    command.add_argument("--failed", action="store_true", help=text)
    command.set_defaults(act=lambda args: retry(args.path, args.ids, failed=args.failed))


def withdraw(path: str, ids: Sequence[int], reason: str) -> int:
    """Take back what was told of trials, and print them.

    Parameters
    ----------
    path
        A journal or a study file.
    ids
        The trials.
    reason
        Why.

    Raises
    ------
    DsiceError
        One of them is unknown or pending; nothing was changed.
    """

    def new(tuner: Tuner) -> list[int]:
        """Those that are not withdrawn yet; all are looked at before anything is changed."""
        tuner.take_requests()
        said = {id: revising.check_withdrawal(tuner.history, id) for id in ids}
        for text in filter(None, said.values()):
            output.warn(text)
        return [id for id in said if not said[id]]

    def act(tuner: Tuner) -> None:
        for id in new(tuner):
            tuner.withdraw(id, reason)
            output.say(f"trial {id}: withdrawn")

    def look(tuner: Tuner) -> Wish | None:
        found = new(tuner)
        for id in found:
            for text in revising.continued(tuner.history, id):
                output.warn(text)
        return _wish(Kind.WITHDRAW, found, reason)

    return StudyInUse(path).change(act, look)


def retry(path: str, ids: Sequence[int] = (), *, failed: bool = False) -> int:
    """Make trials pending again, and print them.

    Parameters
    ----------
    path
        A journal or a study file.
    ids
        The trials.
    failed
        All that ended without a value, but for those that were stopped or withdrawn.

    Raises
    ------
    OptionError
        Neither ids nor `failed`, or both.
    DsiceError
        One of them is unknown, has its value, or waits or runs; nothing was changed.
    """
    if bool(ids) == failed:
        raise OptionError("dsice retry: give either the ids of trials or --failed")
    study = StudyInUse(path)

    def new(tuner: Tuner) -> list[int]:
        """Those that are not pending again yet; all are looked at before anything is changed."""
        tuner.take_requests()
        history = tuner.history
        every = np.flatnonzero(history.in_state(*_FAILED) & history.allowed()).tolist()
        chosen = every if failed else ids
        said = {id: revising.check_retry(history, id, tuner.tries(id)) for id in chosen}
        for text in filter(None, said.values()):
            output.warn(text)
        return [id for id in said if not said[id]]

    def act(tuner: Tuner) -> None:
        again = [trial.id for trial in tuner.retry(new(tuner))]
        output.say(_pending_again(again))
        if again:
            how = f"run {path}" if study.has_program else f"ask {path} --again {again[0]}"
            output.say(f"go on with: dsice {how}")

    def look(tuner: Tuner) -> Wish | None:
        found = new(tuner)
        if not found:
            output.say(_pending_again(found))
        return _wish(Kind.RETRY, found)

    return study.change(act, look)


def _wish(kind: str, ids: Sequence[int], reason: str = "") -> Wish | None:
    """A request about these trials, if there are any."""
    named = ", ".join(map(str, ids))
    which = f"trial {named}" if len(ids) == 1 else f"trials {named}"
    done = "withdrawn" if kind == Kind.WITHDRAW else "pending again"
    leave = partial(requests.leave, kind=kind, ids=ids, reason=reason)
    return Wish(which, done, leave) if ids else None


def _pending_again(ids: Sequence[int]) -> str:
    if not ids:
        return "nothing to try again"
    named = f"trial {ids[0]} is" if len(ids) == 1 else f"trials {', '.join(map(str, ids))} are"
    return f"{named} pending again"
