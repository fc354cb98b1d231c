"""What a prompt and a notebook show of all trials, under a goal."""

from __future__ import annotations

import numpy as np

from dsice.goal import Goal
from dsice.history.store import TrialStore
from dsice.space.summary import Summary, named
from dsice.trial import State, Trial


def history_summary(history: TrialStore, best: Trial | None) -> Summary:
    """How many trials there are of each state, and the best of them."""
    n = len(history)
    heading = f"History of {n} trial{'' if n == 1 else 's'}"
    return Summary(heading, {"trials": counted(history), **best_facts(history.goal, best)})


def counted(history: TrialStore) -> str:
    """How many trials there are of each state."""
    counts = [(int(np.sum(history.in_state(state))), state) for state in State]
    return ", ".join(f"{count} {state}" for count, state in counts if count) or "none"


def best_facts(goal: Goal, best: Trial | None) -> dict[str, object]:
    """The best value, which trial has it, and its params."""
    word = "largest" if goal.maximize else "least"
    if best is None:
        return {"goal": f"{word} {goal.metric}", "best": "none yet"}
    found: dict[str, object] = {"goal": f"{word} {goal.metric}", "best": goal.describe(best)}
    found["best"] = f"{found['best']}, trial {best.id}"
    if goal.violation(best) > 0:
        found["bounds"] = "the best breaks them"
    return found | {"settings": named(best.params)}
