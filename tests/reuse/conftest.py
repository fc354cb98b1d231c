"""A finished study and its journal, as a source of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsice import Goal, Tuner

OLD = {"x": range(9), "y": range(9), "mode": ["a", "b"]}


def measured(journal: Path, n: int = 40) -> Path:
    """A journal of `n` trials: the best lies at x 3, y 5, and what has x 0 fails."""
    with Tuner(OLD, goal=Goal("time"), journal=journal, max_trials=n) as tuner:
        while trials := tuner.ask(8):
            for trial in trials:
                x, y = trial.params["x"], trial.params["y"]
                if x:
                    tuner.tell(trial, (x - 3) ** 2 + (y - 5) ** 2)
                else:
                    tuner.tell(trial, error="out of memory")
    return journal


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return measured(tmp_path / "old.jsonl")
