"""The journal of a study that a coordinator may be writing: changed now, or by the coordinator.

Where the journal is in use, a file beside it says what is to be done (`dsice.journal.requests`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dsice.checks import expanded
from dsice.cli import output
from dsice.errors import LockedError, OptionError
from dsice.journal import Journal, requests
from dsice.journal.lock import owner_record
from dsice.journal.reader import resolved
from dsice.tuner import Tuner

_PATIENCE = 1.5  # seconds of a whole command, in which a coordinator may take a request in
_OFTEN, _SELDOM = 0.02, 0.2  # seconds between two looks at a request, and at the lock


class Wish(NamedTuple):
    """What a coordinator is to be asked for.

    Attributes
    ----------
    what
        What it is about, for messages.
    done
        What becomes of that.
    leave
        Leaves the request beside a journal.
    """

    what: str
    done: str
    leave: Callable[[Path], requests.Request]


class StudyInUse:
    """The journal of a study, which a coordinator may have; `path` is that or a study file.

    Attributes
    ----------
    path
        The journal.
    has_program
        Whether there is a study file, and `dsice run` has a program to start.
    """

    def __init__(self, path: str) -> None:
        self._began = time.monotonic()
        self._lock = True
        self.has_program = False
        journal = expanded(path)
        if path.endswith(".toml"):
            from dsice.study.file import read_study  # imports the launchers

            study = read_study(path)
            journal, self._lock = study.journal, study.lock
            self.has_program = bool(study.program)
        self.path = resolved(journal)

    def change(self, act: Callable[[Tuner], None], look: Callable[[Tuner], Wish | None]) -> int:
        """Change the study, or ask the coordinator to do so.

        Parameters
        ----------
        act
            Does it.
        look
            Checks it on a journal that can only be looked at; None: there is nothing to do.
        """
        if self._may_open():
            with suppress(LockedError), self._open() as tuner:
                act(tuner)
                return 0
        if wish := look(Tuner.read(self.path)):
            self._follow(wish)
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

    def _follow(self, wish: Wish) -> None:
        """Wait a moment for the coordinator to do what it is asked for, and say what became of it.

        Raises
        ------
        OptionError
            It refused.
        """
        request = wish.leave(self.path)
        looked = time.monotonic()
        while requests.is_waiting(request) and time.monotonic() - self._began < _PATIENCE:
            time.sleep(_OFTEN)
            if time.monotonic() - looked > _SELDOM and self._may_open():
                looked = time.monotonic()
                with suppress(LockedError), self._open() as tuner:  # it left
                    tuner.take_requests()
        if error := requests.answer(request):
            raise OptionError(error)
        if requests.is_waiting(request):
            output.say(
                f"{wish.what}: the coordinator was asked, and does it before it asks for its next "
                "trial; until then `dsice status` shows the request"
            )
        else:
            output.say(f"{wish.what}: {wish.done}, by the coordinator that is at work")
