"""A whole log at once: rightly read or refused by name, all or none, and known the next time."""

from __future__ import annotations

import datetime
import json
import math
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dsice import Choice, Goal, State, Tuner
from dsice.errors import DsiceError, DsiceWarning, JournalError, TableError, TellError
from dsice.journal import repair, requests
from dsice.reuse.tables.columns import LogColumns
from dsice.reuse.tables.measurements import Log
from dsice.strategies import Grid
from dsice.tuner.importing import Added
from tests.journal.test_damage import no_sync

AXES = {"x": range(9), "y": [0.1, 0.2, 0.3], "opt": ["sgd", "adam"]}
LOSS = Goal("loss")


@pytest.fixture(autouse=True)
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    no_sync(monkeypatch)


def log(**changed: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "x": [1, 2, 3, 3],
        "y": [0.1, 0.2, 0.3, 0.3],
        "opt": ["sgd", "adam", "sgd", "sgd"],
        "loss": [0.5, 0.25, 0.125, 0.125],
    }
    frame = pd.DataFrame(columns | changed)
    return frame.drop(columns=[name for name, cells in changed.items() if cells is None])


def tuner(path: Path | None = None, **options: Any) -> Tuner:
    return Tuner(AXES, Grid(), goal=LOSS, journal=path, **options)


def quietly(study: Tuner, rows: Any, **options: Any) -> Added:
    """Add all rows, whatever is said of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DsiceWarning)
        return study.add_all(rows, **options)


def told(tuner: Tuner) -> list[Any]:
    """All that was told of each trial."""
    return [
        (
            dict(t.params),
            str(t.state),
            t.values,
            dict(t.metrics),
            dict(t.repeats),
            t.seconds,
            t.times,
            t.error,
            dict(t.tags),
            t.stage,
            t.repeat,
        )
        for t in tuner.history
    ]


def test_a_log_is_as_if_each_row_was_added() -> None:
    one, other = tuner(), tuner()
    found = one.add_all(log(seconds=[1, 2, 3, 4], memory=[1.5, 2.5, 3.5, 3.5]))
    for row, (x, y, opt, loss) in enumerate(zip(*[log()[c] for c in log()], strict=True)):
        params = {"x": x, "y": y, "opt": opt}
        metrics = {"memory": [1.5, 2.5, 3.5, 3.5][row]}
        other.add(params, loss, metrics=metrics, seconds=row + 1)
    assert told(one) == told(other) and (len(found), found.known) == (4, 0)
    assert one.best == other.best and one.history.taken() == other.history.taken()
    assert one.ask(1)[0].point not in one.history.points()[:4].tolist()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_log_adds_nothing_a_second_time_and_its_new_rows_when_it_has_grown(
    tmp_path: Path, resumed: bool
) -> None:
    path = tmp_path / "run.jsonl"
    study = tuner(path)
    assert len(study.add_all(log().iloc[:3])) == 3
    for rows, added in ((3, 0), (4, 1), (4, 0), (2, 0)):
        if resumed:
            study.close()
            study = tuner(path)
        data = path.read_bytes()
        found = quietly(study, log().iloc[:rows])
        assert (len(found), found.known) == (added, rows - added)
        assert added or path.read_bytes() == data
    assert [t.repeat for t in study.history] == [0, 0, 0, 1]  # two rows of the log are equal
    study.close()


def test_what_add_and_add_all_record_is_known_to_each_other() -> None:
    study = tuner()
    study.add({"x": 1, "y": 0.1, "opt": "sgd"}, 0.5)
    assert len(study.add_all(log())) == 3
    with pytest.warns(DsiceWarning, match="trial 1"):
        study.add({"x": 2, "y": 0.2, "opt": "adam"}, 0.25)
    study.withdraw(1, "wrong")
    frame = log()[["opt", "y", "x", "loss"]]  # read anew, and compared row by row
    assert (len(found := quietly(study, frame)), found.known) == (0, 4)
    study.retry(1)
    assert len(quietly(study, log().iloc[:2])) == 0


def test_all_rows_are_checked_and_none_is_recorded_where_one_is_wrong(tmp_path: Path) -> None:
    with tuner(tmp_path / "run.jsonl") as study:
        data = (tmp_path / "run.jsonl").read_bytes()
        with pytest.raises(TableError, match=r"row 2: parameter 'x': 99.*row 3: parameter 'x': 77"):
            study.add_all(log(x=[1, 2, 99, 77]))
        with pytest.raises(TableError, match=r"row 3: parameter 'opt': .*'rms'"):
            study.add_all(log(opt=["sgd", "adam", "sgd", "rms"]))
        assert not len(study.history) and (tmp_path / "run.jsonl").read_bytes() == data
        found = quietly(study, log(x=[1, 2, 99, 77]), skip=True)
        assert len(found) == 2 and "passed over: 2 off the grid" in found.remarks


def test_a_log_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    with tuner(path) as study:
        study.add_all(log().iloc[:1])
        data = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr("os.write", lambda fd, data: (_ for _ in ()).throw(OSError(28, "full")))
            with pytest.raises(JournalError, match="full"):
                study.add_all(log())
        assert path.read_bytes() == data and len(study.history) == 1 and not study._imports[1:]
        assert len(study.add_all(log())) == 3


def test_a_journal_cut_at_any_byte_of_an_import_gets_the_rest_of_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with tuner(path) as study:
        begun = path.stat().st_size
        study.add_all(log())
        whole = told(study)
    data = path.read_bytes()
    for end in {*range(begun, len(data), 23), *(i + 1 for i, b in enumerate(data) if b == 10)}:
        path.write_bytes(data[: max(end, begun)])
        with tuner(path) as study:
            before = len(study.history)
            assert len(quietly(study, log())) == 4 - before
            assert told(study) == whole
        for beside in tmp_path.glob("run.jsonl.torn*"):
            beside.unlink()


def test_a_repaired_journal_gets_what_it_lost(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with tuner(path) as study:
        study.add_all(log())
    lines = path.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["kind"] == "import"
    path.write_text("".join([*lines[:4], lines[4][:30] + "\n", *lines[5:]]))
    repair(path)
    with tuner(path) as study:
        assert len(study.history) == 3
        assert len(quietly(study, log())) == 1


# ------------------------------------------------------------------ cells
DAY = pd.Timestamp("2024-01-02")
RIGHT: list[tuple[dict[Any, Any], dict[str, Any], dict[str, Any]]] = [
    # columns of one row; options; what is told
    ({"loss": 0.5, "seconds": pd.Timedelta("1.5s")}, {}, {"seconds": 1.5}),
    ({"loss": 0.5, "duration": pd.Timedelta("90s")}, {"seconds": "duration"}, {"seconds": 90.0}),
    ({"loss": 0.5, "seconds": datetime.timedelta(minutes=2)}, {}, {"seconds": 120.0}),
    ({"loss": 0.5, "seconds": "0:01:30"}, {}, {"seconds": 90.0}),
    ({"loss": 0.5, "seconds": "2 days 00:00:01.500000"}, {}, {"seconds": 172801.5}),
    ({"loss": 0.5, "seconds": None}, {}, {"seconds": None}),
    ({"loss": 0.5, "seconds": pd.NaT}, {}, {"seconds": None}),
    ({"loss": [0.5, 1.5]}, {}, {"values": (0.5, 1.5)}),
    ({"loss": "[0.5, 1.5]"}, {}, {"values": (0.5, 1.5)}),
    ({"loss": np.array([0.5, 1.5])}, {}, {"values": (0.5, 1.5)}),
    ({"loss": Decimal("0.5")}, {}, {"values": (0.5,)}),
    ({"loss": "0.5"}, {}, {"values": (0.5,)}),
    ({"loss": np.float32(0.5)}, {}, {"values": (0.5,)}),
    ({"loss": None}, {}, {"state": "failed", "values": ()}),
    ({"loss": "n/a"}, {}, {"state": "failed", "values": ()}),
    ({"loss": math.inf}, {}, {"state": "failed", "values": (math.inf,)}),
    ({"loss": 0.5, "status": "OK"}, {}, {"state": "done"}),
    ({"loss": None, "status": "OOM"}, {}, {"state": "failed", "error": "OOM"}),
    ({"loss": None, "status": "Timed out"}, {}, {"state": "timed_out"}),
    ({"loss": None, "status": "TrialState.FAIL"}, {}, {"state": "failed"}),
    ({"loss": 0.5, "how": "pruned"}, {"state": "how"}, {"state": "stopped"}),
    ({"loss": 0.5, "valid": "no"}, {}, {"state": "invalid"}),
    ({"loss": 0.5, "valid": "ok"}, {}, {"state": "done"}),
    ({"loss": 0.5, "status": None}, {}, {"state": "done"}),
    ({"loss": 0.5, "error": "boom", "state": "failed"}, {}, {"error": "boom"}),
    (
        {"loss": 0.5, "error": 0.125},
        {},
        {"state": "done", "metrics": {"loss": 0.5, "error": 0.125}},
    ),
    ({"loss": 0.5, "error": "none"}, {}, {"state": "done", "error": None}),
    ({"loss": 0.5, "error": "boom"}, {}, {"state": "failed", "error": "boom"}),
    ({"loss": 0.5, "error": "a warning", "status": "ok"}, {}, {"state": "done"}),
    (
        {"loss": 0.5, "score": 2, "stage": 3},
        {},
        {"stage": 0, "metrics": {"loss": 0.5, "score": 2.0, "stage": 3.0}},
    ),
    ({"objective": 0.5}, {}, {"values": (0.5,)}),
    ({"err": 0.5}, {"objective": "err"}, {"values": (0.5,)}),
    ({"metric.loss": 0.5}, {}, {"values": (0.5,)}),
    ({"loss": 0.5, "acc": [0.1, 0.3]}, {}, {"repeats": {"acc": (0.1, 0.3)}}),
    ({"loss": 0.5, "acc": 0.9}, {"metrics": []}, {"metrics": {"loss": 0.5}}),
    ({"loss": 0.5, "run id": 7, "date": DAY, "host": "a"}, {}, {"metrics": {"loss": 0.5}}),
    ({"loss": 0.5, "run id": "a7"}, {"key": "run id"}, {"tags": {"key": "a7"}}),
    ({"loss": 0.5, "tag.host": "node7"}, {}, {"tags": {"host": "node7"}}),
    ({"loss": 0.5, 0: 1.0}, {}, {"metrics": {"loss": 0.5, "0": 1.0}}),
]


@pytest.mark.parametrize(("cells", "options", "wanted"), RIGHT, ids=lambda case: str(case)[:40])
def test_a_cell_is_read_as_what_it_says(
    cells: dict[Any, Any], options: dict[str, Any], wanted: dict[str, Any]
) -> None:
    study = tuner()
    frame = pd.DataFrame({"x": [1], "y": [0.1], "opt": ["sgd"]})
    for name, cell in cells.items():
        kind = (
            object if isinstance(cell, (list, str, np.ndarray, Decimal)) or cell is None else None
        )
        frame[name] = pd.Series([cell], dtype=kind)
    assert len(quietly(study, frame, **options)) == 1
    trial = study.history[0]
    assert {name: getattr(trial, name) for name in wanted} == wanted


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (log(**{"metric.loss": [7] * 4}), {}, r"value=7.* are both the goal's metric and differ"),
    (log(loss=[DAY] * 4), {}, r"column 'loss' holds Timestamp.*row 0.*this is a date"),
    (log(loss=[datetime.date(2024, 1, 2)] * 4), {}, r"'loss'.*this is a date"),
    (log(loss=pd.to_timedelta([1, 2, 3, 4], unit="s")), {}, r"'loss'.*--seconds"),
    (log(loss=[True, False, True, True]), {}, r"'loss' holds True"),
    (log(loss=[{"a": 1}] * 4), {}, r"'loss' holds \{'a': 1\}"),
    (log(loss=[[], [1], [2], [3]]), {}, r"'loss' holds \[\] in row 0"),
    (log(loss=["1,5", "2,5", "3,5", "4,5"]), {}, r"'loss' holds '1,5'.*--decimal ,"),
    (log(loss=["1,024"] * 4), {}, r"'loss' holds '1,024'.*--thousands"),
    (log(loss=["0.5", "soon", "1", "2"]), {}, r"'loss' holds 'soon' in row 1"),
    (log(loss=[1j] * 4), {}, r"'loss' holds 1j"),
    (log(loss=None), {}, r"no column 'loss'; name the column.*its columns are x, y, opt"),
    (log(x=None), {}, r"no column for the parameter 'x'.*fixed=\{'x': ...\}"),
    (log(x=[1, None, 3, 3]), {}, r"row 1: .*'x'"),
    (log(x=["1", "1,024", "3", "3"]), {}, r"row 1: .*'1,024'.*--thousands"),
    (log(opt=[["sgd"]] * 4), {}, r"row 0: .*'opt'"),
    (log(x=[DAY] * 4), {}, r"row 0: .*'x'"),
    (log(seconds=[DAY] * 4), {}, r"'seconds' holds .*a moment, and no duration"),
    (log(seconds=["soon"] * 4), {}, r"'seconds' holds 'soon'.*0:01:30"),
    (log(seconds=[-1.0] * 4), {}, r"row 0: trial 0: seconds=-1"),
    (log(status=["ok", "ok", "odd", "ok"]), {}, r"'status' holds 'odd' in row 2"),
    (log(valid=["ok", "ok", "perhaps", "ok"]), {}, r"'valid' holds 'perhaps'"),
    (log(), {"metrics": ["acc"]}, r"no column 'acc'"),
    (log(), {"seconds": "time"}, r"no column 'time'"),
    (log(), {"fixed": {"x": 3}}, r"has a column 'x' itself"),
    (log(), {"key": "opt"}, r"row 2.*key 'sgd' is that of a row before.*measured at"),
    (log(n=[1.5] * 4), {"key": "n"}, r"'n' holds 1.5 in row 0, expected a key"),
    (log().iloc[:0], {}, r"no rows"),
    (log().set_axis(["x", "x", "opt", "loss"], axis=1), {}, r"more than one column 'x'; rename"),
    (log().set_axis(["x", "y", "opt", "opt"], axis=1), {}, r"opt.*more than once|more than one"),
    (log().set_axis(pd.MultiIndex.from_product([["a", "b"], ["c", "d"]]), axis=1), {}, r"2 levels"),
    ([{"x": 1, "y": 0.1, "opt": "sgd", "loss": 1.0}, 7], {}, r"row 1: expected a mapping"),
    ("log.csv", {}, r"expected a DataFrame, or a list.*dsice import"),
    (7, {}, r"expected a DataFrame"),
    ([], {}, r"no rows"),
]


@pytest.mark.parametrize(("rows", "options", "match"), WRONG, ids=lambda case: str(case)[-40:])
def test_what_cannot_be_read_is_refused_by_name(
    rows: Any, options: dict[str, Any], match: str
) -> None:
    study = tuner()
    with pytest.raises(DsiceError, match=match):
        study.add_all(rows, **options)
    assert not len(study.history)


def test_columns_that_say_nothing_are_left_out_with_a_word() -> None:
    frame = log(**{"run id": [7, 8, 9, 9], "when": ["2024-01-02"] * 4, "host": list("abca")})
    with pytest.warns(DsiceWarning, match=r"left out: run id \(an id.*when \(dates\).*host \(no"):
        tuner().add_all(frame)


def test_rows_without_news_are_passed_over_and_counted() -> None:
    with pytest.warns(DsiceWarning, match=r"passed over: 1 lost; passed over: 1 pending"):
        found = tuner().add_all(log(state=["done", "running", "lost", "done"]))
    assert len(found) == 2


def test_a_bound_needs_its_metric_in_every_done_row() -> None:
    study = Tuner(AXES, goal=Goal("loss", at_most={"memory": 2}))
    with pytest.raises(TellError, match=r"row 1: .*bound on 'memory'"):
        study.add_all(log(memory=[1, None, 3, 3]))
    study.add_all(log(memory=[1, 2, 3, 3]))
    assert study.history.feasible().tolist() == [True, True, False, False]


def test_keys_tell_equal_rows_apart_and_equal_keys_are_one_measurement() -> None:
    study = tuner()
    keys = [1, 2, 3, 3]
    assert (len(found := study.add_all(log(n=keys), key="n")), found.known) == (3, 1)
    assert len(quietly(study, log(n=[1, 2, 3, 4]), key="n")) == 1
    with pytest.raises(TellError, match=r"row 0: add\(key=1\): trial 0 has that key, and it has"):
        study.add_all(log(n=keys, loss=[0.75, 0.25, 0.125, 0.125]), key="n")


def test_values_of_every_kind_are_found_on_their_axes() -> None:
    axes: dict[str, Any] = {
        "tile": [(16, 16), (32, 8)],
        "n": Choice(["auto", 8, 16]),
        "flag": [False, True],
        "depth": [None, 5],
        "name": ["1", "2"],
    }
    study = Tuner(axes, Grid(), goal=LOSS)
    rows = {
        "tile": ["[16, 16]", "(32, 8)", "[32,8]"],
        "n": ["auto", "8", "16"],
        "flag": ["true", "False", "TRUE"],
        "depth": ["None", None, "5"],
        "name": [1, 2, 1],
        "loss": [1.0, 2.0, 3.0],
    }
    study.add_all(pd.DataFrame(rows))
    assert [tuple(t.params.values()) for t in study.history] == [
        ((16, 16), "auto", True, None, "1"),
        ((32, 8), 8, False, None, "2"),
        ((32, 8), 16, True, 5, "1"),
    ]
    nested = [{"params": dict(t.params), "values": list(t.values)} for t in study.history]
    assert len(quietly(study, nested)) == 0


def test_numbers_beside_the_grid_are_taken_with_nearest_only() -> None:
    frame = log(y=[0.11, 0.2, 0.3, 0.3])
    study = tuner()
    with pytest.raises(TableError, match=r"row 0: .*0.11"):
        study.add_all(frame)
    study.add_all(frame, nearest=True)
    assert study.history[0].params["y"] == 0.1


BESIDE = [0.11, 0.2, 0.3, 0.3]
NEAREST, SKIP = r"\. nearest=True \(--nearest\) moves.*, ", r"skip=True \(--skip\) passes"


@pytest.mark.parametrize(
    ("frame", "nearest", "said", "count"),
    [
        (log(y=BESIDE), False, NEAREST + SKIP, 4),
        (log(y=BESIDE, opt=["rms"] * 4), False, r"'rms'.*\. " + SKIP, 0),
        (log(opt=["sgd", "adam", "sgd", "rms"]), True, r"'rms'.*\. " + SKIP, 3),
    ],
)
def test_what_takes_rows_off_the_grid_is_named_and_does(
    frame: pd.DataFrame, nearest: bool, said: str, count: int
) -> None:
    study = tuner()
    with pytest.raises(TableError, match=said):
        study.add_all(frame, nearest=nearest)
    assert len(quietly(study, frame, nearest=True, skip=True)) == count


def test_a_parameter_that_the_log_lacks_is_stated() -> None:
    study = tuner()
    study.add_all(log(x=None), fixed={"x": 5})
    assert {t.params["x"] for t in study.history} == {5}


def test_an_enqueued_point_that_is_added_does_not_wait_any_more() -> None:
    study = tuner()
    study.enqueue({"x": 1, "y": 0.1, "opt": "sgd"})
    study.add_all(log())
    assert study.ask(1)[0].params != {"x": 1, "y": 0.1, "opt": "sgd"}


def test_a_pending_trial_at_a_point_of_the_log_stays_pending_and_is_named() -> None:
    """A job may be measuring it: what comes of that must not be refused as told already."""
    study = tuner()
    first, second, other = study.ask(3)
    rows = [{**trial.params, "loss": 0.5} for trial in (first, second)]
    with pytest.warns(DsiceWarning, match=r"pending.* trial 0, 1; .*tell\(0, state='lost'\) or"):
        found = study.add_all(rows)
    assert found.ids == range(3, 5) and study.pending == [first, second, other]
    assert len(quietly(study, rows)) == 0
    study.tell(first, 0.75)  # a job was measuring it
    study.tell(second, state="lost")  # the log has its result
    assert study.pending == [other]
    assert [t.value for t in study.history] == [0.75, None, None, 0.5, 0.5]
    assert study.best is not None and study.best.point == second.point


def test_a_coordinator_adds_what_a_request_says_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with tuner(path) as study:
        study.add_all(log().iloc[:1])
        looker = Tuner.read(path)
        read = Log(log(), LogColumns(), "log", goal=LOSS, names=looker.space.names)
        checked = looker.checked_rows(read)
        rows, about = looker.requested_rows(checked)
        left = requests.leave(path, "add", rows=rows, log=about)
        copy = left.file.read_bytes()
        study.ask(1)
        assert len(study.history) == 5 and not left.file.exists()
        left.file.parent.mkdir()
        left.file.write_bytes(copy)  # killed before it was removed
        study.take_requests()
        assert len(study.history) == 5
        bad = requests.leave(path, "add", rows=[{**rows[0], "point": [99, 0, 0]}], log=None)
        with pytest.warns(DsiceWarning, match=r"add 1 measurements: refused.*no point"):
            study.take_requests()
        assert "no point" in requests.answer(bad) and len(study.history) == 5
        assert [t.state for t in study.history].count(State.DONE) == 4
