"""Tuner: ask for points, tell what was measured. The only writer of history and journal."""

from __future__ import annotations

import math
import os
import threading
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np

from dsice import records, telling
from dsice.errors import DsiceWarning, OptionError, OtherStudyError, RankError, TellError, UnknownTrialError
from dsice.goal import Goal
from dsice.history import History
from dsice.journal import FORMAT, Contents, Journal, read
from dsice.space import Choice, Ordinal, Space
from dsice.strategies import DSICE, Strategy, strategy_dict, strategy_from_dict
from dsice.trial import Point, Proposal, State, Trial

Axes = Mapping[str, Ordinal | Choice | Sequence[Any]]


class Stopper(Protocol):
    """Decides from a running trial's learning curve whether to stop it."""

    def stop(self, curve: Sequence[tuple[int, float]], history: History) -> bool:
        """True: stop this trial."""


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
        Asked at every `step` whether the trial should stop.
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
    ...         tuner.tell(trial, (trial.params["x"] - 3) ** 2 + (trial.params["y"] - 5) ** 2)
    >>> tuner.best.params
    {'x': 3, 'y': 5}
    """

    def __init__(
        self,
        space: Space | Axes,
        strategy: Strategy | None = None,
        *,
        goal: Goal | None = None,
        stopper: Stopper | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        orphans: Literal["again", "keep"] = "again",
        max_trials: int | None = None,
        seed: int = 0,
    ) -> None:
        _only_rank_zero()
        if orphans not in ("again", "keep"):
            raise OptionError(f"Tuner(orphans={orphans!r}): expected 'again' or 'keep'")
        if max_trials is not None and (isinstance(max_trials, bool) or not isinstance(max_trials, int) or max_trials < 1):
            raise OptionError(f"Tuner(max_trials={max_trials!r}): expected a whole number >= 1, or None for no limit")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise OptionError(f"Tuner(seed={seed!r}): expected a whole number >= 0")
        self.space = space if isinstance(space, Space) else Space(space)
        self.strategy: Strategy = DSICE() if strategy is None else strategy
        if not callable(getattr(self.strategy, "ask", None)) or isinstance(self.strategy, type):
            raise OptionError(f"Tuner(strategy={strategy!r}): expected a strategy object such as dsice.strategies.DSICE()")
        self.max_trials = max_trials
        self.seed = seed
        self.history = History(goal, budget=max_trials)
        self._stopper = stopper
        self._queue: list[Point] = []
        self._again: list[int] = []
        self._mutex = threading.RLock()
        self._journal: Journal | None = None
        if journal is not None:
            self._open(journal if isinstance(journal, Journal) else Journal(journal), again=orphans == "again")

    @classmethod
    def read(cls, journal: str | os.PathLike[str], *, rules: Mapping[str, Any] | None = None) -> Tuner:
        """The study of a journal as it stands, without writing it, also while another process does.

        Parameters
        ----------
        journal
            The file.
        rules
            Callable rules of the space by name, where it has any.
        """
        contents = read(journal)
        if contents.header is None:
            raise OtherStudyError(f"journal {os.fspath(journal)} is empty: no study was started in it yet")
        options = dict(contents.header)
        for record in contents.records:
            if record["kind"] == "options":
                options.update({k: v for k, v in record.items() if k in ("strategy", "goal", "seed", "max_trials")})
        tuner = cls(
            Space.from_dict(contents.header["space"], rules=dict(rules or {})),
            strategy_from_dict(options["strategy"]),
            goal=Goal.from_dict(options["goal"]),
            max_trials=options["max_trials"],
            seed=options["seed"],
        )
        tuner._replay(contents)
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
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise OptionError(f"ask(n={n!r}): expected a whole number >= 1")
        with self._mutex:
            if self._again:
                handed, self._again = self._again[:n], self._again[n:]
                return [self.history[i] for i in handed]
            n = int(n) if self.max_trials is None else min(int(n), self.max_trials - self.asked)
            if n <= 0:
                return []
            proposals = [Proposal(point, {"phase": "enqueued"}) for point in self._queue[:n]]
            batch = self._trials(proposals, self.history)
            if len(batch) < n:
                seen = History(self.history.goal, budget=self.max_trials, trials=[*self.history, *batch]) if batch else self.history
                batch += self._trials(self.strategy.ask(n - len(batch), self.space, seen, self._stream), seen)
            if not batch:
                return []
            self._record({"kind": "ask", "at": time.time(), "round": batch[0].round, "trials": [records.trial_record(t) for t in batch]})
            del self._queue[: len(proposals)]
            for trial in batch:
                self.history.write(trial)
            return batch

    @property
    def asked(self) -> int:
        """How many trials were asked (added ones do not count)."""
        return sum(t.round is not None for t in self.history)

    def _trials(self, proposals: Sequence[Proposal], seen: History) -> list[Trial]:
        """Proposals as pending trials; a strategy that repeats itself or leaves the space is stopped."""
        round = 1 + max((t.round for t in self.history if t.round is not None), default=-1)
        batch, identities = [], set()
        for id, p in enumerate(proposals, len(seen)):
            point = tuple(int(level) for level in p.point)
            wrong = "leaves the space" if not self.space.is_valid(point) else ""
            if p.identity in identities or seen.id_of(p.identity) is not None:
                wrong = "is in the history already"
            if wrong:
                raise OptionError(f"strategy {self.strategy!r} proposed {point}, which {wrong}: a strategy must not; nothing was asked")
            identities.add(p.identity)
            params = self.space.params(point) | dict(p.overrides)
            batch.append(
                Trial(id, round, params, point, p.stage, p.repeat, p.member, p.parent, overrides=dict(p.overrides), note=dict(p.note))
            )
        return batch

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
        """
        with self._mutex:
            known = self._known(trial)
            if known.state not in (State.PENDING, State.LOST):
                raise TellError(f"trial {known.id} was told already ({known.state}, value {known.value}): a told value is final; measure the point again with add()")
            done = telling.told(known, self.history, value, metrics, seconds, error, state, tags, times, where)
            if done.state is State.FAILED and error is None and done.error:
                warnings.warn(f"trial {done.id}: {done.error}; it is recorded as failed", DsiceWarning, stacklevel=2)
            self._record({"kind": "tell", "at": time.time(), **records.tell_record(done)})
            self.history.write(done)
            if done.id in self._again:
                self._again.remove(done.id)
            return done

    def add(self, params: Mapping[str, Any], value: float | Iterable[float] | None = None, **told: Any) -> Trial:
        """Record a measurement made elsewhere, never asked; takes what `tell` takes.

        A point measured before gets one more repeat. Added trials do not count for max_trials.
        """
        with self._mutex:
            point = self.space.point(params)
            repeat = 0
            while self.history.id_of((point, self.history.goal.stage, repeat, 0)) is not None:
                repeat += 1
            fresh = Trial(len(self.history), None, self.space.params(point), point, self.history.goal.stage, repeat)
            options = {k: told.pop(k, None) for k in ("metrics", "seconds", "error", "state", "tags", "times", "where")}
            if told:
                raise TypeError(f"add() got unexpected arguments {sorted(told)}")
            done = telling.told(fresh, self.history, value, **options)
            self._record({"kind": "add", "at": time.time(), "trial": records.trial_record(done) | records.tell_record(done)})
            self.history.write(done)
            return done

    def enqueue(self, params: Mapping[str, Any]) -> None:
        """Ask for these params next, before anything the strategy proposes."""
        with self._mutex:
            point = self.space.point(params)
            if point in self._queue or (known := self.history.id_of((point, 0, 0, 0))) is not None:
                raise TellError(f"enqueue({dict(params)}): " + ("it is in the queue already" if point in self._queue else f"trial {known} is that point already"))
            self._record({"kind": "enqueue", "point": list(point)})
            self._queue.append(point)

    def step(self, trial: Trial | int, step: int, value: float) -> bool:
        """Record a point of a running trial's learning curve.

        Returns
        -------
        bool
            True: the stopper wants the trial stopped; end it and tell it with ``state="stopped"``.
        """
        with self._mutex:
            known = self._known(trial)
            if known.state is not State.PENDING:
                raise TellError(f"trial {known.id} was told already ({known.state}): a finished trial has no further steps")
            record = {"kind": "step", "id": known.id, "step": telling.whole("step", step), "value": telling.number("value", value)}
            curve = (*known.curve, (record["step"], record["value"]))
            self._record(record | {"value": records.out(record["value"])})
            self.history.write(replace(known, curve=curve))
            return self._stopper is not None and bool(self._stopper.stop(curve, self.history))

    def _known(self, trial: Trial | int) -> Trial:
        id = trial.id if isinstance(trial, Trial) else trial
        if isinstance(id, bool) or not isinstance(id, (int, np.integer)) or not 0 <= id < len(self.history):
            raise UnknownTrialError(f"no trial {id!r}: this tuner knows the ids 0 to {len(self.history) - 1}" if len(self.history) else f"no trial {id!r}: nothing was asked yet")
        known = self.history[int(id)]
        if isinstance(trial, Trial) and trial.point != known.point:
            raise UnknownTrialError(f"trial {id} of this tuner is at {dict(known.params)}, not at {dict(trial.params)}: it comes from another tuner")
        return known

    # ------------------------------------------------------------------ looking
    @property
    def best(self) -> Trial | None:
        """Trial of the best point measured so far, its value the mean of its measurements; None before any."""
        return self.history.best

    @property
    def pending(self) -> list[Trial]:
        """Trials asked and not told."""
        return self.history.pending()

    @property
    def orphans(self) -> list[Trial]:
        """Pending trials of an earlier coordinator that the next asks hand out again."""
        return [self.history[i] for i in self._again]

    def adopt(self, id: int) -> None:
        """An orphan whose run is being followed again: the next asks do not hand it out."""
        if id in self._again:
            self._again.remove(id)

    @property
    def finished(self) -> bool:
        """Nothing is pending and the next ask would be empty."""
        if self.history.pending() or self._queue:
            return False
        if self.max_trials is not None and self.asked >= self.max_trials:
            return True
        return not self.strategy.ask(1, self.space, self.history, self._stream)

    def __repr__(self) -> str:
        return f"<Tuner of {len(self.space.names)} parameters, {len(self.history)} trials, {len(self.pending)} pending>"

    def __enter__(self) -> Tuner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the journal; a second call does nothing."""
        if self._journal is not None:
            self._journal.close()

    # ------------------------------------------------------------------ journal
    def _open(self, journal: Journal, *, again: bool) -> None:
        try:
            header = journal.contents.header
            if header is None:
                journal.append({"kind": "header", "format": FORMAT, "dsice": _version(), "created": time.time(), "space": self.space.to_dict(), **self._options()})
            else:
                if difference := self.space.difference(header["space"]):
                    raise OtherStudyError(f"journal {journal.path} belongs to another study: {difference}. Give this study a journal of its own, or use the old space")
                self._replay(journal.contents)
                self._check_metric(journal)
                self._note_changes(journal)
        except BaseException:
            journal.close()
            raise
        self._journal = journal
        if again:
            self._again = [t.id for t in self.history.pending()]

    def _replay(self, contents: Contents) -> None:
        for record in contents.records:
            records.apply(record, self.history, self.space, self._queue)

    def _check_metric(self, journal: Journal) -> None:
        done = [t for t in self.history if t.state is State.DONE and t.stage == self.history.goal.stage]
        if done and all(math.isnan(self.history.goal.metric_of(t)) for t in done):
            known = sorted({"value"} | {m for t in done for m in t.metrics})
            raise OtherStudyError(f"journal {journal.path}: none of its {len(done)} done trials carries the goal's metric {self.history.goal.metric!r}; they carry {known}")

    def _options(self) -> dict[str, Any]:
        return {"strategy": strategy_dict(self.strategy), "goal": self.history.goal.to_dict(), "seed": self.seed, "max_trials": self.max_trials}

    def _note_changes(self, journal: Journal) -> None:
        """Options that may change on resume are appended when they did."""
        known = dict(journal.contents.header or {})
        for record in journal.contents.records:
            if record["kind"] == "options":
                known.update(record)
        changed = {k: v for k, v in self._options().items() if known.get(k) != v}
        if changed:
            journal.append({"kind": "options", "at": time.time(), **changed})

    def _record(self, record: dict[str, Any]) -> None:
        """Written before remembered."""
        if self._journal is not None:
            self._journal.append(record)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dsice")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


_RANKS = (("RANK", "WORLD_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def _only_rank_zero() -> None:
    """Under torchrun, mpirun or srun every process runs the script; one of them may tune."""
    for rank, size in _RANKS:
        text, count = os.environ.get(rank, ""), os.environ.get(size, "")
        if text.isdigit() and int(text) > 0 and count.isdigit() and int(count) > 1:
            raise RankError(
                f"this is rank {text} of {count} ({rank}={text}): only rank 0 may own the tuner. Make the Tuner on rank 0, broadcast trial.params to the other ranks, and tell on rank 0"
            )
