"""What holds for every figure: all that has a history is drawn, in a place, and whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.report.journals import make
from dsice import Goal, Require, Source, Space, Tuner, extend, plots
from dsice.errors import DsiceError, OptionError
from dsice.plots.scale import scale_of
from dsice.plots.texts import distinct
from dsice.strategies import Grid, Random
from tests.conftest import fill, small
from tests.plots.layout import faults

ALL = plots.__all__
MODELLED = ("effects", "importance")
QUICK = [name for name in ALL if name not in MODELLED]
SIX = ("replay", "noisy", "many", "one", "sixteen", "nothing")
NOT_ALWAYS = ("curves", "lineage", "sources", "timeline")
"""Figures of what not every search has."""
LARGEST = sys.float_info.max


def draw(name: str) -> Callable[..., Figure]:
    function: Callable[..., Figure] = getattr(plots, name)
    return function


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tuner]:
    folder = tmp_path_factory.mktemp("journals")
    return lambda kind: Tuner.read(make(kind, folder))


def told(values: Any, *, maximize: bool = False) -> Tuner:
    """A search whose names hold what matplotlib takes for mathematics, or leaves out of legends."""
    space = {"a$b": range(6), "_c$": ["x$", "$y", "z"], "lr": [0.1, 0.2, 0.4]}
    tuner = Tuner(space, Random(), goal=Goal("_m$", maximize=maximize), seed=1)
    for trial, value in zip(tuner.ask(len(values)), values, strict=True):
        tuner.tell(trial, metrics={"_m$": float(value), "o$": float(value) / 2}, seconds=1.0)
    return tuner


def test_no_text_is_cut_or_overlaps_another(journals: Callable[[str], Tuner]) -> None:
    tuner = journals("hostile")
    for name in QUICK:
        if name not in ("curves", "lineage", "sources"):  # there is none
            assert faults(draw(name)(tuner)) == [], name


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [*SIX, "population"])
def test_every_figure_of_six_journals_is_whole(kind: str, journals: Callable[[str], Tuner]) -> None:
    tuner = journals(kind)
    for name in ALL:
        try:
            assert faults(draw(name)(tuner)) == [], name
        except DsiceError as error:
            assert kind in ("nothing", "population") or name in NOT_ALWAYS, error


def test_a_fault_of_the_layout_is_found() -> None:
    figure = plots.progress(told(np.arange(9.0)))
    figure.axes[0].set_title("a title that is much too long for this figure " * 5)
    assert any(fault.startswith("cut:") for fault in faults(figure))
    figure = plots.progress(told(np.arange(9.0)))
    for height in (0.5, 0.51):
        figure.axes[0].text(0.5, height, "here", transform=figure.axes[0].transAxes)
    assert faults(figure) == ["overlap: 'here' and 'here'"]


RISING = np.linspace(1.0, 2.0, 12)


@pytest.mark.parametrize(
    ("values", "maximize"),
    [
        (np.where(np.arange(12) == 5, LARGEST, RISING), False),
        (np.where(np.arange(12) == 5, LARGEST, RISING), True),
        (RISING * 1e-320, False),
        (np.zeros(12), True),
        (10.0 ** np.linspace(-300, 300, 12), False),
    ],
    ids=["largest", "largest is best", "tiny", "zero", "wide"],
)
def test_values_of_every_size_are_drawn(values: Any, maximize: bool) -> None:
    tuner = told(values, maximize=maximize)  # warnings are errors here
    for name in ("progress", "parallel", "tradeoff", "line"):
        assert faults(draw(name)(tuner)) == [], name


def test_an_axis_spans_what_most_trials_measured_and_says_what_it_leaves_out() -> None:
    values = np.append(RISING, 1e9)
    (axes,) = plots.progress(told(values)).axes
    low, high = axes.get_ylim()
    assert 0.9 < low < 1.0 and 2.0 < high < 2.2
    assert axes.get_xlabel() == f"trial; 1 above {high:.3g} at the edge"
    # the best is never left out, however far off it is, in either direction
    (axes,) = plots.progress(told(np.append(RISING, 1e9), maximize=True)).axes
    assert axes.get_ylim()[1] > 1e9
    scale = scale_of(np.append(RISING, -99.0))
    assert scale.low < -99.0 and not scale.said
    # so is nothing that a tenth of the trials measured: a bad start is no error
    assert not scale_of([46.0, 46.0, 46.0, *np.linspace(5, 8, 18)]).said


def test_names_are_drawn_letter_for_letter() -> None:
    figure = plots.progress(told(RISING))
    assert figure.axes[0].get_ylabel() == r"_m\$"  # which matplotlib shows as _m$
    figure = plots.slices(told(RISING))
    assert [axes.get_title() for axes in figure.axes] == [r"a\$b", r"_c\$", "lr"]
    legend = plots.compare({"_one": told(RISING), "two": told(RISING)}).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text().strip() for text in legend.get_texts()] == ["_one", "two"]


def test_long_names_are_told_apart() -> None:
    names = [f"compiler.flag_{k:02}_with_a_rather_long_name" for k in range(20)]
    for most in (12, 18, 26):
        shown = distinct(names, most)
        assert len(set(shown)) == 20 and max(map(len, shown)) <= most
    assert distinct(["lr", "batch"], 12) == ["lr", "batch"]


def test_whatever_has_a_history_is_drawn_alike(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), goal=Goal("loss"), journal=path) as tuner:
        for trial in tuner.ask(20):
            tuner.tell(trial, metrics={"loss": float(trial.id % 7)}, seconds=1.0)
        tuner.withdraw(3, "a broken node")
    study = tmp_path / "study.toml"
    study.write_text('[study]\njournal = "run.jsonl"\ncommand = "true"\n')
    dots = [
        np.asarray(plots.progress(search).axes[0].collections[1].get_offsets()).tolist()
        for search in (tuner, tuner.history, path, str(path), study, tuner.history.frame())
    ]
    assert all(drawn == dots[0] for drawn in dots) and len(dots[0]) == 19
    assert 3 not in [id for id, _ in dots[0]]  # what was withdrawn is not shown
    for search in (tuner.history.frame(), str(study)):
        assert len(plots.slices(search).axes) == tuner.space.ndim
    with pytest.raises(OptionError, match=r"expected a tuner, a history, the path of a journal"):
        plots.progress(7)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"without the columns id, round, state, value, score"):
        plots.progress(tuner.history.frame()[["loss"]].rename(columns={"loss": "x"}))
    with pytest.raises(OptionError, match="does not know its space"):
        plots.slices(tuner.history)
    with pytest.raises(OptionError, match=r"nowhere.toml"):
        plots.progress(tmp_path / "nowhere.toml")


def test_a_frame_of_a_maximised_metric_is_read_in_its_direction() -> None:
    tuner = Tuner(small(), Random(), goal=Goal(maximize=True))
    for trial in tuner.ask(12):
        tuner.tell(trial, float(trial.id))
    best = list(plots.progress(tuner.history.frame()).axes[0].lines)
    assert np.asarray(best[0].get_ydata()).tolist() == [*map(float, range(12)), 11.0]


def test_all_figures_are_drawn_into_given_axes() -> None:
    from matplotlib.figure import Figure

    tuner = told(np.linspace(3.0, 1.0, 24))
    for name in QUICK:
        figure = Figure(figsize=(10, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        try:
            assert draw(name)(tuner, ax=right) is figure, name
        except OptionError as error:
            assert name in NOT_ALWAYS, error
            continue
        assert not left.has_data() and faults(figure) == []
    with pytest.raises(OptionError, match=r"ax: expected one matplotlib Axes, got ndarray"):
        plots.progress(tuner, ax=figure.subplots(1, 2))
    with pytest.raises(OptionError, match=r"several panels and needs axes of a grid"):
        plots.slices(tuner, ax=figure.add_axes((0.1, 0.1, 0.5, 0.5)))


def test_a_line_shows_the_d_spline_of_what_was_measured_on_it() -> None:
    from dsice.spline import fit

    tuner = fill(Tuner({"x": range(12), "y": range(3)}, Random()), 30)
    best = tuner.history.best
    assert best is not None
    on = [t for t in tuner.history if t.point[1] == best.point[1]]
    curve = fit([t.point[0] for t in on], [t.value or 0.0 for t in on], 12)
    (axes,) = plots.line(tuner, along="x").axes
    drawn = next(line for line in axes.lines if len(np.asarray(line.get_xdata())) == 12)
    np.testing.assert_allclose(np.asarray(drawn.get_ydata()), curve.at(range(12)))
    dots = {tuple(p) for c in axes.collections[1:2] for p in np.asarray(c.get_offsets()).tolist()}
    assert dots == {(t.point[0], t.value) for t in on}
    for wrong in ("z", (1,), (0, 0)):
        with pytest.raises(OptionError, match=r"line\(along="):
            plots.line(tuner, along=wrong)


def test_compared_searches_have_the_median_and_the_quartiles_of_their_best() -> None:
    seeds = [fill(Tuner(small(), Random(), seed=k), 15, batch=5) for k in range(5)]
    best = [np.minimum.accumulate([t.value or 0.0 for t in s.history]) for s in seeds]
    (axes,) = plots.compare({"random": seeds}).axes
    (line,) = axes.lines
    at = np.asarray(line.get_xdata()).astype(int)
    np.testing.assert_allclose(np.asarray(line.get_ydata()), np.median(best, axis=0)[at - 1])
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)[:, 1]
    low, high = np.quantile(best, [0.25, 0.75], axis=0)
    assert band.min() == pytest.approx(low.min()) and band.max() == pytest.approx(high[at[0] - 1])
    (axes,) = plots.compare(seeds, over="rounds").axes
    assert len(axes.lines) == 5 and np.asarray(axes.lines[0].get_xdata()).max() == 3.0
    with pytest.raises(OptionError, match="neither times nor run times"):
        plots.compare(seeds, over="seconds")
    with pytest.raises(OptionError, match="different goals, the smallest '_m\\$' and the smallest"):
        plots.compare([seeds[0], told(RISING)])


def test_curves_are_drawn_by_what_became_of_the_trial() -> None:
    tuner = Tuner({"x": range(9)}, Random(), goal=Goal(maximize=True))
    for trial in tuner.ask(6):
        for step in range(4 if trial.id < 4 else 2):
            tuner.step(trial, step, float(trial.id + step))
        if trial.id < 4:
            tuner.tell(trial, float(trial.id))
        else:
            tuner.tell(trial, state="stopped")
    (axes,) = plots.curves(tuner).axes
    done, stopped = axes.collections[:2]
    assert [len(c.get_paths()) for c in (done, stopped)] == [4, 2]
    assert (done.get_label(), stopped.get_label()) == ("done (4)", "stopped early (2)")
    assert float(stopped.get_alpha() or 1.0) < float(done.get_alpha() or 1.0)
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == [3.0, 4.0, 5.0, 6.0]  # of the best


def test_sources_are_drawn_with_their_weights() -> None:
    old = fill(Tuner(small(), Random(), seed=4), 20)
    tuner = fill(Tuner(small(), reuse=[Source(old, name="$old")]), 16)
    (axes,) = plots.sources(tuner).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"\$old"]
    weight = tuner.sources[0].weight
    assert weight is not None
    assert axes.patches[0].get_width() == pytest.approx(weight)  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="reuses no measurements"):
        plots.sources(old)
    with pytest.raises(OptionError, match="only the tuner knows"):
        plots.sources(tuner.history)


NOTEBOOK = """
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
from dsice import Tuner, plots
tuner = Tuner({"x": range(9)})
for trial in tuner.ask(4):
    tuner.tell(trial, float(trial.id))
plots.progress(tuner)
assert plt.get_fignums() == []  # nothing is left to pyplot
plt.ion()
figure = plots.progress(tuner)
assert plt.get_fignums() == [figure.number]  # where it is interactive, pyplot shows it
mine, axes = plt.subplots()
assert plots.progress(tuner, ax=axes) is mine and len(plt.get_fignums()) == 2
"""


def test_figures_are_pyplots_where_it_is_interactive_alone() -> None:
    subprocess.run([sys.executable, "-c", NOTEBOOK], check=True, timeout=100)


def test_trials_that_break_a_rule_learnt_later_do_not_lead(tmp_path: Path) -> None:
    path, space = tmp_path / "run.jsonl", {"x": range(6)}
    with Tuner(space, Grid(), journal=path) as tuner:
        for trial in tuner.ask(4):
            tuner.tell(trial, float(trial.id), seconds=1.0)
    extend(path, Space(space, where=[Require("x > 0")]))
    for over in ("trials", "seconds"):
        drawn = plots.compare(str(path), over=over).axes[0].lines[0]
        assert np.nanmin(np.asarray(drawn.get_ydata(), dtype=float)) == 1.0, over
    extend(path, Space(space, where=[Require("x > 4")]))
    for draw in (plots.progress, plots.compare):
        with pytest.raises(OptionError):
            draw(str(path))
