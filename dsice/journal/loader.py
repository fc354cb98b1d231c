"""The trials of a journal, read in one pass and made one by one when somebody looks at them.

A journal of 100 000 trials is read in the time that its JSON takes: of each line only what the
history needs of all trials at once is kept (`dsice.history.Rows`), and where the line stands.
`dsice.journal.format.apply` says the same thing plainly, line by line; the tests hold the two together.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from dsice.errors import JournalError
from dsice.history import History, Rows
from dsice.journal import Line, Reading, Record, format, uncollected
from dsice.space import Space
from dsice.trial import State, Trial, mean
from dsice.typing import Point

_STATES: dict[str, State] = {str(state): state for state in State}
_UNREADABLE = (AttributeError, LookupError, OverflowError, TypeError, ValueError)


class Archive:
    """What a journal holds.

    Parameters
    ----------
    reading
        The journal; it is gone through here.

    Attributes
    ----------
    header, options
        The first line, None for an empty journal; and the lines that change its options.
    queue
        Points that were enqueued and not asked.
    preparations
        Directories of what was prepared, by name.
    again
        How often the run of a trial was lost and started again.

    Raises
    ------
    JournalError
        There is a bad line, or one that no trial can be made of; the message names it.
    """

    def __init__(self, reading: Reading) -> None:
        self.path, self.header = reading.path, reading.header
        self.options: list[Record] = []
        self.queue: list[Point] = []
        self.preparations: dict[str, str] = {}
        self.again: Counter[int] = Counter()
        self._text, self._rows = reading.text, Rows()
        self._numbers = array("q")  # of the line that asked or added each trial
        self._asked: list[tuple[int, int]] = []  # where that line stands
        self._told: dict[int, tuple[int, int]] = {}  # where the last tell line of a trial stands
        self._steps: dict[int, tuple[array[int], array[float]]] = {}
        self._last: tuple[tuple[int, int], Record] = ((-1, -1), {})
        with uncollected():
            for line in reading:
                if not reading.bad:  # else the rest is only looked through
                    self._take(line)
        reading.require_good()

    def fill(self, history: History, space: Space) -> None:
        """Give an empty history all trials.

        Raises
        ------
        JournalError
            A point that is none of the space; the message names its line.
        """
        try:
            points = np.array(self._rows.points, dtype=np.int64).reshape(len(self._rows.points), -1)
            good = not len(points) or (
                points.shape[1] == space.ndim and bool((points < np.array(space.shape)).all())
            )
        except (OverflowError, ValueError):
            good = False
        if not good:
            self._name_the_line(space)
        self._space = space
        with uncollected():
            history.load(self._rows, self._trial)
        self._rows = Rows()

    def _name_the_line(self, space: Space) -> None:
        for number, where, point in zip(self._numbers, self._asked, self._rows.points, strict=True):
            try:
                space.params(point)
            except _UNREADABLE as error:
                raise self._unusable(number, self._record(where)["kind"], error) from error

    def _unusable(self, number: int, kind: str, error: Exception) -> JournalError:
        reason = f"{type(error).__name__}: {error}"
        return JournalError(
            f"journal {self.path}, line {number}: this {kind} line cannot be used ({reason}); nothing was changed. "
            "Put the line right or take it out (keep a copy of the file)"
        )

    # ------------------------------------------------------------------ reading
    def _take(self, line: Line) -> None:
        record = line.record
        try:
            match record["kind"]:
                case "tell":
                    id = record["id"]
                    self._tell(id, record)
                    self._told[id] = (line.start, line.stop)
                case "ask":
                    self._ask(record["trials"], _whole(record, "round", None), line)
                case "step":
                    steps, values = self._steps.setdefault(record["id"], (array("q"), array("d")))
                    steps.append(record["step"])
                    values.append(format.number(record["value"]))
                case "add":
                    self._ask([record["trial"]], None, line)
                    self._tell(record["trial"]["id"], record["trial"])
                case "enqueue":
                    self.queue.append(tuple(record["point"]))
                case "prepared":
                    self.preparations[record["name"]] = record["directory"]
                case "again":
                    self.again[record["id"]] += 1
                case "options":
                    self.options.append(record)
        except _UNREADABLE as error:
            raise self._unusable(line.number, record["kind"], error) from error

    def _ask(self, trials: list[Record], round: int | None, line: Line) -> None:
        points = [tuple(asked["point"]) for asked in trials]
        keys = [_NEW if len(asked) == 2 else _key(asked) for asked in trials]
        self._rows.extend(points, round, keys)
        self._numbers.extend([line.number] * len(trials))
        self._asked.extend([(line.start, line.stop)] * len(trials))
        for point, key in zip(points, keys, strict=True) if self.queue else ():
            if key == _NEW and point in self.queue:
                self.queue.remove(point)

    def _tell(self, id: int, record: Record) -> None:
        rows, get = self._rows, record.get
        point = get("point")
        if point is not None and tuple(point) != rows.points[id]:
            raise ValueError(f"trial {id} was asked at {list(rows.points[id])}, not at {point}")
        _check_rest(record)
        rows.states[id] = _STATES.get(record["state"]) or State(record["state"])
        values = get("values", ())
        rows.counts[id] = len(values)
        rows.values[id] = (
            values[0] if len(values) == 1 and type(values[0]) is float else _mean(values)
        )
        rows.metrics[id] = _numbers(get("metrics", _NOTHING))
        if (seconds := get("seconds")) is not None:
            rows.seconds[id] = _plain("seconds", seconds)

    # ------------------------------------------------------------------ trials
    def _trial(self, id: int) -> Trial:
        """The trial of an id, as the lines have it."""
        record, round = self._record(self._asked[id]), None
        if record["kind"] == "add":
            asked = record["trial"]
        else:
            asked, round = record["trials"][id - record["trials"][0]["id"]], record.get("round")
        trial = format.trial_from(asked, self._space, round)
        if id in self._steps:
            trial = format.with_curve(trial, zip(*self._steps[id], strict=True))
        if record["kind"] == "add":
            trial = format.told(trial, asked)
        return (
            format.told(trial, json.loads(self._text[slice(*self._told[id])]))
            if id in self._told
            else trial
        )

    def _record(self, where: tuple[int, int]) -> Record:
        """The line that stands there; trials of one ask are mostly looked at one after the other."""
        if self._last[0] != where:
            self._last = (where, json.loads(self._text[slice(*where)]))
        return self._last[1]


_NEW = (0, 0, 0)  # stage, repeat and member of most trials
_NOTHING: Mapping[str, float] = {}
_NO_TIMES = [None] * 3
_FLOATS = {float}


def _key(asked: Record) -> tuple[int, int, int]:
    """Stage, repeat and member; what is not looked at now must not fail when somebody does."""
    for name in ("note", "overrides"):
        if type(asked.get(name, _NOTHING)) is not dict:
            raise TypeError(f"{name} is {asked[name]!r}")
    _whole(asked, "parent", None)
    if len(asked) == 3 and "note" in asked:
        return _NEW
    return (_whole(asked, "stage", 0), _whole(asked, "repeat", 0), _whole(asked, "member", 0))


def _check_rest(record: Record) -> None:
    """Raise TypeError for what is told beside the numbers and of the wrong kind: it must not fail when it is looked at."""
    if (error := record.get("error")) is not None and type(error) is not str:
        raise TypeError(f"error is {error!r}")
    for name in ("tags", "where"):
        if type(record.get(name, _NOTHING)) is not dict:
            raise TypeError(f"{name} is {record[name]!r}")
    times = record.get("times", _NO_TIMES)
    if type(times) is not list or len(times) != 3:
        raise TypeError(f"times is {times!r}, not three numbers")
    for moment in times:
        if moment is not None:
            _plain("times", moment)


def _plain(name: str, value: object) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"{name} is {value!r}, no number")
    return float(value)


def _mean(values: list[Any]) -> float:
    if type(values) not in (list, tuple):
        raise TypeError(f"values is {values!r}")
    found = mean(tuple(map(format.number, values)))
    return math.nan if found is None else found


def _numbers(metrics: Mapping[str, Any]) -> Mapping[str, float]:
    if type(metrics) is not dict:
        raise TypeError(f"metrics is {metrics!r}")
    return (
        metrics
        if set(map(type, metrics.values())) <= _FLOATS
        else {k: format.number(v) for k, v in metrics.items()}
    )


def _whole(record: Record, name: str, default: int | None) -> Any:
    """A whole number, the default where it is missing."""
    value = record.get(name, default)
    if type(value) is not int and value is not default:
        raise TypeError(f"{name} is {value!r}, not a whole number")
    return value
