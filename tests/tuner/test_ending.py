"""Whether and why a search has ended: recorded by a run, else as it follows from the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsice import Goal, Space, Tuner
from dsice.errors import JournalError
from dsice.strategies import DSICE, Grid, Population, Random
from dsice.strategies.dsice.convergence import CHANCE
from dsice.tuner.ending import End, end_to_show
from tests.conftest import fill, small

KINDS = {"end": {"reason": "time", "figures": {"max_seconds": 3}}}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("make", "reason", "figures"),
    [
        (lambda: fill(Tuner(small(), Random(), max_trials=8), 8), "budget", {"max_trials": 8}),
        (lambda: fill(Tuner(small(), Random()), 99), "grid", {"points": 36}),
        (lambda: fill(Tuner(small(), Grid(stride=2)), 99), "complete", {"strategy": "Grid"}),
        (lambda: fill(Tuner(small(), Random()), 8), None, {}),
        (lambda: Tuner(small(), Random()), None, {}),
    ],
)
def test_the_reason_follows_from_the_study(
    make: Any, reason: str | None, figures: dict[str, object]
) -> None:
    tuner = make()
    end = tuner.end
    assert (end and end.reason) == reason and dict(end.figures if end else {}) == figures
    assert (end is None) == (not tuner.exhausted)
    assert end is None or (end.advice and str(end) and end.at is None)


def test_a_converged_search_says_by_which_chance() -> None:
    space = Space({name: range(7) for name in "abc"})
    tuner = Tuner(space, DSICE(tolerance=0.3), seed=3)
    while trials := tuner.ask(8):
        for trial in trials:
            a, b, c = trial.point
            tuner.tell(trial, (a - 2) ** 2 + (b - 3) ** 2 + (c - 4) ** 2)
    assert tuner.finished and len(tuner.history) < 343
    end = tuner.end
    assert end is not None and end.reason == "converged"
    assert 0 <= end.figures["chance"] < CHANCE == end.figures["under"]
    assert end.figures["tolerance"] == 0.3 and "30 % of" in str(end)


def test_a_population_at_its_end_is_complete() -> None:
    tuner = Tuner(small(), Population(members=3, stages=2), seed=1)
    fill(tuner, 6, batch=3)
    assert tuner.end is not None and tuner.end.reason == "complete"


def test_what_waits_is_no_end() -> None:
    tuner = Tuner(small(), Random(), max_trials=4)
    trials = tuner.ask(4)
    assert tuner.exhausted and tuner.end is not None and tuner.end.reason == "budget"
    assert end_to_show(tuner) is None and not tuner.finished  # they run
    for trial in trials:
        tuner.tell(trial, 1.0)
    assert end_to_show(tuner) is not None


# ------------------------------------------------------------------ as a run recorded it
def test_an_end_is_recorded_once_and_counts_until_something_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    end = End("time", {"max_seconds": 3.0})
    with fill(Tuner(small(), Random(), journal=path), 8) as tuner:
        tuner.note_end(end)
        tuner.note_end(end)
        assert tuner.end is not None and tuner.end.reason == "time"
    assert [line["kind"] for line in lines(path)].count("end") == 1
    for made in (Tuner.read(path), Tuner.resume(path)):
        noted = made.noted_end
        assert noted is not None and (noted.reason, noted.figures) == ("time", end.figures)
        assert noted.at == lines(path)[-1]["at"]
        made.close()
    size = path.stat().st_size
    with Tuner.resume(path) as tuner:
        tuner.note_end(end)
        assert path.stat().st_size == size
        (trial,) = tuner.ask(1)
        assert tuner.noted_end is None and Tuner.read(path).noted_end is None
        tuner.tell(trial, 1.0)
        tuner.note_end(end)
    assert [line["kind"] for line in lines(path)].count("end") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda tuner: tuner.add(tuner.space.params((0, 0, 0)), 9.0, key="new"),
        lambda tuner: tuner.withdraw(0, "wrong"),
        lambda tuner: tuner.retry(3),
        lambda tuner: tuner.tell(tuner.ask(1)[0], 1.0),
        lambda tuner: tuner.enqueue(
            tuner.space.params(next(p for p in _all() if p not in tuner.history.taken()))
        ),
    ],
)
def test_what_changes_the_study_takes_the_end_out_of_force(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "run.jsonl"
    tuner = fill(Tuner(small(), Random(), journal=path), 3)
    tuner.tell(tuner.ask(1)[0], error="crash")
    tuner.note_end(End("cost", {"max_cost": 1.0, "hours": 1.5}))
    change(tuner)
    assert tuner.noted_end is None and Tuner.read(path).noted_end is None
    tuner.close()


def _all() -> list[tuple[int, ...]]:
    return [tuple(point) for point in small().points().tolist()]


def test_other_options_and_another_space_take_it_out_of_force(tmp_path: Path) -> None:
    from dsice import extend

    path = tmp_path / "run.jsonl"
    axes = {"a": [1, 2, 4]}
    with fill(Tuner(axes, Grid(), journal=path, max_trials=2), 2) as tuner:
        tuner.note_end(End("budget", {"max_trials": 2}))
    Tuner(axes, Grid(), journal=path, max_trials=2).close()
    assert Tuner.read(path).noted_end is not None
    Tuner(axes, Grid(), journal=path, max_trials=3).close()
    assert Tuner.read(path).noted_end is None
    with Tuner.resume(path) as tuner:
        tuner.note_end(End("time", {"max_seconds": 2}))
    extend(path, Space({"a": [1, 2, 4, 8]}))
    assert Tuner.read(path).noted_end is None
    assert [line["kind"] for line in lines(path)].count("end") == 0


def test_an_end_cut_at_every_byte_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    with fill(Tuner(small(), Random(), journal=whole, max_trials=4), 4) as tuner:
        before = whole.stat().st_size
        tuner.note_end(End("budget", {"max_trials": 4}))
    data = whole.read_bytes()
    for size in range(before, len(data) + 1):
        path = tmp_path / f"{size}.jsonl"
        path.write_bytes(data[:size])
        is_whole = size >= len(data) - 1  # but for the newline
        assert (Tuner.read(path).noted_end is not None) == is_whole
        with Tuner.resume(path) as tuner:
            assert len(tuner.history) == 4 and (tuner.noted_end is not None) == is_whole
            tuner.note_end(End("budget", {"max_trials": 4}))
        assert [line["kind"] for line in lines(path)].count("end") == 1
        for beside in tmp_path.glob(f"{size}.jsonl*"):
            beside.unlink()


@pytest.mark.parametrize("wrong", [{"reason": 3}, {"figures": []}, {"reason": None}])
def test_a_damaged_end_line_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "run.jsonl"
    Tuner(small(), Random(), journal=path).close()
    with path.open("a") as file:
        file.write(json.dumps({"kind": "end", "at": 1.0, **KINDS["end"], **wrong}) + "\n")
    with pytest.raises(JournalError, match="this end line lacks a field"):
        Tuner.read(path)


def test_a_reason_of_a_newer_dsice_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    fill(Tuner(small(), Random(), journal=path), 3).close()
    with path.open("a") as file:
        line = {"kind": "end", "at": "x", "reason": "boredom", "figures": {"yawns": [1]}}
        file.write(json.dumps(line) + "\n")
    end = Tuner.read(path).noted_end
    assert end is not None and str(end) == "boredom {'yawns': [1]}" == end.with_advice
    assert end.at is None


# ------------------------------------------------------------------ what was run here
def test_run_time_is_what_this_study_ran(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), goal=Goal(), journal=path) as tuner:
        tuner.add(tuner.space.params((0, 0, 0)), 1.0, seconds=1000.0)
        failed = tuner.add(tuner.space.params((0, 0, 1)), error="crash", seconds=2000.0)
        one, two, three = tuner.ask(3)
        tuner.tell(one, 1.0, seconds=3.0)
        tuner.tell(two, error="crash", seconds=5.0)
        tuner.tell(three, 2.0, seconds=7.0)
        tuner.withdraw(three, "wrong")
        assert tuner.run_seconds == Tuner.read(path).run_seconds == 15.0
        tuner.retry([two, failed])  # what the first took is spent; the second is run here now
        tuner.tell(two, 1.0, seconds=11.0)
        tuner.tell(failed, 1.0, seconds=13.0)
        for trial in tuner.confirm(1):
            tuner.tell(trial, 1.0, seconds=17.0)
        assert tuner.run_seconds == Tuner.read(path).run_seconds == 15.0 + 11.0 + 13.0 + 17.0
        assert tuner.history.added().tolist() == [True] + [False] * 5
        assert Tuner.read(path).history.added().tolist() == [True] + [False] * 5


def test_a_value_that_was_exchanged_takes_the_end_out_of_force(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with fill(Tuner(small(), Grid(), journal=path), 3) as tuner:
        tuner.note_end(End("converged", {"chance": 0.01, "under": 0.05, "tolerance": 0.01}))
        tuner.withdraw(1, "a broken node")
        tuner.retry([1])
        tuner.tell(1, 9.0)
        assert tuner.noted_end is None and Tuner.read(path).noted_end is None
