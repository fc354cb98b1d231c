"""Points that the strategy did not propose: measured elsewhere, or to be asked next.

The same script may add the same measurements, and enqueue the same points, as often as it runs:
what is known already is found, and not recorded again.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsice.checks import shown
from dsice.errors import DsiceWarning, SpaceError, TellError
from dsice.history import History
from dsice.journal.format import add_line
from dsice.journal.revisions import Revisions
from dsice.space import Space
from dsice.space.nearest import point_of
from dsice.trial import State, Trial
from dsice.tuner.recorder import LinesAndTrials
from dsice.tuner.telling import Report
from dsice.typing import Point

KEY = "key"
"""The tag by which a measurement is known, where `Tuner.add` was given one."""
_MOST_NAMED = 10  # trials in a message


def added_trial(
    params: Mapping[str, object], space: Space, history: History, *, nearest: bool
) -> Trial:
    """The next trial, at params that nobody asked for.

    A point that was measured before gets one more repeat.
    """
    point = _point(params, space, history, nearest=nearest)
    stage = history.goal.stage
    repeat = 0
    while history.id_of((point, stage, repeat, 0)) is not None:
        repeat += 1
    return Trial(len(history), None, space.params(point), point, stage, repeat)


def _point(params: Mapping[str, object], space: Space, history: History, *, nearest: bool) -> Point:
    """The point of params, one that breaks a rule learnt later where it is in the history."""
    try:
        return point_of(params, space, nearest=nearest)
    except SpaceError:
        if history.forbidden:
            with suppress(SpaceError):
                point = point_of(params, space.without_requirements(), nearest=nearest)
                if point in history.taken():
                    return point
        raise


def enqueued_point(
    params: Mapping[str, object],
    space: Space,
    history: History,
    queue: Sequence[Point],
    *,
    nearest: bool,
) -> tuple[Point, str]:
    """The point that is to be asked next, and why it need not be; empty: it is new."""
    point = _point(params, space, history, nearest=nearest)
    known = history.id_of((point, 0, 0, 0))
    who = f"enqueue({dict(params)})"
    if known is None and history.forbidden:  # else the point was checked already
        point_of(params, space, nearest=nearest)
    if known is not None:
        state = history[known].state
        return point, f"{who}: trial {known} ({state}) is that point; nothing was recorded"
    if point in queue:
        return point, f"{who}: it waits to be asked already; nothing was recorded"
    return point, ""


# ------------------------------------------------------------------ measurements that are known
def content(trial: Trial) -> str:
    """What was measured in a trial that has ended, as text: equal for equal measurements."""
    metrics = [(name, float(value)) for name, value in sorted(trial.metrics.items())]
    times = [None if t is None else float(t) for t in trial.times]
    seconds = None if trial.seconds is None else float(trial.seconds)
    # a quarter of the time of JSON, and every float is as exact
    return repr((list(map(float, trial.values)), metrics, seconds, times))


def difference(new: Trial, known: Trial) -> str:
    """The first thing in which a measurement differs from one that was told; empty: none.

    Of a trial that was withdrawn since, the state is not compared. Single values of a metric are
    compared where both have them: 0.1.0 recorded their mean.
    """
    if (new.point, new.stage) != (known.point, known.stage):
        return f"it was measured at {dict(known.params)}"
    if known.state is not State.WITHDRAWN and new.state != known.state:
        return f"it is {known.state}"
    if content(new) != content(known):
        said = known.values if len(known.values) > 1 else known.value
        return f"it has value {said}, metrics {dict(known.metrics)}, seconds {known.seconds}"
    return _of_repeats(new, known)


def _of_repeats(new: Trial, known: Trial) -> str:
    for name in new.repeats.keys() & known.repeats.keys():
        if str(new.repeats[name]) != str(known.repeats[name]):
            return f"its values of {name!r} are {list(known.repeats[name])}"
    return ""


class KnownMeasurements:
    """What was told of each point, and under which key.

    Parameters
    ----------
    history
        All trials.
    revisions
        Which of them were tried again: what was told before is known, too.
    """

    def __init__(self, history: History, revisions: Revisions) -> None:
        self._history = history
        self._revisions = revisions
        self._by_content: dict[tuple[Point, int, str], dict[int, None]] = {}
        self._by_key: dict[str, dict[int, None]] = {}
        self._open: list[int] = []  # may be told since they were looked at
        self._tries: dict[int, int] = {}  # how often each had been tried again then
        self._read = 0

    def find(self, new: Trial, key: str | int | None, nth: int = 0) -> int | None:
        """The id of the trial that has this measurement; None: it is new.

        Parameters
        ----------
        new
            The measurement.
        key
            By which it is known; None: by what was measured.
        nth
            How many equal measurements there are before it.

        Raises
        ------
        TellError
            The key is that of another measurement.
        """
        self._look()
        if key is None:
            found = self._by_content.get((new.point, new.stage, content(new)), ())
            same = [id for id in sorted(found) if self._is(id, new)]
            return same[nth] if nth < len(same) else None
        known = sorted(self._by_key.get(json.dumps(key), ()))
        for id in known:
            if self._is(id, new):
                return id
        if not known:
            return None
        first = known[0]
        differs = difference(new, self._told(first)[-1])
        raise TellError(
            f"add(key={key!r}): trial {first} has that key, and {differs}; nothing was recorded. "
            "Give another measurement a key of its own; withdraw() takes a wrong value back"
        )

    def _is(self, id: int, new: Trial) -> bool:
        return any(not difference(new, told) for told in self._told(id))

    def _told(self, id: int) -> list[Trial]:
        """A trial each time that it had ended."""
        trial = self._history[id]
        now = [] if trial.state is State.PENDING else [trial]
        return self._revisions.earlier(id) + now

    # An exception may come at any line: what is done twice must be as if done once.
    def _look(self) -> None:
        """File what was told since the last look, by what was measured and by key."""
        count = len(self._history)
        tries = self._revisions.tries
        again = [id for id, n in tries.items() if self._tries.get(id) != n]
        still_open = []
        for id in (*dict.fromkeys((*self._open, *again)), *range(self._read, count)):
            if self._history[id].state in (State.PENDING, State.LOST):
                still_open.append(id)
            for told in self._told(id):
                what = (told.point, told.stage, content(told))
                self._by_content.setdefault(what, {})[id] = None
                if KEY in told.tags:
                    self._by_key.setdefault(json.dumps(told.tags[KEY]), {})[id] = None
        self._open, self._read, self._tries = still_open, count, dict(tries)


def still_pending(added: Sequence[Trial], history: History) -> list[str]:
    """What there is to say of pending trials at the points of trials that are added.

    They stay pending: a job may be measuring them, and its result must find them so.
    """
    where = {(trial.point, trial.stage) for trial in added}
    ids = [trial.id for trial in history.pending() if (trial.point, trial.stage) in where]
    if not ids:
        return []
    named = ", ".join(map(str, ids[:_MOST_NAMED])) + (", ..." if ids[_MOST_NAMED:] else "")
    one = f"tell({ids[0]}, state='lost') or `dsice tell STUDY {ids[0]} --state lost`"
    return [
        f"asked before and still pending, at points of the log: trial {named}; where the log has "
        f"its result, end it: {one}"
    ]


def checked_key(key: object, tags: Mapping[str, Any] | None) -> str | int | None:
    """The key of a measurement that is added, with these tags; None: it has none.

    Raises
    ------
    TellError
        It is no text or whole number, or the tags have another one.
    """
    if isinstance(key, np.integer):
        key = int(key)
    if key is None:
        return None
    if isinstance(key, bool) or not isinstance(key, (str, int)) or key == "":
        raise TellError(
            f"add(key={shown(key)}): expected a text or a whole number; nothing was recorded"
        )
    if isinstance(tags, Mapping) and tags.get(KEY, key) != key:
        raise TellError(
            f"add(key={key!r}): the tags have another {KEY!r}, {shown(tags[KEY])}; nothing was "
            "recorded"
        )
    return key


@dataclass
class Addition:
    """A measurement that is added, unless it is known.

    Attributes
    ----------
    params, nearest
        Where it was measured, as in `Tuner.add`.
    report
        What was measured.
    key, nth
        As in `KnownMeasurements.find`.
    at
        When it was told.
    found
        The id of the trial that has this measurement already, as far as that is known.
    """

    params: Mapping[str, Any]
    report: Report
    space: Space
    history: History
    known: KnownMeasurements
    key: str | int | None = None
    nearest: bool = False
    nth: int = 0
    at: float = field(default_factory=time.time)
    found: int | None = None

    def trial(self) -> Trial:
        """The trial as it would be recorded now; its id and repeat follow from the history."""
        new = added_trial(self.params, self.space, self.history, nearest=self.nearest)
        return self.report.finish(new, self.history)

    def make(self) -> LinesAndTrials:
        """Its line and trial, none where it is known."""
        trial = self.trial()
        self.found = self.known.find(trial, self.key, self.nth)
        if self.found is not None:
            return [], []
        if self.history.forbidden:  # else the point was checked already
            point_of(self.params, self.space, nearest=self.nearest)
        return [add_line(trial, self.at, self.history.goal.metric)], [trial]

    def is_among(self, in_hand: Sequence[Trial]) -> bool:
        """Whether it is one of these, which could not be written yet."""
        trial = self.trial()
        return any(
            not difference(trial, held) and (self.key is None or held.tags.get(KEY) == self.key)
            for held in in_hand
        )


def warn_known(trial: Trial, key: str | int | None) -> None:
    """Warn that a measurement is recorded already, as that trial."""
    which = "" if key is None else f" (key {key!r})"
    hint = "" if key is not None else ". A repeat that came out equal needs a key= of its own"
    warnings.warn(
        f"add({dict(trial.params)}){which}: trial {trial.id} ({trial.state}) is that measurement; "
        f"nothing was recorded{hint}",
        DsiceWarning,
        stacklevel=3,
    )
