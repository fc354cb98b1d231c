"""`Batch` on fakes of PJM and PBS; test_slurm.py tests it on a real Slurm."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers import Batch, Job, Local, Result, Scheduler
from dsice.launchers.batch import submitter
from dsice.launchers.batch.patience import Backoff
from dsice.launchers.batch.scheduler import PJM, SLURM
from tests.launchers import programs
from tests.launchers.fixtures import Fake
from tests.launchers.helpers import drain, eventually, mark, marked, steps

WAITING = (
    'echo run >> "$DSICE_DIR/runs"; while test ! -e "$DSICE_DIR/go"; do sleep 0.05; done; echo {x}'
)
"""A command that notes its run and waits for a file."""


def batch(fake: Fake, program: Any, place: Path, **options: Any) -> Batch:
    settings: dict[str, Any] = {
        "slots": 4,
        "poll": 0.3,
        "lost_after": 1.0,
        "throttle": 0.0,
        "scheduler": fake.name,
    }
    return Batch(program, directory=place / "trials", **(settings | options))


def jobs(*ids: int) -> list[Job]:
    return [Job(id, {"x": id}) for id in ids]


# ---------------------------------------------------------------------- results
def test_trials_come_back_once_with_value_times_and_job(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "sleep 0.2; echo $(({x} * {x}))", tmp_path) as launcher:
        before = time.time()
        launcher.submit(jobs(1, 2, 3))
        results = drain(launcher, 3)
        assert {id: result.value for id, result in results.items()} == {1: 1.0, 2: 4.0, 3: 9.0}
        queued, started, ended = results[2].times
        assert queued is not None and started is not None and ended is not None
        assert before <= queued <= started < ended <= time.time()
        # run time, not the wait
        assert results[2].seconds == pytest.approx(ended - started, abs=0.1)
        assert results[2].where["job"] == "101" and results[2].where["host"] == os.uname().nodename
        assert list(launcher.collect(0.05)) == []
    assert json.loads((tmp_path / "trials" / "2" / "params.json").read_text()) == {"x": 2}
    assert list((tmp_path / "trials" / "ended").iterdir()) == []


def test_a_function_needs_nothing_but_the_directory(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, programs.square, tmp_path) as launcher:
        launcher.submit(jobs(3, 93))
        results = drain(launcher, 2)
        assert results[3].value == 9.0
        assert results[93].state == "failed" and "no such thing" in str(results[93].error)
        assert str(results[93].where["log"]) in str(results[93].error)


def test_the_environment_is_written_into_the_script(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_HERE", "it's here")
    monkeypatch.setenv("STAYS", "never seen")
    show = (
        'echo "$FROM_HERE|$GIVEN|$STAYS|$SET|$DSICE_TRIAL|$DSICE_STAGE|'
        '$(basename $DSICE_PARENT_DIR)|$PWD" >&2; echo 1'
    )
    options: dict[str, Any] = {
        "env": {"GIVEN": "a b", "HOME": None},
        "forward": ["FROM_HERE", "MISSING"],
        "setup": ["export SET=up"],
    }
    (tmp_path / "trials" / "3").mkdir(parents=True)
    with batch(fake, show, tmp_path, **options) as launcher:
        launcher.submit([Job(7, {}, stage=2, parent=3)])
        assert drain(launcher, 1)[7].value == 1.0
    said = (tmp_path / "trials" / "7" / "stderr").read_text()
    assert said == f"it's here|a b||up|7|2|3|{Path.cwd()}\n"
    script = next((tmp_path / "trials" / "jobs").glob("*.sh")).read_text()
    assert "unset HOME" in script and " -X" not in script and " -V" not in script


def test_a_learning_curve_arrives_before_the_result(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, programs.curve, tmp_path) as launcher:
        launcher.submit([Job(0, {"steps": 3})])
        events: list[Any] = []
        assert eventually(
            lambda: (
                events.extend(launcher.collect(0.2))  # type: ignore[func-returns-value]
                or any(isinstance(e, Result) for e in events)
            )
        )
        assert steps(events) == [(0, 1.0), (1, 0.5), (2, 1 / 3)] and isinstance(events[-1], Result)


def test_trials_that_share_a_job_have_their_own_gpus(fake: Fake, tmp_path: Path) -> None:
    show = 'echo "$CUDA_VISIBLE_DEVICES $DSICE_SLOT" >&2; sleep 0.3; test {x} != 1 && echo {x}'
    for setup, expected in (
        ([], ["0,1 0", "2,3 1", "4,5 2", "0,1 0"]),
        (["export CUDA_VISIBLE_DEVICES=7,5,3,2,1,0"], ["7,5 0", "3,2 1"]),
    ):
        count = len(expected)
        with batch(
            fake, show, tmp_path, per_job=3, gpus=2, setup=setup, resources={"-x": "gpus"}
        ) as launcher:
            before = fake.submissions
            launcher.submit(jobs(*range(count)))
            results = drain(launcher, count)
            assert [results[id].state for id in range(count)] == ["done", "failed", "done", "done"][
                :count
            ]
            assert fake.submissions - before == -(-count // 3)
        assert [
            (tmp_path / "trials" / str(id) / "stderr").read_text().strip() for id in range(count)
        ] == [
            # one that is alone in its job has all of the job's devices
            said if id != 3 else "0"
            for id, said in enumerate(expected)
        ]


def test_run_tunes_through_it(fake: Fake, tmp_path: Path) -> None:
    with (
        Tuner({"x": range(5)}, max_trials=5) as tuner,
        batch(fake, "echo $(({x} - 3))", tmp_path) as launcher,
    ):
        run(tuner, launcher, progress=False)
    assert tuner.best is not None and tuner.best.params == {"x": 0} and len(tuner.history) == 5


# ---------------------------------------------------------------------- a queue as it is
def test_a_full_queue_means_wait(fake: Fake, tmp_path: Path) -> None:
    fake.tell("limit", "1")
    with (
        batch(fake, "sleep 0.2; echo {x}", tmp_path) as launcher,
        pytest.warns(DsiceWarning, match=r"queue is full[\s\S]*limit"),
    ):
        launcher.submit(jobs(0, 1))
        assert {id: result.value for id, result in drain(launcher, 2).items()} == {0: 0.0, 1: 1.0}


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b", "y" * 200_000])
def test_what_no_job_script_can_hold_fails_alone(fake: Fake, tmp_path: Path, value: str) -> None:
    with batch(fake, "echo {x} > /dev/null; echo 1", tmp_path) as launcher:
        launcher.submit([Job(0, {"x": value}), Job(1, {"x": "good"})])
        results = drain(launcher, 2)
    assert results[0].state == "failed" and "params.json" in str(results[0].error)
    assert results[1].value == 1.0


@pytest.mark.parametrize("lost", ["bin", "jobs", "ended"])
def test_what_jobs_need_is_made_again_where_a_disk_was_cleared(
    lost: str, fake: Fake, tmp_path: Path
) -> None:
    with batch(fake, "echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
        drain(launcher, 1)
        shutil.rmtree(tmp_path / "trials" / lost)
        launcher.submit(jobs(1))
        assert drain(launcher, 1)[1].value == 1.0


def test_a_queue_that_takes_nothing_for_hours_is_an_error(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that the job itself is beyond looks like one of the number of jobs."""
    monkeypatch.setattr(submitter, "_REFUSED", 0.3)
    monkeypatch.setattr(submitter, "_FIRST_PAUSE", 0.02)
    fake.tell("limit", "1")
    with batch(fake, WAITING, tmp_path) as launcher:
        with pytest.warns(DsiceWarning, match="queue is full"):
            launcher.submit(jobs(0, 1))
        assert launcher.collect(0.35) == []  # trial 0 is what trial 1 waits for
        fake.tell("limit", "0")
        (tmp_path / "trials" / "0" / "go").touch()
        assert drain(launcher, 1)[0].state == "done"
        with pytest.raises(LaunchError, match=r"taken no job for[\s\S]*limit"):
            drain(launcher, 1)


@pytest.mark.parametrize("early", [False, True], ids=["it still runs", "it has ended"])
def test_a_submission_that_only_seemed_to_fail_is_not_repeated(
    fake: Fake, tmp_path: Path, early: bool
) -> None:
    fake.tell("swallow")
    place = tmp_path / "trials" / "3"
    with batch(fake, WAITING, tmp_path) as launcher:
        with pytest.warns(DsiceWarning, match="queue is full"):
            launcher.submit(jobs(3))
        if early:
            (place / "go").touch()
            assert eventually((place / "exit.json").exists)
        else:
            assert launcher.collect(2.5) == []
            (place / "go").touch()
        assert drain(launcher, 1)[3].value == 3.0
    assert (place / "runs").read_text() == "run\n" and fake.submissions == 1


@pytest.mark.parametrize(
    "down", [False, True], ids=["the queue answers", "it does not answer at first"]
)
# they warn if they were asked meanwhile
@pytest.mark.filterwarnings("ignore:pjm does not answer:dsice.errors.DsiceWarning")
@pytest.mark.filterwarnings("ignore:pbs does not answer:dsice.errors.DsiceWarning")
def test_cancelling_ends_the_job_of_a_submission_that_only_seemed_to_fail(
    fake: Fake, tmp_path: Path, down: bool
) -> None:
    fake.tell("swallow")
    with batch(fake, "sleep 60; echo {x}", tmp_path) as launcher:
        with pytest.warns(DsiceWarning, match="queue is full"):
            launcher.submit(jobs(3))
        assert (
            eventually((tmp_path / "trials" / "3" / "process.json").exists)
            and launcher.queued() == 1
        )
        if down:
            fake.tell("down", "no connection")
            launcher.cancel(3)
            assert launcher.collect(0.1) == []
            fake.forget("down")
        else:
            launcher.cancel(3)
        assert drain(launcher, 1)[3].state == "stopped"
        assert launcher.queued() == 0 and fake.submissions == 1


def test_submissions_are_throttled(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "echo {x}", tmp_path, throttle=30) as launcher:
        launcher.submit(jobs(0, 1, 2))
        assert drain(launcher, 1)[0].value == 0.0
        assert fake.submissions == 1
        launcher.cancel(1)  # it has not been submitted, and is not any more
        assert drain(launcher, 1)[1].state == "stopped"


def test_a_trial_whose_job_vanishes_is_lost_after_a_time_of_grace(
    fake: Fake, tmp_path: Path
) -> None:
    with batch(fake, "sleep 60; echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0, 1))
        directory = tmp_path / "trials"
        assert eventually(lambda: all((directory / id / "process.json").exists() for id in "01"))
        for number in (100, 101):  # the machine is gone
            os.killpg(
                int((fake.place / "jobs" / str(number)).read_text().split()[1]), signal.SIGKILL
            )
            supervisor = json.loads((directory / str(number - 100) / "process.json").read_text())[
                "pid"
            ]
            os.kill(supervisor, signal.SIGKILL) if Path(f"/proc/{supervisor}").exists() else None
        asked = time.monotonic()
        results = drain(launcher, 2)
        assert time.monotonic() - asked >= 0.9
        assert {result.state for result in results.values()} == {"lost"}
        assert "job 100 is not in the" in str(results[0].error) and "log of the job: " in str(
            results[0].error
        )


def test_late_files_are_waited_for(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, programs.square, tmp_path, lost_after=20.0) as launcher:
        launcher.submit(jobs(2))
        place = tmp_path / "trials" / "2"
        assert eventually(lambda: (place / "exit.json").exists())
        hidden = [(place / name).rename(tmp_path / name) for name in ("exit.json", "result.json")]
        # it left the queue, but there is no file
        assert eventually(lambda: not fake.calls("x") and launcher.collect(1.5) == [], 5.0)
        for path in reversed(hidden):
            path.rename(place / path.name)
            if path.name == "result.json":
                assert launcher.collect(0.5) == []
        assert drain(launcher, 1)[2].value == 4.0


def test_a_half_written_result_fails_with_its_text(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, programs.square, tmp_path) as launcher:
        launcher.submit(jobs(2))
        place = tmp_path / "trials" / "2"
        assert eventually(lambda: (place / "exit.json").exists())
        (place / "result.json").write_text('{"value": 4')
        result = drain(launcher, 1)[2]
        assert (
            result.state == "failed"
            and "written half" in str(result.error)
            and str(place) in str(result.error)
        )


def test_the_scheduler_is_asked_once_for_all_jobs_and_less_and_less_often(
    fake: Fake, tmp_path: Path
) -> None:
    fake.tell("hold")
    with batch(fake, "echo {x}", tmp_path, poll=10.0) as launcher:
        began = time.monotonic()
        launcher.submit(jobs(0, 1, 2, 3))
        assert launcher.collect(4.5) == []
        assert (
            1
            <= len(fake.calls("pjstat") + fake.calls("qstat"))
            <= (time.monotonic() - began) / 2 + 1
        )
        fake.tell("down", "the scheduler sleeps")
        launcher.cancel_all()
        assert len(fake.calls("pjdel") + fake.calls("qdel")) == 1


def test_looks_come_soon_at_first_and_every_ten_seconds_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("dsice.launchers.batch.patience.time.monotonic", lambda: now)
    pace, looks = Backoff(0.1, 10.0), []
    while now < 1600.0:
        now += max(0.01, pace.seconds_left())
        if pace.due():
            looks.append(now - 1000.0)
    gaps = [b - a for a, b in itertools.pairwise(looks)]
    assert looks[0] <= 0.2 and all(
        gap <= 0.12 + 0.06 * at for gap, at in zip(gaps, looks, strict=False)
    )
    assert gaps[-1] == pytest.approx(10.0) and len(looks) < 150
    pace.restart()
    assert pace.seconds_left() <= 0.1


def test_a_scheduler_that_does_not_answer_is_asked_again(fake: Fake, tmp_path: Path) -> None:
    fake.tell("hold")
    with batch(fake, "echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
        fake.tell("down", "come back later")
        with pytest.warns(DsiceWarning, match=r"does not answer[\s\S]*come back later"):
            launcher.collect(2.5)
        fake.forget("down")
        launcher.cancel(0)
        assert drain(launcher, 1)[0].state == "stopped"


# ---------------------------------------------------------------------- time limits, second tries
def test_a_trial_cut_short_is_submitted_again_and_finds_its_checkpoint(
    fake: Fake, tmp_path: Path
) -> None:
    command = (
        'n=$(cat "$DSICE_DIR/checkpoint" 2>/dev/null || echo 0); '
        'echo $((n + 1)) > "$DSICE_DIR/checkpoint"; echo 77; '
        "test $n = 2 || sleep 60; echo $n"
    )
    with batch(fake, command, tmp_path, timeout=0.4, requeue=2) as launcher:
        launcher.submit(jobs(0))
        result = drain(launcher, 1)[0]
    assert (result.state, result.value) == ("done", 2.0)
    assert fake.submissions == 3
    # the run time of all three submissions
    assert result.seconds is not None and 0.8 < result.seconds < 5
    queued, started, ended = result.times
    assert (
        queued is not None
        and started is not None
        and ended is not None
        and ended - started > result.seconds
    )
    assert (tmp_path / "trials" / "0" / "stdout.2").read_text() == "77\n"


def test_without_requeue_the_limit_is_final(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "sleep 60; echo {x}", tmp_path, timeout=0.3) as launcher:
        launcher.submit(jobs(0))
        assert drain(launcher, 1)[0].state == "timed_out"
    script = next((tmp_path / "trials" / "jobs").glob("*.sh")).read_text()
    assert ("elapse=0:02:00" if fake.name == "pjm" else "walltime=0:02:00") in script


# ---------------------------------------------------------------------- cancel, close, attach
@pytest.mark.parametrize("per_job", [1, 2])
def test_a_cancelled_trial_ends_with_all_its_processes(
    fake: Fake, tmp_path: Path, per_job: int
) -> None:
    sign = mark()
    with batch(
        fake, f"setsid sleep {sign} & sleep {sign}; echo {{x}}", tmp_path, per_job=per_job
    ) as launcher:
        launcher.submit(jobs(0, 1))
        assert eventually(
            lambda: (
                len(marked(f"sleep {sign}")) == 4
                and all((tmp_path / "trials" / id / "process.json").exists() for id in "01")
            )
        )
        launcher.cancel(0)
        launcher.cancel(0)
        launcher.cancel(4711)
        assert drain(launcher, 1)[0].state == "stopped"
        assert (tmp_path / "trials" / "0" / "stop").exists()
        assert launcher.collect(0.3) == [] and marked(sign) != []  # the other one runs on
        launcher.cancel(1)
        assert drain(launcher, 1)[1].state == "stopped"
        assert eventually(lambda: not marked(sign), 3.0)


def test_a_waiting_job_is_taken_out_of_the_queue(fake: Fake, tmp_path: Path) -> None:
    fake.tell("hold")
    with batch(fake, "echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
        launcher.cancel(0)
        result = drain(launcher, 1)[0]
        assert (
            result.state == "stopped"
            and result.seconds is None
            and result.times[1:] == (None, None)
        )
        assert list((fake.place / "jobs").iterdir()) == []


def test_close_leaves_the_jobs_and_says_how_to_go_on(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = batch(fake, WAITING, tmp_path)
    launcher.submit(jobs(0, 1))
    assert eventually(lambda: all((tmp_path / "trials" / id / "runs").exists() for id in "01"))
    launcher.close()
    launcher.close()
    with pytest.raises(LaunchError, match="closed"):
        launcher.submit(jobs(2))
    said = capsys.readouterr().err
    assert (
        "2 trials stay in the" in said
        and f"{'pjdel' if fake.name == 'pjm' else 'qdel'} 100 101" in said
    )
    (tmp_path / "trials" / "0" / "go").touch()
    assert eventually((tmp_path / "trials" / "0" / "exit.json").exists)
    with batch(fake, WAITING, tmp_path) as again:
        assert again.attach(jobs(0, 1, 2)) == [0, 1]
        assert again.attach(jobs(0, 1)) == []
        assert drain(again, 1)[0].value == 0.0
        (tmp_path / "trials" / "1" / "go").touch()
        assert drain(again, 1)[1].value == 1.0
    assert [(tmp_path / "trials" / id / "runs").read_text() for id in "01"] == ["run\n", "run\n"]
    assert fake.submissions == 2


def test_a_job_whose_id_was_never_written_down_is_found_by_its_name(
    fake: Fake, tmp_path: Path
) -> None:
    with batch(fake, WAITING, tmp_path) as launcher:
        launcher.submit(jobs(0, 1))
    for id in "01":
        record = tmp_path / "trials" / id / "batch.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"job": None}))
        (tmp_path / "trials" / id / "go").touch() if id == "1" else None
    # trial 1 ended while nobody knew its id
    assert eventually((tmp_path / "trials" / "1" / "exit.json").exists)
    with batch(fake, WAITING, tmp_path) as again:
        assert again.attach(jobs(0, 1)) == [0, 1]
        (tmp_path / "trials" / "0" / "go").touch()
        results = drain(again, 2)
        assert {id: result.value for id, result in results.items()} == {0: 0.0, 1: 1.0} and results[
            0
        ].where["job"] == "100"
    assert fake.submissions == 2


def test_only_the_same_trial_of_the_same_study_is_attached(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "sleep 0.1; echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
    for program, job in (
        ("echo  {x}", Job(0, {"x": 0})),
        ("sleep 0.1; echo {x}", Job(0, {"x": 1})),
        ("sleep 0.1; echo {x}", Job(1)),
    ):
        with batch(fake, program, tmp_path) as other:
            assert other.attach([job]) == []


def test_a_submission_that_was_forgotten_does_not_run_beside_its_successor(
    fake: Fake, tmp_path: Path
) -> None:
    fake.tell("hold")
    command = 'echo run >> "$DSICE_DIR/runs"; echo {x}'
    with batch(fake, command, tmp_path) as launcher:
        launcher.submit(jobs(0))
    held = fake.place / "script.100"
    fake.forget("hold")
    # the queue does not show it for a while, but it starts nevertheless, late
    (fake.place / "jobs" / "100").unlink()
    (tmp_path / "trials" / "0" / "batch.json").unlink()
    with batch(fake, command, tmp_path) as again:
        assert again.attach(jobs(0)) == []
        again.submit(jobs(0))
        assert drain(again, 1)[0].value == 0.0
    subprocess.run(["/bin/bash", held], check=True)
    assert (tmp_path / "trials" / "0" / "runs").read_text() == "run\n"


COORDINATOR = """
import sys, warnings
from dsice import Tuner, run
from dsice.launchers import Batch
name, place = sys.argv[1:]
command = (
    'echo run >> "$DSICE_DIR/runs"; '
    'while test ! -e "$DSICE_DIR/go"; do sleep 0.05; done; echo {x}'
)
launcher = Batch(command, scheduler=name, slots=2, directory=place + "/trials", poll=0.3)
with Tuner({"x": range(2)}, journal=place + "/journal.jsonl") as tuner:
    run(tuner, launcher, progress=False)
print(sorted((trial.id, trial.value) for trial in tuner.history))
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_coordinator_that_is_ended_leaves_its_jobs_and_the_next_goes_on(
    fake: Fake, tmp_path: Path, sign: signal.Signals
) -> None:
    command = [sys.executable, "-c", COORDINATOR, fake.name, str(tmp_path)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert eventually(
        lambda: all((tmp_path / "trials" / id / "runs").exists() for id in "01"), 20.0
    )
    first.send_signal(sign)
    said = first.communicate(timeout=20)[1]
    assert first.returncode != 0
    if sign != signal.SIGKILL:
        assert "2 trials stay in the" in said and "to go on, run the same again" in said
    for id in "01":
        (tmp_path / "trials" / id / "go").touch()
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert len(re.findall(r"\(\d, \d\.0\)", second.stdout)) == 2
    assert [(tmp_path / "trials" / id / "runs").read_text() for id in "01"] == ["run\n", "run\n"]
    assert fake.submissions == 2


def test_ctrl_c_does_not_cut_a_submission_short(fake: Fake, tmp_path: Path) -> None:
    fake.tell("slow")
    code = COORDINATOR.replace("range(2)", "[5]")
    command = [sys.executable, "-c", code, fake.name, str(tmp_path)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert eventually(lambda: fake.submissions == 1, 20.0)
    os.killpg(first.pid, signal.SIGINT)  # as the terminal does: to all in the foreground
    first.communicate(timeout=20)
    assert eventually((tmp_path / "trials" / "0" / "runs").exists)
    (tmp_path / "trials" / "0" / "go").touch()
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "(0, 5.0)" in second.stdout and fake.submissions == 1
    assert (tmp_path / "trials" / "0" / "runs").read_text() == "run\n"


def test_a_job_of_an_array_is_told_from_a_plain_one_of_the_same_name() -> None:
    assert SLURM.is_element("12_4", 4) and SLURM.is_element("12", None)
    assert not SLURM.is_element("12_14", 4) and not SLURM.is_element("12_4", None)
    assert PJM.is_element("12", None)


def test_two_launchers_never_share_a_directory(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "echo 1", tmp_path) as first:
        first.submit([Job(1)])
        with (
            batch(fake, "echo 1", tmp_path) as second,
            pytest.raises(LaunchError, match="in use by another launcher"),
        ):
            second.submit([Job(2)])
        with (
            Local("echo 1", directory=tmp_path / "trials") as local,
            pytest.raises(LaunchError, match="in use"),
        ):
            local.submit([Job(2)])
        assert drain(first, 1)[1].value == 1.0


# ---------------------------------------------------------------------- bad input
def test_a_refused_job_shows_command_answer_and_script(fake: Fake, tmp_path: Path) -> None:
    fake.tell("refuse", "[ERR.] PJM 0057 pjsub node=32 is greater than the upper limit (24).")
    with batch(fake, "echo {x}", tmp_path) as launcher:
        with pytest.raises(
            LaunchError,
            match=r"refused the job\ncommand: (pj|q)sub .*\.sh\n"
            r".*greater than the upper limit[\s\S]*script: ",
        ):
            launcher.submit(jobs(0, 1))
        assert launcher.collect(0.0) == []
        fake.forget("refuse")
        launcher.submit(jobs(0, 1))  # nothing is left of the first try
        assert len(drain(launcher, 2)) == 2


def test_an_answer_without_a_job_id_is_shown(fake: Fake, tmp_path: Path) -> None:
    fake.tell("submit", "all is well")
    with (
        batch(fake, "echo {x}", tmp_path) as launcher,
        pytest.raises(LaunchError, match=r"without a job id[\s\S]*all is well"),
    ):
        launcher.submit(jobs(0))


def test_a_queue_that_cannot_be_read_is_shown(fake: Fake, tmp_path: Path) -> None:
    fake.tell("hold")
    with batch(fake, "echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
        fake.tell("queue", "<html>maintenance</html>")
        with pytest.raises(
            LaunchError, match=r"cannot be read: '<html>[\s\S]*command: (pjstat|qstat)"
        ):
            drain(launcher, 1)


def test_without_the_commands_of_the_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with Batch("echo {x}", scheduler="pjm", directory=tmp_path, python="python3") as launcher:
        assert "#PJM -N d" in launcher.dry_run(jobs(0))[0].text
        with pytest.raises(
            LaunchError, match="'pjsub' of scheduler='pjm' cannot be run: No such file"
        ):
            launcher.submit(jobs(0))


def test_bad_jobs_are_found_before_anything_is_submitted(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "echo {y}", tmp_path) as launcher:
        with pytest.raises(LaunchError, match=r"placeholder \{y\}"):
            launcher.submit([Job(0, {"y": 1}), Job(1)])
        with pytest.raises(LaunchError, match="4 of 4 slots free"):
            launcher.submit([Job(id, {"y": 1}) for id in range(5)])
        (tmp_path / "trials" / "9").mkdir(parents=True)
        (tmp_path / "trials" / "9" / "thesis.tex").touch()
        with pytest.raises(LaunchError, match="left alone"):
            launcher.submit([Job(9, {"y": 1})])
    assert fake.submissions == 0
    with pytest.raises(LaunchError, match="cannot be sent"):
        batch(fake, programs.Locked().run, tmp_path)


def test_a_prepare_job_has_a_place_and_a_name_of_its_own(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "echo {x}", tmp_path) as launcher:
        launcher.submit([Job(0, kind="prepare", work='touch "$DSICE_DIR/data"; echo no number')])
        done = drain(launcher, 1)[0]
        assert done.state == "done" and done.where["directory"] == str(
            tmp_path / "trials" / "prepare-0"
        )
    assert (tmp_path / "trials" / "prepare-0" / "data").exists()
    assert len(list((tmp_path / "trials" / "jobs").glob("d??????-p0.sh"))) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "lsf"}, "one of slurm, pjm, pbs"),
        ({"scheduler": {"base": "slurm", "submti": "x"}}, "unknown template 'submti'"),
        ({"scheduler": {"submit": "x {script}"}}, "template 'cancel' is missing"),
        ({"scheduler": {"base": "slurm", "job_id": "[0-9]+"}}, "needs a group"),
        ({"scheduler": {"base": "slurm", "line": "("}}, "no regular expression"),
        ({"scheduler": {"base": "slurm", "submit": "sbatch"}}, "needs {script}"),
        ({"scheduler": {"base": "slurm", "header": "#SBATCH"}}, "list of strings"),
        ({"resources": {"time": None}}, "resources must map"),
        ({"resources": {"time": "1\n#SBATCH --x"}}, "resources must map"),
        ({"requeue": -1}, "requeue"),
        ({"per_job": 0}, "per_job"),
        ({"setup": "module load x"}, "list of strings"),
        ({"timeout": -1}, "timeout"),
        ({"poll": 0}, "poll"),
        ({"throttle": 1e10}, "from 0 to 3600"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        Batch("echo 1", directory=tmp_path, **options)


# ---------------------------------------------------------------------- scripts
def test_resources_of_each_scheduler(tmp_path: Path) -> None:
    asked: list[tuple[str, dict[str, Any], list[str]]] = [
        (
            "slurm",
            {"partition": "gpu", "exclusive": True, "-A": "abc"},
            ["#SBATCH --partition=gpu", "#SBATCH --exclusive", "#SBATCH -A abc"],
        ),
        (
            "pjm",
            {
                "rscgrp": "small",
                "node": 1,
                "elapse": "1:00:00",
                "-g": "hp123456",
                "-x": ["A=1", "B=a b"],
                "--mpi": "proc=4",
            },
            [
                '#PJM -L "rscgrp=small"',
                '#PJM -L "node=1"',
                '#PJM -L "elapse=1:00:00"',
                "#PJM -g hp123456",
                "#PJM -x A=1",
                '#PJM -x "B=a b"',
                "#PJM --mpi proc=4",
            ],
        ),
        (
            "pbs",
            {"select": "1:ncpus=4:ngpus=1", "-q": "gpu"},
            ["#PBS -l select=1:ncpus=4:ngpus=1", "#PBS -q gpu"],
        ),
    ]
    for name, resources, lines in asked:
        script = Batch("echo 1", scheduler=name, resources=resources, directory=tmp_path).dry_run(
            [Job(0)]
        )[0]
        assert [line for line in script.text.splitlines() if line in lines] == lines
        assert (
            str(script).startswith(f"$ {script.command}\n#!/bin/bash\n")
            and str(script.path) in script.command
        )
    assert list(tmp_path.iterdir()) == []


def test_a_container_stands_before_the_program_and_modules_before_all(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "wrap": "singularity exec my.sif",
        "setup": ["module load x"],
        "scheduler": "pjm",
        "python": "/opt/py",
    }
    text = Batch("train {x}", directory=tmp_path, **options).dry_run(jobs(1))[0].text
    assert "module load x\n" in text and "0 singularity exec my.sif /bin/sh -c 'train 1'" in text
    text = Batch(programs.square, directory=tmp_path, **options).dry_run(jobs(1))[0].text
    call = f'singularity exec my.sif /opt/py -P -c "$dsice_load" {tmp_path}/bin/'
    assert call in text and f" {tmp_path}/1 {tmp_path}/function-" in text.partition(call)[2]


def test_own_templates(tmp_path: Path) -> None:
    ssh = {"base": "pbs", "name": "far", "submit": "ssh login 'cd /x; qsub' {script}"}
    launcher = Batch("echo 1", scheduler=ssh, directory=tmp_path)
    assert launcher.dry_run([Job(0)])[0].command.startswith("ssh login 'cd /x; qsub' ")
    assert (
        isinstance(Scheduler, type)
        and Batch("echo 1", scheduler=Scheduler(**OWN), directory=tmp_path).slots == 40
    )


OWN: dict[str, Any] = {
    "name": "own",
    "submit": "submit {script}",
    "cancel": "end {jobs}",
    "queue": "list",
    "job_id": r"(\d+)",
    "line": r"(?P<job>\d+) (?P<name>\S+) (?P<state>\S+)",
    "header": ("# {name}",),
    "resource": "# {name}={value}",
    "option": "# {name} {value}",
}
