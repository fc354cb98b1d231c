"""`Table`: replay of a log."""

from __future__ import annotations

import gzip
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dsice import Choice, Ordinal, Require, Space, Tuner, When
from dsice.errors import LaunchError, MissingPackageError, OptionError, SpaceError, TableError
from dsice.launchers import Job, Result, Table


def full() -> pd.DataFrame:
    rows = [
        (x, y, opt, 10.0 * x + y + (opt == "sgd") * 0.5)
        for x, y, opt in itertools.product([4, 1, 2], [0.1, 0.01], ["sgd", "adam"])
    ]
    return pd.DataFrame(rows, columns=["x", "y", "opt", "objective"])


def ended(table: Table) -> list[Any]:
    """Results: a log without curves has no steps."""
    return list(table.collect())


def ask(table: Table, **params: Any) -> Result:
    table.submit([Job(0, params)])
    (result,) = table.collect()
    assert isinstance(result, Result)
    return result


def test_the_space_of_a_full_table() -> None:
    table = Table(full())
    axes: dict[str, Any] = {
        "x": Ordinal([1, 2, 4]),
        "y": Ordinal([0.01, 0.1]),
        "opt": Choice(["adam", "sgd"]),
    }
    assert table.space == Space(axes) and table.coverage == 1.0
    assert all(type(v) is int for v in table.space.axes["x"].values)


def test_every_logged_point_comes_back_with_its_value() -> None:
    frame = full()
    table = Table(frame)
    for point in table.space.points():
        params = table.space.params(tuple(point))
        row = frame[
            (frame.x == params["x"]) & (frame.y == params["y"]) & (frame.opt == params["opt"])
        ]
        result = ask(table, **params)
        assert (result.state, result.value) == ("done", float(row.objective.iloc[0]))
        assert result.seconds is None


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet"])
def test_files_give_the_same_as_the_frame(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        full().to_parquet(path)
    else:
        # with row numbers, as tables are often saved
        full().to_csv(path, sep="\t" if "tsv" in name else ",")
    table = Table(str(path))
    assert table.space == Table(full()).space
    assert ask(table, x=4, y=0.01, opt="sgd").value == 40.51


def test_what_is_missing_is_excluded_failed_or_an_error() -> None:
    frame = full().drop(index=[0, 5])
    gone = {"x": 4, "y": 0.1, "opt": "sgd"}
    excluded = Table(frame)
    assert excluded.coverage == 10 / 12 and excluded.space.count == 10 and excluded.space.size == 12
    with pytest.raises(SpaceError, match="logged"):
        excluded.space.point(gone)
    failing = Table(frame, missing="fail")
    assert failing.space.count == 12
    result = ask(failing, **gone)
    assert result.state == "failed" and "is not in the table" in str(result.error)
    strict = Table(frame, missing="error")
    with pytest.raises(TableError, match="is not in the table"):
        strict.submit([Job(0, {"x": 1, "y": 0.1, "opt": "sgd"}), Job(1, gone)])
    assert strict.collect() == []


def test_repeated_rows_are_repeats_and_bad_ones_count_less() -> None:
    frame = pd.DataFrame(
        {
            "x": [1, 1, 1, 2, 2, 3, 3, 4],
            "objective": [1.0, 3.0, None, 5.0, math.inf, 7.0, 8.0, None],
            "valid": [True, True, True, True, True, True, False, True],
            "seconds": [1.0, 2.0, 4.0, 8.0, None, 1.0, 1.0, 9.0],
            "acc": [0.25, 0.75, 99.0, 1.0, 1.0, 0.5, 99.0, 0.0],
        }
    )
    table = Table(frame, metrics=["acc"])
    assert table.space.names == ("x",)
    repeats, single, half, failed = (ask(table, x=x) for x in (1, 2, 3, 4))
    assert (
        repeats.value == [1.0, 3.0] and repeats.seconds == 7.0 and repeats.metrics == {"acc": 0.5}
    )
    assert single.value == 5.0 and single.seconds is None
    assert half.value == 7.0 and half.metrics == {"acc": 0.5}
    assert failed.state == "failed" and failed.seconds == 9.0 and "row 7" in str(failed.error)
    assert table.values.tolist() == [2.0, 5.0, 7.0] and table.median == 5.0


@pytest.mark.parametrize("maximize", [False, True])
def test_ranks_against_sorting(maximize: bool) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.permutation(200), "objective": rng.integers(0, 50, 200) / 7})
    frame.loc[::10, "objective"] = np.nan
    table = Table(frame)
    good = frame.dropna()
    ranks = good.objective.rank(method="min", ascending=not maximize).astype(int)
    assert [table.rank({"x": x}, maximize=maximize) for x in good.x] == ranks.tolist()
    params, value = table.optimum(maximize=maximize)
    assert (
        value == (good.objective.max() if maximize else good.objective.min())
        and table.rank(params, maximize=maximize) == 1
    )
    assert table.better(value, maximize=maximize) == 0 and table.median == good.objective.median()
    with pytest.raises(TableError, match="no measurement"):
        table.rank({"x": int(frame.x[0])})


def test_levels_may_be_given() -> None:
    table = Table(
        full(), params={"x": [1, 2, 4, 8], "opt": Choice(["sgd", "adam"]), "y": [0.1, 0.01]}
    )
    assert table.space.names == ("x", "opt", "y") and table.space.shape == (4, 2, 2)
    assert table.space.axes["opt"].values == ("sgd", "adam") and table.space.axes["y"].values == (
        0.1,
        0.01,
    )
    assert table.coverage == 12 / 16 and table.space.count == 12
    assert ask(table, x=1, y=0.1, opt="adam").value == 10.1


def test_names_of_nothing_are_fine_names_of_levels(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(
        gzip.compress(b"opt,flag,objective\nNone,True,1\nNA,False,NaN\nadam,True,n/a\n")
    )
    table = Table(path)
    assert table.space.axes == {
        "opt": Choice(["NA", "None", "adam"]),
        "flag": Choice([False, True]),
    }
    assert ask(table, opt="None", flag=True).value == 1.0
    assert (
        ask(table, opt="NA", flag=False).state
        == ask(table, opt="adam", flag=True).state
        == "failed"
    )


def test_values_that_travelled_through_text_match() -> None:
    frame = pd.DataFrame({"lr": [0.1 + 0.2, 1e-5], "objective": [1.0, 2.0]})
    assert ask(Table(frame), lr=0.3).value == 1.0


def wrong(frame: pd.DataFrame, column: str, values: list[Any]) -> pd.DataFrame:
    return frame.assign(**{column: values})


@pytest.mark.parametrize(
    ("frame", "options", "match"),
    [
        (full(), {"objective": "loss"}, r"no column 'loss'; its columns are x, y, opt, objective"),
        (full(), {"params": ["x", "z"]}, r"no column 'z'"),
        (full(), {"seconds": "time"}, r"no column 'time'"),
        (full(), {"valid": "ok"}, r"no column 'ok'"),
        (full(), {"metrics": ["acc"]}, r"no column 'acc'"),
        (full(), {"params": []}, r"params must name"),
        (full(), {"params": {"x": [1, 2]}}, r"column 'x' holds 4, not among"),
        (full(), {"params": {"x": [4, 1, 2]}}, r"column 'x' is no axis"),
        (full().head(0), {}, r"no rows"),
        (full()[["objective"]], {}, r"no column of parameters"),
        (wrong(full(), "x", [1, None] * 6), {}, r"parameter 'x' is empty in row 1"),
        (wrong(full(), "objective", ["1", "bad"] * 6), {}, r"'objective' holds 'bad' in row 1"),
        (wrong(full(), "valid", ["yes", "perhaps"] * 6), {}, r"'valid' holds 'perhaps' in row 1"),
        (
            pd.DataFrame({"x": range(99), "t": np.linspace(0, 1, 99), "objective": 0.0}),
            {},
            r"'t'.*looks measured.*metrics=",
        ),
    ],
)
def test_a_wrong_table_is_explained(
    frame: pd.DataFrame, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(TableError, match=match):
        Table(frame, **options)


def test_wrong_files_and_options_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("a.csv", ""), ("b.parquet", "x"), ("c.xls", "x"), ("d.csv.gz", "x")):
        (tmp_path / name).write_text(content)
        with pytest.raises(TableError, match=name):
            Table(tmp_path / name)
    with pytest.raises(TableError, match=r"no table .*nowhere.csv"):
        Table(tmp_path / "nowhere.csv")
    with pytest.raises(TableError, match="got list"):
        Table([1, 2])  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match=r"Table\(missing='ignore'\): expected 'exclude', 'fail' or 'error'"
    ):
        Table(full(), missing="ignore")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"Table\(slots=0\): expected a whole number >= 1"):
        Table(full(), slots=0)

    def no_pyarrow(*args: Any, **kwargs: Any) -> None:
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", no_pyarrow)
    with pytest.raises(MissingPackageError, match=r"dsice\[parquet\]"):
        Table(tmp_path / "b.parquet")
    monkeypatch.undo()


@pytest.mark.parametrize(
    "params",
    [
        {"x": 1, "y": 0.1},
        {"x": 1, "y": 0.1, "opt": "sgd", "z": 0},
        {"x": 3, "y": 0.1, "opt": "sgd"},
    ],
)
def test_params_off_the_table_are_explained(params: dict[str, Any]) -> None:
    with pytest.raises(
        TableError, match=r"needs a value of 'opt'|no parameter 'z'|not on the grid"
    ):
        ask(Table(full()), **params)


def test_slots_and_cancel() -> None:
    table = Table(full(), slots=2)
    params = {"x": 1, "y": 0.1, "opt": "sgd"}
    with pytest.raises(LaunchError, match="2 of 2"):
        table.submit([Job(i, params) for i in range(3)])
    table.submit([Job(0, params), Job(1, params)])
    table.cancel(1)
    assert [(r.id, r.state) for r in ended(table)] == [(0, "done"), (1, "stopped")]


def test_a_journal_is_a_log(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    where: list[Any] = [
        When("opt == 'sgd'", "momentum"),
        Require(lambda p: p["lr"] < 1, name="small"),
        Require("lr != 0.01"),
    ]
    axes: dict[str, Any] = {
        "opt": Choice(["adam", "sgd"]),
        "lr": [0.001, 0.01, 0.1, 1.0],
        "momentum": [0.0, 0.9],
    }
    told = {}
    with Tuner(Space(axes, where=where), journal=path) as tuner:
        for trial in tuner.ask(4):
            told[tuple(trial.params.items())] = value = [float(trial.id), float(trial.id) + 1]
            tuner.tell(
                trial,
                value if trial.id else None,
                error=None if trial.id else "broke",
                metrics={"acc": trial.id / 4},
                seconds=2.0,
            )
        tuner.ask(1)
    table = Table(path)
    assert table.space.count == 4 and table.space.names == ("opt", "lr", "momentum")
    for i, (items, value) in enumerate(told.items()):
        result = ask(table, **dict(items))
        assert (result.state, result.value) == (("done", value) if i else ("failed", None))
        assert result.seconds == 2.0 and (not i or result.metrics == {"acc": i / 4})
    assert 0 < table.coverage < 1 and table.rank(dict(list(told)[1])) == 1
    assert ask(Table(path, objective="acc"), **dict(list(told)[2])).value == 0.5
    with pytest.raises(TableError, match="no told trial with the metric 'loss'"):
        Table(path, objective="loss")
    with pytest.raises(TableError, match="leave out"):
        Table(path, params=["opt"])
