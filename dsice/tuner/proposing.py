"""From what was enqueued and what a strategy proposes to the trials of the next batch."""

from __future__ import annotations

from collections.abc import Sequence

from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies import Strategy, Stream
from dsice.trial import Point, Proposal, Trial
from dsice.tuner.telling import plain


def next_trials(
    n: int,
    queue: Sequence[Point],
    strategy: Strategy,
    space: Space,
    history: History,
    stream: Stream,
) -> list[Trial]:
    """Up to `n` pending trials: what was enqueued, then what the strategy proposes.

    Raises
    ------
    OptionError
        The strategy proposed too many, repeated a measurement, or left the space.
    """
    if n <= 0:
        return []
    batch = made(
        [Proposal(point, {"phase": "enqueued"}) for point in queue[:n]],
        space,
        history,
        history.rounds,
        "the queue",
    )
    if len(batch) == n:
        return batch
    seen = history.followed_by(batch) if batch else history
    proposals, who = strategy.ask(n - len(batch), space, seen, stream), f"strategy {strategy!r}"
    if len(proposals) > n - len(batch):
        raise OptionError(
            f"{who} proposed {len(proposals)} points where {n - len(batch)} were wanted; nothing was asked"
        )
    return batch + made(proposals, space, seen, history.rounds, who)


def made(
    proposals: Sequence[Proposal], space: Space, seen: History, round: int | None, who: str
) -> list[Trial]:
    """Proposals as pending trials; a strategy that repeats itself or leaves the space is stopped."""
    batch, identities = [], set()
    for id, p in enumerate(proposals, len(seen)):
        point = tuple(int(level) for level in p.point)
        wrong = "" if space.is_valid(point) else "leaves the space"
        if p.identity in identities or seen.id_of(p.identity) is not None:
            wrong = "is in the history already"
        if wrong:
            raise OptionError(
                f"{who} proposed {point}, which {wrong}; a strategy must not do that, nothing was asked"
            )
        identities.add(p.identity)
        overrides, note = plain(who, "overrides", p.overrides), plain(who, "note", p.note)
        params = space.params(point) | overrides
        batch.append(
            Trial(id, round, params, point, p.stage, p.repeat, p.member, p.parent, overrides, note)
        )
    return batch


def recommended(strategy: Strategy, space: Space, history: History) -> Trial | None:
    """Trial of the point that the strategy recommends, or of the best score where it leaves that to the history."""
    choose = getattr(strategy, "recommend", None)
    point = choose(space, history) if choose is not None else None
    return history.best if point is None else history.at(point)
