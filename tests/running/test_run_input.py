"""What a user can get wrong in a call of run or minimize, and in what the program gives."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pandas as pd
import pytest

from dsice import DsiceWarning, Goal, Tuner, advance, minimize, run
from dsice.errors import OptionError
from dsice.launchers import Table
from dsice.running.options import RunOptions


def table(**columns: list[float]) -> Table:
    return Table(
        pd.DataFrame({"x": [1, 2, 3], **columns}),
        objective=next(iter(columns)),
        params=["x"],
        metrics=list(columns)[1:],
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "batch"}, r"mode='batch'.*'async' or 'rounds'"),
        ({"max_trials": 0}, r"max_trials=0.*>= 1"),
        ({"max_trials": 2.5}, r"max_trials=2\.5"),
        ({"max_seconds": -1}, r"max_seconds=-1"),
        ({"max_seconds": "1h"}, r"max_seconds='1h'.*seconds"),
        ({"retries": -1}, r"retries=-1"),
        ({"callbacks": print}, r"callbacks=.*list of functions"),
        ({"callbacks": ["print"]}, r"callbacks=.*list of functions"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_asked(
    options: dict[str, Any], words: str
) -> None:
    tuner = Tuner({"x": [1, 2, 3]})
    with pytest.raises(OptionError, match=words):
        run(tuner, table(loss=[3.0, 1.0, 2.0]), progress=False, **options)
    assert len(tuner.history) == 0


def test_the_program_in_the_place_of_a_launcher_is_told_so() -> None:
    with pytest.raises(OptionError, match=r"launcher=.*Local\(function\)"):
        run(Tuner({"x": [1, 2, 3]}), lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="expected a Tuner"):
        run({"x": [1, 2, 3]}, table(loss=[3.0, 1.0, 2.0]))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="slots=0"):
        minimize(lambda x: x, {"x": [1, 2, 3]}, slots=0)


def test_minimize_takes_the_old_name_of_slots_and_warns() -> None:
    with (
        pytest.warns(DeprecationWarning, match="slots"),
        pytest.raises(OptionError, match="slots=0"),
    ):
        minimize(lambda x: x, {"x": [1, 2, 3]}, workers=0)


def test_run_and_advance_have_every_option_with_its_default() -> None:
    for function in (run, advance):
        arguments = inspect.signature(function).parameters
        for option in fields(RunOptions):
            assert arguments[option.name].default == option.default, option.name


def test_what_a_program_measured_is_kept_where_the_goal_needs_more() -> None:
    tuner = Tuner({"x": [1, 2, 3]}, goal=Goal("loss", at_most={"memory": 8}))
    with pytest.warns(DsiceWarning, match=r"none of the 3 trials has a value.*'memory'"):
        run(tuner, table(loss=[3.0, 1.0, 2.0], speed=[1.0, 2.0, 3.0]), progress=False)
    trial = tuner.history[0]
    assert (
        trial.state == "failed"
        and trial.metrics["speed"] == trial.params["x"]
        and "'memory'" in str(trial.error)
    )


def test_no_warning_where_one_trial_has_a_value(recwarn: pytest.WarningsRecorder) -> None:
    tuner = run(
        Tuner({"x": [1, 2, 3]}), table(loss=[float("nan"), 1.0, float("inf")]), progress=False
    )
    assert tuner.best is not None and tuner.best.params == {"x": 2}
    assert not [w for w in recwarn if issubclass(w.category, DsiceWarning)]
