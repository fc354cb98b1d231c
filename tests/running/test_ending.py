"""Why a run asked for nothing more, as it leaves it in the journal."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceWarning, Tuner, advance, run
from dsice.errors import LaunchError
from dsice.launchers import Job, Launcher, Result
from dsice.running.options import affordable
from dsice.strategies import DSICE, Grid, Random
from tests.conftest import bowl, small


class Here(Launcher):
    """Runs trials at once, each in so many seconds; its jobs go on without it."""

    slots = 2

    def __init__(self, seconds: float = 1.0, error: str | None = None) -> None:
        self.seconds, self.error = seconds, error
        self.ended: list[Result] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            value = None if self.error else bowl(dict(job.params))
            state = "failed" if self.error else "done"
            self.ended.append(
                Result(job.id, state, value=value, seconds=self.seconds, error=self.error)
            )

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        return [job.id for job in jobs if job.id in {result.id for result in self.ended}]

    def collect(self, timeout: float = 0.0) -> list[Result]:
        ended, self.ended = self.ended, []
        return ended

    def cancel(self, id: int) -> None: ...

    def close(self) -> None: ...

    def detach(self) -> None: ...

    cannot_detach = ""


def ends(path: Path) -> list[tuple[str, dict[str, Any]]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["reason"], line["figures"]) for line in found if line["kind"] == "end"]


@pytest.mark.parametrize(
    ("options", "reason", "figures"),
    [
        ({"max_trials": 4}, "budget", {"max_trials": 4}),
        ({"max_seconds": 0}, "time", {"max_seconds": 0}),
        ({"max_cost": 5 / 3600}, "cost", {"max_cost": 5 / 3600, "hours": 5 / 3600}),
        ({}, "grid", {"points": 36}),
    ],
)
def test_a_run_says_which_option_ended_it(
    tmp_path: Path, options: dict[str, Any], reason: str, figures: dict[str, Any]
) -> None:
    path = tmp_path / "run.jsonl"
    for _ in range(2):  # the second has nothing to do, and says nothing new
        with Tuner(small(), Random(), journal=path) as tuner:
            run(tuner, Here(), progress=False, **options)
            assert tuner.end is not None and tuner.end.reason == reason
        ((said, known),) = ends(path)
        assert said == reason and known == pytest.approx(figures)


def test_the_last_line_says_why_with_what_to_try_next(capsys: pytest.CaptureFixture[str]) -> None:
    run(Tuner(small(), Grid(stride=3)), Here())
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "ended: the strategy Grid has nothing more to ask; another strategy, or other options of "
        "this one, goes on from here"
    )


def test_a_search_that_was_confirmed_keeps_the_reason_of_its_end(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), journal=path, max_trials=5) as tuner:
        run(tuner, Here(), confirm=2, progress=False)
    assert ends(path) == [("budget", {"max_trials": 5})]
    assert len(Tuner.read(path).history) == 7 and Tuner.read(path).noted_end is not None


def test_failures_and_errors_are_reasons(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner:
        with pytest.raises(LaunchError, match="all 5 trials ended in the same way"):
            run(tuner, Here(error="exit code 127: no such command"), progress=False)
        end = tuner.end
    ((reason, figures),) = ends(path)
    assert (reason, figures["count"]) == ("failures", 5)
    assert "exit code 127: no such command" in str(end) and "retry" in (end.advice if end else "")

    class Broken(Here):
        def submit(self, jobs: Sequence[Job]) -> None:
            raise LaunchError("no queue\nat all")

    path = tmp_path / "other.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner, pytest.raises(LaunchError):
        run(tuner, Broken(), progress=False)
    assert ends(path) == [("error", {"error": "no queue"})]


def test_an_interruption_is_no_end(tmp_path: Path) -> None:
    class Interrupted(Here):
        def collect(self, timeout: float = 0.0) -> list[Result]:
            raise KeyboardInterrupt

    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner, pytest.raises(KeyboardInterrupt):
        run(tuner, Interrupted(), progress=False)
    assert ends(path) == [] and Tuner.read(path).end is None


def test_advance_says_it_once_when_nothing_more_comes(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    launcher = Here()
    for _ in range(6):
        with Tuner(small(), Random(), journal=path, max_trials=4) as tuner:
            more = advance(tuner, launcher)
        assert ends(path) == ([] if more else [("budget", {"max_trials": 4})])
    assert not more


def test_added_seconds_cost_nothing(tmp_path: Path) -> None:
    tuner = Tuner(small(), Random(), journal=tmp_path / "run.jsonl")
    tuner.add(tuner.space.params((0, 0, 0)), 1.0, seconds=50 * 3600.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DsiceWarning)
        run(tuner, Here(seconds=36.0), max_cost=0.1, progress=False)
    assert tuner.asked >= 2 and tuner.end is not None and tuner.end.reason == "cost"
    tuner.close()
    empty = Tuner(small(), DSICE())
    assert affordable(7, empty, 1.0, 0) == 7 and affordable(7, empty, 0.0, 0) == 0
    empty.add(empty.space.params((0, 0, 0)), 1.0, seconds=1800.0)
    assert affordable(7, empty, 1.0, 0) == math.ceil(3600 / 1800)


def test_a_strategy_that_fails_when_it_is_over_does_not_fail_the_run() -> None:
    class Odd:
        def ask(self, n: int, space: Any, history: Any, stream: Any) -> list[Any]:
            return []

        def exhausted(self, space: Any, history: Any, stream: Any) -> bool:
            raise RuntimeError("of its own")

    tuner = run(Tuner(small(), Odd()), Here(), progress=False)
    assert tuner.noted_end is not None and tuner.noted_end.reason == "complete"
