"""What to try next: sentences that follow from the measurements, the most useful first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from dsice.history import History
from dsice.report.encode import text
from dsice.space import Space
from dsice.space.values import as_text
from dsice.trial import State, Trial
from dsice.tuner import Tuner

MATTERS: Final = 0.05
"""Total share from which on a parameter is worth a wider axis."""
NEGLIGIBLE: Final = (0.01, 0.05)
"""Total share, and upper end of its interval, below which a parameter may be fixed."""
OFTEN: Final = 0.2
"""Share of failures that is worth a word."""
FEWEST: Final = 4
"""Failures with one value of a parameter that may say something."""
LATE: Final = 0.2
"""Share of the trials at the end in which an improvement means that more are worth it."""


def advice(tuner: Tuner, over: bool, shares: dict[str, Any] | None) -> list[str]:
    """Sentences, none where there is nothing to say.

    Parameters
    ----------
    over
        Whether the search has ended.
    shares
        As `dsice.report.model.importance` gives them, where there is a model.
    """
    history = tuner.history
    if not len(history):
        return ["Start the search: dsice run STUDY.toml, or ask and tell."]
    best = tuner.best
    found = [*_without_best(tuner, best), *_failures(tuner)]
    if best is not None:
        found += [
            *_edges(tuner.space, best, shares),
            *_unsure(tuner, best, over, shares),
            *_late(tuner, best, over),
            *_negligible(tuner.space, shares),
        ]
    lost = int(history.in_state(State.LOST).sum())
    if lost:
        found.append(
            f"{lost} trial{'s were' if lost > 1 else ' was'} lost by the machine; a result that is "
            "found later may still be told."
        )
    return [text(sentence, 1000) for sentence in found]


def _without_best(tuner: Tuner, best: Trial | None) -> Iterator[str]:
    history = tuner.history
    if best is not None:
        if history.goal.violation(best):
            yield (
                "No trial keeps the bounds of the goal; the best here breaks them least. Loosen a "
                "bound, or let the search go on."
            )
        return
    missing = " and ".join(map(repr, history.unreported()))
    if missing:
        yield f"No trial reported {missing}, which the goal needs: let the program print it."
    elif len(history.pending()) == len(history):
        yield "No trial has ended yet: wait for the first results."
    else:
        yield "No trial has a value yet: look at the failures below first."


def _edges(space: Space, best: Trial, shares: dict[str, Any] | None) -> Iterator[str]:
    """Parameters that matter whose best value is the last of its axis."""
    totals = {entry["axis"]: entry["total"][0] for entry in (shares or {}).get("single", ())}
    for j, (name, axis) in enumerate(space.axes.items()):
        level, last = best.point[j], len(axis) - 1
        if not axis.numeric or last < 2 or level not in (0, last) or name not in best.params:
            continue
        if totals and (totals.get(j) or 0.0) < MATTERS:
            continue
        if axis.values[level] == 0:  # mostly an end by nature
            continue
        values = (axis.values[0], axis.values[last])
        word = "largest" if (axis.values[level] == max(values)) else "smallest"
        yield (
            f"Try values of {name} beyond {as_text(axis.values[level])}: the best has the {word} "
            "of its axis. Extend the axis and carry the measurements over with dsice extend."
        )


def _unsure(tuner: Tuner, best: Trial, over: bool, shares: dict[str, Any] | None) -> Iterator[str]:
    """A best point that noise may have chosen."""
    if best.stage > tuner.history.goal.stage:
        return
    noise = (shares or {}).get("noise_sd") or 0.0
    leading = tuner.history.leading(2)
    if len(leading) == 2 and len(best.values) < 3 and noise > 0:
        apart = abs((leading[0].value or 0.0) - (leading[1].value or 0.0))
        if apart < 2 * noise:
            yield (
                f"Confirm the best: it leads by {apart:.3g}, and one measurement scatters by about "
                f"{noise:.3g}. With confirm = 3 and repeats = 5 (in the study file, or in run) the "
                "leading settings and the start are measured anew."
            )
            return
    if over and len(best.values) == 1:
        yield "Measure the best once more before you rely on it: it was measured once."


def _late(tuner: Tuner, best: Trial, over: bool) -> Iterator[str]:
    """An improvement near the end of a budget."""
    n = len(tuner.history)
    used_up = tuner.max_trials is not None and tuner.asked >= tuner.max_trials
    leaders = tuner.history.leaders()
    last = leaders[-1][0] if leaders else 0
    if over and used_up and n >= 20 and last >= (1 - LATE) * n:
        yield (
            f"Go on: the last improvement came late (trial {last} of {n}). A larger max_trials "
            "continues the same search."
        )


def _negligible(space: Space, shares: dict[str, Any] | None) -> Iterator[str]:
    if shares is None or shares["early"]:
        return
    names = [
        space.names[entry["axis"]]
        for entry in shares["single"]
        if entry["total"][0] < NEGLIGIBLE[0] and entry["total"][2] < NEGLIGIBLE[1]
    ]
    if names and len(names) < space.ndim:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        yield (
            f"Fix {', '.join(names[:5])}{more}: within the grid "
            f"{'it makes' if len(names) == 1 else 'they make'} next to no difference, and a "
            "smaller grid is searched sooner."
        )


def _failures(tuner: Tuner) -> Iterator[str]:
    """How many trials failed, and a value with which nearly all do."""
    history: History = tuner.history
    failed = history.failed()
    ended = ~history.in_state(State.PENDING, State.LOST)
    if not ended.any() or failed.sum() < OFTEN * ended.sum():
        return
    share = failed.sum() / ended.sum()
    where = _failing_value(history, tuner.space, failed, ended, share)
    rest = f" {where}" if where else " See why under Failures."
    yield f"{share:.0%} of the trials that ended have failed.{rest}"


def _failing_value(history: History, space: Space, failed: Any, ended: Any, share: float) -> str:
    """The value of a parameter with which most failures can be told, in words."""
    levels = history.points()
    found: tuple[int, str] = (0, "")
    for j, (name, axis) in enumerate(space.axes.items()):
        count = np.bincount(levels[ended, j], minlength=len(axis))
        bad = np.bincount(levels[failed, j], minlength=len(axis))
        rate = bad / np.maximum(count, 1)
        telling = (bad >= FEWEST) & (rate >= 0.8) & (rate > 1.5 * share)
        for level in np.flatnonzero(telling).tolist():
            if bad[level] > found[0]:
                found = (
                    int(bad[level]),
                    f"With {name} = {as_text(axis.values[level])} it is {bad[level]} of "
                    f"{count[level]}: leave that value out, or forbid it with a rule.",
                )
    return found[1]
