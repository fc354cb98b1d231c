"""`Table`: the launcher that replays a log, at once or on a virtual clock."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dsice.checks import choice, flag
from dsice.errors import LaunchError, SpaceError, TableError
from dsice.launchers import base
from dsice.launchers.base import Job, Launcher, Result, Step
from dsice.launchers.continuing import check_continuing
from dsice.launchers.table.clock import (
    Clock,
    ImmediateClock,
    VirtualClock,
    check_clock,
    slots_of,
)
from dsice.launchers.table.log import (
    ABSENT,
    Columns,
    Key,
    Log,
    check_curves,
    hashed,
    logged_space,
    rows_of,
    run_times,
    scaled_times,
)
from dsice.launchers.table.read_table import read_log
from dsice.space import Axis, Space
from dsice.typing import Curve, Floats, Params

if TYPE_CHECKING:
    import pandas as pd

_MISSING = ("exclude", "fail", "error")


class Table(Launcher):
    """A log of measurements as a launcher that answers every trial from it.

    The answers come at once, or on a virtual clock.

    Parameters
    ----------
    source
        A DataFrame, the path of a CSV (.csv, .csv.gz, .tsv) or Parquet file, a journal of dsice
        (.jsonl), or what Kernel Tuner or KTT wrote: a cache file, an output, T4 (.json, .xml).
    objective
        Column of the values; default ``"objective"``, in a journal the metric of its goal. A row in
        which it is empty, NaN or infinite is a failed measurement. Rows with the same parameters
        are repeats.
    params
        Names of the columns of the parameters, or a mapping of them to their levels in order (or an
        axis). Default: the columns left of the objective (all others if it is the first); numbers
        become an Ordinal in ascending order, anything else a Choice.
    missing
        How a point that is not in the log is treated: ``"exclude"``: it is not in `space`;
        ``"fail"``: it comes back failed; ``"error"``: asking for it raises TableError.
    seconds
        Column of the run times; default: ``"seconds"``, if there is such a column.
    valid
        Column that is false for failed measurements; default: ``"valid"``, if there is such a
        column.
    metrics
        Further measured columns, handed on as metrics.
    curves
        Learning curves, replayed step by step, so that a stopper can end a trial: a mapping of
        steps to columns, ``{1: "loss_1", 2: "loss_2"}``, or True for those of a journal. A curve
        ends with its last cell that is not empty; an empty one before it is NaN. Of repeats, the
        curve of the first is taken. On the virtual clock the steps are spread evenly over the run
        time; without a clock each `collect` brings one step of every trial.
    slots
        How many trials are answered at a time: the batch of the replay; 1000 by default.
    clock
        Replay on a virtual clock, whose workers are the slots. A trial occupies a worker for its
        logged seconds, repeats one after the other, and `collect` goes on to the next moment at
        which a trial ends. What has no time in the log - mostly failed measurements, and with
        ``missing="fail"`` points that are not in it - takes the median of the other times.
        ``Result.times`` are those of the virtual clock, from 0.0; `clock` shows its state.
    workers
        ``workers=8`` is short for ``slots=8, clock=True``.
    overhead
        Add the real seconds from the return of `collect` to the next `submit`, that is telling and
        asking, to the virtual clock (not those before the first `submit`).
    scale
        Multiply all seconds so that the median over the points of the log is this many.

    Raises
    ------
    TableError
        The log cannot be read, or a column is missing or holds what it should not; with `clock`,
        it has no seconds.
    MissingPackageError
        A Parquet file, and pyarrow is not installed.
    OptionError
        An option is of the wrong kind, or does not go with the others.

    Examples
    --------
    >>> import pandas as pd
    >>> from dsice.launchers import Table
    >>> log = pd.DataFrame({"x": [1, 1, 2], "y": [3, 4, 3], "loss": [0.5, 0.4, 0.9]})
    >>> table = Table(log, objective="loss")
    >>> table.coverage, table.space.count, table.rank({"x": 1, "y": 3})
    (0.75, 3, 2)
    """

    def __init__(
        self,
        source: pd.DataFrame | str | os.PathLike[str],
        *,
        objective: str | None = None,
        params: Sequence[str] | Mapping[str, Axis | Sequence[Any]] | None = None,
        missing: Literal["exclude", "fail", "error"] = "exclude",
        seconds: str | None = None,
        valid: str | None = None,
        metrics: Sequence[str] = (),
        curves: Mapping[int, str] | bool = False,
        slots: int | None = None,
        clock: bool = False,
        workers: int | None = None,
        overhead: bool = False,
        scale: float | None = None,
    ) -> None:
        choice("Table", "missing", missing, _MISSING)
        timed = flag("Table", "clock", clock) or workers is not None
        self._slots = slots_of(slots, workers, timed=timed)
        check_clock(overhead, scale, timed=timed)
        check_curves(curves)
        self._log: Log = read_log(
            source, Columns(objective, params, seconds, valid, tuple(metrics), curves)
        )
        self.objective = self._log.objective  # what the values are called
        self._missing = missing
        self._rows: dict[Key, list[int]] = {}
        for row, key in enumerate(self._log.keys):
            self._rows.setdefault(hashed(key), []).append(row)
        self._seconds = self._log.seconds
        self._typical = float("nan")  # seconds of a trial without a run time
        self._trials: ImmediateClock | VirtualClock = ImmediateClock(self._slots)
        if timed:
            self._set_clock("seconds" if seconds is None else seconds, overhead, scale)
        self._closed = False

    def _set_clock(self, column: str, overhead: bool, scale: float | None) -> None:
        """Let the replay take its time on a virtual clock."""
        self._seconds = run_times(self._log, column)
        if scale is not None:
            self._seconds = scaled_times(
                self._seconds, self._rows.values(), scale, self._log.source
            )
        self._typical = float(np.median(self._seconds))
        self._trials = VirtualClock(self._slots, overhead=overhead)

    def __repr__(self) -> str:
        return (
            f"<Table of {len(self._rows)} points, {len(self._log.keys)} measurements, "
            f"{self.coverage:.3g} of the grid>"
        )

    @cached_property
    def space(self) -> Space:
        """The grid of the log; with ``missing="exclude"`` its valid points are the logged ones.

        It goes on with a journal that 0.1.0 began on the space of the same log:
        ``Tuner(table.space, journal=...)``, ``Tuner.resume(..., rules=table.space.named_rules)``.
        """
        if self._missing != "exclude" or self.coverage == 1:
            return Space(self._log.axes, where=self._log.rules)
        return logged_space(self._log, [self._log.keys[rows[0]] for rows in self._rows.values()])

    @cached_property
    def coverage(self) -> float:
        """Share of the grid that is in the log, measured or failed."""
        grid = Space(self._log.axes, where=self._log.rules)
        return len(self._rows) / (grid.count if self._log.rules and grid.count else grid.size)

    @cached_property
    def _means(self) -> Floats:
        """Mean of the good measurements of each point, shape (points,); NaN without any."""
        sizes = [len(rows) for rows in self._rows.values()]
        point = np.repeat(np.arange(len(sizes)), sizes)
        values = self._log.values[[row for rows in self._rows.values() for row in rows]]
        good = np.isfinite(values)
        count = np.bincount(point[good], minlength=len(sizes))
        total = np.bincount(point[good], weights=values[good], minlength=len(sizes))
        missing = np.full(len(sizes), np.nan)
        means: Floats = np.divide(total, count, out=missing, where=count > 0)
        return means

    @cached_property
    def _places(self) -> dict[Key, int]:
        """Index of each point in `_means`."""
        return {key: place for place, key in enumerate(self._rows)}

    @property
    def values(self) -> Floats:
        """Mean value of each measured point, shape (measured points,), in the order of the log."""
        return self._means[np.isfinite(self._means)]

    @property
    def median(self) -> float:
        """Median of `values`: what a point taken at random has; NaN if nothing was measured."""
        return float(np.median(self.values)) if self.values.size else float("nan")

    def measurements(self) -> list[tuple[Params, float]]:
        """Params and value of each row of the log, NaN where it failed."""
        return list(rows_of(self._log))

    def optimum(self, *, maximize: bool = False) -> tuple[dict[str, Any], float]:
        """Params and mean value of the best point.

        Raises
        ------
        TableError
            If no point of the log was measured.
        """
        if not self.values.size:
            raise TableError(f"{self._log.source} has no row with a finite objective")
        best = int(np.nanargmax(self._means) if maximize else np.nanargmin(self._means))
        key = self._log.keys[next(islice(self._rows.values(), best, None))[0]]
        params = {n: v for n, v in zip(self._log.axes, key, strict=True) if v != ABSENT}
        return params, float(self._means[best])

    def better(self, value: float, *, maximize: bool = False) -> int:
        """How many points of the log are strictly better than `value`."""
        return int(np.sum(self.values > value if maximize else self.values < value))

    def rank(self, params: Mapping[str, Any], *, maximize: bool = False) -> int:
        """Place of a point among all measured ones: 1 for the best; equal values share a place.

        Raises
        ------
        TableError
            If the point was not measured.
        """
        place = self._places.get(self._key(params))
        mean = np.nan if place is None else self._means[place]
        if not np.isfinite(mean):
            raise TableError(f"{dict(params)} has no measurement in {self._log.source}")
        return 1 + self.better(float(mean), maximize=maximize)

    def _key(self, params: Mapping[str, Any]) -> Key:
        """The key of params; values that were written to a text file and read back match."""
        axes = self._log.axes
        with suppress(TypeError):  # a list has no hash
            exact = hashed(tuple(params.get(name, ABSENT) for name in axes))
            if exact in self._rows and len(params) <= len(axes):
                return exact
        strange = [name for name in params if name not in axes]
        absent = [] if self._log.rules else [name for name in axes if name not in params]
        if strange or absent:
            problem = f"needs a value of {absent[0]!r}" if absent else ""
            if strange:
                problem = f"has no parameter {strange[0]!r}"
            raise TableError(f"{self._log.source} {problem}; its parameters are {', '.join(axes)}")
        try:
            given = ((axis, params.get(name, ABSENT)) for name, axis in axes.items())
            return hashed(tuple(v if v is ABSENT else a.values[a.level(v)] for a, v in given))
        except SpaceError as error:
            raise TableError(
                f"{dict(params)} is not on the grid of {self._log.source}: {error}"
            ) from error

    @property
    def slots(self) -> int:
        """How many trials are answered at a time; with a virtual clock, its workers."""
        return self._slots

    @property
    def cannot_continue(self) -> str:  # type: ignore[override]
        """Why no trial of a table continues from the checkpoint of another."""
        return (
            "a Table answers with whole trainings from the start and knows nothing of one that "
            "goes on with other params; run the program, with Local, Batch or "
            "Futures(directory=...)"
        )

    @property
    def cannot_step(self) -> str:  # type: ignore[override]
        """Why no learning curves come; empty if they do."""
        if self._log.curves:
            return ""
        return (
            "this Table has none: name their columns with curves={step: column}, "
            "or curves=True for those of a journal"
        )

    @property
    def clock(self) -> Clock:
        """What the virtual clock shows now: elapsed, utilisation, speedup and more.

        Raises
        ------
        LaunchError
            The table has no virtual clock.
        """
        if isinstance(self._trials, ImmediateClock):
            raise LaunchError(
                "this Table answers at once and has no clock; "
                "make it with clock=True for a virtual clock"
            )
        return self._trials.read()

    def restart(self) -> None:
        """Forget what was submitted and set the clock back to 0, for another replay."""
        self._trials.restart()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Look `jobs` up; `collect` returns the answers.

        Raises
        ------
        TableError
            With ``missing="error"``, a point that is not in the log; params that are not on its
            grid.
        LaunchError
            More jobs than free slots, an id twice, a closed launcher, or a trial that continues
            another one.
        """
        if self._closed:
            raise LaunchError("this launcher is closed; make a new one")
        base.check_startable(jobs, self._trials.ids, self._trials.free, self._slots)
        check_continuing(jobs, self.cannot_continue)
        self._trials.start([self._answer(job) for job in jobs], [self._curve(job) for job in jobs])

    def _curve(self, job: Job) -> Curve:
        """The learning curve of a job's first row; empty where there is none."""
        rows = self._rows.get(self._key(job.params), []) if self._log.curves else []
        return self._log.curves[rows[0]] if rows else ()

    def _answer(self, job: Job) -> Result:
        rows = self._rows.get(self._key(job.params), [])
        where = {"log": self._log.source}
        if not rows:
            problem = f"{dict(job.params)} is not in {self._log.source}"
            if self._missing == "error":
                raise TableError(
                    f"{problem}; search its own space (Table.space), "
                    "or choose missing='fail' or 'exclude'"
                )
            return Result(
                job.id, "failed", seconds=_or_none(self._typical), error=problem, where=where
            )
        where["row"] = str(rows[0])
        values = self._log.values[rows]
        measured = [row for row, value in zip(rows, values, strict=True) if np.isfinite(value)]
        good = self._log.values[measured].tolist()
        means = {n: float(np.mean(c[measured])) for n, c in self._log.metrics.items() if measured}
        return Result(
            job.id,
            "done" if good else "failed",
            value=good if len(good) > 1 else next(iter(good), None),
            metrics=means,
            seconds=_or_none(float(np.sum(self._seconds[rows]))),
            error=None if good else f"failed in the log: row {rows[0]} of {self._log.source}",
            where=where,
        )

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Nothing: no trial of a table outlives its coordinator."""
        return []

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        """The answers to all jobs submitted since the last call; it never waits.

        On a virtual clock these are the trials that are over by now (asking may have taken that
        long); where there are none, the clock goes on to the next moment at which trials end. With
        `curves`, steps come in the same way, before the results.
        """
        return self._trials.collect()

    def cancel(self, id: int) -> None:
        """Answer a submitted job with state ``stopped``; on a virtual clock it ends now.

        There, one that is over already keeps its own result.
        """
        self._trials.cancel(id)

    def close(self) -> None:
        """Forget what was submitted; a second call does nothing."""
        self._closed = True
        self._trials.close()


def _or_none(seconds: float) -> float | None:
    return seconds if np.isfinite(seconds) else None
