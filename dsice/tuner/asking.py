"""From what was enqueued and what a strategy proposes to the trials of the next batch."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from dsice.errors import OptionError
from dsice.history import History
from dsice.journal.format import encode_mapping
from dsice.space import Space
from dsice.strategies import Stream, SupportsAsk, as_strategy
from dsice.trial import Proposal, Trial
from dsice.tuner.recorder import Recorder, frames
from dsice.typing import Point


# ------------------------------------------------------------------ the next batch
def next_trials(
    n: int,
    queue: Sequence[Point],
    strategy: SupportsAsk,
    space: Space,
    history: History,
    stream: Stream,
) -> list[Trial]:
    """Up to `n` pending trials: what was enqueued, then what the strategy proposes.

    Parameters
    ----------
    n
        How many are wanted.
    queue
        Points that were enqueued, the oldest first.
    strategy, space, history
        What the strategy is, and what it sees.
    stream
        Random numbers of the strategy.

    Raises
    ------
    OptionError
        The strategy proposed too many, repeated a measurement, or left the space.
    """
    if n <= 0:
        return []
    enqueued = [Proposal(point, {"phase": "enqueued"}) for point in queue[:n]]
    batch = pending_trials(enqueued, space, history, history.rounds, "the queue")
    left = n - len(batch)
    if not left:
        return batch
    seen = history.followed_by(batch) if batch else history
    proposals = strategy.ask(left, space, seen, stream)
    who = f"strategy {strategy!r}"
    if len(proposals) > left:
        raise OptionError(
            f"{who} proposed {len(proposals)} points where {left} were wanted; nothing was asked"
        )
    return batch + pending_trials(proposals, space, seen, history.rounds, who)


def pending_trials(
    proposals: Sequence[Proposal], space: Space, history: History, round: int | None, who: str
) -> list[Trial]:
    """Proposals as pending trials that follow those of the history.

    Parameters
    ----------
    proposals
        What is to be measured.
    space, history
        They must lie in the space, and be new.
    round
        Number of the ask; None for trials that confirm others.
    who
        Who proposed them, for messages.

    Raises
    ------
    OptionError
        A proposal repeats a measurement or leaves the space.
    TellError
        A note or overrides are nothing that JSON can hold.
    """
    batch: list[Trial] = []
    identities = set()
    for id, p in enumerate(proposals, len(history)):
        point = tuple(int(level) for level in p.point)
        wrong = "" if space.is_valid(point) else "leaves the space"
        if p.identity in identities or history.id_of(p.identity) is not None:
            wrong = "is in the history already"
        if wrong:
            raise OptionError(
                f"{who} proposed {point}, which {wrong}; a strategy must not do that, nothing was "
                "asked"
            )
        identities.add(p.identity)
        overrides = encode_mapping(who, "overrides", p.overrides)
        note = encode_mapping(who, "note", p.note)
        params = space.params(point) | overrides
        batch.append(
            Trial(id, round, params, point, p.stage, p.repeat, p.member, p.parent, overrides, note)
        )
    return batch


class Handout:
    """Ids of pending trials that the next asks hand out, and those that are being handed out.

    An exception (Ctrl-C, a signal) may take a batch from an ask between its line in the journal
    and its caller. Such a batch is handed out by the next ask, as after a resume.

    Parameters
    ----------
    ids
        What is handed out first.

    Attributes
    ----------
    given
        Thread and batch of each ask that has not returned, by the object `this_ask` in its frame.
    """

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._ids = list(ids)
        self.given: dict[object, tuple[int, list[Trial]]] = {}

    def ids(self, recorder: Recorder) -> list[int]:
        """What waits, without trials whose end was told."""
        history = recorder.history
        for key, (thread, batch) in list(self.given.items()):
            if not any(frame.f_locals.get("this_ask") is key for frame in frames(thread)):
                self.add(trial.id for trial in batch)
                self.given.pop(key, None)
        return [id for id in self._ids if history.is_pending(id) and not recorder.has(id)]

    def add(self, ids: Iterable[int]) -> None:
        """Add ids of pending trials, unless they wait already."""
        self._ids = list(dict.fromkeys([*self._ids, *ids]))

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids that are handed out, or were told."""
        gone = set(ids)
        self._ids = [id for id in self._ids if id not in gone]

    def give(self, key: object, batch: list[Trial]) -> None:
        """Note a batch that the ask with this key returns, and remove it from what waits."""
        self.given[key] = (threading.get_ident(), batch)
        self.remove(trial.id for trial in batch)


def remove_from_queue(queue: list[Point], trials: Iterable[Trial]) -> None:
    """Remove the points of asked or added trials from the points that wait to be asked."""
    for trial in trials:
        if queue and trial.identity == (trial.point, 0, 0, 0) and trial.point in queue:
            queue.remove(trial.point)


def recommended(strategy: SupportsAsk, space: Space, history: History) -> Trial | None:
    """Trial of the point that the strategy recommends, else the one with the best score."""
    point = as_strategy(strategy).recommend(space, history)
    return history.best if point is None else history.at(point)
