"""`Table`: replay of a log instead of running anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dsice.errors import LaunchError, OptionError, SpaceError, TableError
from dsice.launchers._log import ABSENT, Columns, Key, Log, read
from dsice.launchers.base import Job, Result
from dsice.space import Axis, Require, Space

if TYPE_CHECKING:
    import pandas as pd

_MISSING = ("exclude", "fail", "error")


class Table:
    """A log of measurements as a launcher: every trial is answered from it at once.

    Parameters
    ----------
    source
        A DataFrame, the path of a CSV (.csv, .csv.gz, .tsv) or Parquet file, or a journal of dsice (.jsonl).
    objective
        Column of the values; default ``"objective"``, in a journal the metric of its goal. A row in which it is
        empty, NaN or infinite is a failed measurement. Rows with the same parameters are repeats.
    params
        Names of the columns of the parameters, or a mapping of them to their levels in order (or an axis). Default:
        the columns left of the objective (all others if it is the first); numbers become an Ordinal in ascending
        order, anything else a Choice.
    missing
        What a point is that is not in the log: ``"exclude"``: not in `space`; ``"fail"``: it comes back failed;
        ``"error"``: asking for it raises TableError.
    seconds
        Column of the run times; default: ``"seconds"``, if it is there.
    valid
        Column that is false for failed measurements; default: ``"valid"``, if it is there.
    metrics
        Further measured columns, handed on as metrics.
    slots
        How many trials are answered at a time: the batch of the replay.

    Raises
    ------
    TableError
        The log cannot be read, or a column is missing or holds what it should not.
    MissingPackageError
        A Parquet file, and pyarrow is not installed.
    OptionError
        `missing` or `slots` is none of what they can be.

    Examples
    --------
    >>> import pandas as pd
    >>> from dsice.launchers import Table
    >>> table = Table(pd.DataFrame({"x": [1, 1, 2], "y": [3, 4, 3], "loss": [0.5, 0.4, 0.9]}), objective="loss")
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
        slots: int = 1000,
    ) -> None:
        if missing not in _MISSING:
            raise OptionError(f"missing must be 'exclude', 'fail' or 'error', got {missing!r}")
        if isinstance(slots, bool) or not hasattr(slots, "__index__") or slots < 1:
            raise OptionError(f"slots must be an integer >= 1, got {slots!r}")
        self._log: Log = read(source, Columns(objective, params, seconds, valid, tuple(metrics)))
        self._missing = missing
        self._slots = int(slots)
        self._rows: dict[Key, list[int]] = {}
        for row, key in enumerate(self._log.keys):
            self._rows.setdefault(key, []).append(row)
        self._ready: list[Result] = []
        self._closed = False

    def __repr__(self) -> str:
        return f"<Table of {len(self._rows)} points, {len(self._log.keys)} measurements, {self.coverage:.3g} of the grid>"

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ------------------------------------------------------------------ what is in the log
    @cached_property
    def space(self) -> Space:
        """The grid of the log; with ``missing="exclude"`` its valid points are the logged ones."""
        axes, rules = self._log.axes, self._log.rules
        if self._missing != "exclude" or self.coverage == 1:
            return Space(axes, where=rules)
        names, rows = tuple(axes), self._rows

        def logged(params: Mapping[str, Any]) -> bool:
            return tuple([params.get(name, ABSENT) for name in names]) in rows

        return Space(axes, where=[*rules, Require(logged, name="logged")])

    @cached_property
    def coverage(self) -> float:
        """Share of the grid that is in the log, measured or failed."""
        grid = Space(self._log.axes, where=self._log.rules)
        return len(self._rows) / (grid.count if self._log.rules and grid.count else grid.size)

    @cached_property
    def _means(self) -> NDArray[np.float64]:
        """Mean of the good measurements of each point, shape (points,); NaN where there are none."""
        sizes = [len(rows) for rows in self._rows.values()]
        point = np.repeat(np.arange(len(sizes)), sizes)
        values = self._log.values[[row for rows in self._rows.values() for row in rows]]
        good = np.isfinite(values)
        count = np.bincount(point[good], minlength=len(sizes))
        total = np.bincount(point[good], weights=values[good], minlength=len(sizes))
        means: NDArray[np.float64] = np.divide(total, count, out=np.full(len(sizes), np.nan), where=count > 0)
        return means

    @cached_property
    def _places(self) -> dict[Key, int]:
        """Where the mean of a point stands in `_means`."""
        return {key: place for place, key in enumerate(self._rows)}

    @property
    def values(self) -> NDArray[np.float64]:
        """Mean value of each measured point, shape (measured points,), in the order of the log."""
        return self._means[np.isfinite(self._means)]

    @property
    def median(self) -> float:
        """Median of `values`: what a point taken at random has; NaN if nothing was measured."""
        return float(np.median(self.values)) if self.values.size else float("nan")

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
        key = list(self._rows)[best]
        return {n: v for n, v in zip(self._log.axes, key, strict=True) if v != ABSENT}, float(self._means[best])

    def better(self, value: float, *, maximize: bool = False) -> int:
        """How many points of the log are strictly better than `value`."""
        return int(np.sum(self.values > value if maximize else self.values < value))

    def rank(self, params: Mapping[str, Any], *, maximize: bool = False) -> int:
        """Place of a point among all measured ones, 1 for the best; equal values share a place.

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
        """The key of params; values that went through a text file and back match."""
        axes = self._log.axes
        exact = tuple(params.get(name, ABSENT) for name in axes)
        if exact in self._rows and len(params) <= len(axes):
            return exact
        strange = [name for name in params if name not in axes]
        absent = [] if self._log.rules else [name for name in axes if name not in params]
        if strange or absent:
            problem = f"has no parameter {strange[0]!r}" if strange else f"needs a value of {absent[0]!r}"
            raise TableError(f"{self._log.source} {problem}; its parameters are {', '.join(axes)}")
        try:
            return tuple(axis.values[axis.level(params[name])] if name in params else ABSENT for name, axis in axes.items())
        except SpaceError as error:
            raise TableError(f"{dict(params)} is not on the grid of {self._log.source}: {error}") from error

    # ------------------------------------------------------------------ the launcher
    @property
    def slots(self) -> int:
        """How many trials are answered at a time."""
        return self._slots

    def submit(self, jobs: Sequence[Job]) -> None:
        """Look `jobs` up; `collect` returns the answers.

        Raises
        ------
        TableError
            With ``missing="error"``, for a point that is not in the log; for params that are not on its grid.
        LaunchError
            More jobs than free slots, an id twice, or a closed launcher.
        """
        if self._closed:
            raise LaunchError("this launcher is closed; make a new one")
        free = self._slots - len(self._ready)
        if len(jobs) > free:
            raise LaunchError(f"{len(jobs)} jobs submitted and {free} of {self._slots} slots free; collect results first")
        ids = [*(result.id for result in self._ready), *(job.id for job in jobs)]
        if len(set(ids)) < len(ids):
            raise LaunchError(f"an id was submitted twice, in {ids[:20]}; collect the first result before")
        self._ready += [self._answer(job) for job in jobs]

    def _answer(self, job: Job) -> Result:
        rows = self._rows.get(self._key(job.params), [])
        where = {"log": self._log.source}
        if not rows:
            problem = f"{dict(job.params)} is not in {self._log.source}"
            if self._missing == "error":
                raise TableError(f"{problem}; search its own space (Table.space), or choose missing='fail' or 'exclude'")
            return Result(job.id, "failed", error=problem, where=where)
        where["row"] = str(rows[0])
        values = self._log.values[rows]
        seconds = float(np.sum(self._log.seconds[rows]))
        measured = [row for row, value in zip(rows, values, strict=True) if np.isfinite(value)]
        good = self._log.values[measured].tolist()
        return Result(
            job.id,
            "done" if good else "failed",
            value=None if not good else good[0] if len(good) == 1 else good,
            metrics={name: float(np.mean(column[measured])) for name, column in self._log.metrics.items() if measured},
            seconds=seconds if np.isfinite(seconds) else None,
            error=None if good else f"failed in the log: row {rows[0]} of {self._log.source}",
            where=where,
        )

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Nothing: no trial of a table outlives its coordinator."""
        return []

    def collect(self, timeout: float = 0.0) -> list[Result]:
        """The answers to all jobs submitted since the last call; it never waits."""
        news, self._ready = self._ready, []
        return news

    def cancel(self, id: int) -> None:
        """Answer a submitted job with state ``stopped`` instead."""
        self._ready = [Result(id, "stopped", error="cancelled") if result.id == id else result for result in self._ready]

    def close(self) -> None:
        """Forget what was submitted; a second call does nothing."""
        self._closed = True
        self._ready = []
