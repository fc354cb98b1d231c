"""`dsice ask` and `dsice tell`: a tuning in which other programs start the trials.

Each is a process of its own that waits for the journal, writes its line and ends. Trials that
are out stay out: only ``--again`` hands one out anew.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dsice.cli import output
from dsice.errors import OptionError, TellError
from dsice.journal import Journal
from dsice.journal.format import Kind
from dsice.trial import State, Trial
from dsice.tuner import Tuner

WAIT = 60.0  # seconds for another writer: many may tell at the same moment
_TOLD = ("id", "value", "metrics", "seconds", "error", "state", "tags", "times", "where")


def ask(
    path: str, n: int = 1, *, again: Sequence[int] = (), as_json: bool = False, wait: float = WAIT
) -> int:
    """Print trials to measure; exit code 1 when there is none now.

    Parameters
    ----------
    path
        A journal, or a study file; that one also starts a study.
    n
        How many new ones.
    again
        Ids of pending or lost trials that are to be measured anew; then nothing new is asked.
    wait
        Seconds to wait for another writer.

    Raises
    ------
    OptionError
        `n` is less than 1, or a trial of `again` has its result.
    DsiceError
        The study file or the journal cannot be used.
    """
    with _opened(path, wait, start=True) as tuner:
        trials = [_again(tuner, id) for id in again] if again else tuner.ask(n)
        if not trials:
            pending = len(tuner.pending)
            print(
                f"nothing to ask before one of the {pending} pending trials is told"
                if pending
                else "finished",
                file=sys.stderr,
            )
            return 1
    if as_json:
        for trial in trials:
            print(json.dumps(_outgoing(trial)))
    else:
        output.table(
            ("trial", "params"), [(trial.id, output.params(trial.params)) for trial in trials]
        )
    return 0


def _again(tuner: Tuner, id: int) -> Trial:
    if not 0 <= id < len(tuner.history):
        raise OptionError(f"--again {id}: no such trial; there are {len(tuner.history)}")
    trial = tuner.history[id]
    if trial.state not in (State.PENDING, State.LOST):
        raise OptionError(
            f"--again {id}: this trial was told already ({trial.state}, value {trial.value})"
        )
    return trial


def _outgoing(trial: Trial) -> dict[str, Any]:
    others = {
        name: getattr(trial, name) for name in ("stage", "repeat", "member") if getattr(trial, name)
    }
    parent = {} if trial.parent is None else {"parent": trial.parent}
    return {"id": trial.id, "params": dict(trial.params), **others, **parent}


def tell(
    path: str,
    id: int,
    values: Sequence[str] = (),
    *,
    metrics: Sequence[str] = (),
    seconds: float | None = None,
    error: str | None = None,
    state: str | None = None,
    wait: float = WAIT,
) -> int:
    """Record how a trial ended, and print it.

    Parameters
    ----------
    values, metrics
        Numbers as text; ``NAME=NUMBER``.
    seconds, error, state
        As in `Tuner.tell`.
    """
    numbers = [_number(text, "VALUE") for text in values]
    named = {}
    for text in metrics:
        name, equals, number = text.partition("=")
        if not name or not equals:
            raise OptionError(f"--metric {text}: expected NAME=VALUE")
        named[name] = _number(number, f"--metric {name}")
    value = None if not numbers else numbers[0] if len(numbers) == 1 else numbers
    with _opened(path, wait) as tuner:
        print(
            _said(tuner.tell(id, value, metrics=named, seconds=seconds, error=error, state=state))
        )
    return 0


def tell_from(path: str, file: str, *, wait: float = WAIT) -> int:
    """Record results from lines of JSON; those that are in the journal already are passed over.

    A line has the arguments of `Tuner.tell`: id, value, metrics, seconds, error, state, tags,
    times, where. Lines that dsice saved when it could not write the journal are taken too.

    Raises
    ------
    OptionError
        The file cannot be read, or a line is no result; the lines before it are recorded.
    """
    told, known = 0, 0
    with _opened(path, wait) as tuner:
        for number, line in enumerate(_lines(file), 1):
            if line.strip():
                try:
                    fresh = _tell_line(tuner, json.loads(line))
                except (
                    AttributeError,
                    LookupError,
                    TypeError,
                    ValueError,
                ) as problem:  # TellError and the like too
                    raise OptionError(
                        f"{file}, line {number}: {problem}; {told} results before it are recorded"
                    ) from problem
                told, known = told + fresh, known + (not fresh)
    print(f"{told} recorded" + (f", {known} were known" if known else ""))
    return 0


def _tell_line(tuner: Tuner, record: Mapping[str, Any]) -> bool:
    """Whether the line was new."""
    match record.get("kind", Kind.TELL):
        case Kind.TELL:
            told = {name: record[name] for name in _TOLD if name in record}
            if "values" in record:
                told["value"] = [math.nan if v is None else float(v) for v in record["values"]]
            trial = tuner.history[told.pop("id")]
            if trial.state in (State.PENDING, State.LOST):
                if told.get("error") is not None and told.get("state") == "done":
                    del told["state"]
                tuner.tell(trial, **told)
                return True
            again = told.get("value", trial.value)
            if list(trial.values) != (
                again if isinstance(again, list) else [again]
            ) and not told.get("error"):
                raise TellError(
                    f"trial {trial.id} was told {trial.value} already, and a told value is final"
                )
        case Kind.STEP:
            if (record["step"], record["value"]) not in tuner.history[record["id"]].curve:
                tuner.step(
                    record["id"],
                    record["step"],
                    math.nan if record["value"] is None else float(record["value"]),
                )
                return True
        case Kind.DECISION:  # of a stopper, about a trial that ran on
            return False
        case Kind.ADD:
            return _add(tuner, record["trial"])
        case _ as kind:
            raise TellError(f"a line of the kind {kind!r} is no result")
    return False


def _add(tuner: Tuner, record: Mapping[str, Any]) -> bool:
    params, values = tuner.space.params(record["point"]), tuple(record.get("values", ()))
    same = [
        t for t in tuner.history if t.round is None and t.params == params and t.values == values
    ]
    if not same:
        told = {name: record[name] for name in _TOLD if name in record and name != "id"}
        if record.get("state") == "done":
            del told["state"]
        tuner.add(params, list(values) or None, **told)
    return not same


def _lines(file: str) -> list[str]:
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--from {file}: cannot be read ({error})") from error


def _opened(path: str, wait: float, *, start: bool = False) -> Tuner:
    """The study, for one short look or line; its options are those of the study file only where that may start it."""
    if not path.endswith(".toml"):
        return Tuner.resume(Journal(path, wait=wait, create=False), orphans="keep")
    from dsice.study.file import read_study  # brings the launchers along

    study = read_study(path)
    if start:
        return study.tuner(orphans="keep", wait=wait)
    return Tuner.resume(
        Journal(study.journal, lock=study.lock, wait=wait, create=False), orphans="keep"
    )


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{what} {text!r}: expected a number") from None


def _said(trial: Trial) -> str:
    return f"trial {trial.id}: {trial.state}" + (
        "" if trial.value is None else f", {output.cell(trial.value)}"
    )
