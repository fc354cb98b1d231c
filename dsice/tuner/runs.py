"""What is known of the runs of a study beside its trials: which were lost and started again, what was prepared."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

from dsice.history import History
from dsice.trial import Trial
from dsice.tuner import telling
from dsice.tuner.recorder import Recorder


class Runs:
    """Lost runs and preparations, as the journal has them; for whoever launches trials.

    Parameters
    ----------
    mutex
        That of the tuner.
    lost
        How often runs of each trial were lost.
    preparations
        Directories of what was prepared, by name.
    """

    def __init__(
        self,
        history: History,
        recorder: Recorder,
        mutex: threading.RLock,
        lost: Counter[int],
        preparations: dict[str, str],
    ) -> None:
        self._history, self._recorder, self._mutex = history, recorder, mutex
        self._lost, self._preparations = lost, preparations

    def lose(self, trial: Trial | int, error: str) -> int:
        """Record that a run of a pending trial was lost (the machine's fault) and that it starts again; how often so far.

        Raises
        ------
        UnknownTrialError, TellError
            No trial has that id, or it was told already.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            known = telling.known(trial, self._history)
            telling.untold(known)
            self._recorder.flush()
            self._recorder.commit(
                {"kind": "again", "at": time.time(), "id": known.id, "error": str(error)}, []
            )
            self._lost[known.id] += 1
            return self._lost[known.id]

    def losses(self, trial: Trial | int) -> int:
        """How often a run of that trial was lost and started again."""
        return self._lost[telling.known(trial, self._history).id]

    def prepared(self, name: str, directory: str | os.PathLike[str]) -> None:
        """Record that what trials depend on is ready: its name, and where it is. A name that is there already is replaced.

        Raises
        ------
        TellError
            An empty name, or a directory that is no text.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            place = telling.directory(name, directory)
            self._recorder.flush()
            self._recorder.commit({"kind": "prepared", "name": name, "directory": place}, [])
            self._preparations[name] = place

    @property
    def preparations(self) -> dict[str, str]:
        """Directories of what was prepared, by name."""
        return dict(self._preparations)
