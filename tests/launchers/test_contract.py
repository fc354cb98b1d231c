"""What every launcher promises to `run`, over all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from dsice.errors import DsiceError, LaunchError
from dsice.launchers import Job, Launcher, Local, Table

from .helpers import drain
from .programs import square

SLOTS = 4
SHELL = "test {x} -lt 90 || {{ echo no such thing >&2; exit 7; }}; echo $(({x} * {x}))"


def table() -> pd.DataFrame:
    rows = list(range(10)) + list(range(90, 95))
    return pd.DataFrame({"x": rows, "objective": [x * x if x < 90 else None for x in rows]})


@pytest.fixture(params=["shell", "function", "table", "clock"])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Launcher]:
    if request.param == "table":
        made: Launcher = Table(table(), slots=SLOTS)
    elif request.param == "clock":
        made = Table(table().assign(seconds=range(1, 16)), workers=SLOTS)
    else:
        made = Local(SHELL if request.param == "shell" else square, slots=SLOTS, directory=tmp_path / "trials")
    yield made
    made.close()


def jobs(*xs: int) -> list[Job]:
    return [Job(100 + x, {"x": x}) for x in xs]


def test_each_trial_comes_back_exactly_once_with_its_own_value(launcher: Launcher) -> None:
    for xs in ((0, 1, 2, 3), (4, 5), (6,)):
        launcher.submit(jobs(*xs))
        results = drain(launcher, len(xs))
        assert {id: r.value for id, r in results.items()} == {100 + x: x * x for x in xs}
        assert all(r.state == "done" and r.error is None for r in results.values())
    assert list(launcher.collect(0.05)) == []


def test_a_failing_trial_is_a_result_with_its_reason_and_harms_no_other(launcher: Launcher) -> None:
    launcher.submit(jobs(3, 93))
    results = drain(launcher, 2)
    assert (results[103].state, results[103].value) == ("done", 9)
    failed = results[193]
    assert failed.state == "failed" and failed.value is None
    assert str(failed.where["log"]) in str(failed.error)
    json.dumps(dict(failed.where))  # it goes into the journal


def test_more_jobs_than_slots_are_refused_and_none_is_started(launcher: Launcher) -> None:
    assert launcher.slots == SLOTS
    with pytest.raises(LaunchError, match="4 of 4 slots free"):
        launcher.submit(jobs(0, 1, 2, 3, 4))
    assert list(launcher.collect(0.05)) == []
    launcher.submit(jobs(0, 1, 2, 3))
    with pytest.raises(LaunchError, match="slots"):
        launcher.submit(jobs(4))
    assert len(drain(launcher, 4)) == 4


def test_an_id_runs_once_at_a_time_and_again_after_its_result(launcher: Launcher) -> None:
    with pytest.raises(LaunchError):
        launcher.submit([Job(1, {"x": 1}), Job(1, {"x": 2})])
    launcher.submit([Job(1, {"x": 1})])
    with pytest.raises(LaunchError):
        launcher.submit([Job(1, {"x": 2})])
    assert drain(launcher, 1)[1].value == 1
    launcher.submit([Job(1, {"x": 3})])
    assert drain(launcher, 1)[1].value == 9


def test_a_cancelled_trial_comes_back_once(launcher: Launcher) -> None:
    launcher.submit(jobs(1, 2))
    launcher.cancel(101)
    launcher.cancel(101)
    launcher.cancel(4711)  # unknown: perhaps collected a moment before
    results = drain(launcher, 2)
    assert results[101].state in ("stopped", "done")  # it may have been faster
    assert results[102].value == 4
    assert list(launcher.collect(0.05)) == []


def test_nothing_is_attached_that_was_never_submitted(launcher: Launcher) -> None:
    assert launcher.attach(jobs(1, 2)) == []
    assert launcher.attach([]) == []


def test_close_is_idempotent_and_final(launcher: Launcher) -> None:
    launcher.submit(jobs(1))
    launcher.close()
    launcher.close()
    with pytest.raises(LaunchError, match="closed"):
        launcher.submit(jobs(2))
    assert list(launcher.collect(0.05)) == []


def test_an_unusable_job_is_named_before_anything_starts(launcher: Launcher) -> None:
    with pytest.raises(DsiceError, match=r"y|parameter"):
        launcher.submit([Job(1, {"x": 1}), Job(2, {"y": {1, 2}})])
    assert list(launcher.collect(0.05)) == []
