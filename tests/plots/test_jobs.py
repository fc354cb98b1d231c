"""The figures of trade-offs, timelines and lineages: what is drawn, beside plain counts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dsice import Goal, Tuner, plots, run
from dsice.errors import OptionError
from dsice.launchers import Table
from dsice.plots import lineage, progress, timeline, tradeoff
from dsice.plots.timeline import first_free, jobs, running
from dsice.strategies import Grid, Population


def replayed() -> Tuner:
    rng = np.random.default_rng(1)
    log = pd.DataFrame(
        {
            "x": range(30),
            "objective": rng.random(30),
            "m": rng.random(30),
            "seconds": rng.exponential(50.0, 30),
        }
    )
    table = Table(log, params=["x"], metrics=["m"], workers=5)
    return run(Tuner(table.space, Grid(), goal=Goal(at_most={"m": 0.5})), table, progress=False)


def test_timeline_counts_what_runs(tmp_path: Path) -> None:
    tuner = replayed()
    bars, names = jobs(tuner.history)
    moments, counts = running(bars)
    for moment, count in zip(moments, counts, strict=True):
        assert count == sum(b.start <= moment < b.end for b in bars)
    assert {b.row for b in bars} == set(range(5)) and counts.max() == 5
    figure = timeline(tuner, tmp_path / "t.png")
    assert names == [str(k) for k in range(5)]
    assert (tmp_path / "t.png").stat().st_size > 0
    assert len(figure.axes[0].collections[0].get_paths()) == 30


def test_jobs_without_a_worker_take_the_first_free_row() -> None:
    assert first_free([(0, 4), (1, 2), (2, 9), (3, 5), (4, 6)]) == [0, 1, 1, 2, 0]


def test_tradeoff_draws_every_trial_the_front_and_the_bound(tmp_path: Path) -> None:
    tuner = replayed()
    (axes,) = tradeoff(tuner, "value", "m", tmp_path / "t.svg").axes
    sizes = {
        str(c.get_label()).partition(" (")[0]: len(np.asarray(c.get_offsets()))
        for c in axes.collections
    }
    good = int(tuner.history.feasible().sum())
    front = len(tuner.history.front("value", "m"))
    assert sizes == {"trial": good, "breaks a bound": 30 - good, "front": front, "best": 1}
    assert "bound: m at most 0.5" in [line.get_label() for line in axes.lines]


def test_lineage_draws_every_trial_over_its_stage(tmp_path: Path) -> None:
    tuner = Tuner({"lr": [0.1, 0.2, 0.4, 0.8], "n": [1, 2]}, Population(members=5, stages=3))
    while trials := tuner.ask(5):
        for t in trials:
            tuner.tell(t, t.params["lr"])
    above, below = lineage(tuner, tmp_path / "l.png").axes
    for axes in (above, below):
        links, dots = axes.collections
        assert len(np.asarray(dots.get_offsets())) == 15 and len(links.get_paths()) == 10
    assert above.get_ylabel() == "lr" and lineage(tuner, param="n").axes[0].get_ylabel() == "n"


def test_nothing_to_draw_is_said() -> None:
    tuner = Tuner({"x": range(4)}, Grid())
    for t in tuner.ask(4):
        tuner.tell(t, 1.0)
    for draw, message in (
        (lambda: timeline(tuner), "no timeline"),
        (lambda: lineage(tuner), "no lineage"),
        (lambda: tradeoff(tuner, "value", "m"), "carries both"),
    ):
        with pytest.raises(OptionError, match=message):
            draw()
    staged = Tuner({"lr": [0.1, 0.2]}, Population(members=2, stages=2))
    for t in staged.ask(2):
        staged.tell(t, 1.0)
    staged.ask(1)
    with pytest.raises(OptionError, match=r"param='rate'.*\['lr'\]"):
        lineage(staged, param="rate")


def test_anything_with_a_history_is_drawn() -> None:
    tuner = replayed()
    bare = SimpleNamespace(history=tuner.history)
    for draw in (progress, timeline, lambda search: tradeoff(search, "value", "m")):
        assert len(draw(bare).axes) == len(draw(tuner).axes) == len(draw(tuner.history).axes)


def test_only_the_reading_of_journals_knows_the_tuner() -> None:
    folder = Path(plots.__file__).parent
    assert [
        file.name
        for file in folder.glob("*.py")
        if "dsice.tuner" in file.read_text(encoding="utf-8")
    ] == ["given.py"]
