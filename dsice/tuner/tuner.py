"""The Tuner: proposes batches of points and learns from what is told."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dsice.checks import flag, whole
from dsice.errors import DsiceWarning
from dsice.goal import Goal
from dsice.history import History
from dsice.journal.format import ask_line, enqueue_line, tell_line
from dsice.journal.writer import Journal
from dsice.space import Space
from dsice.space.summary import Summarised, Summary
from dsice.stopping import SupportsStop
from dsice.strategies import SupportsAsk
from dsice.trial import State, Trial, stream
from dsice.tuner import adding, telling
from dsice.tuner.asking import next_trials, recommended, remove_from_queue
from dsice.tuner.confirming import Confirmation, confirmation, next_confirmations
from dsice.tuner.ending import EndingStudy
from dsice.tuner.opening import open_journal
from dsice.tuner.options import Axes, Orphans, check_orphans, from_arguments, only_rank_zero
from dsice.tuner.recorder import Recorder
from dsice.tuner.reusing import Reusable, Reuse
from dsice.tuner.stored import without_rules
from dsice.tuner.summary import tuner_summary
from dsice.typing import PathLike, Point


class Tuner(Summarised, EndingStudy):
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
        Asked at every `step` whether the trial should stop, such as `dsice.stopping.Median`; the
        journal has what it decides.
    journal
        File to write every ask and tell to, or an open `Journal`. If it holds this study already,
        the tuner goes on where it ended.
    orphans
        What becomes of trials that were asked and never told when the journal was left:
        ``"again"`` hands them out first, with their old ids; ``"keep"`` leaves them pending.
    max_trials
        How many trials may be asked, whatever becomes of them.
    seed
        Same seed, same asks and tells: same proposals.
    reuse
        Measurements of related tasks, which inform the search: paths of journals and tables, or a
        `Source` each. The journal keeps what was read of them, and goes on with that; None: with
        all that it has, and an empty list with none.

    Raises
    ------
    SpaceError, OptionError
        Wrong axes, rules or options, or a source that says nothing about the space.
    OtherStudyError
        The journal belongs to another study; the message names the first difference.
    LockedError, JournalError
        Another coordinator writes the journal, or it cannot be used.
    RankError
        This is a rank other than 0 of a multi-process trainer.

    Examples
    --------
    >>> from dsice import Tuner
    >>> tuner = Tuner({"x": range(9), "y": range(9)}, max_trials=40)
    >>> while trials := tuner.ask(10):
    ...     for trial in trials:
    ...         x, y = trial.params["x"], trial.params["y"]
    ...         done = tuner.tell(trial, (x - 3) ** 2 + (y - 5) ** 2)
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
        journal: PathLike | Journal | None = None,
        orphans: Orphans = "again",
        max_trials: int | None = None,
        seed: int = 0,
        reuse: Iterable[Reusable] | None = None,
    ) -> None:
        only_rank_zero()
        check_orphans(orphans)
        study = from_arguments(space, strategy, goal, stopper, max_trials, seed)
        sources = None if reuse is None else Reuse(study, reuse)
        if journal is None:
            self._begin(study, Recorder(sources.history() if sources else study.history()))
        else:
            self._begin(study, *open_journal(study, journal, sources), orphans)
            if not isinstance(journal, Journal):
                self._hold()
        self._remarks = sources.remarks if sources else {}

    # ------------------------------------------------------------------ asking
    def ask(self, n: int = 1) -> list[Trial]:
        """Up to `n` trials to measure, all different, none measured or pending.

        Returns
        -------
        list of Trial
            Empty: nothing until something is told, or, where the tuner is `exhausted`, ever.

        Raises
        ------
        OptionError
            `n` is not a whole number >= 1, or the strategy broke its contract.
        JournalError
            The batch could not be written; nothing was asked.
        """
        n = whole("ask", "n", n, 1)
        if self._recorder.requested:
            self.take_requests()
        this_ask = object()
        with self._mutex:
            self._recorder.check()
            self._recorder.flush()
            waiting = self._handout.ids(self._recorder)
            if waiting:
                self._handout.give(this_ask, [self.history[id] for id in waiting[:n]])
            else:
                self._ask_anew(this_ask, n)
        batch = self._handout.given[this_ask][1]
        try:
            return self._handout.given.pop(this_ask)[1]
        except BaseException:  # it came after all, and the caller has no batch
            self._handout.given[this_ask] = (0, batch)
            raise

    def _ask_anew(self, key: object, n: int) -> None:
        if self.lacks_rules:
            raise without_rules()
        left = n if self.max_trials is None else min(n, self.max_trials - self.asked)
        batch = next_trials(
            left, self._queue, self.strategy, self.space, self.history, self._stream
        )
        if not batch:
            self._handout.give(key, [])
            return

        def then() -> None:
            self._handout.give(key, batch)
            remove_from_queue(self._queue, batch)

        self._recorder.commit([ask_line(batch, batch[0].round)], batch, then)

    def confirm(self, k: int, *, repeats: int = 1) -> list[Trial]:
        """Ask for the `k` best points and the user's own setting anew, one stage above the goal's.

        Each is measured `repeats` times in all, what was asked before included. The next `ask`
        hands them out, before anything else. They do not count for max_trials. `confirmation` has
        what comes of them, and `best` is the best confirmed point once one has `repeats` values.

        Raises
        ------
        OptionError
            `k` or `repeats` is not a whole number >= 1.
        JournalError
            They could not be written; nothing was asked.
        """
        k = whole("confirm", "k", k, 1)
        repeats = whole("confirm", "repeats", repeats, 1)
        with self._mutex:
            self._recorder.check()
            self._recorder.flush()
            batch = next_confirmations(k, repeats, self.strategy, self.space, self.history)
            if batch:
                ids = [trial.id for trial in batch]
                line = ask_line(batch, None)
                self._recorder.commit([line], batch, lambda: self._handout.add(ids))
            return batch

    @property
    def confirmation(self) -> Confirmation:
        """What was measured of the confirmed points, before and then, and the rank correlation."""
        with self._mutex:
            return confirmation(self.history)

    @property
    def asked(self) -> int:
        """How many trials were asked (added ones do not count)."""
        return self.history.asked

    def _stream(self, *key: int) -> np.random.Generator:
        return stream(self.seed)(*key)

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
            known = telling.known_trial(trial, self.history)
            telling.require_untold(known)
            report = telling.Report(value, metrics, seconds, error, state, tags, times, where)
            at = time.time()
            done = report.finish(known, self.history)
            line = tell_line(done, at, self.history.goal.metric)
            self._recorder.tell(lambda: ([line], [done]), done.id)
        report.warn(done)
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
        nearest: bool = False,
        key: str | int | None = None,
    ) -> Trial:
        """Record a measurement made elsewhere, never asked; takes what `tell` takes.

        A point measured before gets one more repeat. Added trials do not count for max_trials.
        With `nearest`, a number that is not on its axis stands for the nearest (`Space.nearest`).

        What is known is not recorded again, so a script that adds may run any number of times: a
        `DsiceWarning` says which trial it is, and that one is returned. Known is what was told with
        the same `key`, kept as a tag; without one, what was told with the same point, state,
        values, metrics, seconds and times. A repeat that came out equal needs a key of its own.
        Another measurement under a known key is a TellError.
        """
        nearest = flag("add", "nearest", nearest)
        key = adding.checked_key(key, tags)
        if key is not None and (tags is None or isinstance(tags, Mapping)):
            tags = {**(tags or {}), adding.KEY: key}
        report = telling.Report(value, metrics, seconds, error, state, tags, times, where)
        done, new = self._add(self._addition(params, report, key, nearest=nearest))
        if new:
            report.warn(done)
        else:
            adding.warn_known(done, key)
        return done

    def enqueue(self, params: Mapping[str, Any], *, nearest: bool = False) -> None:
        """Ask for these params next, before anything the strategy proposes.

        With `nearest`, a number that is not on its axis stands for the nearest (`Space.nearest`).
        Of a point that was asked or added before, or waits already, a `DsiceWarning` says so, and
        nothing is done.
        """
        nearest = flag("enqueue", "nearest", nearest)
        with self._mutex:
            self._recorder.flush()
            point, known = adding.enqueued_point(
                params, self.space, self.history, self._queue, nearest=nearest
            )
            if not known:
                self._recorder.commit([enqueue_line(point)], [], lambda: self._enqueue(point))
        if known:
            warnings.warn(known, DsiceWarning, stacklevel=2)

    def _enqueue(self, point: Point) -> None:
        if point not in self._queue:
            self._queue.append(point)

    def step(self, trial: Trial | int, step: int, value: float) -> bool:
        """Record a point of a running trial's learning curve.

        Returns
        -------
        bool
            Whether the stopper wants the trial stopped: end it, then tell it with
            ``state="stopped"``.

        Raises
        ------
        TellError
            The trial was told already, or `step` and `value` are no numbers; nothing is recorded.
        """
        return bool(self.runs.steps([(trial, step, value)], self.stopper))

    # ------------------------------------------------------------------ looking
    @property
    def history(self) -> History:
        """All trials."""
        return self._recorder.history

    @property
    def best(self) -> Trial | None:
        """Trial of the recommended point, its value that of all its measurements; None before any.

        It is the point with the best score; under noise (measurements that repeat, or
        ``DSICE(noise=True)``) the one that the strategy recommends, whose mean under its model is
        lowest. Once points were confirmed, it is the best of these by the confirming measurements
        alone, and its stage is one above the goal's. `Trial.values` are all measurements of the
        point, `Trial.value` is what the goal makes of them, `Trial.spread` their standard
        deviation.
        """
        with self._mutex:
            if self.history.of_stage(self.history.goal.stage + 1).any():
                confirmed = confirmation(self.history).best
                if confirmed is not None:
                    return confirmed
            return recommended(self.strategy, self.space, self.history)

    @property
    def pending(self) -> list[Trial]:
        """Trials asked and not told."""
        with self._mutex:
            return self.history.pending()

    def _summary(self) -> Summary:
        return tuner_summary(self, self.history, self.best)
