"""What stoppers save and lose: the same trials, stopped or not, and the same epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.quality.early import SEARCHES, STOPPERS, Task, compare, report, trainings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Trainings of 27 epochs, every third of which is reported, that keep their order."""
    ends = np.random.default_rng(0).permutation(120) / 120
    epochs = np.arange(1, 28, 3)
    columns = {"x": range(120), "objective": ends}
    pd.DataFrame(columns).to_csv(tmp_path / "own.csv", index=False)
    np.savez(tmp_path / "own.curves.npz", curves=ends[:, None] + 1 / epochs, epochs=epochs)
    return tmp_path / "own.csv"


def test_between_two_epochs_the_last_one_stands(path: Path) -> None:
    known = trainings(path)
    assert known.longest == 25 and set(known.lengths.values()) == {25}
    row = known.frame.iloc[7]
    assert [row[f"epoch {e}"] - row["objective"] for e in (1, 3, 4)] == pytest.approx([1, 1, 0.25])


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_is_compared_with_itself_without_a_stopper(path: Path, search: str) -> None:
    rows = pd.DataFrame(compare(Task(path, search, 0))).set_index("stopper")
    assert list(rows.index) == list(STOPPERS)
    halving = rows.loc["halving 1/3"]
    assert halving["saved"] > 0.6 and halving["stopped"] > 0.7 * halving["trials"]
    if search == "random":  # all trials are the same, and the best is the best at each epoch
        assert (rows["trials"] == 120).all() and (rows["lost"] == 0).all()
        assert halving["time"] < 0.6
    if search == "epochs":
        assert (rows["trials"] > 60).all() and (rows["lost"] <= 0).all()
    line = f"| own | {search} | halving 1/3 | "
    assert line in report(rows.reset_index())
