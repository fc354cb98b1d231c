"""The best points once more: which trials confirm them, and what came out.

A search ranks points by measurements that are short or few; of many points the best is also the
luckiest (the winner's curse). So the leading points and the user's own setting are measured anew,
one stage above the goal's, and what is best is decided by these measurements alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsice.goal import Goal
from dsice.history import History
from dsice.history.points import pooled
from dsice.space import Space
from dsice.strategies import SupportsAsk, as_strategy
from dsice.trial import Proposal, State, Trial
from dsice.tuner.asking import pending_trials, recommended

PHASE = "confirm"
"""Phase in the note of a trial that confirms a point."""
FEWEST = 6
"""Points of which a rank correlation says something."""


@dataclass(frozen=True)
class Confirmation:
    """What was measured of points in the search, and what when they were confirmed.

    The first are of the goal's stage, in what follows the short ones; the others are one stage
    higher, the full ones.

    Attributes
    ----------
    pairs
        (short, full), the best full one first; full ones without a value stand last. Each is the
        first trial of its point with all measurements of it (`Trial.values`), and its value is what
        the goal makes of them.
    rank_correlation
        Spearman's, between the scores of short and full: 1 where the short trainings put the
        points in the right order. None for fewer than two points with a value, or where all
        values of a kind are the same. Of fewer than six points it says next to nothing.
    repeats
        How often each point was to be measured.
    """

    pairs: tuple[tuple[Trial, Trial], ...]
    rank_correlation: float | None
    repeats: int = 1

    @property
    def best(self) -> Trial | None:
        """The best confirmed one: of those with `repeats` values; None while there is none."""
        full = (full for _, full in self.pairs if full.state is State.DONE)
        return next((trial for trial in full if len(trial.values) >= self.repeats), None)

    @property
    def said_of_ranks(self) -> str:
        """The rank correlation in words."""
        known = sum(full.state is State.DONE for _, full in self.pairs)
        if known < FEWEST:
            return f"{known} points are too few for a rank correlation"
        if self.rank_correlation is None:
            return "rank correlation between short and full: not known"
        return f"rank correlation between short and full: {self.rank_correlation:.2f}"

    def __str__(self) -> str:
        lines = [f"{len(self.pairs)} points trained in full; {self.said_of_ranks}"]
        for short, full in self.pairs:
            lines.append(
                f"  trial {short.id}: {short.value:.6g} -> trial {full.id}: {_end(full)}  "
                f"{dict(full.params)}"
            )
        return "\n".join(lines)


def _end(full: Trial) -> str:
    """How a confirmation ended: its value, the number of measurements and their spread."""
    if full.state is not State.DONE or full.value is None:
        return str(full.state)
    several = "" if full.spread is None else f" ({len(full.values)} times, sd {full.spread:.3g})"
    return f"{full.value:.6g}{several}"


def next_confirmations(
    k: int, repeats: int, strategy: SupportsAsk, space: Space, history: History
) -> list[Trial]:
    """Trials of the `k` best points and the user's own one, without those that exist.

    They are one stage above the goal's, all points once before any of them comes again.
    """
    stage = history.goal.stage + 1
    wanted = [
        Proposal(
            t.point,
            {"phase": PHASE},
            stage=stage,
            repeat=repeat,
            member=t.member,
            overrides=t.overrides,
        )
        for repeat in range(repeats)
        for t in _to_confirm(k, strategy, space, history)
        if history.id_of((t.point, stage, repeat, t.member)) is None
    ]
    return pending_trials(wanted, space, history, None, "confirm")


def _to_confirm(k: int, strategy: SupportsAsk, space: Space, history: History) -> list[Trial]:
    """The `k` leading points, and the user's own setting where it was measured."""
    first = recommended(strategy, space, history)
    if first is None:
        return []
    first_place = (first.point, first.member)
    others = (t for t in history.leading(k + 1) if (t.point, t.member) != first_place)
    found = [first, *others][:k]
    own = as_strategy(strategy).own_setting(space)
    measured = None if own is None else history.at(own)
    if measured is not None and all(t.point != measured.point for t in found):
        found.append(measured)
    return found


def confirmation(history: History) -> Confirmation:
    """What was measured of the confirmed points of a history, as far as it is."""
    goal = history.goal
    full_goal = replace(goal, stage=goal.stage + 1)
    points: dict[tuple[object, int], list[Trial]] = {}
    for id in np.flatnonzero(history.of_stage(full_goal.stage) & history.allowed()).tolist():
        trial = history[id]
        if trial.note.get("phase") == PHASE:
            points.setdefault((trial.point, trial.member), []).append(trial)
    found = []
    for trials in points.values():
        short = history.at(trials[0].point, member=trials[0].member)
        if short is None or short.value is None:
            continue
        full = _full(full_goal, trials)
        loss = full_goal.loss_in_any_stage(full) if full.state is State.DONE else math.nan
        rank = (math.isnan(loss), full_goal.violation(full), loss, full.id)
        found.append((rank, goal.signed(short.value), short, full))
    found.sort(key=lambda row: row[0])
    known = [(score, rank[2]) for rank, score, _, _ in found if not rank[0]]
    correlation = spearman([short for short, _ in known], [full for _, full in known])
    pairs = tuple((short, full) for _, _, short, full in found)
    repeats = max((t.repeat + 1 for trials in points.values() for t in trials), default=1)
    return Confirmation(pairs, correlation, repeats)


def _full(goal: Goal, trials: Sequence[Trial]) -> Trial:
    """The first trial of a confirmed point that has a value, with the measurements of all."""
    measured = [trial for trial in trials if not math.isnan(goal.loss(trial))]
    return pooled(goal, measured) if measured else trials[0]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where it is not defined."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)
