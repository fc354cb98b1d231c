"""A journal as a history: the only way from the one to the other.

A journal of 100 000 trials is loaded in the time that its JSON takes, in one pass: of each line
only what the history needs of all trials at once is kept (`dsice.history.TrialColumns`), and where
the line stands. A trial itself is made when somebody first looks at it.
"""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from dsice.checks import shown
from dsice.errors import JournalError
from dsice.goal import Goal
from dsice.history import History, TrialColumns
from dsice.journal.fields import (
    NEW,
    NOTHING,
    STATES,
    as_float,
    as_whole,
    check_rest,
    floats,
    forbidden_ids,
    key_of,
    mean_of,
    told_state,
)
from dsice.journal.format import (
    KINDS,
    OPTIONS,
    Kind,
    asked_trial,
    decode_float,
    told_repeats,
    told_trial,
    with_curve,
)
from dsice.journal.imports import ImportedLog, imported_log
from dsice.journal.queued import Queue
from dsice.journal.reader import JournalLine, JournalReader, garbage_uncollected
from dsice.journal.revisions import Revisions, forget_end, withdrawn_trial
from dsice.journal.sources import Sources
from dsice.space import Space
from dsice.trial import State, Trial
from dsice.typing import PathLike, Point, Record

MOST_SHOWN = 500  # characters of what is wrong with a line
Place: TypeAlias = tuple[int, int]
Steps: TypeAlias = "tuple[array[int], array[float]]"
_CHANGING = KINDS - {Kind.STEP, Kind.DECISION, Kind.AGAIN, Kind.PREPARED, Kind.END}
"""Kinds of lines after which a search that had ended may go on."""
_UNUSABLE = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)


class JournalLoader:
    """What a journal says: its study, its trials and what else is known of their runs.

    Parameters
    ----------
    reader
        The journal; the pass over its lines is made here.

    Attributes
    ----------
    path
        The file.
    header
        The first line, None for an empty journal.
    identity
        By which the study is told from all others (`study_identity`).
    options
        The options in force by name, as JSON: those of the header, then each options line.
    preparations
        Directories of what was prepared, by name.
    sources
        Trials of related tasks that inform the search.
    lost_runs
        How often the run of a trial was lost and started again, by id.
    revisions
        Which trials were withdrawn or are tried again.
    decisions
        What the stopper in force decided last on a trial, by id: the step, and whether to stop.
    end
        The end line, where nothing that it follows from has changed since; else None.
    imports
        Logs whose rows are in the journal.

    Raises
    ------
    JournalError
        There is a bad line, or one that no trial can be made of; the message names it.
    """

    def __init__(self, reader: JournalReader) -> None:
        self.path = reader.path
        self.header = reader.header
        self.identity = reader.identity
        self.options: Record = {}
        self._queue = Queue()
        self.preparations: dict[str, str] = {}
        self.sources = Sources()
        self.lost_runs: Counter[int] = Counter()
        self.revisions = Revisions()
        self.decisions: dict[int, tuple[int, bool]] = {}
        self.end: Record | None = None
        self.imports: list[ImportedLog] = []
        self._text = reader.text
        self._columns = TrialColumns()
        self._numbers = array("q")  # of the line that asked or added each trial
        self._asked: list[tuple[int, int]] = []  # where that line stands
        self._told: dict[int, Place] = {}  # where the last tell line of a trial stands
        self._steps: dict[int, Steps] = {}
        self._last: tuple[tuple[int, int], Record] = ((-1, -1), {})
        self._metric = "value"  # of the goal in force in this line
        self._metrics: list[tuple[int, str]] = []  # where each began to be in force
        self._change_options(self.header or {}, 0)
        with garbage_uncollected():
            for line in reader:
                if not reader.bad:  # else the rest is read only to complete the list of bad lines
                    self._take(line)
                    self._note_end(line.record)
        reader.require_good()

    @classmethod
    def open(cls, path: PathLike) -> JournalLoader:
        """Load a journal to look at, also while another process writes it."""
        return cls(JournalReader(path))

    @property
    def queue(self) -> list[Point]:
        """Points that were enqueued and not asked, in the order enqueued."""
        return self._queue.points()

    # ------------------------------------------------------------------ the study
    def goal(self) -> Goal:
        """The goal in force.

        Raises
        ------
        JournalError
            It is damaged, or has an option of a newer dsice.
        """
        try:
            return Goal.from_dict(self.options.get("goal", {}))
        except _UNUSABLE as error:
            raise self.unusable_options(error) from error

    def unusable_options(self, error: Exception) -> JournalError:
        """The error that an option in force cannot be used."""
        return JournalError(
            f"journal {self.path}: its header or an options line cannot be used: {error}"
        )

    # ------------------------------------------------------------------ the history
    def fill(self, history: History, space: Space) -> None:
        """Give an empty history all trials; it is done once.

        Raises
        ------
        JournalError
            A point is not on the grid of the space; the message names its line.
        """
        points = self._columns.points
        try:
            levels = np.array(points, dtype=np.int64).reshape(len(points), -1)
            on_grid = not len(levels) or (
                levels.shape[1] == space.ndim and bool((levels < np.array(space.shape)).all())
            )
        except (OverflowError, ValueError):
            on_grid = False
        if not on_grid:
            self._name_the_line(space)
        self._space = space
        with garbage_uncollected():
            history.load(self._columns, self._trial)
        self._columns = TrialColumns()
        history.sources = self.sources.in_force
        history.forbidden = forbidden_ids(self.header or {}, len(points))

    def _name_the_line(self, space: Space) -> None:
        """Raise JournalError for the first line with a point that the space does not have."""
        places = zip(self._numbers, self._asked, self._columns.points, strict=True)
        for number, where, point in places:
            try:
                space.params(point)
            except _UNUSABLE as error:
                raise self._unusable(number, self._record(where)["kind"], error) from error

    def _unusable(self, number: int, kind: str, error: Exception) -> JournalError:
        reason = f"{type(error).__name__}: {error}"[:MOST_SHOWN]
        return JournalError(
            f"journal {self.path}, line {number}: this {kind} line cannot be used ({reason}); "
            "nothing was changed. Put the line right or take it out (keep a copy of the file)"
        )

    # ------------------------------------------------------------------ the pass
    def _take(self, line: JournalLine) -> None:
        record = line.record
        try:
            match record["kind"]:
                case Kind.TELL:
                    self._tell(record["id"], record)
                    self._told[record["id"]] = (line.start, line.stop)
                case Kind.ASK:
                    self._ask(record["trials"], as_whole(record, "round", None), line)
                case Kind.STEP:
                    steps, values = self._steps.setdefault(record["id"], (array("q"), array("d")))
                    steps.append(record["step"])
                    values.append(decode_float(record["value"]))
                case Kind.ADD:
                    self._ask([record["trial"]], None, line)
                    self._columns.added.add(record["trial"]["id"])
                    self._tell(record["trial"]["id"], record["trial"])
                case Kind.ENQUEUE:
                    self._queue.append(tuple(record["point"]))
                case Kind.PREPARED:
                    self.preparations[record["name"]] = record["directory"]
                case Kind.AGAIN:
                    self.lost_runs[record["id"]] += 1
                case Kind.DECISION | Kind.IMPORT:
                    self._note(record)
                case Kind.OPTIONS | Kind.REUSE:
                    self._change_options(record, line.start)
                case Kind.WITHDRAW | Kind.RETRY:
                    self._revise(record)
        except _UNUSABLE as error:
            raise self._unusable(line.number, record["kind"], error) from error

    def _note_end(self, record: Record) -> None:
        """Keep an end line until something comes after which the search may go on."""
        if record["kind"] == Kind.END:
            self.end = record
        elif self.end is not None and record["kind"] in _CHANGING:
            self.end = None

    def _revise(self, record: Record) -> None:
        """Take in a withdraw or retry line."""
        id = record["id"]
        if record["kind"] == Kind.WITHDRAW:
            self._columns.states[id] = State.WITHDRAWN
            self.revisions.withdraw(record)
            return
        end = (self._told.pop(id, None), self._steps.pop(id, None))
        reason = self.revisions.reasons.get(id)
        first = not self.revisions.tries[id]
        seconds = 0.0 if id in self._columns.added else self._columns.seconds[id]
        self.revisions.retry(
            record,
            lambda: self._made(id, *end, added=first, reason=reason),
            0.0 if math.isnan(seconds) else seconds,
        )
        self.lost_runs.pop(id, None)
        self.decisions.pop(id, None)
        forget_end(self._columns, id)

    def _note(self, record: Record) -> None:
        """Note a decision or import; a line that lacks something of one is passed over."""
        if record["kind"] == Kind.IMPORT:
            self.imports += filter(None, [imported_log(record)])
            return
        match record:
            case {"id": int(id), "step": int(step), "stop": bool(stop)}:
                self.decisions[id] = (step, stop)

    def _change_options(self, record: Mapping[str, Any], start: int) -> None:
        self.options.update((name, record[name]) for name in OPTIONS if name in record)
        if "stopper" in record:
            self.decisions.clear()
        self.sources.take(record)
        goal = self.options.get("goal")
        metric = goal.get("metric") if isinstance(goal, dict) else None
        self._metric = metric if isinstance(metric, str) else "value"
        self._metrics.append((start, self._metric))

    def _metric_at(self, place: int) -> str:
        """The goal's metric in force in the line that begins there."""
        return self._metrics[bisect_right(self._metrics, place, key=lambda one: one[0]) - 1][1]

    def _ask(self, trials: list[Record], round: int | None, line: JournalLine) -> None:
        points = [tuple(asked["point"]) for asked in trials]
        keys = [NEW if len(asked) == 2 else key_of(asked) for asked in trials]
        first = len(self._asked)
        for id, asked in enumerate(trials, first):
            if (
                len(asked) > 2
                and (parent := asked.get("parent")) is not None
                and not 0 <= parent < id
            ):
                raise ValueError(f"the parent of trial {id} is {shown(parent)}, no earlier trial")
        self._columns.extend(points, round, keys)
        self._numbers.extend([line.number] * len(trials))
        self._asked.extend([(line.start, line.stop)] * len(trials))
        if self._queue:
            for point, key in zip(points, keys, strict=True):
                if key == NEW:
                    self._queue.remove(point)

    def _tell(self, id: int, told: Record) -> None:
        columns = self._columns
        get = told.get
        point = get("point")
        if point is not None and tuple(point) != columns.points[id]:
            raise ValueError(f"trial {id} was asked at {list(columns.points[id])}, not at {point}")
        check_rest(told)
        columns.states[id] = STATES.get(told["state"]) or told_state(told["state"])
        values = get("values", ())
        columns.counts[id] = len(values)
        columns.values[id] = (
            values[0] if len(values) == 1 and type(values[0]) is float else mean_of(values)
        )
        if len(values) > 1 or "repeats" in told:
            columns.repeats[id] = self._repeats(told, values)
        elif id in columns.repeats:  # of a trial that was lost then
            del columns.repeats[id]
        columns.metrics[id] = floats(get("metrics", NOTHING))
        if (seconds := get("seconds")) is not None:
            columns.seconds[id] = as_float("seconds", seconds)

    def _repeats(self, told: Record, values: list[Any]) -> Mapping[str, tuple[float, ...]]:
        """What `TrialColumns.repeats` holds of a line, checked."""
        lists = told.get("repeats", NOTHING)
        if type(lists) is not dict or any(type(several) is not list for several in lists.values()):
            raise TypeError(f"repeats is {shown(lists)}")
        measured = tuple(map(decode_float, values))
        repeats = told_repeats(told, measured, self._metric)
        if len(measured) > 1 and "value" not in told.get("metrics", NOTHING):
            return {"value": measured, **repeats}
        return repeats

    # ------------------------------------------------------------------ trials
    def _trial(self, id: int) -> Trial:
        """The trial of an id, as its lines have it."""
        return self._made(
            id,
            self._told.get(id),
            self._steps.get(id),
            added=not self.revisions.tries[id],
            reason=self.revisions.reasons.get(id),
        )

    def _made(
        self, id: int, told: Place | None, steps: Steps | None, *, added: bool, reason: str | None
    ) -> Trial:
        """A trial with one of its ends; `added`: an add line counts, `reason`: of a withdrawal."""
        record = self._record(self._asked[id])
        by_add = record["kind"] == Kind.ADD
        if by_add:
            asked = record["trial"]
            trial = asked_trial(asked, self._space, None)
        else:
            asked = record["trials"][id - record["trials"][0]["id"]]
            trial = asked_trial(asked, self._space, record.get("round"))
        if steps is not None:
            trial = with_curve(trial, zip(*steps, strict=True))
        if by_add and added:
            trial = told_trial(trial, asked, self._metric_at(self._asked[id][0]))
        if told is not None:
            line = json.loads(self._text[slice(*told)])
            trial = told_trial(trial, line, self._metric_at(told[0]))
        return trial if reason is None else withdrawn_trial(trial, reason)

    def _record(self, where: tuple[int, int]) -> Record:
        """The line that stands there; trials of one ask are mostly looked at one after another."""
        if self._last[0] != where:
            self._last = (where, json.loads(self._text[slice(*where)]))
        return self._last[1]
