"""`dsice tell --from`: results from lines of JSON, also those that dsice saved itself.

The same lines may be given again: what is in the journal already is passed over.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from dsice.checks import expanded
from dsice.errors import OptionError, SpaceError, TellError
from dsice.journal.format import Kind, decode_float
from dsice.trial import State, Trial, mean
from dsice.tuner import Tuner, adding, telling
from dsice.tuner.curves import ReportedStep
from dsice.tuner.telling import NO_REASON, told_arguments
from dsice.typing import Record

_IDENTITY = (("stage", 0), ("repeat", 0), ("member", 0))
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError)  # JSONDecodeError, TellError too
_WRONG = (*_MALFORMED, OverflowError, RecursionError)
_SHOWN = 5


def record_lines(tuner: Tuner, file: str) -> str:
    """Record the results in a file; those that are in the journal already are passed over.

    Parameters
    ----------
    tuner
        The study.
    file
        The file with the lines; ``-`` is the standard input.

    Returns
    -------
    str
        How many were recorded and how many were known.

    Raises
    ------
    OptionError
        The file cannot be read or is the journal of another study; or some lines are no result or
        contradict what was told. All other lines are recorded.
    """
    lines = ToldLines(tuner)
    problems = lines.take(file, _lines(file))
    said = f"{lines.recorded} recorded" + (f", {lines.known} were known" if lines.known else "")
    if problems:
        shown = "; ".join(problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if problems[_SHOWN:] else ""
        raise OptionError(f"{file}, {shown}{more}; all other lines were taken ({said})")
    return said


class ToldLines:
    """The lines of one file, told to a study one by one.

    Attributes
    ----------
    recorded, known
        How many results were new, and how many were in the journal already.
    """

    def __init__(self, tuner: Tuner) -> None:
        self.recorded = 0
        self.known = 0
        self._tuner = tuner
        self._steps: dict[int, dict[int, int]] = {}  # the lines of each trial's steps that count
        self._curves: dict[int, dict[int, float]] = {}  # as they were before
        self._waiting: list[ReportedStep] = []  # new steps, which are written at once
        self._added = tuner.additions()  # two equal lines are two measurements

    def take(self, file: str, lines: Iterable[str]) -> list[str]:
        """Record all lines that can be; what is wrong with the others is returned."""
        problems: list[tuple[int, str]] = []
        records: list[tuple[int, Record]] = []
        for number, line in enumerate(lines, 1):
            try:
                if line.strip():
                    records.append((number, self._noted(number, json.loads(line))))
            except _WRONG as problem:
                problems.append((number, _said(problem)))
        for number, record in records:
            if record.get("kind") == Kind.HEADER:
                self._require_this_study(file, record)
            try:
                is_new = self._take(number, record)
            except _WRONG as problem:
                problems.append((number, _said(problem)))
            else:
                self.recorded += is_new is True
                self.known += is_new is False
        self._write_steps()
        return [f"line {number}: {problem}" for number, problem in sorted(problems)]

    def _noted(self, number: int, record: Any) -> Record:
        """A line as a record; of steps those count that no run that began anew has told again."""
        if not isinstance(record, dict):
            raise TypeError("no JSON object")
        if not isinstance(record.get("kind", Kind.TELL), str):
            raise TypeError("its kind is no text")
        if record.get("kind") == Kind.STEP:
            steps = self._steps.setdefault(record["id"], {})
            while steps and next(reversed(steps)) >= record["step"]:
                steps.popitem()
            steps[record["step"]] = number
        return record

    def _require_this_study(self, file: str, header: Record) -> None:
        try:
            difference = self._tuner.space.difference(header["space"])
        except (LookupError, TypeError, SpaceError) as error:
            raise OptionError(f"{file}: its header is damaged ({error})") from error
        if difference:
            raise OptionError(f"{file} is the journal of another study: {difference}")

    def _take(self, number: int, record: Record) -> bool | None:
        """Record a line; whether it was new, None for one that is no result."""
        if record.get("kind") == Kind.STEP:
            return self._step(number, record)
        self._write_steps()
        match record.get("kind", Kind.TELL):
            case Kind.TELL:
                return self._tell(record)
            case Kind.ADD:
                return self._add(record["trial"])
        return None  # the rest of a whole journal

    def _tell(self, record: Record) -> bool:
        told = told_arguments(record)
        trial = telling.known_trial(told.pop("id"), self._tuner.history)
        _require_same_point(trial, record)
        metric = self._tuner.history.goal.metric
        if any(not _difference(t, told, metric) for t in self._tuner.told_before(trial)):
            return False  # before it was tried again
        again = trial.state is State.LOST and told.get("state") == State.LOST
        if trial.state is State.PENDING or (trial.state is State.LOST and not again):
            self._tuner.tell(trial, **told)
            return True
        if difference := _difference(trial, told, metric):
            raise TellError(
                f"trial {trial.id} was told {trial.value} already ({trial.state}), which is final, "
                f"and the line has another {difference}"
            )
        return False

    def _step(self, number: int, record: Record) -> bool:
        step, value = record["step"], decode_float(record["value"])
        id = telling.known_id(record["id"], self._tuner.history)
        if self._steps[record["id"]].get(step) != number:
            return False
        if id not in self._curves:
            self._curves[id] = dict(self._tuner.history[id].curve)
        if step in (curve := self._curves[id]) and _same((value,), (curve[step],)):
            return False
        self._waiting.append(self._tuner.runs.checked(id, step, value))
        return True

    def _write_steps(self) -> None:
        """Record the steps that wait, all with one write: there may be thousands."""
        if self._waiting:
            self._tuner.runs.steps(self._waiting, self._tuner.stopper)
            self._waiting = []

    def _add(self, record: Record) -> bool:
        """Add a trial that was measured elsewhere, unless the journal has that measurement.

        Two equal lines are two measurements.
        """
        told = told_arguments(record | {"kind": Kind.ADD})
        told.pop("id", None)
        params = self._tuner.space.params(tuple(record["point"]))
        key = told.get("tags", {}).get(adding.KEY)
        return self._added.add(params, telling.Report(**told), key)


def _require_same_point(trial: Trial, record: Record) -> None:
    """Raise TellError for a line about another measurement: what it says is not of this trial."""
    if "point" not in record:
        return
    same = all(record.get(name, default) == getattr(trial, name) for name, default in _IDENTITY)
    if tuple(record["point"]) != trial.point or not same:
        raise TellError(
            f"trial {trial.id} of this journal is at {list(trial.point)}, and the line is about "
            f"{record['point']}: it is from another journal, or from this one before it was cut"
        )


def _difference(trial: Trial, told: Mapping[str, Any], metric: str) -> str:
    """The first field of a line that says something else than what is recorded; empty if none."""
    if trial.state is not State.WITHDRAWN:  # the journal says of it why it was withdrawn
        if "state" in told and told["state"] != trial.state:
            return "state"
        if "error" in told and (str(told["error"]) or NO_REASON) != trial.error:
            return "error"
    who = f"trial {trial.id}"
    if "value" in told and not _same(telling.numbers(who, told["value"]), trial.values):
        return "value"
    for name, value in told.get("metrics", {}).items():
        known = trial.value if name == metric else trial.metrics.get(name)
        numbers = telling.numbers(who, value)
        if known is None or not _same((mean(numbers),), (known,)):
            return f"metric {name!r}"
        if name in trial.repeats and len(numbers) > 1 and not _same(numbers, trial.repeats[name]):
            return f"metric {name!r}"
    for name in ("seconds", "tags", "where"):
        if name in told and told[name] != getattr(trial, name):
            return name
    return "times" if "times" in told and tuple(told["times"]) != trial.times else ""


def _same(some: Iterable[float | None], others: Iterable[float | None]) -> bool:
    """Whether numbers are the same; NaN is NaN."""

    def plain(numbers: Iterable[float | None]) -> list[float | str | None]:
        return ["nan" if v is not None and math.isnan(v) else v for v in numbers]

    return plain(some) == plain(others)


def _said(problem: Exception) -> str:
    """What is wrong with a line, in words."""
    return f"it has no {problem}" if type(problem) is KeyError else str(problem)


def _lines(file: str) -> list[str]:
    if file == "-" and sys.stdin is None:
        raise OptionError("--from -: there is no standard input; give the name of a file")
    try:
        text = sys.stdin.read() if file == "-" else expanded(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--from {file}: cannot be read ({error})") from error
    # "\ufeff": some editors begin a file so. Only "\n": a text may hold other ends of lines.
    return text.removeprefix("\ufeff").split("\n")
