"""The lines of a journal: their kinds, how each is made, and what may follow what.

========  ==========================================================================
kind      fields (those at their default are left out)
========  ==========================================================================
header    format, dsice, created, space, strategy, goal, seed, max_trials, stopper
ask       at, round, trials: [{id, point, stage, repeat, member, note, parent, overrides}]
tell      at, id, point, stage, repeat, member, state, values, metrics, repeats, seconds,
          times, error, tags, where; the identity stands here again, so that a told trial
          survives the loss of its ask line
add       at, trial: the fields of an asked trial and those of a tell
step      id, step, value
decision  at, id, step, value, by, stop, inputs: what a stopper decided at that step, and
          from what; nothing else follows from it
enqueue   point
prepared  name, directory
again     at, id, error: its run was lost, and it was started again
options   at, and those of strategy, goal, seed, max_trials, stopper and reuse that changed
reuse     name, sha256, metric, maximize, params, values, states, scores: a source
withdraw  at, id, reason: what was told of it counts no more
retry     at, id: it is pending again, and may be told once more
end       at, reason, figures: why a run asked for nothing more; nothing follows from it
import    at, name, rows, sha256, added: a log whose rows the add lines before are
========  ==========================================================================

Unknown kinds and fields are left alone, so that an older dsice reads a newer journal of
the same format. NaN is written as null. docs/journal-format.md describes every field.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dsice.checks import shown
from dsice.errors import TellError
from dsice.history.curve import GrowingCurve
from dsice.space import Space
from dsice.trial import State, Trial, mean
from dsice.typing import Point, Record

FORMAT = 1
BEGINNING = b'{"kind":"header"'
"""The first bytes of every journal."""
DEEPEST = 64  # levels of objects and lists in a note, in tags and the like


class Kind:
    """The kinds of lines; each is the value of the field ``kind``."""

    HEADER = "header"
    ASK = "ask"
    TELL = "tell"
    ADD = "add"
    STEP = "step"
    DECISION = "decision"
    ENQUEUE = "enqueue"
    PREPARED = "prepared"
    AGAIN = "again"
    OPTIONS = "options"
    REUSE = "reuse"
    WITHDRAW = "withdraw"
    RETRY = "retry"
    END = "end"
    IMPORT = "import"


KINDS = frozenset(value for name, value in vars(Kind).items() if name.isupper())
OPTIONS = ("strategy", "goal", "seed", "max_trials", "stopper")
"""Fields of the header that an options line may change."""


# ------------------------------------------------------------------ making lines
def encode(line: Mapping[str, Any], *, allow_nan: bool = True) -> str:
    """The text of a line, without the newline."""
    return json.dumps(line, separators=(",", ":"), allow_nan=allow_nan)


def header_line(space: Mapping[str, Any], options: Mapping[str, Any]) -> Record:
    """The first line: a study with that space and these options."""
    line: Record = {"kind": Kind.HEADER, "format": FORMAT, "dsice": _version()}
    line |= {"created": time.time(), "space": space}
    for name, value in options.items():
        if name != "stopper" or value is not None:
            line[name] = value
    return line


def study_identity(first: bytes, header: Record) -> str:
    """Letters and digits by which a study is told from all others, the same for ever.

    They are the SHA-256 of the first line of its journal as it was before any `extend`, which
    writes them down in the new first line. Of a journal that was extended by 0.1.0, which did not,
    they are those of the line as 0.1.0 left it.

    Parameters
    ----------
    first
        The first line, with or without its newline.
    header
        What it says.
    """
    extended = header.get("extended")
    for entry in extended if isinstance(extended, list) else ():
        known = entry.get("identity") if isinstance(entry, dict) else None
        if isinstance(known, str) and re.fullmatch("[0-9a-f]{64}", known):
            return known
    return hashlib.sha256(first.rstrip(b"\n")).hexdigest()


def options_line(changed: Mapping[str, Any]) -> Record:
    """The options that changed, each of them whole."""
    return {"kind": Kind.OPTIONS, "at": time.time(), **changed}


def ask_line(trials: Sequence[Trial], round: int | None) -> Record:
    """A batch of pending trials; without a round they confirm others."""
    line: Record = {"kind": Kind.ASK, "at": time.time()}
    if round is not None:
        line["round"] = round
    line["trials"] = [_asked_fields(trial) for trial in trials]
    return line


def tell_line(trial: Trial, at: float, metric: str = "value") -> Record:
    """How a trial ended, told at that time under a goal with that metric."""
    return {"kind": Kind.TELL, "at": at, **_told_fields(trial, metric)}


def add_line(trial: Trial, at: float, metric: str = "value") -> Record:
    """A trial that was never asked, told at that time under a goal with that metric."""
    told = _told_fields(trial, metric)
    return {"kind": Kind.ADD, "at": at, "trial": _asked_fields(trial) | told}


def step_line(id: int, step: int, value: float) -> Record:
    """A point of a trial's learning curve."""
    return {"kind": Kind.STEP, "id": id, "step": step, "value": encode_float(value)}


def decision_line(
    step: Mapping[str, Any], by: str, inputs: Mapping[str, Any], *, stop: bool
) -> Record:
    """What a stopper decided after that step line, and from what."""
    about = {name: step[name] for name in ("id", "step", "value")}
    return {
        "kind": Kind.DECISION,
        "at": time.time(),
        **about,
        "by": by,
        "stop": stop,
        "inputs": inputs,
    }


def enqueue_line(point: Point) -> Record:
    """A point to be asked before anything that the strategy proposes."""
    return {"kind": Kind.ENQUEUE, "point": list(point)}


def prepared_line(name: str, directory: str) -> Record:
    """Something that trials depend on is ready."""
    return {"kind": Kind.PREPARED, "name": name, "directory": directory}


def again_line(id: int, error: str) -> Record:
    """The run of a pending trial was lost and started again."""
    return {"kind": Kind.AGAIN, "at": time.time(), "id": id, "error": error}


def withdraw_line(id: int, at: float, reason: str) -> Record:
    """What was told of a trial is taken back."""
    return {"kind": Kind.WITHDRAW, "at": at, "id": id, "reason": reason}


def retry_line(id: int, at: float) -> Record:
    """A trial that ended without a value is pending again."""
    return {"kind": Kind.RETRY, "at": at, "id": id}


def repaired_ask_line(trials: Sequence[Record], round: int) -> Record:
    """The place of a damaged ask line, with what is still known of its trials."""
    return {"kind": Kind.ASK, "round": round, "repaired": True, "trials": list(trials)}


def lost_line(id: int, error: str) -> Record:
    """The end of a trial of which nothing but the id is known."""
    return {"kind": Kind.TELL, "id": id, "state": str(State.LOST), "error": error}


def stopped_line(id: int, at: float, error: str) -> Record:
    """The end of a trial that is not to be measured any more."""
    return {"kind": Kind.TELL, "at": at, "id": id, "state": str(State.STOPPED), "error": error}


def end_line(at: float, reason: str, figures: Mapping[str, Any]) -> Record:
    """Why a run asked for nothing more."""
    return {"kind": Kind.END, "at": at, "reason": reason, "figures": dict(figures)}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dsice")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


# ------------------------------------------------------------------ trials and their fields
def _asked_fields(trial: Trial) -> Record:
    fields = _identity_fields(trial)
    if trial.note:
        fields["note"] = dict(trial.note)
    if trial.parent is not None:
        fields["parent"] = trial.parent
    if trial.overrides:
        fields["overrides"] = dict(trial.overrides)
    return fields


def _told_fields(trial: Trial, metric: str) -> Record:
    fields = _identity_fields(trial)
    fields["state"] = str(trial.state)
    if trial.values:
        fields["values"] = [encode_float(v) for v in trial.values]
    if trial.metrics:
        fields["metrics"] = {name: encode_float(v) for name, v in trial.metrics.items()}
    if repeats := {name: told for name, told in trial.repeats.items() if name != metric}:
        fields["repeats"] = {name: list(map(encode_float, told)) for name, told in repeats.items()}
    if trial.seconds is not None:
        fields["seconds"] = trial.seconds
    if any(t is not None for t in trial.times):
        fields["times"] = list(trial.times)
    if trial.error is not None:
        fields["error"] = trial.error
    if trial.tags:
        fields["tags"] = dict(trial.tags)
    if trial.where:
        fields["where"] = dict(trial.where)
    return fields


def _identity_fields(trial: Trial) -> Record:
    fields: Record = {"id": trial.id, "point": list(trial.point)}
    for name, value in (
        ("stage", trial.stage),
        ("repeat", trial.repeat),
        ("member", trial.member),
    ):
        if value:
            fields[name] = value
    return fields


def asked_trial(fields: Mapping[str, Any], space: Space, round: int | None) -> Trial:
    """The pending trial of an ask or add line."""
    point = tuple(int(level) for level in fields["point"])
    overrides = fields.get("overrides", {})
    return Trial(
        id=int(fields["id"]),
        round=round,
        params=space.params(point) | overrides,
        point=point,
        stage=fields.get("stage", 0),
        repeat=fields.get("repeat", 0),
        member=fields.get("member", 0),
        parent=fields.get("parent"),
        overrides=overrides,
        note=fields.get("note", {}),
    )


def told_trial(trial: Trial, fields: Mapping[str, Any], metric: str = "value") -> Trial:
    """That trial as a tell or add line, written under a goal with that metric, says it ended."""
    values = tuple(decode_float(v) for v in fields.get("values", ()))
    queued, started, ended = fields.get("times", (None, None, None))
    # In the order of the fields: twice as fast as by name, and a journal may hold 100 000.
    return Trial(
        trial.id,
        trial.round,
        trial.params,
        trial.point,
        trial.stage,
        trial.repeat,
        trial.member,
        trial.parent,
        trial.overrides,
        trial.note,
        State(fields["state"]),
        values,
        mean(values),
        {name: decode_float(v) for name, v in fields.get("metrics", {}).items()},
        fields.get("seconds"),
        (queued, started, ended),
        trial.curve,
        fields.get("error"),
        fields.get("tags", {}),
        fields.get("where", {}),
        told_repeats(fields, values, metric),
    )


def told_repeats(
    fields: Mapping[str, Any], values: tuple[float, ...], metric: str
) -> Mapping[str, tuple[float, ...]]:
    """All measurements of each named metric that was told as a list of several, by its name.

    Parameters
    ----------
    fields
        Those of a tell or add line.
    values, metric
        The values that were told, and the goal's metric then, whose measurements they are.
    """
    repeats: dict[str, tuple[float, ...]] = {}
    if len(values) > 1 and metric != "value":
        repeats[metric] = values
    for name, told in fields.get("repeats", {}).items():
        repeats[name] = tuple(map(decode_float, told))
    return repeats


def with_curve(trial: Trial, steps: Iterable[tuple[int, float]]) -> Trial:
    """The trial after all its steps, in the order told."""
    curve = GrowingCurve()
    for step, value in steps:
        curve.append(step, value)
    return replace(trial, curve=curve.points())


# ------------------------------------------------------------------ values
def encode_float(value: float) -> float | str | None:
    """A number as JSON can hold it: NaN becomes null, infinity a string."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def decode_float(value: float | str | None) -> float:
    """A number of a line: null is NaN, and infinity is a string."""
    if type(value) is float:
        return value
    if isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return math.nan if value is None else float(value)


def encode_mapping(who: str, what: str, mapping: object) -> dict[str, Any]:
    """A copy of a mapping as JSON gives it back.

    Parameters
    ----------
    who, what
        Whose mapping it is and what it is called, for the message.

    Raises
    ------
    TellError
        No mapping, or something in it that JSON cannot hold.
    """
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        raise TellError(
            f"{who}: {what}={shown(mapping)}; expected a mapping, such as {{'host': 'node7'}}"
        )
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(mapping), allow_nan=False))
    except Exception as error:  # also what an object of somebody's own raises
        if type(mapping) is dict and not isinstance(error, (TypeError, ValueError, RecursionError)):
            raise  # a signal handler did it
        hint = "use strings, finite numbers, lists and dicts"
        raise TellError(
            f"{who}: {what}={shown(mapping)} cannot be written as JSON ({error}); {hint}"
        ) from error
    # Whether Python can read a deeper one back would depend on the depth of the reader's stack.
    if _is_too_deep(copy):
        raise TellError(
            f"{who}: {what}={shown(mapping)} is nested deeper than {DEEPEST} levels; "
            "make it flatter"
        )
    return copy


def _is_too_deep(value: Any) -> bool:
    """Whether a JSON object has more than DEEPEST levels of objects and lists."""
    level = [value]
    for _ in range(DEEPEST):
        inner = (v for one in level for v in (one.values() if isinstance(one, dict) else one))
        level = [v for v in inner if isinstance(v, (dict, list))]
        if not level:
            return False
    return True
