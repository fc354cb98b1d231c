"""What a source is read into: from journals, tables, histories, and how it lies in a space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dsice import Choice, DsiceWarning, Goal, History, Require, Source, Space, Tuner
from dsice.errors import OptionError
from dsice.history.sources import SourceTrials
from dsice.launchers import Table
from dsice.space.values import as_json

SPACE = Space({"x": range(9), "z": [1, 2, 3]})
TIME = Goal("time")


def by_params(source: SourceTrials) -> dict[str, float]:
    keys = [json.dumps(dict(params), sort_keys=True) for params in source.params]
    return dict(zip(keys, source.scores.tolist(), strict=True))


def taken(source: SourceTrials) -> tuple[str, list[float]]:
    """All that a search takes from a source."""
    return json.dumps([as_json(dict(p)) for p in source.params]), source.scores.tolist()


def frame(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_a_journal_is_matched_by_name_and_says_how_much_lies_in_the_space(old: Path) -> None:
    assert Source(old).report(SPACE) == "40 of 40 points, 1 of 2 parameters, minimising time"
    wide = Space({"x": range(0, 90, 10), "mode": ["b", "c"]})
    trials = Source(old).trials(wide)
    levels, _ = trials.on(wide)
    near = [(round(p["x"] / 10), 0) for p in trials.params if p["mode"] == "b"]
    assert sorted(levels[:, 0].tolist()) == sorted(level for level, _ in near)
    assert Source(old).match(wide).points == len(near) < 40


def test_the_goal_in_force_of_a_journal_says_metric_direction_and_bounds(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    with Tuner({"x": range(9)}, goal=Goal("time"), journal=path) as tuner:
        for trial in tuner.ask(9):
            x = trial.params["x"]
            tuner.tell(trial, x, metrics={"speed": 10.0 - x, "memory": float(x)})
    goal = Goal("speed", maximize=True, at_least={"memory": 4})
    Tuner({"x": range(9)}, goal=goal, journal=path).close()
    source = Source(path).trials(SPACE)
    assert (source.metric, source.maximize) == ("speed", True)
    ranked = [source.params[i]["x"] for i in np.argsort(source.scores)]
    assert ranked == [4, 5, 6, 7, 8, 3, 2, 1, 0]  # by violation, then by speed
    other = Source(path, metric="time").trials(SPACE)
    assert [other.params[i]["x"] for i in np.argsort(other.scores)][:2] == [4, 5]
    assert (other.metric, other.maximize) == ("time", False)


def test_a_rule_of_this_space_is_not_asked_about_points_of_that_one(tmp_path: Path) -> None:
    """Functions of both have one name, and this one needs a parameter that the source lacks."""
    logged = Require(lambda p: p["x"] < 6, name="logged")
    with Tuner(Space({"x": range(9)}, where=[logged]), journal=tmp_path / "old.jsonl") as tuner:
        for trial in tuner.ask(6):
            tuner.tell(trial, float(trial.params["x"]))
    here = Require(lambda p: p["x"] + p["y"] < 6, name="logged")
    space = Space({"x": range(9), "y": range(3)}, where=[here])
    report = str(Source(tmp_path / "old.jsonl").report(space))
    assert report.startswith("6 of 6 points, 1 of 2 parameters")


def test_failed_points_are_worst_and_share_their_place(old: Path) -> None:
    source = Source(old).trials(SPACE)
    failed = np.array([value is None for value in source.values])
    assert failed.any() and len(set(source.scores[failed])) == 1
    assert source.scores[failed].min() > source.scores[~failed].max()
    assert [state for state, f in zip(source.states, failed, strict=True) if f] == [
        "failed"
    ] * failed.sum()


def test_pending_trials_say_nothing_and_a_torn_line_is_left_out(old: Path) -> None:
    with Tuner.resume(old) as tuner:
        tuner.max_trials = None
        tuner.ask(3)
    report = Source(old).report(SPACE)
    assert report.startswith("40 of 40 points") and "3 trials are pending" in report
    old.write_bytes(old.read_bytes() + b'{"kind":"tell","id":')
    assert "its last line is cut short" in Source(old).report(SPACE)


def test_a_point_measured_several_times_counts_once_with_what_the_goal_makes_of_it() -> None:
    history = History.of(
        Space({"x": range(4)}),
        [(0,), (1,), (1,), (2,)],
        [[1.0, 9.0, 2.0], 3.0, 5.0, 2.5],
        repeats="count",
        goal=Goal(of="median"),
    )
    source = Source(history).trials(SPACE)
    assert source.values == (2.0, 4.0, 2.5)
    table = Source(frame(x=[1, 1, 2, 3], time=[1.0, 5.0, 2.0, 3.0])).trials(SPACE, TIME)
    assert table.values == (3.0, 2.0, 3.0)
    assert table.scores[0] == table.scores[2]  # ties share their mean place


def test_a_table_says_which_rows_failed_and_which_say_nothing() -> None:
    rows = frame(
        x=[1, 2, 3, 4, 5],
        time=[1.0, float("inf"), 3.0, 4.0, 5.0],
        valid=[True, True, False, True, True],
        state=["done", "done", "done", "withdrawn", "timed_out"],
    )
    source = Source(rows).trials(SPACE, TIME)
    assert [p["x"] for p in source.params] == [1, 2, 3, 5]
    assert source.values == (1.0, None, None, None)


def test_bounds_of_the_goal_are_kept_where_a_table_has_their_columns() -> None:
    rows = frame(x=[1, 2, 3], time=[1.0, 2.0, 3.0], memory=[9.0, 1.0, 1.0])
    source = Source(rows).trials(SPACE, Goal("time", at_most={"memory": 4, "power": 1}))
    assert [source.params[i]["x"] for i in np.argsort(source.scores)] == [2, 3, 1]


def test_a_table_takes_the_direction_of_the_search_unless_it_says_its_own() -> None:
    rows = frame(x=[1, 2, 3], objective=[1.0, 2.0, 3.0])
    up = Source(rows).trials(SPACE, Goal("accuracy", maximize=True))
    down = Source(rows, maximize=False).trials(SPACE, Goal("accuracy", maximize=True))
    assert (up.metric, up.maximize, down.maximize) == ("objective", True, False)
    assert up.scores.argmin() == 2 and down.scores.argmin() == 0


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_files_say_what_their_tables_say(tmp_path: Path, suffix: str) -> None:
    rows = frame(x=[1, 2, 3], z=["1", "2", "none"], time=[3.0, 1.0, 2.0])
    path = tmp_path / f"sweep{suffix}"
    if suffix == ".parquet":
        rows.to_parquet(path)
    else:
        rows.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)
    read = Source(path, metric="time").trials(SPACE)
    assert by_params(read) == by_params(Source(rows, metric="time").trials(SPACE))
    assert read.params[0] == {"x": 1, "z": 1}  # a text stands for the number written like it
    assert Source(path, metric="time").match(SPACE).points == 2


def test_words_of_a_table_stand_for_the_values_that_are_written_like_them() -> None:
    space = Space({"x": range(4), "flag": Choice([None, True, "adam"])})
    rows = frame(x=[1, 2, 3], flag=["None", "True", "adam"], time=[1.0, 2.0, 3.0])
    source = Source(rows).trials(space, TIME)
    assert [params["flag"] for params in source.params] == [None, True, "adam"]


def test_a_launcher_that_replays_a_log_and_a_tuner_are_sources(old: Path) -> None:
    table = Table(frame(x=[1, 1, 2], time=[1.0, 2.0, 0.5]), objective="time")
    source = Source(table).trials(SPACE)
    assert (source.metric, source.values) == ("time", (1.5, 0.5))
    of_journal = by_params(Source(old).trials(SPACE))
    assert by_params(Source(Tuner.read(old)).trials(SPACE)) == of_journal
    assert by_params(Source(Tuner.read(old).history).trials(SPACE)) == of_journal
    assert by_params(Source(Table(old)).trials(SPACE, TIME)) == of_journal


def test_a_fixed_value_is_one_of_every_point(old: Path) -> None:
    source = Source(old, fixed={"z": 2})
    assert source.report(SPACE).startswith("40 of 40 points, 2 of 2 parameters")
    assert {params["z"] for params in source.trials(SPACE).params} == {2}
    assert "z is always 2" in source.report(SPACE)


def test_of_many_points_four_hundred_are_kept_those_in_the_space_first() -> None:
    n = 3000
    rows = frame(x=[i % 30 for i in range(n)], z=[1] * n, k=list(range(n)))
    rows["time"] = np.random.default_rng(0).permutation(n).astype(float)
    space = Space({"x": range(3), "k": range(n)})
    match = Source(rows, metric="time").match(space)
    assert (match.points, match.of_points) == (300, 400)
    assert "400 of its 3000 points are kept" in match.remarks
    best = Source(rows, metric="time").trials(Space({"x": range(30), "k": range(n)}))
    assert len(best.params) == 400 and set(range(200)) <= set(best.values)  # the lowest half


def test_what_a_search_takes_is_what_the_line_of_a_journal_gives_back(tmp_path: Path) -> None:
    space = Space({"x": range(9), "shape": Choice([(1, 2), {"a": 1.5}, "s"])})
    rows = frame(x=[1, 2, 3], shape=[(1, 2), {"a": 1.5}, "s"], time=[1.0, 2.0, 0.1])
    with Tuner(space, goal=TIME, journal=tmp_path / "j.jsonl", reuse=[rows]) as tuner:
        mine = tuner.history.sources[0]
    read = Tuner.read(tmp_path / "j.jsonl").history.sources[0]
    assert taken(read) == taken(mine) and read.on(space)[0].tolist() == [[1, 0], [2, 1], [3, 2]]
    assert taken(Tuner(space, goal=TIME, reuse=[rows]).history.sources[0]) == taken(mine)


def test_another_framework_gives_sources_to_a_history(old: Path) -> None:
    space = Space({"x": range(9)})
    history = History.of(space, [(0,)], [1.0], sources=[Source(old).trials(space)])
    assert [source.name for source in history.sources] == [str(old)]
    assert len(history) == 1 and history.best is history[0]


# ------------------------------------------------------------------ bad input
BAD: list[tuple[Any, dict[str, Any], str]] = [
    (
        frame(a=[1, 2], time=[1.0, 2.0]),
        {},
        "no column of a parameter.*x, z; its columns are a, time",
    ),
    (frame(x=[1, 1], time=[1.0, 2.0]), {}, "all at {'x': 1}: with one level in common"),
    (
        frame(x=[1, 2], time=[float("nan")] * 2),
        {},
        "none of its 2 points has a finite value of 'time'",
    ),
    (frame(x=[1, 2], z=[50, 70], time=[1.0, 2.0]), {}, "of 'z', 0 of 2 values are among"),
    (frame(x=[1, 2]), {}, "no column 'time'; say which one counts"),
    (frame(x=[1, 2], time=[1.0, 2.0]), {"fixed": {"z": 9}}, "9 is not on the axis"),
    (frame(x=[1, 2], time=[1.0, 2.0]), {"fixed": {"q": 9}}, "no such parameter; it has x, z"),
    (frame(x=[1, 2], time=[1.0, 2.0]), {"fixed": {"x": 1}}, "has values of 'x' itself"),
    (frame(x=[1, 2], time=["fast", "slow"]), {}, "holds 'fast' in row 0, expected a number"),
    ("nowhere.csv", {}, "'nowhere.csv' cannot be read .No such file"),
]


@pytest.mark.parametrize(("given", "options", "message"), BAD)
def test_what_says_nothing_is_refused_with_the_reason(
    given: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Tuner(SPACE, goal=TIME, reuse=[Source(given, **options)])


def test_a_journal_without_the_metric_without_trials_or_parameters_is_refused(
    old: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="nothing in it has a finite 'loss'"):
        Source(old, metric="loss").trials(SPACE)
    with pytest.raises(OptionError, match="it has 'x', 'y', 'mode', the study has 'q'"):
        Source(old).trials(Space({"q": range(3)}))
    Tuner({"x": range(3)}, journal=tmp_path / "new.jsonl").close()
    with pytest.raises(OptionError, match="nothing was measured in it yet"):
        Source(tmp_path / "new.jsonl").trials(SPACE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"hello", "unknown ending"),
        ("a.jsonl", b"hello", "no dsice journal"),
        ("a.jsonl", b"", "no study was started in it yet"),
        ("a.csv", b"", "is empty"),
    ],
)
def test_a_file_of_another_format_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((OSError, ValueError), match=message):
        Source(tmp_path / name).trials(SPACE)


def test_a_journal_that_is_damaged_in_the_middle_is_refused(old: Path) -> None:
    lines = old.read_bytes().split(b"\n")
    lines[4] = lines[4][:20]
    old.write_bytes(b"\n".join(lines))
    with pytest.raises(OSError, match=r"damaged in the middle \(line 5"):
        Source(old).trials(SPACE)


@pytest.mark.parametrize("given", [5, None, ["old.jsonl"], {"x": [1]}])
def test_what_is_no_source_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match="expected the path of a journal"):
        Source(given)


def test_reuse_is_a_list_of_sources_with_different_names(old: Path) -> None:
    for given in (str(old), old, Source(old), {"a": 1}, 5):
        with pytest.raises(OptionError, match="expected a list"):
            Tuner(SPACE, reuse=given)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="two sources are called"):
        Tuner(SPACE, reuse=[old, Source(old, metric="time")])
    with pytest.warns(DsiceWarning, match=r"'again' has the same content as .*counts once"):
        assert len(Tuner(SPACE, reuse=[old, Source(old, name="again")]).sources) == 1
