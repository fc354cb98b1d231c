"""The same script again and again: what is known is not added or enqueued once more."""

from __future__ import annotations

import errno
import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import Goal, Tuner
from dsice.cli.main import main
from dsice.errors import DsiceWarning, JournalError, TellError
from dsice.strategies import Grid
from dsice.tuner.telling import Report
from tests.conftest import all_fields, small, state
from tests.journal.test_damage import no_sync

NAN = math.nan
SPACE = small()


@pytest.fixture(autouse=True)
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    no_sync(monkeypatch)


def params(*levels: int) -> dict[str, Any]:
    return SPACE.params(levels)


MEASURED: list[dict[str, Any]] = [
    {"value": 1.5},
    {"value": [1.0, 2.0], "seconds": 3},
    {"value": 0.1 + 0.2, "metrics": {"m": [1.0, NAN], "k": np.float32(0.1)}},
    {"error": "crash", "times": (1, None, 3.5)},
    {"value": -math.inf, "state": "failed", "error": "diverged"},
    {"state": "invalid"},
    {"value": NAN, "state": "failed"},
    {"value": -0.0},
]


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("measured", MEASURED)
def test_what_was_told_is_not_added_again(
    tmp_path: Path, measured: dict[str, Any], resumed: bool
) -> None:
    path = tmp_path / "run.jsonl"
    tuner = Tuner(SPACE, Grid(), journal=path)
    first = tuner.add(params(1, 1, 1), **measured)
    data = path.read_bytes()
    if resumed:
        tuner.close()
        tuner = Tuner(SPACE, Grid(), journal=path)
    with tuner, pytest.warns(DsiceWarning, match=r"trial 0 \(\w+\) is that measurement"):
        assert all_fields(tuner.add(params(1, 1, 1), **measured)) == all_fields(first)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "other",
    [
        {"value": [1.0, 2.0], "seconds": 4.0},
        {"value": [2.0, 1.0], "seconds": 3.0},
        {"value": 1.5, "seconds": 3.0},
        {"value": [1.0, 2.0]},
        {"value": [1.0, 2.0], "seconds": 3.0, "metrics": {"m": 1.0}},
        {"value": [1.0, 2.0], "seconds": 3.0, "times": (1.0, 2.0, 3.0)},
        {"value": [1.0, 2.0], "seconds": 3.0, "state": "invalid"},
    ],
)
def test_what_differs_is_one_more_repeat(other: dict[str, Any]) -> None:
    tuner = Tuner(SPACE, Grid())
    tuner.add(params(1, 1, 1), [1.0, 2.0], seconds=3.0)
    assert tuner.add(params(1, 1, 1), **other).repeat == 1
    assert tuner.add(params(1, 1, 2), [1.0, 2.0], seconds=3.0).id == 2


def test_zero_and_minus_zero_differ_and_an_asked_trial_counts() -> None:
    tuner = Tuner(SPACE, Grid())
    (trial,) = tuner.ask(1)
    assert tuner.add(trial.params, 1.0).id == 1  # what is pending is not told
    tuner.tell(trial, 0.0)
    with pytest.warns(DsiceWarning, match=r"trial 0 \(done\)"):
        assert tuner.add(trial.params, 0.0).id == 0
    assert tuner.add(trial.params, -0.0).id == 2


def test_a_key_says_what_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for again in range(2):
        with Tuner(SPACE, Grid(), journal=path) as tuner:
            with pytest.warns(DsiceWarning) if again else _silence():
                one = tuner.add(params(0, 0, 0), 1.0, key="row 1", tags={"by": "me"})
                two = tuner.add(params(0, 0, 0), 1.0, key="row 2")
                three = tuner.add(params(0, 0, 0), 1.0, key=np.int64(3))  # type: ignore[arg-type]
                four = tuner.add(params(0, 0, 0), 1.0, key="3")
            assert [t.id for t in (one, two, three, four)] == [0, 1, 2, 3]
            assert one.tags == {"by": "me", "key": "row 1"} and three.tags == {"key": 3}
            data = path.read_bytes()
            for other, text in (
                ({"params": params(0, 0, 1), "value": 1.0}, "measured at"),
                ({"params": params(0, 0, 0), "value": 2.0}, "has value 1.0"),
                ({"params": params(0, 0, 0), "error": "no"}, "it is done"),
            ):
                with pytest.raises(TellError, match=f"key='row 1'.*trial 0 .*{text}"):
                    tuner.add(**other, key="row 1")
            with pytest.raises(TellError, match="the tags have another 'key'"):
                tuner.add(params(0, 0, 0), 1.0, key="a", tags={"key": "b"})
            for wrong in (True, "", 1.5, ["a"]):
                with pytest.raises(TellError, match="expected a text or a whole number"):
                    tuner.add(params(0, 0, 0), 1.0, key=wrong)  # type: ignore[arg-type]
            assert path.read_bytes() == data


class _silence:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_what_was_withdrawn_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"

    def script() -> None:
        with Tuner(SPACE, Grid(), journal=path) as tuner:
            tuner.add(params(0, 0, 0), -99.0)
            tuner.add(params(0, 0, 1), -98.0, key="a")
            tuner.add(params(0, 0, 2), error="crash")

    script()
    with Tuner(SPACE, Grid(), journal=path) as tuner:
        tuner.withdraw(0, "wrong")
        tuner.withdraw(1, "wrong")
    known = state(Tuner.read(path))
    with pytest.warns(DsiceWarning) as said:
        script()
    assert [f"trial {id} (" in str(one.message) for id, one in enumerate(said)] == [True] * 3
    assert state(Tuner.read(path)) == known
    with Tuner(SPACE, Grid(), journal=path) as tuner:
        tuner.retry([0, 1, 2])
        for id in range(3):
            tuner.tell(id, 5.0 + id, tags={"key": "b"} if id == 1 else None)
        with pytest.warns(DsiceWarning, match="trial 1"):
            assert tuner.add(params(0, 0, 1), 6.0, key="b").id == 1
    known = state(Tuner.read(path))
    with pytest.warns(DsiceWarning):
        script()
    assert state(Tuner.read(path)) == known


def test_enqueueing_what_is_known_does_nothing_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(SPACE, Grid(), journal=path) as tuner:
        tuner.enqueue(params(3, 2, 1))
        data = path.read_bytes()
        with pytest.warns(DsiceWarning, match="it waits to be asked already"):
            tuner.enqueue(params(3, 2, 1))
        assert path.read_bytes() == data
        tuner.ask(1)
        tuner.add(params(0, 0, 0), 1.0)
        data = path.read_bytes()
        with pytest.warns(DsiceWarning, match=r"trial 0 \(pending\) is that point"):
            tuner.enqueue(params(3, 2, 1))
        with pytest.warns(DsiceWarning, match=r"trial 1 \(done\) is that point"):
            tuner.enqueue(params(0, 0, 0))
        assert path.read_bytes() == data and not tuner._queue


def test_a_result_in_hand_is_not_added_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Tuner(SPACE, Grid(), journal=path) as tuner:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            for value in (1.0, 1.0, 2.0, 1.0):
                with pytest.raises(JournalError):
                    tuner.add(params(0, 0, 0), value)
            assert tuner.unwritten == 2
        tuner.flush()
        assert [t.value for t in tuner.history] == [1.0, 2.0]


Row = tuple[int, float]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1.0, 2.0, NAN])), max_size=8), st.data()
)
def test_a_file_that_grew_adds_its_new_rows_alone(rows: list[Row], data: st.DataObject) -> None:
    tuner = Tuner(SPACE, Grid(), goal=Goal())
    for end in (data.draw(st.integers(0, len(rows))), len(rows), len(rows)):
        file = tuner.additions()
        new = [
            file.add(params(0, 0, c), Report(value, state="invalid" if value != value else None))
            for c, value in rows[:end]
        ]
        plain = Counter((c, str(value)) for c, value in rows[:end])
        assert Counter((t.point[2], str(t.value)) for t in tuner.history) == plain
    assert not any(new)


def test_tell_from_takes_equal_lines_as_repeats_and_the_file_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, lines = tmp_path / "run.jsonl", tmp_path / "lines"
    Tuner(SPACE, Grid(), journal=path).close()
    trial: dict[str, Any] = {"id": 0, "point": [0, 0, 0], "state": "done", "values": [1.0]}
    line = {"kind": "add", "trial": trial}
    keyed = {"kind": "add", "trial": {**trial, "tags": {"key": "a"}}}
    lines.write_text("\n".join(map(json.dumps, [line, line, keyed])))
    for said in ("3 recorded", "0 recorded, 3 were known"):
        assert main(["tell", str(path), "--from", str(lines)]) == 0
        assert capsys.readouterr().out.strip() == said
    assert [t.tags for t in Tuner.read(path).history] == [{}, {}, {"key": "a"}]
