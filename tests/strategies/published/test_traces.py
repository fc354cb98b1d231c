"""The searches ask what the authors' library asked, point by point and batch by batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner
from dsice.strategies import IPPE, Radial2024, Sequential2017, Sequential2018, Strategy
from tests.strategies.published.record import HERE, SEARCHES, valley

THEIRS = Path(__file__).parents[3].parent / "shared" / "traces"
OWN = sorted(HERE.glob("*.json"))
STRATEGIES: dict[str, Strategy] = {
    "IPPE": IPPE(),
    "IPPE-original": IPPE(original=True),
    "S2017": Sequential2017(),
    "S2018": Sequential2018(),
    "P2024B": Radial2024(),
}
needs_traces = pytest.mark.skipif(
    not THEIRS.is_dir(), reason="the recorded traces of the authors' library are not there"
)


def follow(trace: dict[str, Any]) -> None:
    """Drive the bare search along a trace."""
    search, at = SEARCHES[trace["mode"]](trace["shape"]), 0
    for size in trace["rounds"]:
        part = trace["seq"][at : at + size]
        assert search.ask(trace["batch"]) == [tuple(point) for point, _ in part], (
            f"after {at} of {len(trace['seq'])}"
        )
        for point, value in part:
            search.tell(tuple(point), value)
        at += size
    assert search.ask(trace["batch"]) == [] and at == len(trace["seq"])


@needs_traces
@pytest.mark.parametrize("path", sorted(THEIRS.glob("*.json")), ids=lambda path: path.stem)
def test_every_trace_of_the_authors_library(path: Path) -> None:
    follow(json.loads(path.read_text()))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_small_traces_of_our_own_stay_as_they_are(path: Path) -> None:
    follow(json.loads(path.read_text()))


# of P_2024B only the one whose batches are never filled up, which takes another course
@pytest.mark.parametrize(
    "path",
    [p for p in OWN if not p.stem.startswith(("P2022", "P2024B-unstuck", "P2024B_9"))],
    ids=lambda p: p.stem,
)
def test_through_the_tuner_the_same_points_are_asked_once(path: Path) -> None:
    trace = json.loads(path.read_text())
    tuner = Tuner(
        {f"x{i}": range(m) for i, m in enumerate(trace["shape"])}, STRATEGIES[trace["mode"]]
    )
    while trials := tuner.ask(40):
        for trial in trials:
            tuner.tell(trial, valley(trial.point))
    told = [tuple(point) for point, _ in trace["seq"]]
    asked = [trial.point for trial in tuner.history]
    assert asked == list(dict.fromkeys(told))


@needs_traces
def test_the_published_example_on_20_by_20() -> None:
    search = SEARCHES["S2018"]((20, 20))
    asked: list[tuple[int, ...]] = []
    values = {
        tuple(p): v for p, v in json.loads((THEIRS / "quad_20x20_S2018_0.json").read_text())["seq"]
    }
    while len(asked) < 11 and (batch := search.ask(1)):
        asked += batch
        search.tell(batch[0], values[batch[0]])
    assert asked[:5] == [(10, 10), (11, 10), (9, 10), (10, 11), (10, 9)]


def test_by_the_librarys_rules_p2024b_freezes_on_4_to_the_8th() -> None:
    """The library's run there was cut off after 4040 jobs; it had measured 287 different points."""
    search, jobs, seen = SEARCHES["P2024B"]((4,) * 8), 0, set()
    while jobs <= 4000:
        batch = search.ask(40)
        jobs += len(batch)
        seen.update(batch)
        for point in batch:
            search.tell(point, valley(point))
    assert (jobs, len(seen), set(batch)) == (4040, 287, {(2,) * 8})


def test_through_the_tuner_it_does_not_freeze() -> None:
    tuner, asked = Tuner({f"x{i}": range(4) for i in range(8)}, Radial2024()), 0
    for _ in range(12):
        trials = tuner.ask(40)
        asked += len(trials)
        for trial in trials:
            tuner.tell(trial, valley(trial.point))
    assert asked == 480
