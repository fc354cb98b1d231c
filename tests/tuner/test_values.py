"""Values from script to journal and back: who resumes, what is added, where a start lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Choice, Ordinal, Tuner
from dsice.errors import OtherStudyError, SpaceError
from dsice.strategies import DSICE, Grid, Random, Sequential2018

SEEDS = [1700000001, 1700000002, 1700000003]


class Optimizer(str, Enum):  # noqa: UP042 (a StrEnum writes itself otherwise)
    SGD = "sgd"
    ADAM = "adam"


def told(path: Path, axes: Any) -> list[dict[str, Any]]:
    """Measure the whole grid; the params, which a journal gives back."""
    with Tuner(axes, Grid(), journal=path) as tuner:
        for trial in tuner.ask(100):
            tuner.tell(trial, float(trial.id))
        return [dict(t.params) for t in tuner.history]


# ------------------------------------------------------------------ resuming
@pytest.mark.parametrize(
    ("first", "again"),
    [
        ([0.1, 0.2, 0.3], np.arange(0.1, 0.35, 0.1)),
        ([1, 2, 4], [1.0, 2.0, 4.0]),
        ([-0.1, 0.0, 0.1], [-0.1, 2e-17, 0.1]),
        (Choice(SEEDS), Choice(tuple(SEEDS))),
        (list(Optimizer), ["sgd", "adam"]),
        ([(16, 16), [32, 8]], [[16, 16], (32, 8)]),
        ([{"a": 1, "b": [2]}, {}], [{"b": (2,), "a": 1}, {}]),
        ([None, 5, 10], Choice([None, 5, 10])),
    ],
)
def test_the_same_values_go_on_with_the_scripts_own(tmp_path: Path, first: Any, again: Any) -> None:
    path = tmp_path / "run.jsonl"
    told(path, {"x": first, "y": [1]})
    before = path.read_bytes()
    for axes in ({"x": first, "y": [1]}, {"x": again, "y": [1]}):
        with Tuner(axes, Grid(), journal=path) as tuner:
            assert path.read_bytes() == before
            values = [t.params["x"] for t in tuner.history]
            assert repr(values) == repr(list(tuner.space.axes["x"].values))
    with Tuner.resume(path) as tuner:
        assert [t.value for t in tuner.history] == [0.0, 1.0, 2.0][: len(tuner.history)]


@pytest.mark.parametrize("kind", [Choice, Ordinal])
@pytest.mark.parametrize("number", [int, float])
@pytest.mark.parametrize("change", [lambda s: [v + 1 for v in s], lambda s: [*s[:2], s[2] + 1]])
def test_large_numbers_that_are_shifted_are_another_study(
    tmp_path: Path, kind: Callable[[Any], Any], number: type, change: Callable[[Any], Any]
) -> None:
    path = tmp_path / "run.jsonl"
    seeds = [number(seed) for seed in SEEDS]
    told(path, {"seed": kind(seeds)})
    with pytest.raises(OtherStudyError, match=r"axis 'seed' .*\(value \d: 1700000"):
        Tuner({"seed": kind(change(seeds))}, journal=path)
    with pytest.raises(OtherStudyError):
        Tuner({"seed": Choice([seeds[1], seeds[0], seeds[2]])}, journal=path)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ([(1, 2)], [(1.0, 2)]),
        ([(1, 2)], [(True, 2)]),
        ([(1, 2)], [(2, 1)]),
        ([{"a": 1}], [{"a": 2}]),
        (Choice([True, 2]), Choice([1, 2])),
        (Choice(["1", 2]), Choice([1, 2])),
    ],
)
def test_other_values_are_another_study(tmp_path: Path, first: Any, other: Any) -> None:
    path = tmp_path / "run.jsonl"
    told(path, {"x": first})
    with pytest.raises(OtherStudyError, match=r"axis 'x' .*\(value 0: "):
        Tuner({"x": other}, journal=path)


def test_a_script_with_an_enum_runs_twice(tmp_path: Path) -> None:
    for trials in (2, 4):
        axes: dict[str, Any] = {"opt": list(Optimizer), "n": [1, 2]}
        with Tuner(
            axes,
            DSICE(start={"opt": Optimizer.ADAM, "n": 2}),
            journal=tmp_path / "run.jsonl",
        ) as tuner:
            for trial in tuner.ask(2):
                assert type(trial.params["opt"]) is str
                tuner.tell(trial, 1.0)
            assert len(tuner.history) == trials
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    assert "options" not in {json.loads(line)["kind"] for line in lines}
    assert json.loads(lines[0])["strategy"]["start"] == {"opt": "adam", "n": 2}


# ------------------------------------------------------------------ adding and enqueueing
def test_rows_of_a_frame_are_added_and_asked_at_their_own_values() -> None:
    tuner = Tuner({"seed": Choice([*SEEDS, None]), "lr": [0.1, 0.2]}, Random(), seed=1)
    for trial in tuner.ask(6):
        tuner.tell(trial, float(trial.id))
    frame = tuner.history.frame()
    other = Tuner(tuner.space, Random())
    for _, row in frame.iterrows():
        other.add({"seed": row["seed"], "lr": row["lr"]}, row["value"])
    assert [t.params for t in other.history] == [t.params for t in tuner.history]
    other = Tuner({"seed": Choice(SEEDS)}, Random())
    other.enqueue({"seed": 1700000003.0})
    assert other.ask()[0].params == {"seed": 1700000003}


def test_what_is_off_the_grid_is_refused_or_goes_to_the_nearest_point(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    axes: dict[str, Any] = {"lr": Ordinal.log(1e-4, 1e-1, 4), "n": [16, 32], "opt": ["a", "b"]}
    close: dict[str, Any] = {"lr": 0.0012, "n": 17, "opt": "b"}
    with Tuner(axes, Random(), journal=path) as tuner:
        before = path.read_bytes()
        for refused in (lambda: tuner.add(close, 1.0), lambda: tuner.enqueue(close)):
            with pytest.raises(SpaceError, match=r"not on the axis.* nearest=True takes .*0.001,"):
                refused()
        with pytest.raises(SpaceError, match="expected one of"):
            tuner.add({**close, "opt": "c"}, 1.0, nearest=True)
        assert path.read_bytes() == before
        done = tuner.add(close, 1.0, nearest=True)
        assert done.params == {"lr": 0.001, "n": 16, "opt": "b"}
        tuner.enqueue({**close, "lr": 50.0}, nearest=True)
        assert tuner.ask()[0].params == {"lr": 0.1, "n": 16, "opt": "b"}


@pytest.mark.parametrize("strategy", [DSICE, Sequential2018])
def test_a_start_off_the_grid_is_refused_or_goes_to_the_nearest_point(
    tmp_path: Path, strategy: Any
) -> None:
    path = tmp_path / "run.jsonl"
    axes: dict[str, Any] = {"lr": Ordinal.log(1e-4, 1e-1, 4), "n": [16, 32, 64]}
    start = {"lr": np.float64(0.0012), "n": 33}
    with pytest.raises(SpaceError, match=r"nearest=True takes \{'lr': 0.001, 'n': 32\}"):
        Tuner(axes, strategy(start=start)).ask()
    for _ in range(2):
        with Tuner(axes, strategy(start=start, nearest=True), journal=path) as tuner:
            first = tuner.ask()[0]
            assert first.params == {"lr": 0.001, "n": 32}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["strategy"]["nearest"] is True and [x["kind"] for x in lines[1:]] == ["ask"]
    with Tuner.resume(path) as tuner:
        assert tuner.strategy == strategy(start=start, nearest=True)
    with Tuner(axes, strategy(start={"lr": 0.001, "n": 32}), journal=tmp_path / "b.jsonl") as tuner:
        assert "nearest" not in (tmp_path / "b.jsonl").read_text()


def test_values_with_parts_are_searched(tmp_path: Path) -> None:
    axes: dict[str, Any] = {
        "tile": [(16, 16), (32, 8), [8, 32]],
        "opt": [{"lr": 0.1}, {"lr": 0.2}],
        "n": range(5),
    }

    def cost(tile: Any, opt: Any, n: int) -> float:
        return float(tile[0] + 10 * opt["lr"] + (n - 3) ** 2)

    path = tmp_path / "run.jsonl"
    with Tuner(axes, journal=path, max_trials=20) as tuner:
        while trials := tuner.ask(4):
            for trial in trials:
                tuner.tell(trial, cost(**trial.params))
    found = Tuner.read(path)
    assert found.best is not None
    assert found.best.params == {"tile": (8, 32), "n": 3, "opt": {"lr": 0.1}}
    assert [t.params for t in found.history] == [t.params for t in tuner.history]
    assert found.history.frame()["tile"].tolist() == [t.params["tile"] for t in found.history]
