"""Repeats as they are told, written and read again, and the one best that everybody sees."""

from __future__ import annotations

import json
import math
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import DsiceWarning, Goal, Tuner
from dsice.cli.main import main
from dsice.launchers import Table
from dsice.plots import progress, tradeoff
from dsice.strategies import DSICE, Random
from tests.conftest import state


def lines(path: Path, kind: str) -> list[dict[str, object]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if record["kind"] == kind]


def test_every_metric_told_as_a_list_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    axes = {"x": range(4)}
    with Tuner(axes, Random(), goal=Goal("ms"), journal=path) as tuner:
        first, second, third = tuner.ask(3)
        told = tuner.tell(first, [3.0, 1.0], metrics={"watt": [7, 9, 8.0], "size": 2, "one": [4]})
        with pytest.warns(DsiceWarning, match="recorded as failed"):
            tuner.tell(second, metrics={"ms": [2.0, math.inf], "watt": [1.0, math.nan]})
        tuner.tell(third, 5.0, metrics={"ms": [4.0, 6.0]})  # the list says more than its mean
        added = tuner.add(third.params, [1.0, 2.0], metrics={"watt": [1.0, 3.0]})
        known = state(tuner)
    assert told.repeats == {"ms": (3.0, 1.0), "watt": (7.0, 9.0, 8.0)}
    assert told.metrics == {"watt": 8.0, "size": 2.0, "one": 4.0, "ms": 2.0}
    assert told.measured("watt") == (7.0, 9.0, 8.0) and told.measured("one") == (4.0,)
    assert told.measured("value") == (3.0, 1.0) and told.measured("none") == ()
    assert added.repeats == {"ms": (1.0, 2.0), "watt": (1.0, 3.0)}
    tells, adds = lines(path, "tell"), lines(path, "add")
    assert [tell["values"] for tell in tells] == [[3.0, 1.0], [2.0, "inf"], [4.0, 6.0]]
    # the goal's own stand in `values` already
    assert tells[0]["repeats"] == {"watt": [7.0, 9.0, 8.0]}
    assert tells[1]["repeats"] == {"watt": [1.0, None]} and "repeats" not in tells[2]
    assert adds[0]["trial"]["repeats"] == {"watt": [1.0, 3.0]}  # type: ignore[index]
    assert state(Tuner.read(path)) == known


def test_a_goal_of_another_metric_finds_all_of_its_measurements(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    axes = {"x": range(4)}
    with Tuner(axes, Random(), goal=Goal("ms"), journal=path) as tuner:
        for trial, ms, watt in zip(
            tuner.ask(3),
            ([1.0, 1.0, 7.0], [4.0, 2.0, 3.0], [2.0, 9.0, 9.0]),
            ([5.0, 5.0], [1.0, 9.5], [2.0, 4.0, 12.0]),
            strict=True,
        ):
            tuner.tell(trial, metrics={"ms": ms, "watt": watt})
    for of, best in (("mean", (0, 5.0)), ("median", (2, 4.0)), ("min", (1, 1.0))):
        goal = Goal("watt", of=of)  # type: ignore[arg-type]
        with Tuner(axes, Random(), goal=goal, journal=path) as tuner:
            found = tuner.history.best
            assert found is not None and (found.id, found.value) == best, of
            assert found.metrics["watt"] == found.value
            assert tuner.history.counts().tolist() == [2, 2, 3]
        # and back: the values that were told then are those of `ms`
        with Tuner(axes, Random(), goal=Goal("ms", of="median"), journal=path) as tuner:
            found = tuner.history.best
            assert found is not None and found.value == 1.0 and found.values == (1.0, 1.0, 7.0)
    assert [line["goal"].get("of") for line in lines(path, "options")] == [  # type: ignore[attr-defined]
        *(None, "median") * 1,
        *("median", "median") * 1,
        *("min", "median") * 1,
    ]


def test_where_only_a_mean_is_recorded_that_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    axes = {"x": range(4)}
    with Tuner(axes, Random(), goal=Goal("ms"), journal=path) as tuner:
        for trial in tuner.ask(3):
            tuner.tell(trial, [1.0, 2.0 + trial.id], metrics={"watt": [4.0, 6.0 + trial.id]})
    text = path.read_text().replace(',"repeats":{"watt":[4.0,', ',"unknown":{"watt":[4.0,')
    path.write_text(text)  # as 0.1.0 wrote it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Tuner(axes, Random(), goal=Goal("watt"), journal=path).close()
        Tuner(axes, Random(), goal=Goal("ms", of="min"), journal=path).close()
    with pytest.warns(DsiceWarning, match=r"of 3 trials \(the first is 0\) one value") as caught:
        tuner = Tuner(axes, Random(), goal=Goal("watt", of="min"), journal=path)
    with tuner:
        assert tuner.best is not None and tuner.best.value == 5.0
        tuner.tell(tuner.ask()[0], metrics={"watt": [9.0, 4.5]})
        assert tuner.best.value == 4.5
    assert len(caught) == 1


def test_a_replay_of_a_journal_has_all_measurements(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(4)}, Random(), goal=Goal("ms"), journal=path) as tuner:
        for trial in tuner.ask(4):
            tuner.tell(trial, metrics={"ms": [1.0 + trial.id, 9.0], "watt": [3.0, 4.0, 8.0]})
    assert sorted(Table(path).values.tolist()) == [5.0, 5.5, 6.0, 6.5]
    table = Table(path, objective="watt")
    assert table.values.tolist() == [5.0] * 4


def test_lines_with_repeats_may_be_told_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(4)}, Random(), goal=Goal("ms"), journal=path) as tuner:
        first, second = tuner.ask(2)
        tuner.tell(first, [3.0, 1.0], metrics={"watt": [7.0, 9.0]})
    saved = tmp_path / "saved.jsonl"
    told: dict[str, object] = {"kind": "tell", "id": second.id, "state": "done", "values": [1.0]}
    told |= {"metrics": {"ms": 1.0, "watt": 2.0}, "repeats": {"watt": [1.0, 3.0]}}
    saved.write_text(path.read_text() + json.dumps(told) + "\n")
    assert main(["tell", str(path), "--from", str(saved)]) == 0
    assert capsys.readouterr().out == "1 recorded, 1 were known\n"
    assert Tuner.read(path).history[second.id].repeats == {"watt": (1.0, 3.0)}
    assert main(["tell", str(path), "--from", str(path)]) == 0
    assert capsys.readouterr().out == "0 recorded, 2 were known\n"
    saved.write_text(json.dumps(told | {"repeats": {"watt": [0.0, 4.0]}}) + "\n")
    assert main(["tell", str(path), "--from", str(saved)]) == 2
    assert "the line has another metric 'watt'" in capsys.readouterr().err


def test_a_metric_of_one_name_several_times_is_repeats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(4)}, Random(), journal=path) as tuner:
        tuner.ask(1)
    told = ["--metric", "watt=1", "--metric", "size=2", "--metric", "watt=4"]
    assert main(["tell", str(path), "0", "0.5", *told]) == 0
    trial = Tuner.read(path).history[0]
    assert trial.metrics == {"watt": 2.5, "size": 2.0} and trial.repeats == {"watt": (1.0, 4.0)}


@pytest.mark.parametrize("of", ["mean", "median", "min"])
def test_everybody_shows_one_best_with_the_number_and_spread_of_its_measurements(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], of: str
) -> None:
    """The luckiest single value is 1.615, of a point that is bad otherwise."""
    path = tmp_path / "j.jsonl"
    goal = Goal("ms", of=of)  # type: ignore[arg-type]
    with Tuner({"x": range(6)}, DSICE(tolerance=None), goal=goal, journal=path) as tuner:
        for x, ms in ((0, [1.615]), (1, [3.993]), (2, [6.0]), (1, [4.5, 4.1]), (0, [9.8, 9.7])):
            tuner.add({"x": x}, metrics={"ms": ms, "watt": float(x)})
        for x in (3, 4, 5):
            tuner.add({"x": x}, metrics={"ms": 8.0 + x, "watt": 1.0})
    measured = {
        "mean": [3.993, 4.5, 4.1],
        "median": [3.993, 4.5, 4.1],
        "min": [1.615, 9.8, 9.7],
    }[of]
    plain: dict[str, Callable[[list[float]], float]] = {
        "mean": statistics.fmean,
        "median": statistics.median,
        "min": min,
    }
    value = plain[of](measured)
    spread = statistics.stdev(measured)
    said = f"{value:.6g} ({of} of 3, sd {spread:.3g})"

    tuner = Tuner.read(path)
    best = tuner.best
    assert best is not None and best.value == best.metrics["ms"] == pytest.approx(value)
    assert best.values == tuple(measured) and best.spread == pytest.approx(spread)
    assert main(["best", str(path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["value"] == record["metrics"]["ms"] == best.value
    assert (record["n"], record["spread"], record["confirmed"]) == (3, best.spread, False)
    for command in ("best", "status"):
        assert main([command, str(path)]) == 0
        out = capsys.readouterr().out
        assert any(line.split(maxsplit=2)[2:] == [said] for line in out.splitlines())
    frame = tuner.history.frame()
    row = frame[frame["id"] == best.id].iloc[0]
    assert (row["point.value"], row["point.n"]) == (best.value, 3)
    assert row["point.spread"] == pytest.approx(spread)
    values = progress(tuner).axes[0]
    (ring,) = [c for c in values.collections if str(c.get_label()).startswith("best:")]
    assert ring.get_label() == f"best: {said}"
    assert ring.get_offsets().tolist() == [[best.id, best.value]]  # type: ignore[union-attr]
    (axes,) = tradeoff(tuner, "ms", "watt").axes
    (ring,) = [c for c in axes.collections if c.get_label() == "best"]
    assert ring.get_offsets().tolist() == [[best.value, best.metrics["watt"]]]  # type: ignore[union-attr]
