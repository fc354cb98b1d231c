"""effects and importance: known functions, the inputs a user may give, and invariances."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dsice
from dsice import (
    Choice,
    DsiceError,
    DsiceWarning,
    Goal,
    Ordinal,
    Space,
    Tuner,
    When,
    effects,
    importance,
)
from dsice.errors import FitError, OptionError
from dsice.strategies import DSICE, Random
from tests.conftest import bowl, conditional, fill, small

Array = np.ndarray[Any, np.dtype[Any]]
Values = Callable[[dict[str, Any]], float]


def measured(
    space: Space | dict[str, Any],
    function: Values,
    n: int,
    *,
    seed: int = 0,
    goal: Goal | None = None,
) -> Tuner:
    tuner = Tuner(space, Random(), seed=seed, goal=goal)
    for trial in tuner.ask(n):
        tuner.tell(trial, function(dict(trial.params)))
    return tuner


def full(space: Space, function: Values) -> Array:
    """The function on the whole grid."""
    cells = np.stack(np.unravel_index(np.arange(space.size), space.shape), axis=1)
    return np.array(
        [function(space.params(tuple(row))) for row in space.collapse(cells).tolist()]
    ).reshape(space.shape)


def exact(f: Array) -> tuple[list[Array], Array, Array]:
    """Main effects, first-order and total Sobol indices of a whole grid."""
    every = set(range(f.ndim))
    curves = [f.mean(axis=tuple(every - {j})) - f.mean() for j in every]
    total = np.array([1 - f.mean(axis=j).var() / f.var() for j in every])
    return curves, np.array([curve.var() for curve in curves]) / f.var(), total


def of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["parameter"] == name].reset_index(drop=True)


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["other"].isna()].set_index("parameter")


def share_of(frame: pd.DataFrame, name: str, column: str = "share") -> float:
    """Share of a single parameter."""
    return float(alone(frame)[column].to_dict()[name])


def pair(frame: pd.DataFrame, a: str, b: str) -> float:
    found = frame[
        [{p, o} == {a, b} for p, o in zip(frame["parameter"], frame["other"], strict=True)]
    ]
    assert len(found) == 1
    return float(found["share"].iloc[0])


AXES: dict[str, Any] = {
    "x": range(8),
    "y": Ordinal.log(1, 64, 7),
    "z": ["p", "q", "r"],
    "idle": range(5),
}
WORTH = {"p": 0.0, "q": 3.0, "r": 1.0}


def additive(p: dict[str, Any]) -> float:
    return float(0.3 * (p["x"] - 5) ** 2 + 2.0 * np.log2(p["y"]) + 2.0 * WORTH[p["z"]])


# ---------------------------------------------------------------------- known functions
def test_an_additive_function() -> None:
    space = Space(AXES)
    tuner = measured(space, additive, 120)
    curves, first, _ = exact(full(space, additive))
    frame = effects(tuner)
    assert list(frame.columns) == ["parameter", "level", "value", "effect", "low", "high", "count"]
    assert frame["value"].tolist() == [v for axis in space.axes.values() for v in axis.values]
    # the values range over 28
    np.testing.assert_allclose(frame["effect"], np.concatenate(curves), atol=0.25)
    assert frame.attrs["mean"] == pytest.approx(full(space, additive).mean(), abs=0.2)
    shares = importance(tuner)
    np.testing.assert_allclose(alone(shares).loc[list(AXES), "share"], first, atol=0.02)
    np.testing.assert_allclose(alone(shares).loc[list(AXES), "total"], first, atol=0.03)
    assert shares.attrs["higher"] < 0.01 and shares.attrs["noise"] < 0.01
    assert shares.attrs["sd"] == pytest.approx(full(space, additive).std(), rel=0.05)
    assert len(shares) == 4 + 6


def test_a_pair_that_interacts_is_found() -> None:
    space = Space({"x": range(7), "y": range(7), "z": range(4)})

    def product(p: dict[str, Any]) -> float:
        return float((p["x"] - 3) * (p["y"] - 3) + 0.5 * p["z"])

    frame = importance(measured(space, product, 90))
    _, first, total = exact(full(space, product))
    assert frame["parameter"].tolist()[:2] == ["x", "y"] or frame["parameter"].tolist()[:2] == [
        "y",
        "x",
    ]
    assert pair(frame, "x", "y") > 0.9 and max(pair(frame, "x", "z"), pair(frame, "y", "z")) < 0.02
    np.testing.assert_allclose(alone(frame).loc[["x", "y", "z"], "total"], total, atol=0.05)
    np.testing.assert_allclose(alone(frame).loc[["x", "y", "z"], "share"], first, atol=0.05)
    assert frame["share"].sum() + frame.attrs["higher"] == pytest.approx(1.0)


def test_three_that_interact_are_left_to_higher() -> None:
    space = Space({name: [-1, 1] for name in "abc"} | {"d": range(4)})
    frame = importance(measured(space, lambda p: float(p["a"] * p["b"] * p["c"]), 32))
    assert frame.attrs["higher"] > 0.9
    assert (
        min(share_of(frame, name, "total") for name in "abc")
        > 0.9
        > 0.1
        > share_of(frame, "d", "total")
    )


def test_a_search_gives_about_the_same_answer_as_random_points() -> None:
    space = Space(AXES)
    tuner = fill(Tuner(space, DSICE(tolerance=None)), 120, batch=40, objective=additive)
    curves, first, _ = exact(full(space, additive))
    np.testing.assert_allclose(effects(tuner)["effect"], np.concatenate(curves), atol=0.7)
    np.testing.assert_allclose(alone(importance(tuner)).loc[list(AXES), "share"], first, atol=0.06)


def test_the_alternatives_of_a_choice_have_no_order() -> None:
    """A zigzag is found as well as a slope, and alike for every order of the alternatives."""
    worth = dict(zip("abcdef", [0.0, 5.0, 1.0, 6.0, 2.0, 4.0], strict=True))
    frames = []
    for names in ("abcdef", "fadceb"):
        tuner = Tuner({"c": Choice(list(names)), "x": range(6)}, Random())
        for k in range(30):
            name, x = "abcdef"[k % 6], (k // 6 + k) % 6
            tuner.add({"c": name, "x": x}, worth[name] + 0.5 * x)
        frames.append(of(effects(tuner), "c").set_index("value"))
    np.testing.assert_allclose(frames[0]["effect"], [worth[n] - 3.0 for n in "abcdef"], atol=0.2)
    columns = ["effect", "low", "high", "count"]
    np.testing.assert_allclose(
        frames[0][columns], frames[1].loc[list("abcdef"), columns], atol=1e-6
    )


def test_bands_cover_the_truth_and_narrow() -> None:
    """Smooth random functions with noise: narrow bands contain most of the true effects."""
    space, inside, width = (
        Space({"x": range(9), "y": range(9), "z": range(9)}),
        [],
        {40: [0.0], 160: [0.0]},
    )
    grid = np.linspace(0.0, 1.0, 9)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        main = rng.normal(size=(3, 3)) @ [np.cos(np.pi * k * grid) / k for k in (1, 2, 3)]
        mixed = 0.5 * rng.normal() * np.outer(np.cos(np.pi * grid), np.cos(np.pi * grid))
        noise = rng.normal(scale=0.2, size=(9, 9, 9))
        f = main[0][:, None, None] + main[1][:, None] + main[2] + mixed[:, :, None]
        for n in width:
            tuner = measured(
                space,
                lambda p: float((f + noise)[p["x"], p["y"], p["z"]]),  # noqa: B023
                n,
                seed=seed,
            )
            frame = effects(tuner)
            truth = np.concatenate(exact(f)[0])
            inside.append(((frame["low"] <= truth) & (truth <= frame["high"])).mean())
            width[n].append(float((frame["high"] - frame["low"]).mean()))
            assert (frame["high"] - frame["low"]).mean() < 2.0 * truth.std()
    assert 0.85 < np.mean(inside) <= 1.0
    assert sum(width[160]) < 0.7 * sum(width[40])


def test_noise_is_told_from_signal() -> None:
    rng = np.random.default_rng(1)
    tuner = measured({"x": range(10), "y": range(10)}, lambda p: p["x"] + rng.normal(scale=2.0), 90)
    frame = importance(tuner)
    assert frame.attrs["noise_sd"] == pytest.approx(2.0, rel=0.3)
    assert frame.attrs["noise"] == pytest.approx(4.0 / (4.0 + 8.25), abs=0.12)
    assert share_of(frame, "x") > 0.8


def test_noise_is_that_of_one_measurement() -> None:
    rng = np.random.default_rng(2)
    tuner = Tuner({"x": range(8), "y": range(8)}, Random())
    for trial in tuner.ask(60):
        tuner.tell(trial, (trial.params["x"] + rng.normal(scale=2.0, size=6)).tolist())
    assert importance(tuner).attrs["noise_sd"] == pytest.approx(2.0, rel=0.3)


# ---------------------------------------------------------------------- conditional parameters
def test_a_parameter_that_exists_only_sometimes() -> None:
    def loss(p: dict[str, Any]) -> float:
        return float(
            4.0 * (p["opt"] == "adam")
            + np.log10(p["lr"])
            + 10.0 * (p.get("momentum", 0.5) - 0.5) ** 2
        )

    space = conditional()
    tuner = fill(Tuner(space, Random()), 16, batch=16, objective=loss)  # all there are
    frame = effects(tuner)
    curve = 10.0 * (np.array([0.0, 0.5, 0.9]) - 0.5) ** 2
    # over the trials in which it exists
    np.testing.assert_allclose(of(frame, "momentum")["effect"], curve - curve.mean(), atol=0.1)
    assert of(frame, "momentum")["count"].tolist() == [4, 4, 4]
    assert of(frame, "opt")["count"].tolist() == [4, 12]
    np.testing.assert_allclose(
        of(frame, "opt")["effect"],
        np.array([4.0, curve.mean()]) - (4.0 + curve.mean()) / 2,
        atol=0.1,
    )
    curves, first, total = exact(full(space, loss))
    shares = importance(tuner)
    np.testing.assert_allclose(alone(shares).loc[list(space.names), "share"], first, atol=0.01)
    np.testing.assert_allclose(alone(shares).loc[list(space.names), "total"], total, atol=0.01)
    assert pair(shares, "opt", "momentum") > 10 * pair(shares, "lr", "momentum")
    assert len(curves) == 3


def test_conditions_given_as_functions() -> None:
    text = Space({"a": range(3), "b": range(4), "m": range(3)}, where=[When("a > 0", "m")])
    function = Space(
        {"a": range(3), "b": range(4), "m": range(3)}, where=[When(lambda p: p["a"] > 0, "m")]
    )
    pd.testing.assert_frame_equal(
        effects(measured(text, bowl, 20)), effects(measured(function, bowl, 20))
    )


def test_conditions_on_too_many_combinations_are_said() -> None:
    axes = {"a": range(30), "b": range(30), "m": range(3)}
    tuner = measured(Space(axes, where=[When(lambda p: p["a"] > 15, "m")]), bowl, 40)
    with pytest.warns(DsiceWarning, match="512 combinations of a, b") as caught:
        frame = effects(tuner)
    assert caught[0].filename == __file__
    assert frame["effect"].notna().all()
    named = measured(Space(axes, where=[When("a > 15", "m")]), bowl, 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effects(named)


def test_a_parameter_that_never_exists() -> None:
    space = Space({"a": range(3), "b": range(4), "m": range(3)}, where=[When("a > 7", "m")])
    tuner = measured(space, bowl, 10)
    assert of(effects(tuner), "m")[["effect", "low", "high"]].isna().all(axis=None)
    assert share_of(importance(tuner), "m", "total") == pytest.approx(0.0, abs=1e-12)


# ---------------------------------------------------------------------- invariances
@pytest.mark.parametrize(("factor", "shift"), [(1e-9, 0.0), (1e6, -3.0), (1e305, 0.0)])
def test_units(factor: float, shift: float) -> None:
    base = measured(small(), lambda p: bowl(p) / 100, 30)
    other = measured(small(), lambda p: factor * bowl(p) / 100 + shift, 30)
    columns = ["effect", "low", "high"]
    np.testing.assert_allclose(
        effects(other)[columns] / factor, effects(base)[columns], rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(importance(other)["share"], importance(base)["share"], atol=1e-4)


def test_more_is_better() -> None:
    base = measured(small(), bowl, 30)
    other = measured(small(), lambda p: -bowl(p), 30, goal=Goal(maximize=True))
    pd.testing.assert_frame_equal(effects(base), effects(other))


def test_failed_and_pending_trials_are_left_out() -> None:
    tuner = measured(small(), bowl, 24)
    base = effects(tuner)
    first, *_ = tuner.ask(4)
    tuner.tell(first, error="crashed")
    pd.testing.assert_frame_equal(base, effects(tuner))


def test_repeats_count_and_are_averaged() -> None:
    single, double = Tuner(small()), Tuner(small())
    for a, b in ((1, 0.0), (2, 0.5), (4, 1.0), (8, 0.0)):
        for c in (0, 2):
            p: dict[str, object] = {"a": a, "b": b, "c": c}
            single.add(p, [bowl(p) - 1, bowl(p) + 1])
            double.add(p, bowl(p) - 1)
            double.add(p, bowl(p) + 1)
    pd.testing.assert_frame_equal(effects(single), effects(double))
    assert of(effects(double), "c")["count"].tolist() == [8, 0, 8]


def test_a_run_that_went_astray_does_not_drown_the_rest() -> None:
    def loss(p: dict[str, Any]) -> float:
        return 1e9 if (p["x"], p["y"]) == (6, 8) else additive(p)

    frames = [alone(importance(measured(AXES, f, 400))) for f in (additive, loss)]
    np.testing.assert_allclose(
        frames[1].loc[list(AXES), "share"], frames[0].loc[list(AXES), "share"], atol=0.1
    )


def test_scores_that_are_all_alike() -> None:
    tuner = measured(small(), lambda p: 7.25, 20)
    assert effects(tuner)["effect"].abs().max() < 1e-9 and effects(tuner).attrs[
        "mean"
    ] == pytest.approx(7.25)
    frame = importance(tuner)
    assert (alone(frame)[["share", "total"]] == 0.0).all(axis=None) and frame.attrs["higher"] == 0.0


def test_more_points_than_the_surface_takes() -> None:
    space = Space({"x": range(40), "y": range(40)})
    tuner = measured(space, lambda p: float(p["x"] + 10 * np.sin(p["y"] / 6)), 1200)
    f = full(space, lambda p: float(p["x"] + 10 * np.sin(p["y"] / 6)))
    np.testing.assert_allclose(effects(tuner)["effect"], np.concatenate(exact(f)[0]), atol=0.1)
    assert effects(tuner)["count"].sum() == 2 * 1200


# ---------------------------------------------------------------------- what is handed in
def test_a_tuner_a_history_with_its_space_and_a_journal(tmp_path: Path) -> None:
    with Tuner(small(), journal=tmp_path / "j.jsonl") as tuner:
        fill(tuner, 20)
    frames = [
        effects(tuner),
        effects(tuner.history, small()),
        effects(Tuner.read(tmp_path / "j.jsonl")),
    ]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], frame)
    pd.testing.assert_frame_equal(importance(tuner), importance(tuner.history, tuner.space))
    assert effects(tuner.history, {"a": [1, 2, 4, 8], "b": [0.0, 0.5, 1.0], "c": range(3)}).equals(
        frames[0]
    )


@pytest.mark.parametrize("function", [effects, importance])
def test_wrong_input_is_named(function: Callable[..., pd.DataFrame]) -> None:
    tuner = measured(small(), bowl, 12)
    for arguments, kind, words in [
        ((tuner.history,), OptionError, "does not know its space"),
        ((tuner.history, {"a": range(4)}), OptionError, "expected that of the history"),
        (
            (tuner.history, {"a": range(4), "b": range(2), "c": range(3)}),
            OptionError,
            "expected that of the history",
        ),
        (("run.jsonl",), OptionError, "Tuner.read"),
        ((Tuner(small()),), FitError, "at least 3 distinct points"),
        ((measured(small(), bowl, 2),), FitError, "has 2"),
    ]:
        with pytest.raises(kind, match=words) as raised:
            function(*arguments)
        assert isinstance(raised.value, DsiceError)


def test_three_points_are_enough() -> None:
    tuner = measured(small(), bowl, 3)
    assert np.isfinite(effects(tuner)[["effect", "low", "high"]]).all(axis=None)
    assert importance(tuner)["share"].between(0.0, 1.0).all()


def test_every_pair_is_there_once() -> None:
    frame = dsice.importance(measured(small(), bowl, 12))
    pairs = {
        frozenset(p)
        for p in zip(frame["parameter"], frame["other"], strict=True)
        if p[1] is not None
    }
    assert pairs == {frozenset(p) for p in combinations("abc", 2)} and len(frame) == 6


def test_values_stay_what_they_are() -> None:
    frame = effects(
        measured({"x": [1, 2], "c": Choice([None, True, "on"])}, lambda p: float(p["x"]), 6)
    )
    assert frame["value"].tolist() == [1, 2, None, True, "on"]
