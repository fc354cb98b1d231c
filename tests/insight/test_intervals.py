"""Intervals of importance: what they hold, and when it is too early to trust the shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dsice import Goal, History, Space, Tuner, importance, plots
from dsice.cli.main import main
from dsice.insight import resampling
from dsice.insight.model import Model, fit, model_of
from dsice.spline.anova import Anova
from dsice.spline.surface import fit_surface
from dsice.strategies import Random
from tests.insight.test_insight import exact, share_of

COLUMNS = ["parameter", "other", "share", "total", "low", "high", "total_low", "total_high"]


def measured(f: np.ndarray[tuple[int, ...], np.dtype[np.float64]], n: int, seed: int) -> Tuner:
    tuner = Tuner({"xyz"[j]: range(m) for j, m in enumerate(f.shape)}, Random(), seed=seed)
    for trial in tuner.ask(n):
        tuner.tell(trial, float(f[trial.point]))
    return tuner


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["other"].isna()].set_index("parameter").sort_index()


def test_intervals_hold_most_true_shares_and_narrow() -> None:
    """Smooth random functions with noise, of which all shares are known."""
    grid = np.linspace(0.0, 1.0, 7)
    inside: list[bool] = []
    width: dict[int, list[float]] = {20: [], 120: []}
    early: dict[int, int] = {20: 0, 120: 0}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        main_effects = rng.normal(size=(3, 3)) @ [np.cos(np.pi * k * grid) / k for k in (1, 2, 3)]
        mixed = rng.normal() * np.outer(np.cos(np.pi * grid), np.cos(np.pi * grid))
        f = main_effects[0][:, None, None] + main_effects[1][:, None] + main_effects[2]
        f = f + mixed[:, :, None] + rng.normal(scale=0.2, size=(7, 7, 7))
        _, first, total = exact(f)
        for n in width:
            frame = importance(measured(f, n, seed))
            found = alone(frame)
            inside += list((found["low"] - 0.01 <= first) & (first <= found["high"] + 0.01))
            inside += list((found["total_low"] <= total) & (total <= found["total_high"]))
            width[n].append(float((found["total_high"] - found["total_low"]).mean()))
            early[n] += bool(frame.attrs["early"])
    assert np.mean(inside) > 0.75
    assert sum(width[120]) < 0.5 * sum(width[20])
    assert early[20] > early[120]


def misses_of_points_left_out(model: Model) -> float:
    """Mean squared error at each point of the surface through all others, by the variance."""
    axes = (model.space.shape, model.space.ordered)
    hyperparameters = fit(model.space, model.points, model.values, model.information)[1]
    errors = []
    for i in range(len(model.values)):
        others = np.arange(len(model.values)) != i
        surface = fit_surface(
            model.points[others],
            model.values[others],
            *axes,
            counts=model.information[others],
            hyperparameters=hyperparameters,
        )
        errors.append(model.values[i] - surface.mean(model.points[i : i + 1])[0])
    return float(np.mean(np.square(errors)) / np.var(model.values))


def test_intervals_know_noise_where_points_were_measured_again() -> None:
    rng = np.random.default_rng(0)
    once, again = (Tuner({"x": range(6), "y": range(5)}, Random(), seed=1) for _ in range(2))
    for tuner, repeats in ((once, 1), (again, 8)):
        for trial in tuner.ask(25):
            values = trial.params["x"] + rng.normal(scale=1.5, size=repeats)
            tuner.tell(trial, values.tolist())
    assert model_of(once, None).missed > 0.2
    assert model_of(again, None).missed < 0.1


def test_intervals_are_quantiles_of_shares_of_halves_that_hold_the_share_itself() -> None:
    """Against a plain loop over the same halves."""
    rng = np.random.default_rng(0)
    f = np.add.outer(np.arange(6.0), 0.3 * np.arange(5.0)) + rng.normal(size=(6, 5))
    tuner = measured(f, 24, 1)
    frame = importance(tuner)
    assert list(frame.columns) == COLUMNS
    model = model_of(tuner, None)
    draw = np.random.default_rng(0)
    halves = []
    for _ in range(40):
        half = np.sort(draw.permutation(24)[:12])
        own = (model.points[half], model.values[half], model.information[half])
        halves.append(Anova(fit(model.space, *own)[0], model.space.shape).sobol_indices())
    missed = misses_of_points_left_out(model)
    assert 0.05 < missed < 0.6
    for name, j in (("x", 0), ("y", 1)):
        row = alone(frame).loc[name]
        for column, every in (
            ("share", [half.first[j] for half in halves]),
            ("total", [half.total[j] for half in halves]),
        ):
            low, middle, high = np.percentile(every, [5, 50, 95])
            moved = 2.0 * (row[column] - middle)
            ends = ("low", "high") if column == "share" else ("total_low", "total_high")
            lowest = max(0.0, min(low, low + moved, row[column]))
            assert row[ends[0]] == pytest.approx(lowest)
            highest = min(1.0, max(high, high + moved, row[column]))
            if column == "total":  # half of what nobody can place may be this parameter's
                highest += (1.0 - highest) * 0.5 * missed
            assert row[ends[1]] == pytest.approx(highest)
    (pair,) = frame[frame["other"].notna()].to_dict("records")
    assert pair["low"] <= pair["share"] <= pair["high"] and np.isnan(pair["total_low"])
    again = importance(tuner)
    pd.testing.assert_frame_equal(frame, again)


def test_intervals_say_when_it_is_too_early(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(6, 6, 6))  # nothing matters
    path = tmp_path / "j.jsonl"
    with Tuner({name: range(6) for name in "xyz"}, Random(), journal=path) as tuner:
        for trial in tuner.ask(25):
            tuner.tell(trial, float(noise[trial.point]))
    why = importance(tuner).attrs["early"]
    assert "random halves of the measurements" in why
    assert main(["importance", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"too early to trust these shares: {why}; measure more" in out and " %)" in out
    assert plots.importance(tuner).get_suptitle().startswith("too early to trust these shares")

    clear = np.broadcast_to(10.0 * np.arange(6.0)[:, None, None], (6, 6, 6)) + 0.01 * noise
    tuner = measured(clear, 60, 0)
    assert importance(tuner).attrs["early"] == ""
    figure = plots.importance(tuner)
    assert "too early" not in figure.get_suptitle()
    found = alone(importance(tuner))
    (bars,) = [c for c in figure.axes[0].collections if c.get_label() == "interval"]
    ends = {tuple(line[:, 0].tolist()) for line in bars.get_segments()}  # type: ignore[attr-defined]
    assert ends == set(zip(found["total_low"], found["total_high"], strict=True))


def test_intervals_of_next_to_nothing_are_everything() -> None:
    tuner = measured(np.arange(27.0).reshape(3, 3, 3), 4, 0)
    frame = importance(tuner)
    found = alone(frame)
    assert (found["low"] == 0.0).all() and (found["total_high"] == 1.0).all()
    assert frame.attrs["early"] == "there are 4 measured points"
    flat = importance(measured(np.ones((3, 3, 3)), 12, 0))
    assert (alone(flat)[["share", "low", "high", "total_high"]] == 0.0).all(axis=None)


def test_effects_and_importance_follow_the_goals_median_with_its_noise() -> None:
    space = Space({"x": range(8), "y": range(4)})
    rng = np.random.default_rng(0)
    tuners = {of: Tuner(space, Random(), goal=Goal(of=of)) for of in ("mean", "median", "min")}
    for cell in range(32):
        x, y = divmod(cell, 4)
        values = [x + 0.1 * rng.normal() for _ in range(4)] + [500.0 * (cell % 3 == 0)]
        for tuner in tuners.values():
            tuner.add({"x": x, "y": y}, values)
    shares = {of: share_of(importance(t), "x", "total") for of, t in tuners.items()}
    assert shares["median"] > 0.95 > 0.5 > shares["mean"]
    assert model_of(tuners["median"], None).information.tolist() == pytest.approx([10 / np.pi] * 32)
    assert model_of(tuners["min"], None).information.tolist() == [1.0] * 32
    assert model_of(tuners["min"], None).counts.tolist() == [5.0] * 32


def test_intervals_take_a_second_or_two_of_any_number_of_points() -> None:
    """More than 1000 points are an even choice of 1000, and halves are halves of these."""
    sizes: list[int] = []

    def counted(*args: object, **kwargs: object) -> object:
        sizes.append(len(args[1]))  # type: ignore[arg-type]
        return fit(*args, **kwargs)  # type: ignore[arg-type]

    rng = np.random.default_rng(0)
    f = np.add.outer(np.arange(40.0), rng.normal(size=40))
    tuner = Tuner({"x": range(40), "y": range(40)}, Random())
    for trial in tuner.ask(1100):
        tuner.tell(trial, float(f[trial.point]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resampling, "fit", counted)
        patched.setattr(resampling, "HALVES", 2)
        importance(History(trials=list(tuner.history)), tuner.space)
    assert sizes == [500, 500]
