"""The Tuner: proposes batches of points and learns from what is told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dsice.checks import whole
from dsice.errors import TellError
from dsice.goal import Goal
from dsice.journal import Journal, format
from dsice.space import Space
from dsice.stopping import SupportsStop
from dsice.strategies import SupportsAsk
from dsice.trial import State, Trial
from dsice.tuner import telling
from dsice.tuner.asking import (
    Confirmation,
    confirmation,
    next_confirmations,
    next_trials,
    recommended,
)
from dsice.tuner.opening import (
    Axes,
    Parts,
    check_orphans,
    looked_at,
    made,
    only_rank_zero,
    opened,
    resumed,
)
from dsice.tuner.recorder import Made
from dsice.tuner.runs import Runs, judged, record_step
from dsice.tuner.telling import Told


class Tuner:
    """Proposes batches of points and learns from what is told.

    Parameters
    ----------
    space
        A `Space`, or the mapping of axes that makes one.
    strategy
        What proposes the points; the default search is `DSICE`.
    goal
        What to optimise.
    stopper
        Asked at every `step` whether the trial should stop, such as `dsice.stopping.Median`; what it decides is in the journal.
    journal
        File to write every ask and tell to (or an open `Journal`). If it holds this study
        already, the tuner goes on where it ended.
    orphans
        What becomes of trials that were asked and never told when the journal was left:
        ``"again"`` hands them out first, with their old ids; ``"keep"`` leaves them pending.
    max_trials
        How many trials may be asked, whatever becomes of them.
    seed
        Same seed, same asks and tells: same proposals.

    Raises
    ------
    SpaceError, OptionError
        Wrong axes, rules or options.
    OtherStudyError
        The journal belongs to another study; the message names the first difference.
    LockedError, JournalError
        Another coordinator writes the journal, or it cannot be used.
    RankError
        Made by a rank other than 0 of a multi-process trainer.

    Examples
    --------
    >>> from dsice import Tuner
    >>> tuner = Tuner({"x": range(9), "y": range(9)}, max_trials=40)
    >>> while trials := tuner.ask(10):
    ...     for trial in trials:
    ...         done = tuner.tell(trial, (trial.params["x"] - 3) ** 2 + (trial.params["y"] - 5) ** 2)
    >>> tuner.best.params
    {'x': 3, 'y': 5}
    """

    def __init__(
        self,
        space: Space | Axes,
        strategy: SupportsAsk | None = None,
        *,
        goal: Goal | None = None,
        stopper: SupportsStop | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        orphans: Literal["again", "keep"] = "again",
        max_trials: int | None = None,
        seed: int = 0,
    ) -> None:
        only_rank_zero()
        check_orphans(orphans)
        parts = made(space, strategy, goal, max_trials, seed, stopper)
        if journal is not None:
            opened(parts, journal, orphans)
        self._hold(parts)

    def _hold(self, parts: Parts) -> None:
        self.space, self.strategy, self.history = parts.space, parts.strategy, parts.history
        self.max_trials, self.seed = parts.max_trials, parts.seed
        self.stopper, self._queue, self._again, self._recorder = (
            parts.stopper,
            parts.queue,
            parts.again,
            parts.recorder,
        )
        self._mutex = threading.RLock()
        self.runs = Runs(self.history, self._recorder, self._mutex, parts.lost, parts.preparations)

    @classmethod
    def read(
        cls, journal: str | os.PathLike[str], *, rules: Mapping[str, Any] | None = None
    ) -> Tuner:
        """The study of a journal as it stands, to look at only, also while another process writes it.

        Parameters
        ----------
        journal
            The file.
        rules
            Callable rules of the space by name, where it has any.

        Raises
        ------
        JournalError
            There is no such file, it is damaged, or no study was started in it yet.
        SpaceError
            A callable rule that `rules` lacks.
        """
        tuner = cls.__new__(cls)
        tuner._hold(looked_at(journal, rules))
        return tuner

    @classmethod
    def resume(
        cls,
        journal: str | os.PathLike[str] | Journal,
        *,
        orphans: Literal["again", "keep"] = "again",
        rules: Mapping[str, Any] | None = None,
    ) -> Tuner:
        """Go on with the study of a journal as it stands there: space, strategy, goal, stopper, budget and seed.

        The arguments are those of `Tuner` and `Tuner.read`, and so are the errors; the journal must exist.
        """
        only_rank_zero()
        tuner = cls.__new__(cls)
        tuner._hold(resumed(journal, orphans, rules))
        return tuner

    # ------------------------------------------------------------------ asking
    def ask(self, n: int = 1) -> list[Trial]:
        """Up to `n` trials to measure, all different, none measured or pending.

        Returns
        -------
        list of Trial
            Empty with trials pending: nothing until something is told. Empty with none
            pending: the search is finished.

        Raises
        ------
        OptionError
            `n` is not a whole number >= 1, or the strategy broke its contract.
        JournalError
            The batch could not be written; nothing was asked.
        """
        n = whole("ask", "n", n, 1)
        with self._mutex:
            self._recorder.check()
            self._recorder.flush()
            if self._again:
                handed, self._again = self._again[:n], self._again[n:]
                return [self.history[i] for i in handed]
            left = n if self.max_trials is None else min(n, self.max_trials - self.asked)
            batch = next_trials(
                left, self._queue, self.strategy, self.space, self.history, self._stream
            )
            if batch:
                asked = [format.trial_record(t) for t in batch]
                self._recorder.commit(
                    {"kind": "ask", "at": time.time(), "round": batch[0].round, "trials": asked},
                    batch,
                )
                for trial in batch:
                    format.unqueue(self._queue, trial)
            return batch

    def confirm(self, k: int) -> list[Trial]:
        """Ask for the `k` best points once more, one stage above the goal's (a full training), each at most once.

        The next `ask` hands them out, before anything else. They do not count for max_trials, and `best` does not see them;
        `confirmation` does.

        Raises
        ------
        OptionError
            `k` is not a whole number >= 1.
        JournalError
            They could not be written; nothing was asked.
        """
        k = whole("confirm", "k", k, 1)
        with self._mutex:
            self._recorder.check()
            self._recorder.flush()
            batch = next_confirmations(k, self.strategy, self.space, self.history)
            if batch:
                asked = [format.trial_record(t) for t in batch]
                self._recorder.commit({"kind": "ask", "at": time.time(), "trials": asked}, batch)
                self._again += [trial.id for trial in batch]
            return batch

    @property
    def confirmation(self) -> Confirmation:
        """Short and full trainings of the points that were confirmed, and their rank correlation."""
        with self._mutex:
            return confirmation(self.history)

    @property
    def asked(self) -> int:
        """How many trials were asked (added ones do not count)."""
        return self.history.asked

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])

    # ------------------------------------------------------------------ telling
    def tell(
        self,
        trial: Trial | int,
        value: float | Iterable[float] | None = None,
        *,
        metrics: Mapping[str, float | Iterable[float]] | None = None,
        seconds: float | None = None,
        error: str | None = None,
        state: State | str | None = None,
        tags: Mapping[str, Any] | None = None,
        times: Sequence[float | None] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Trial:
        """Record how a trial ended, in any order. A told value is final.

        Parameters
        ----------
        trial
            A trial from `ask`, or its id.
        value
            The goal's metric: a number, or a list of repeats measured inside this trial.
            May be left out where `metrics` has it.
        metrics
            Other named numbers (or lists of repeats).
        seconds
            Run time, without the wait in a queue.
        error
            What went wrong; the trial counts as failed and is not asked again.
        state
            How it ended, where that is neither done nor failed: ``"timed_out"``,
            ``"invalid"``, ``"stopped"``, or ``"lost"`` (the machine's fault; a late
            result may still be told).
        tags
            Anything to remember with the trial, as JSON.
        times
            Unix times (queued, started, ended), None where unknown.
        where
            Job id, worker, log.

        Returns
        -------
        Trial
            As recorded. A NaN or infinite value is recorded as a failed trial, with a
            `DsiceWarning`, so that one diverged run never stops a tuning.

        Raises
        ------
        UnknownTrialError
            No trial has that id.
        TellError
            The trial was told already, or the value is no number, or a metric the goal
            needs is missing; nothing is recorded and the trial can be told again.
        JournalError
            It could not be written. The trial stays pending and may be told again; until then the
            tuner keeps the result, writes it with the next call that can write, and has saved
            it in a file that the message names.
        """
        with self._mutex:
            known = telling.known(trial, self.history)
            telling.untold(known)
            told = Told(value, metrics, seconds, error, state, tags, times, where)
            at, done = time.time(), told.trial(known, self.history)
            self.adopt(done.id)
            self._recorder.tell(
                lambda: ({"kind": "tell", "at": at, **format.tell_record(done)}, [done]), done.id
            )
        told.warn(done)
        return done

    def add(
        self,
        params: Mapping[str, Any],
        value: float | Iterable[float] | None = None,
        *,
        metrics: Mapping[str, float | Iterable[float]] | None = None,
        seconds: float | None = None,
        error: str | None = None,
        state: State | str | None = None,
        tags: Mapping[str, Any] | None = None,
        times: Sequence[float | None] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Trial:
        """Record a measurement made elsewhere, never asked; takes what `tell` takes.

        A point measured before gets one more repeat. Added trials do not count for max_trials.
        """
        with self._mutex:
            told, at = Told(value, metrics, seconds, error, state, tags, times, where), time.time()

            def make() -> Made:  # its id and repeat follow from the history when it is written
                made = told.trial(telling.fresh(params, self.space, self.history), self.history)
                return {
                    "kind": "add",
                    "at": at,
                    "trial": format.trial_record(made) | format.tell_record(made),
                }, [made]

            make()  # what is wrong shows before anything is kept
            done = self._recorder.tell(make)[0]
            format.unqueue(self._queue, done)
        told.warn(done)
        return done

    def enqueue(self, params: Mapping[str, Any]) -> None:
        """Ask for these params next, before anything the strategy proposes.

        Raises
        ------
        TellError
            The point was asked or added before, or waits already.
        """
        with self._mutex:
            self._recorder.flush()
            point = self.space.point(params)
            known = self.history.id_of((point, 0, 0, 0))
            if known is not None:
                raise TellError(
                    f"enqueue({dict(params)}): trial {known} is that point already; nothing was recorded"
                )
            if point in self._queue:
                raise TellError(
                    f"enqueue({dict(params)}): it waits to be asked already; nothing was recorded"
                )
            self._recorder.commit({"kind": "enqueue", "point": list(point)}, [])
            self._queue.append(point)

    def step(self, trial: Trial | int, step: int, value: float) -> bool:
        """Record a point of a running trial's learning curve.

        Returns
        -------
        bool
            True: the stopper wants the trial stopped; end it and tell it with ``state="stopped"``.

        Raises
        ------
        TellError
            The trial was told already, or `step` and `value` are no numbers; nothing is recorded.
        """
        with self._mutex:
            known = telling.known(trial, self.history)
            telling.running(known, in_hand=self._recorder.has(known.id))
            number = telling.whole(f"trial {known.id}: step", step)
            told = telling.number(f"trial {known.id}: value of step {number}", value)
            record_step(self._recorder, known, number, told)
            return self.stopper is not None and judged(
                self._recorder, self.stopper, known.id, number
            )

    # ------------------------------------------------------------------ looking
    @property
    def preparations(self) -> dict[str, str]:
        """Directories of what was prepared, by name."""
        return self.runs.preparations

    @property
    def journal(self) -> Path | None:
        """The file that all is written to; None without one."""
        journal = self._recorder.journal
        return None if journal is None else journal.path

    @property
    def best(self) -> Trial | None:
        """Trial of the recommended point, its value the mean of its measurements; None before any.

        The point with the best score; under noise (measurements that repeat, or ``DSICE(noise=True)``) what the strategy
        recommends: the point with the lowest mean of its model.
        """
        with self._mutex:
            return recommended(self.strategy, self.space, self.history)

    @property
    def pending(self) -> list[Trial]:
        """Trials asked and not told."""
        with self._mutex:
            return self.history.pending()

    @property
    def orphans(self) -> list[Trial]:
        """Pending trials of an earlier coordinator that the next asks hand out again."""
        with self._mutex:
            return [self.history[i] for i in self._again]

    def adopt(self, id: int) -> None:
        """An orphan whose run is being followed again: the next asks do not hand it out."""
        with self._mutex:
            if id in self._again:
                self._again.remove(id)

    @property
    def finished(self) -> bool:
        """Nothing is pending and the next ask would be empty."""
        with self._mutex:
            if self.history.pending():
                return False
            if self.max_trials is not None and self.asked >= self.max_trials:
                return True
            return not self._queue and not self.strategy.ask(
                1, self.space, self.history, self._stream
            )

    @property
    def unwritten(self) -> int:
        """How many results are in hand that the journal could not take yet."""
        return self._recorder.unwritten

    def flush(self) -> None:
        """Write what the journal could not take before; every other call that writes does it first.

        Raises
        ------
        JournalError
            It still cannot be written; nothing is lost.
        """
        with self._mutex:
            self._recorder.flush()

    def __repr__(self) -> str:
        return f"<Tuner of {len(self.space.names)} parameters, {len(self.history)} trials, {len(self.pending)} pending>"

    def __enter__(self) -> Tuner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the journal; a second call does nothing. What could not be written is tried once more."""
        with self._mutex:
            self._recorder.close()
