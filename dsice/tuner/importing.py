"""Logs of others taken into a study: all rows are checked, then all are written, or none."""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.checks import flag, shown
from dsice.errors import DsiceWarning, TellError
from dsice.journal import requests
from dsice.journal.format import Kind, add_line
from dsice.journal.imports import ImportedLog, import_line, imported_log
from dsice.journal.reader import garbage_uncollected
from dsice.reuse.tables.columns import LogColumns
from dsice.reuse.tables.measurements import NO_NEWS, Log, LoggedTrial, records_as_frame
from dsice.trial import State, Trial
from dsice.tuner import adding, telling
from dsice.tuner.asking import remove_from_queue
from dsice.tuner.revising import RevisableStudy
from dsice.typing import Point, Record

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5


@dataclass(frozen=True)
class Added:
    """What became of the rows of a log.

    Attributes
    ----------
    ids
        The trials that were added.
    known
        How many rows are in the study already.
    remarks
        What else is to be known: columns and rows that say nothing, values that failed.
    """

    ids: range
    known: int
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __str__(self) -> str:
        known = f", {self.known} known already" if self.known else ""
        return f"{len(self.ids)} added{known}"


@dataclass(frozen=True, slots=True)
class _Row:
    """A measurement to add, and where it is from."""

    point: Point
    stage: int
    report: telling.Report
    key: str | int | None
    number: int


@dataclass(frozen=True)
class CheckedRows:
    """Rows of a log that may be added.

    Attributes
    ----------
    rows, remarks, about
        What they are, what else is to be known, and the log that they are from.
    added
        What would become of them.
    trials
        Those that would be added.
    """

    rows: tuple[_Row, ...]
    remarks: tuple[str, ...]
    about: ImportedLog | None
    added: Added
    trials: tuple[Trial, ...] = ()


@dataclass
class _New:
    """Trials that are to be added, and how many rows are known."""

    trials: list[Trial] = field(default_factory=list)
    known: int = 0
    failed: int = 0


class ImportingStudy(RevisableStudy):
    """A study that takes in the logs of others; the part of `Tuner` that does so."""

    def add_all(
        self,
        rows: pd.DataFrame | Iterable[Mapping[str, Any]] | Log | CheckedRows,
        *,
        objective: str | None = None,
        metrics: Sequence[str] | None = None,
        seconds: str | None = None,
        state: str | None = None,
        key: str | None = None,
        fixed: Mapping[str, Any] | None = None,
        nearest: bool = False,
        skip: bool = False,
        name: str = "the log",
    ) -> Added:
        """Record the measurements of a log: all of its rows, or none, with one write.

        As with `add`, what is known is not recorded again, so a log may be added as often as it has
        grown; rows that are equal to each other are several measurements. A row without a finite
        objective is a failed trial; those that are pending, lost or withdrawn are passed over.

        Parameters
        ----------
        rows
            A DataFrame with a column for each parameter and one for the metric of the goal; or a
            list of mappings, flat or with ``params``, ``metrics`` and ``tags`` as in a trial.
        objective
            Column of the goal's metric, if it has another name.
        metrics
            Columns of further metrics; by default all numbers that are nothing else.
        seconds
            Column of the run times, numbers or durations; by default ``"seconds"``.
        state
            Column of words for what became of a row, such as ok, failed or timeout; by default
            ``"state"`` or ``"status"``.
        key
            Column of what a measurement is known by, as in `add`.
        fixed
            Values of parameters that the log has no column for: ``{"gpus": 4}``.
        nearest
            Whether a number that is not on its axis stands for the nearest.
        skip
            Whether rows that are no valid points of the space are passed over.
        name
            What messages and the journal call it.

        Returns
        -------
        Added
            What was added, how many rows were known, and remarks, which are also given as a
            `DsiceWarning`.

        Raises
        ------
        TableError, TellError
            A row that cannot be taken, by its place; nothing is recorded.
        JournalError
            It could not be written; nothing is recorded.

        Examples
        --------
        >>> from dsice import Tuner
        >>> tuner = Tuner({"x": range(9), "y": range(9)})
        >>> rows = [{"x": 1, "y": 2, "value": 5.0}, {"x": 3, "y": 5, "value": 0.0}]
        >>> print(tuner.add_all(rows))
        2 added
        """
        said = LogColumns(objective, None, metrics, seconds, state, key, dict(fixed or {}))
        nearest = flag("add_all", "nearest", nearest)
        skip = flag("add_all", "skip", skip)
        log = rows if isinstance(rows, (Log, CheckedRows)) else self._log(rows, said, name)
        with self._mutex, garbage_uncollected():
            self._recorder.check()
            self.take_requests()
            self._recorder.flush()
            if isinstance(log, CheckedRows):
                new = self._agreed(log)
                return self._record(new, log.remarks, log.about)
            found = self._import(log, nearest=nearest, skip=skip)
        if found.remarks and log is not rows:
            text = f"{log.source}: {'; '.join(found.remarks)}"
            warnings.warn(text, DsiceWarning, stacklevel=2)
        return found

    def _log(self, rows: Any, said: LogColumns, name: str) -> Log:
        if not (hasattr(rows, "columns") and hasattr(rows, "iloc")):
            if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
                raise TellError(
                    f"add_all({shown(rows)}): expected a DataFrame, or a list of mappings; nothing "
                    "was recorded. `dsice import` reads a file"
                )
            rows = records_as_frame(list(rows), name)
        names = self.space.names
        return Log(rows, said, name, goal=self._recorder.history.goal, names=names)

    def checked_rows(self, log: Log, *, nearest: bool = False, skip: bool = False) -> CheckedRows:
        """The rows of a log as `add_all` would take them, for a study that is only looked at.

        The arguments and errors are those of `add_all`.
        """
        with self._mutex, garbage_uncollected():
            read = self._read_rows(log, nearest=nearest, skip=skip)
            if isinstance(read, Added):
                return CheckedRows((), (), None, read)
            rows, remarks, about = read
            new = self._new(rows, lambda row: f"{log.source}, {log.place(row)}")
            first = len(self._recorder.history)
            added = Added(range(first, first + len(new.trials)), new.known, tuple(remarks))
            return CheckedRows(tuple(rows), tuple(remarks), about, added, tuple(new.trials))

    def _agreed(self, checked: CheckedRows) -> _New:
        """Checked rows as trials of this study."""
        if len(self._recorder.history) or checked.added.known or checked.added.ids.start:
            return self._new(checked.rows, lambda row: f"row {row}")
        failed = sum(trial.state is State.FAILED for trial in checked.trials)
        return _New(list(checked.trials), 0, failed)

    def requested_rows(self, checked: CheckedRows) -> tuple[list[Record], Record]:
        """Rows, and the log that they are from, as in a request to a coordinator."""
        metric = self._recorder.history.goal.metric
        about = {} if checked.about is None else checked.about._asdict()
        return [self._request_row(row, metric) for row in checked.rows], about

    def _request_row(self, row: _Row, metric: str) -> Record:
        trial = self._finished(row, 0, 0)
        record: Record = add_line(trial, 0.0, metric)["trial"]
        record.pop("id")
        return record | ({} if row.key is None else {"key": row.key})

    def _read_rows(
        self, log: Log, *, nearest: bool, skip: bool
    ) -> Added | tuple[list[_Row], list[str], ImportedLog]:
        """The rows to add; what became of them where all are known."""
        count = len(log.frame)
        goal = self._recorder.history.goal
        plan = [goal.metric, goal.stage, nearest, skip]
        digest = log.digest(plan)
        remarks = log.roles.remarks()
        for before in self._imports:
            if (before.rows, before.sha256) == (count, digest):
                remarks.append(f"all rows were imported before, as {before.name}")
                return Added(range(0), count, tuple(remarks))
        trials = log.trials()
        told = [trial for trial in trials if trial.state not in NO_NEWS]
        places = [trial.row for trial in told]
        if skip:
            kept = set(log.on_grid(self.space, places, nearest=nearest))
            remarks += [f"passed over: {n} off the grid" for n in [len(told) - len(kept)] if n]
            told = [trial for trial in told if trial.row in kept]
            places = [trial.row for trial in told]
        levels = log.levels(self.space, places, nearest=nearest).tolist() if places else []
        rows = [
            _Row(
                tuple(point),
                goal.stage if trial.stage is None else trial.stage,
                _report(trial),
                trial.tags.get(adding.KEY) if "key" in log.roles.about else None,
                trial.row,
            )
            for point, trial in zip(levels, told, strict=True)
        ]
        return rows, [*remarks, *log.counted(trials)], ImportedLog(log.source, count, digest)

    def _import(self, log: Log, *, nearest: bool, skip: bool) -> Added:
        read = self._read_rows(log, nearest=nearest, skip=skip)
        if isinstance(read, Added):
            return read
        rows, remarks, about = read
        new = self._new(rows, lambda row: f"{log.source}, {log.place(row)}")
        remarks += adding.still_pending(new.trials, self._recorder.history)
        return self._record(new, remarks, about)

    def _record(self, new: _New, remarks: Sequence[str], about: ImportedLog | None) -> Added:
        """Write the rows that are new."""
        first = len(self._recorder.history)
        at = time.time()
        metric = self._recorder.history.goal.metric
        lines = [add_line(trial, at, metric) for trial in new.trials]
        if about is not None and lines:
            lines.append(import_line(about, at, len(new.trials)))

        def then() -> None:
            remove_from_queue(self._queue, new.trials)
            if about is not None and about not in self._imports:
                self._imports.append(about)

        if lines:
            self._recorder.commit(lines, new.trials, then)
        if new.failed:
            remarks = [*remarks, f"recorded as failed: {new.failed}"]
        return Added(range(first, first + len(new.trials)), new.known, tuple(remarks))

    def _new(self, rows: Sequence[_Row], place: Callable[[int], str]) -> _New:
        """The rows that are not known, as trials.

        Parameters
        ----------
        place
            Says where the row of a number is.

        Raises
        ------
        TellError
            Rows that cannot be taken.
        """
        history = self._recorder.history
        found = _New()
        measured = {tuple(point) for point in np.unique(history.points(), axis=0).tolist()}
        count: Counter[Any] = Counter()
        repeats: dict[tuple[Point, int], int] = {}
        keys: dict[str, Trial] = {}
        problems = []
        for row in rows:
            where = row.point, row.stage
            repeat = repeats.get(where, 0)
            while history.id_of((row.point, row.stage, repeat, 0)) is not None:
                repeat += 1
            repeats[where] = repeat
            try:
                trial = self._finished(row, len(history) + len(found.trials), repeat)
                if row.point in measured or row.key is not None:
                    what = (*where, trial.state, adding.content(trial))
                    count[what] += 1
                    if self._is_known(trial, row.key, count[what] - 1, keys):
                        found.known += 1
                        continue
            except TellError as error:
                problems.append(f"{place(row.number)}: {error}")
                continue
            repeats[where] = repeat + 1
            found.trials.append(trial)
            found.failed += trial.state is State.FAILED
        if problems:
            more = f"; and {len(problems) - _SHOWN} more rows" if problems[_SHOWN:] else ""
            raise TellError(f"{'; '.join(problems[:_SHOWN])}{more}. Nothing was recorded")
        return found

    def _finished(self, row: _Row, id: int, repeat: int) -> Trial:
        params = self.space.params(row.point)
        trial = Trial(id, None, params, row.point, row.stage, repeat)
        return row.report.finish(trial, self._recorder.history)

    def _is_known(
        self, trial: Trial, key: str | int | None, nth: int, keys: dict[str, Trial]
    ) -> bool:
        """Whether it is a trial already, or has the key of a row before it."""
        if self._known.find(trial, key, nth) is not None:
            return True
        if key is None:
            return False
        before = keys.setdefault(json.dumps(key), trial)
        if before is trial:
            return False
        if difference := adding.difference(trial, before):
            raise TellError(f"key {key!r} is that of a row before, and {difference}")
        return True

    # ------------------------------------------------------------------ on request of others
    def _do(self, request: requests.Request) -> list[str]:
        if request.kind != Kind.ADD:
            return super()._do(request)
        rows = [self._requested_row(record, n) for n, record in enumerate(request.rows)]
        about = None if request.log is None else imported_log(request.log)
        if about is not None and about in self._imports:
            return []
        with garbage_uncollected():
            self._record(self._new(rows, lambda row: f"row {row}"), [], about)
        return []

    def _requested_row(self, record: Record, number: int) -> _Row:
        try:
            point = tuple(record["point"])
            if not self.space.is_valid(point):
                raise ValueError(f"{point} is no point of the study")
            told = telling.told_arguments(record | {"kind": Kind.ADD})
            told.pop("id", None)
            stage = int(record.get("stage", 0))
            return _Row(point, stage, telling.Report(**told), record.get("key"), number)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise TellError(f"row {number} cannot be understood ({error})") from error


def _report(trial: LoggedTrial) -> telling.Report:
    state = None if trial.state is State.DONE else trial.state
    value = list(trial.value) if isinstance(trial.value, tuple) else trial.value
    return telling.Report(
        value,
        {name: list(v) if isinstance(v, tuple) else v for name, v in trial.metrics.items()},
        trial.seconds,
        trial.error,
        state,
        trial.tags or None,
        None if trial.times == (None, None, None) else trial.times,
        trial.where or None,
    )
