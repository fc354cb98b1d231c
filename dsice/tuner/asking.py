"""From what was enqueued and what a strategy proposes to the trials of the next batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies import Stream, SupportsAsk, as_strategy
from dsice.trial import Proposal, State, Trial
from dsice.tuner.telling import plain
from dsice.typing import Point


def next_trials(
    n: int,
    queue: Sequence[Point],
    strategy: SupportsAsk,
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


def recommended(strategy: SupportsAsk, space: Space, history: History) -> Trial | None:
    """Trial of the point that the strategy recommends, or of the best score where it leaves that to the history."""
    point = as_strategy(strategy).recommend(space, history)
    return history.best if point is None else history.at(point)


@dataclass(frozen=True)
class Confirmation:
    """Trials of the goal's stage and those of the same points one stage higher.

    Attributes
    ----------
    pairs
        (short, full), the best full one first; full ones without a value stand last.
    rank_correlation
        Spearman's, between the scores of short and full: 1 where the short trainings put the points in the right order.
        None for fewer than two points with a value, or where all values of a kind are the same.
    """

    pairs: tuple[tuple[Trial, Trial], ...]
    rank_correlation: float | None

    @property
    def best(self) -> Trial | None:
        """The best of the full ones; None while none has a value."""
        return self.pairs[0][1] if self.pairs and self.pairs[0][1].state is State.DONE else None

    def __str__(self) -> str:
        found = "not known" if self.rank_correlation is None else f"{self.rank_correlation:.2f}"
        lines = [
            f"{len(self.pairs)} points trained in full; rank correlation between short and full: {found}"
        ]
        for short, full in self.pairs:
            gave = f"{full.value:.6g}" if full.state is State.DONE else str(full.state)
            lines.append(
                f"  trial {short.id}: {short.value:.6g} -> trial {full.id}: {gave}  {dict(full.params)}"
            )
        return "\n".join(lines)


def next_confirmations(
    k: int, strategy: SupportsAsk, space: Space, history: History
) -> list[Trial]:
    """Trials of the `k` best points one stage above the goal's, but for those that are there already."""
    stage = history.goal.stage + 1
    first = recommended(strategy, space, history)
    leading = (
        []
        if first is None
        else [first, *(t for t in history.leading(k + 1) if t.point != first.point)]
    )
    wanted = [
        Proposal(t.point, {"phase": "confirm"}, stage=stage, member=t.member, overrides=t.overrides)
        for t in leading[:k]
        if history.id_of((t.point, stage, 0, t.member)) is None
    ]
    return made(wanted, space, history, None, "confirm")


def confirmation(history: History) -> Confirmation:
    """What the history has of it."""
    own = history.goal
    above = replace(own, stage=own.stage + 1)
    sign = -1.0 if own.maximize else 1.0
    found = []
    for full in (history[id] for id in np.flatnonzero(history.of_stage(above.stage)).tolist()):
        short = history.at(full.point)
        if (
            short is not None and short.value is not None
        ):  # its value is the goal's metric, the mean of all its measurements
            loss = above.loss(full)
            shown = full if math.isnan(loss) else replace(full, value=above.metric_of(full))
            found.append(
                (math.isnan(loss), above.violation(full), loss, sign * short.value, short, shown)
            )
    found.sort(key=lambda row: (row[0], row[1], row[2], row[5].id))
    known = [row for row in found if not row[0]]
    correlation = spearman([row[3] for row in known], [row[2] for row in known])
    return Confirmation(tuple((row[4], row[5]) for row in found), correlation)


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where it is not defined."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)
