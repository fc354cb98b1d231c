"""A study in which everything fails alike: its run ends, and names the error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import Trial, Tuner, run
from dsice.cli.main import main
from dsice.errors import LaunchError, OptionError
from dsice.launchers import Local
from dsice.launchers.base import Job, Result
from dsice.running.failing import FirstFailures, cause
from dsice.strategies import Grid
from tests.running.test_run import InMemory

GRID = {"x": range(20), "y": range(20)}
ERR = "exit code 1\nlast lines of stderr:\n"
NOT_FOUND = "pyton: (command )?not found"


def broken(id: int, text: str = ERR + "no file /tmp/{id}.txt") -> Result:
    return Result(id, "failed", error=text.format(id=id))


def tuned(answer: Callable[[Job], Result], **options: int) -> Tuner:
    tuner = Tuner(GRID, Grid(), max_trials=60)
    return run(tuner, InMemory(answer), progress=False, **options)  # type: ignore[arg-type]


def test_a_typo_ends_the_run_after_few_trials_and_is_named(tmp_path: Path) -> None:
    with Tuner(GRID, journal=tmp_path / "run.jsonl", max_trials=400) as tuner:
        launcher = Local("pyton train.py {x} {y}", slots=4, directory=tmp_path / "trials")
        with (
            launcher,
            pytest.raises(LaunchError, match=rf"all 8 trials.*{NOT_FOUND}"),
        ):
            run(tuner, launcher, progress=False)
        assert len(tuner.history) == 8 and tuner.history.failed().all()


@pytest.mark.parametrize(("options", "asked"), [({}, 8), ({"stop_after_failures": 3}, 3)])
def test_the_last_is_that_many(options: dict[str, int], asked: int) -> None:
    tuner = Tuner(GRID, Grid(), max_trials=60)
    with pytest.raises(LaunchError, match=rf"(?s)all {asked} trials.*no file /tmp/\d+.txt"):
        run(tuner, InMemory(lambda job: broken(job.id)), progress=False, **options)  # type: ignore[arg-type]
    assert asked <= len(tuner.history) <= max(asked, 4)  # four slots are filled at once


@pytest.mark.filterwarnings("ignore:none of the 60 trials has a value")
@pytest.mark.parametrize(
    "answer",
    [
        lambda job: broken(job.id, "exit code 1" if job.id % 5 else "another error"),
        lambda job: Result(job.id, "timed_out" if job.id == 3 else "failed", error="no"),
    ],
)
def test_two_causes_are_none(answer: Callable[[Job], Result]) -> None:
    assert len(tuned(answer).history) == 60


@pytest.mark.filterwarnings("ignore:none of the 60 trials has a value")
def test_it_can_be_turned_off() -> None:
    assert len(tuned(lambda job: broken(job.id), stop_after_failures=0).history) == 60
    with pytest.raises(OptionError, match="stop_after_failures"):
        tuned(lambda job: broken(job.id), stop_after_failures=-1)


def test_one_measurement_is_enough_whenever_it_was() -> None:
    values = {7: 1.0}
    tuner = tuned(lambda job: Result(job.id, "done", 1.0) if job.id in values else broken(job.id))
    assert len(tuner.history) == 60 and int(tuner.history.failed().sum()) == 59
    tuner = Tuner(GRID, Grid(), max_trials=60)
    tuner.add({"x": 19, "y": 19}, 1.0)
    run(tuner, InMemory(lambda job: broken(job.id)), progress=False)
    assert tuner.asked == 60


def test_a_run_after_the_repair_begins_anew() -> None:
    tuner = Tuner(GRID, Grid(), max_trials=60)
    with pytest.raises(LaunchError):
        run(tuner, InMemory(lambda job: broken(job.id)), progress=False)
    failed = [trial.id for trial in tuner.history]
    tuner.retry(failed)
    run(tuner, InMemory(lambda job: Result(job.id, "done", float(job.id))), progress=False)
    assert len(tuner.history) == 60 and not tuner.history.failed().any()
    assert all(tuner.tries(id) == 1 for id in failed)


def test_failures_of_one_point_are_no_reason() -> None:
    tuner = Tuner({"x": range(9)}, Grid())
    (trial,) = tuner.ask(1)
    failures = FirstFailures(tuner.history, 3, 1)
    for _ in range(5):
        failures.note(Trial(**_fields(trial), state="failed", error="no"))  # type: ignore[arg-type]
    failures.check()
    assert failures.left(0) == float("inf")


def _fields(trial: Trial) -> dict[str, object]:
    return {name: getattr(trial, name) for name in ("id", "round", "params", "point")}


def test_short_calls_count_what_ended_before_and_stop_at_a_new_end_only() -> None:
    tuner = Tuner(GRID, Grid())
    for trial in tuner.ask(6):
        tuner.tell(trial, error="no such file")
    failures = FirstFailures(tuner.history, None, 1)
    failures.note_earlier(tuner.history)
    failures.check()
    assert failures.left(0) == float("inf")
    failures.note(tuner.tell(tuner.ask(1)[0], error="no such file"))
    with pytest.raises(LaunchError, match="all 7 trials"):
        failures.check()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            f"{ERR}x = 3: bad",
            f"{ERR}x = 44: bad",
            True,
        ),
        (
            f"{ERR}bad",
            f"{ERR}worse",
            False,
        ),
        ("exit code 1\nlogs: /a/1/stderr", "exit code 1\nlogs: /b/2/stderr", True),
        ("at 0x7ffe", "at 0x12ab", True),
        (
            f"{ERR}bad\nlast lines of stdout:\nepoch one",
            f"{ERR}bad\nlast lines of stdout:\nepoch two",
            True,
        ),
    ],
)
def test_causes_are_compared_without_their_numbers(one: str, other: str, same: bool) -> None:
    tuner = Tuner(GRID, Grid())
    first, second = tuner.ask(2)
    causes = {cause(tuner.tell(first, error=one)), cause(tuner.tell(second, error=other))}
    assert (len(causes) == 1) is same


# ------------------------------------------------------------------ doctor
STUDY = """
[study]
command = '{command}'
max_trials = 9
[space]
x = [1, 2, 3]
y = [1, 2, 3]
[goal]
metric = "loss"
"""


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (
            'printf "{\\"loss\\": %s.5, \\"memory\\": %s}" {x} {y}',
            0,
            r"trial +ok: x = \d, y = \d: loss \d.5, memory \d in",
        ),
        ("pyton {x} {y}", 1, rf"trial +FAILED: x = \d, y = \d: it ended as failed: .*{NOT_FOUND}"),
        ("echo {x} {y} >&2; echo 3; false", 1, r"trial +FAILED: .*exit code 1"),
        (
            'printf "{\\"other\\": %s%s}" {x} {y}',
            1,
            r"trial +FAILED: .*the goal needs 'loss'",
        ),
        ("sleep 30; echo {x} {y}", 1, r"trial +FAILED: .*has not ended within --wait 5 s"),
    ],
    ids=["well", "typo", "fails", "another metric", "long"],
)
def test_doctor_runs_one_trial_and_records_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, code: int, said: str
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY.replace("{command}", command))
    assert main(["doctor", str(file), "--wait", "5" if "30" in command else "60"]) == code
    out = capsys.readouterr().out
    assert re.search(f"^{said}", out, re.MULTILINE), out
    assert not file.with_suffix(".jsonl").exists()


def test_doctor_prepares_what_the_trial_depends_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    text = STUDY.replace("{command}", 'cat "$DSICE_PREPARED"/data; : {x} {y}')
    prepare = "prepare = 'echo 7 > \"$DSICE_DIR\"/data'"
    file.write_text(text.replace("max_trials = 9", f"max_trials = 9\n{prepare}"))
    assert main(["doctor", str(file)]) == 0
    assert re.search(r"^trial +ok: .*: loss 7 in", capsys.readouterr().out, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]
