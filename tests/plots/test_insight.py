"""The figures of effects and importance show what the DataFrames say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsice import Choice, Goal, Space, Tuner, effects, importance, plots
from dsice.errors import FitError, OptionError
from dsice.strategies import Random
from tests.conftest import bowl, conditional, fill, holes, small


def test_effects_are_drawn_with_bands_and_measured_means() -> None:
    tuner = fill(Tuner(holes(), Random()), 40)
    frame = effects(tuner)
    figure = plots.effects(tuner)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert set(panels) == {"x", "y", "z"}
    for name, part in frame.groupby("parameter"):
        axes = panels[str(name)]
        curve = next(
            line
            for line in axes.lines
            if len(np.asarray(line.get_xydata())) == len(part) and line.get_linestyle() == "-"
        )
        np.testing.assert_allclose(
            np.asarray(curve.get_ydata()), frame.attrs["mean"] + part["effect"]
        )
        band = axes.collections[0].get_paths()[0].vertices
        assert np.min(band[:, 1]) == pytest.approx(frame.attrs["mean"] + part["low"].min())  # type: ignore[index]
        dots = np.asarray(axes.collections[1].get_offsets())
        seen = tuner.history.frame().groupby(str(name))["score"].mean()
        np.testing.assert_allclose(dots[:, 1], seen)
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            str(v) for v in part["value"]
        ]
    ranges = frame.groupby("parameter")["effect"].agg(np.ptp).sort_values(ascending=False)
    assert list(panels) == list(ranges.index)  # the largest first


def test_levels_without_an_order_are_not_joined() -> None:
    space = Space({"c": Choice(["a", "b", "c"]), "x": range(5)})
    figure = plots.effects(
        fill(
            Tuner(space, Random()),
            12,
            objective=lambda p: float(str(p["x"])) + 3.0 * (p["c"] == "b"),
        )
    )
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert any(
        line.get_linestyle() == "-" and len(np.asarray(line.get_xydata())) == 5
        for line in panels["x"].lines
    )
    assert not any(
        line.get_linestyle() == "-" and len(np.asarray(line.get_xydata())) == 3
        for line in panels["c"].lines
    )


def test_long_axes_and_long_names_leave_the_labels_readable() -> None:
    space = Space(
        {"x": range(1000, 1200), "c": Choice([f"a very long name, number {i}" for i in range(4)])}
    )
    figure = plots.effects(fill(Tuner(space, Random()), 20, objective=lambda p: float(str(p["x"]))))
    for axes in figure.axes:
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert 2 <= len(labels) <= 9 and sum(map(len, labels)) <= 40


def test_importance_shows_the_shares() -> None:
    tuner = fill(Tuner(small(), Random()), 30)
    frame = importance(tuner)
    figure = plots.importance(tuner)
    bars, heat = figure.axes
    alone = frame[frame["other"].isna()]
    widths = [patch.get_width() for patch in bars.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths, [*alone["total"], *alone["share"]])
    assert [label.get_text() for label in bars.get_yticklabels()] == alone["parameter"].tolist()
    pixels = np.asarray(heat.images[0].get_array())
    np.testing.assert_allclose(
        np.sort(pixels[np.isfinite(pixels)]), np.sort(frame[frame["other"].notna()]["share"])
    )
    # one parameter: no pairs
    assert len(plots.importance(fill(Tuner({"x": range(9)}, Random()), 5)).axes) == 1


def test_units_are_said() -> None:
    tuner = Tuner(small(), Random(), goal=Goal("accuracy", maximize=True))
    for trial in tuner.ask(12):
        tuner.tell(trial, -bowl(dict(trial.params)))
    figure = plots.effects(tuner)
    assert figure.get_supylabel() == "accuracy (more is better)"
    # up is better: the curve of the score, turned
    frame = effects(tuner)
    part = frame[frame["parameter"] == frame["parameter"][0]]
    panel = next(axes for axes in figure.axes if axes.get_title() == frame["parameter"][0])
    curve = next(drawn for drawn in panel.lines if len(np.asarray(drawn.get_xdata())) == len(part))
    np.testing.assert_allclose(
        np.asarray(curve.get_ydata()), -(frame.attrs["mean"] + part["effect"])
    )


def test_files_spaces_and_errors(tmp_path: Path) -> None:
    tuner = fill(Tuner(conditional(), Random()), 12)
    plots.effects(tuner, tmp_path / "new" / "effects.png")
    plots.importance(tuner.history, tmp_path / "importance.svg", space=tuner.space)
    assert (tmp_path / "new" / "effects.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "importance.svg").read_bytes()
    for draw in (plots.effects, plots.importance):
        with pytest.raises(OptionError, match=rf"{draw.__name__}\(path=.*png"):
            draw(tuner, tmp_path / "a.txt")
        with pytest.raises(OptionError, match="does not know its space"):
            draw(tuner.history)
        with pytest.raises(FitError, match="at least 3"):
            draw(Tuner(small()))
