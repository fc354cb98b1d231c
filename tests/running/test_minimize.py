"""`minimize`: its goal, start and time limit, and what Ctrl-C leaves."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import pytest

from dsice import Goal, Tuner, minimize, run
from dsice.errors import DsiceWarning, OptionError
from dsice.launchers import Local
from dsice.running.interrupted import keeping_results
from tests.by_value import by_value

AXES = {"x": range(6), "y": range(6)}


@by_value
def score(x: int, y: int) -> dict[str, float]:
    return {"accuracy": -float(x + y), "memory": float(10 - x)}


def test_it_takes_a_goal_and_settings_to_start_from() -> None:
    goal = Goal("accuracy", maximize=True, at_most={"memory": 8})
    tuner = minimize(
        score, AXES, goal=goal, start={"x": 5, "y": 5}, slots=2, max_trials=36, progress=False
    )
    assert tuner.history[0].params == {"x": 5, "y": 5}
    best = tuner.best
    assert best is not None and dict(best.params) == {"x": 2, "y": 0}


def test_a_trial_that_takes_too_long_is_ended() -> None:
    def sleep(x: int) -> int:
        import time

        time.sleep(0 if x else 100)
        return x

    tuner = minimize(sleep, {"x": [0, 1]}, timeout=4, slots=2, progress=False)
    assert [(t.params["x"], str(t.state)) for t in tuner.history if t.params["x"] == 0] == [
        (0, "timed_out")
    ]


def test_bad_options_are_refused_by_name() -> None:
    with pytest.raises(OptionError, match="timeout"):
        minimize(score, AXES, timeout=-1)
    with pytest.raises(OptionError, match="goal"):
        minimize(score, AXES, goal="accuracy")  # type: ignore[arg-type]


@pytest.mark.parametrize("journal", [False, True])
def test_ctrl_c_keeps_what_was_measured_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, journal: bool
) -> None:
    monkeypatch.setenv("MAIN", str(os.getpid()))
    monkeypatch.setenv("STOP_AT", "3")

    def cost(x: int, y: int) -> int:
        import os
        import signal
        import time

        if os.environ["DSICE_TRIAL"] == os.environ["STOP_AT"]:
            os.kill(int(os.environ["MAIN"]), signal.SIGINT)
            time.sleep(60)
        return x + y

    path = tmp_path / "run.jsonl" if journal else None

    def search() -> Tuner:
        return minimize(cost, AXES, journal=path, slots=1, max_trials=6, progress=False)

    with pytest.warns(DsiceWarning, match="minimize was interrupted: 3 trials ended") as said:
        tuner = search()
    assert [str(trial.state) for trial in tuner.history] == ["done"] * 3 + ["pending"]
    assert said[0].filename == __file__
    text = str(said[0].message)
    assert f"best value {tuner.history.best.value:g}" in text  # type: ignore[union-attr]
    monkeypatch.setenv("STOP_AT", "none")
    if journal:
        assert f"The same call goes on; the journal {path} has everything" in text
        tuner = search()
    else:
        assert "go on with: dsice.run(tuner, dsice.launchers.Local(cost))" in text
        with Local(cost, slots=1) as launcher:
            run(tuner, launcher, progress=False)
    assert [str(trial.state) for trial in tuner.history] == ["done"] * 6


def test_a_second_ctrl_c_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), warnings.catch_warnings():
        warnings.simplefilter("error")
        with keeping_results(Tuner(AXES), score):
            try:
                raise KeyboardInterrupt
            finally:
                signal.raise_signal(signal.SIGINT)
