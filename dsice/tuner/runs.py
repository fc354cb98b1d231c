"""Runs of trials: their learning curves, runs that were lost, and what was prepared for them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from dsice.journal.format import again_line, prepared_line
from dsice.stopping import SupportsStop
from dsice.trial import Trial
from dsice.tuner import telling
from dsice.tuner.curves import Decided, ReportedStep, record_steps
from dsice.tuner.recorder import Recorder


class Runs:
    """Lost runs and preparations, as the journal has them; for whoever launches trials.

    Parameters
    ----------
    recorder
        Has all trials and writes the journal.
    lost
        How often runs of each trial were lost, by id.
    preparations
        Directories of what was prepared, by name.
    decided
        What the stopper decided last on each trial, by id.
    """

    def __init__(
        self,
        recorder: Recorder,
        lost: Counter[int],
        preparations: dict[str, str],
        decided: Decided,
    ) -> None:
        self._recorder = recorder
        self._mutex = recorder.mutex
        self._lost = lost
        self._preparations = preparations
        self._decided = decided

    def steps(
        self, reported: Sequence[tuple[Trial | int, int, float]], stopper: SupportsStop | None
    ) -> list[int]:
        """Record many steps of running trials at once, with one write.

        Parameters
        ----------
        reported
            Trial (or its id), step (a whole number >= 0) and value of each, in the order reported.
        stopper
            Decides on each step. Where there are more than 64, it is asked for as many as it can
            answer in half a second, and always for the newest step of each trial.

        Returns
        -------
        list of int
            Ids of the trials that the stopper wants stopped.

        Raises
        ------
        UnknownTrialError, TellError
            No trial has that id, it was told already, or step or value is no number; nothing is
            recorded.
        JournalError
            They could not be written; they stay in hand.
        """
        with self._mutex:
            checked = [self.checked(*one) for one in reported]
            return record_steps(self._recorder, stopper, checked, self._decided)

    def checked(self, trial: Trial | int, step: int, value: float) -> ReportedStep:
        """One of these steps, as it would be recorded; it raises what `steps` would."""
        id = telling.known_id(trial, self._recorder.history)
        telling.require_pending(id, self._recorder.history, in_hand=self._recorder.has(id))
        number = telling.whole(f"trial {id}: step", step)
        return id, number, telling.number(f"trial {id}: value of step {number}", value)

    def lose(self, trial: Trial | int, error: str) -> int:
        """Record that a run of a pending trial was lost (the machine's fault) and starts again.

        Returns
        -------
        int
            How often runs of this trial were lost so far.

        Raises
        ------
        UnknownTrialError, TellError
            No trial has that id, or it was told already.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            known = telling.known_trial(trial, self._recorder.history)
            telling.require_untold(known)
            self._recorder.flush()
            lost = {known.id: self._lost[known.id] + 1}
            line = again_line(known.id, str(error))
            self._recorder.commit([line], [], lambda: dict.update(self._lost, lost))
            return self._lost[known.id]

    def losses(self, trial: Trial | int) -> int:
        """How often a run of that trial was lost and started again."""
        return self._lost[telling.known_trial(trial, self._recorder.history).id]

    def prepared(self, name: str, directory: str | os.PathLike[str]) -> None:
        """Record that what trials depend on is ready: its name, and where it is.

        A name that exists already is replaced.

        Raises
        ------
        TellError
            An empty name, or a directory that is no text.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            place = telling.preparation_directory(name, directory)
            self._recorder.flush()
            new = {name: place}
            line = prepared_line(name, place)
            self._recorder.commit([line], [], lambda: self._preparations.update(new))

    @property
    def preparations(self) -> dict[str, str]:
        """Directories of what was prepared, by name."""
        return dict(self._preparations)
