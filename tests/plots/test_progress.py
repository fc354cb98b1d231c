"""The transition figure: what is drawn, checked against plain counts of the history."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dsice import Goal, Tuner
from dsice.errors import OptionError
from dsice.plots import progress
from dsice.strategies import DSICE, Population, Random
from tests.conftest import bowl, fill, small

START: dict[str, object] = {"a": 8, "b": 1.0, "c": 2}


def panels(figure: Figure) -> tuple[Axes, Axes]:
    """(values, widths); the values twice where no width is known."""
    return figure.axes[0], figure.axes[-1]


def dots(axes: Axes, label: str) -> np.ndarray[Any, Any]:
    """Places of the dots of that label, sorted by trial."""
    found = [c for c in axes.collections if c.get_label() == label]
    assert len(found) == 1, [c.get_label() for c in axes.collections]
    places = np.asarray(found[0].get_offsets())
    return places[np.argsort(places[:, 0])]


def line(axes: Axes, label: str) -> np.ndarray[Any, Any]:
    (found,) = [drawn for drawn in axes.lines if str(drawn.get_label()).startswith(label)]
    return np.asarray(found.get_xydata())


def bands(axes: Axes) -> list[tuple[float, float]]:
    (found,) = [c for c in axes.collections if c.get_label() == "_bands"]
    boxes = [np.asarray(path.vertices)[:, 0] for path in found.get_paths()]
    return [(float(x.min()), float(x.max())) for x in boxes]


def test_rounds_values_best_and_share() -> None:
    tuner = fill(Tuner(small(), DSICE(start=START)), 24, batch=8)
    figure = progress(tuner)
    below, above = panels(figure)
    values = [bowl(dict(t.params)) for t in tuner.history]
    np.testing.assert_allclose(dots(below, "trial"), np.column_stack([range(24), values]))
    best = dots(below, "best of each round")
    assert [v for _, v in best] == pytest.approx([min(values[i : i + 8]) for i in range(0, 24, 8)])
    assert [values[int(i)] for i, _ in best] == pytest.approx([v for _, v in best])
    steps = line(below, "best so far")
    np.testing.assert_allclose(
        steps[:24], np.column_stack([range(24), np.minimum.accumulate(values)])
    )
    assert set(line(below, "initial value")[:, 1]) == {bowl(START)}
    assert bands(below) == bands(above) == [(-0.5, 7.5), (15.5, 23.5)]
    assert f"{sum(v < bowl(START) for v in values) / 24:.0%} of 24 trials" in below.get_title()


def test_widths_come_from_the_notes() -> None:
    tuner = fill(Tuner(small(), DSICE(start=START)), 24, batch=8)
    _, above = panels(progress(tuner.history))
    drawn = {(int(x), int(y)) for c in above.collections for x, y in np.asarray(c.get_offsets())}
    assert drawn == {(t.id, int(t.note.get("width", 0))) for t in tuner.history}
    assert any(width for _, width in drawn)


def test_single_asks_are_banded_in_equal_groups() -> None:
    tuner = fill(Tuner({"x": range(10), "y": range(3)}, Random()), 30, batch=1)
    below, _ = panels(progress(tuner))
    edges = [edge for band in bands(below) for edge in band]
    assert set(np.diff(edges)) <= {2.0, 3.0}
    assert len(dots(below, "best of each band")) == 12
    # there was no start: nothing is an initial value
    assert not [drawn for drawn in below.lines if "initial" in str(drawn.get_label())]
    assert below.get_title() == "30 trials"


def test_more_is_better() -> None:
    tuner = Tuner(small(), goal=Goal("score", maximize=True))
    for trial in tuner.ask(20):
        tuner.tell(trial, metrics={"score": -bowl(dict(trial.params))})
    below, _ = panels(progress(tuner, start=-7.0))
    values = [-bowl(dict(t.params)) for t in tuner.history]
    np.testing.assert_allclose(line(below, "best so far")[:20, 1], np.maximum.accumulate(values))
    assert f"{np.mean(np.array(values) > -7.0):.0%}" in below.get_title()
    assert below.get_ylabel() == "score"


def test_failed_pending_and_infeasible_trials() -> None:
    tuner = Tuner(small(), Random(), goal=Goal(at_most={"memory": 1.0}))
    trials = tuner.ask(20)
    for trial in trials[:16]:
        if trial.id % 4 == 1:
            tuner.tell(trial, error="crashed")
        else:
            tuner.tell(
                trial, 10.0 - trial.id / 10, metrics={"memory": 2.0 if trial.id >= 8 else 0.5}
            )
    below, _ = panels(progress(tuner, start=10.0))
    assert [x for x, _ in dots(below, "failed (4)")] == [1, 5, 9, 13]
    assert [x for x, _ in dots(below, "trial")] == [0, 2, 3, 4, 6, 7]
    assert [x for x, _ in dots(below, "breaks a bound")] == [8, 10, 11, 12, 14, 15]
    # not 15, which is lower but infeasible
    assert [x for x, _ in dots(below, "best of each round")] == [7]
    assert line(below, "best so far")[-1][1] == pytest.approx(9.3)
    # 2, 3, 4, 6, 7: the infeasible ones are not better, nor is 0, which equals it
    assert "31% of 16 trials" in below.get_title()


def test_trials_of_other_stages_are_not_counted() -> None:
    tuner = Tuner({"lr": [0.1, 0.2, 0.3, 0.4]}, Population(members=4, stages=3))
    while trials := tuner.ask(4):
        for trial in trials:
            tuner.tell(trial, float(4 - trial.member))
    below, _ = panels(progress(tuner))
    assert below.get_title() == "4 trials of the goal's stage"  # of the last, which alone is scored
    assert len(dots(below, "trial")) == 4 and len(dots(below, "other stages (8)")) == 8


def test_an_initial_value_from_elsewhere() -> None:
    tuner = fill(Tuner(small(), Random()), 12, batch=12)
    below, _ = panels(progress(tuner, start=3.0))
    values = np.array([bowl(dict(t.params)) for t in tuner.history])
    assert set(line(below, "initial value")[:, 1]) == {3.0}
    assert f"{np.mean(values < 3.0):.0%}" in below.get_title()


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1, 2, 3, 4, 5], "linear"),
        ([1, 2, 3, 400, 5], "log"),
        ([0.1, 0.11, 0.12, 0.11, 5], "log"),
        ([-1, 2, 3, 400, 5], "linear"),
        ([2, 2, 2, 2, 2], "linear"),
    ],
)
def test_scale(values: list[float], scale: str) -> None:
    tuner = Tuner({"x": range(9)}, Random())
    for trial, value in zip(tuner.ask(5), values, strict=True):
        tuner.tell(trial, value)
    assert panels(progress(tuner))[0].get_yscale() == scale


def test_files(tmp_path: Path) -> None:
    tuner = fill(Tuner(small(), Random()), 12)
    progress(tuner, tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    progress(tuner, tmp_path / "a.svg")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    with pytest.raises(OptionError, match="png"):
        progress(tuner, tmp_path / "a.txt")


def test_nothing_to_draw() -> None:
    tuner = Tuner(small())
    with pytest.raises(OptionError, match="no trial was asked yet"):
        progress(tuner)
    tuner.ask(2)
    with pytest.raises(
        OptionError, match=r"none of the 2 trials has a value of 'value' yet \(2 wait or run\)"
    ):
        progress(tuner)


def test_matplotlib_is_loaded_late_and_pyplot_never() -> None:
    code = (
        "import sys, dsice, dsice.plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "tuner = dsice.Tuner({'x': range(9)})\n"
        "tuner.tell(tuner.ask(1)[0], 1.0)\n"
        "dsice.plots.progress(tuner)\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
