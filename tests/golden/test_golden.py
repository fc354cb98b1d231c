"""The golden runs, played anew: each trial as recorded.

See `tests.golden.record` for what they are, and read it before recording anew.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.golden import record
from tests.golden.record import SEARCHES, SETTINGS, Run

# The short part: 15 seconds that have every strategy, every setting, every batch and every seed.
SHORT = {
    Run(name, setting, record.BATCHES[(i + 2 * j) % 3], record.SEEDS[(i + j) % 3])
    for i, (name, search) in enumerate(SEARCHES.items())
    for j, setting in enumerate(search.settings)
    if (i + j) % 2 == 0 or len(search.settings) == 1
}


@cache
def recorded() -> dict[str, Any]:
    return record.load()


@cache
def elsewhere() -> str:
    """How this environment differs from that of the record."""
    return record.differences(recorded()["environment"], record.environment())


def _cases() -> list[Any]:
    return [
        pytest.param(run, id=str(run), marks=() if run in SHORT else pytest.mark.long)
        for run in record.runs()
    ]


@pytest.mark.parametrize("run", _cases())
def test_a_golden_run_asks_for_the_same_trials(run: Run) -> None:
    if elsewhere():
        pytest.skip(f"golden run {run}: recorded elsewhere; here {elsewhere()}")
    golden, now = recorded()["runs"][str(run)], record.play(run)
    code, then, new = recorded()["code"], golden["trials"], now["trials"]
    first = next((id for id in range(min(len(then), len(new))) if then[id] != new[id]), None)
    assert first is None, (
        f"trial {first} of {run} is the first that differs from {code}:\n"
        f"  then {then[first]}\n  now  {new[first]}"
    )
    assert len(then) == len(new), f"{run} asked for {len(then)} trials in {code}, {len(new)} now"
    assert golden["best"] == now["best"], (
        f"{run}: all trials are the same, the recommended one (id, value) is not"
    )


def test_the_record_has_exactly_these_runs() -> None:
    assert list(recorded()["runs"]) == [str(run) for run in record.runs()]
    for name, golden in recorded()["runs"].items():
        assert 0 < len(golden["trials"]) <= record.MOST, name


def test_the_short_part_has_every_strategy_setting_batch_and_seed() -> None:
    assert set(record.runs()) >= SHORT
    assert {run.search for run in SHORT} == set(SEARCHES)
    assert {run.setting for run in SHORT} == set(SETTINGS)
    assert {run.batch for run in SHORT} == set(record.BATCHES)
    assert {run.seed for run in SHORT} == set(record.SEEDS)


def test_differences_of_environments_are_told_by_name() -> None:
    here = record.environment()
    assert record.differences(here, here) == ""
    assert (
        record.differences(here | {"numpy": "1.0"}, here) == f"numpy {here['numpy']} instead of 1.0"
    )
