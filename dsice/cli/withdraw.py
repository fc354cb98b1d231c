"""`dsice withdraw` and `dsice retry`: trials that are to count no more, or to be measured anew.

Where a coordinator has the journal, it is asked to do that: a file beside the journal says what.
"""

from __future__ import annotations

import argparse
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from dsice.checks import expanded
from dsice.cli import output
from dsice.errors import LockedError, OptionError
from dsice.journal import Journal, requests
from dsice.journal.format import Kind
from dsice.journal.lock import owner_record
from dsice.journal.reader import resolved
from dsice.trial import State
from dsice.tuner import Tuner, revising

_PATIENCE = 1.5  # seconds of a whole command, in which a coordinator may take a request in
_FAILED = (State.FAILED, State.TIMED_OUT, State.INVALID, State.LOST)
_OFTEN, _SELDOM = 0.02, 0.2  # seconds between two looks at a request, and at the lock


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

    def look(tuner: Tuner) -> list[int]:
        found = new(tuner)
        for id in found:
            for text in revising.continued(tuner.history, id):
                output.warn(text)
        return found

    return _Journal(path).change(act, look, Kind.WITHDRAW, reason)


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
            study = path.endswith(".toml")
            how = f"run {path}" if study else f"ask {path} --again {again[0]}"
            output.say(f"go on with: dsice {how}")

    def look(tuner: Tuner) -> list[int]:
        found = new(tuner)
        if not found:
            output.say(_pending_again(found))
        return found

    return _Journal(path).change(act, look, Kind.RETRY)


def _pending_again(ids: Sequence[int]) -> str:
    if not ids:
        return "nothing to try again"
    named = f"trial {ids[0]} is" if len(ids) == 1 else f"trials {', '.join(map(str, ids))} are"
    return f"{named} pending again"


class _Journal:
    """The journal of a study, which a coordinator may have."""

    def __init__(self, path: str) -> None:
        self._began = time.monotonic()
        self._lock = True
        journal = expanded(path)
        if path.endswith(".toml"):
            from dsice.study.file import read_study  # imports the launchers

            study = read_study(path)
            journal, self._lock = study.journal, study.lock
        self.path = resolved(journal)

    def change(
        self,
        act: Callable[[Tuner], None],
        look: Callable[[Tuner], list[int]],
        kind: str,
        reason: str = "",
    ) -> int:
        """Change trials, or ask the coordinator to do so.

        Parameters
        ----------
        act
            Does it.
        look
            Finds and checks the trials of a journal that can only be looked at.
        kind, reason
            As in a request.
        """
        if self._may_open():
            with suppress(LockedError), self._open() as tuner:
                act(tuner)
                return 0
        ids = look(Tuner.read(self.path))
        if ids:
            self._follow(requests.leave(self.path, kind, ids, reason))
        return 0

    def _may_open(self) -> bool:
        """Whether to try; without locks it would stop a coordinator that may be at work."""
        if self._lock:
            return True
        try:
            record = owner_record(self.path)
            if record["host"] != socket.gethostname():
                return False
            os.kill(int(record["pid"]), 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        except (OSError, LookupError, TypeError, ValueError, OverflowError):
            return False
        return False

    def _open(self) -> Tuner:
        journal = Journal(self.path, lock=self._lock, create=False)
        return Tuner.to_record(journal)

    def _follow(self, request: requests.Request) -> None:
        """Wait a moment for the coordinator to do what it was asked for, and say what became of it.

        Raises
        ------
        OptionError
            It refused.
        """
        looked = time.monotonic()
        while requests.is_waiting(request) and time.monotonic() - self._began < _PATIENCE:
            time.sleep(_OFTEN)
            if time.monotonic() - looked > _SELDOM and self._may_open():
                looked = time.monotonic()
                with suppress(LockedError), self._open() as tuner:  # it left
                    tuner.take_requests()
        if error := requests.answer(request):
            raise OptionError(error)
        named = ", ".join(map(str, request.ids))
        which = f"trial {named}" if len(request.ids) == 1 else f"trials {named}"
        what = "withdrawn" if request.kind == Kind.WITHDRAW else "pending again"
        if requests.is_waiting(request):
            output.say(
                f"{which}: the coordinator was asked, and does it before it asks for its next "
                "trial; until then `dsice status` shows the request"
            )
        else:
            output.say(f"{which}: {what}, by the coordinator that is at work")
