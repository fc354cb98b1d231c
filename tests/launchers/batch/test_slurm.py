"""`Batch` on a real Slurm, which the tests start and end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import Batch, Job
from tests.launchers import programs
from tests.launchers.helpers import drain, eventually, mark, marked
from tests.launchers.slurm import Slurm

pytestmark = pytest.mark.timeout(120)


def batch(program: Any, place: Path, **options: Any) -> Batch:
    settings: dict[str, Any] = {"slots": 40, "poll": 1.0, "lost_after": 3.0}
    return Batch(program, directory=place / "trials", **(settings | options))


def jobs(*ids: int) -> list[Job]:
    return [Job(id, {"x": id}) for id in ids]


def test_forty_at_once_one_of_which_kills_its_worker(slurm: Slurm, tmp_path: Path) -> None:
    command = (
        'test {x} = 7 && test ! -e "$DSICE_DIR/../killed" && touch "$DSICE_DIR/../killed" '
        "&& kill -9 $PPID; sleep 1; echo {x}"
    )
    with Tuner({"x": range(40)}, max_trials=40) as tuner, batch(command, tmp_path) as launcher:
        run(tuner, launcher, progress=False)  # the lost one is started again
    assert sorted(trial.value for trial in tuner.history if trial.value is not None) == list(
        range(40)
    )
    assert [str(path.name) for path in (tmp_path / "trials" / "jobs").glob("*.sh")]
    # an array, and the lost one
    assert len({str(trial.where["job"]).partition("_")[0] for trial in tuner.history}) == 2


def test_a_killed_worker_is_lost_with_its_reason(slurm: Slurm, tmp_path: Path) -> None:
    with batch("kill -9 $PPID; sleep 60 # {x}", tmp_path, lost_after=60.0) as launcher:
        launcher.submit(jobs(0))
        # at once, since its script saw it, not after the time of grace
        result = drain(launcher, 1, 20.0)[0]
        assert (
            result.state == "lost"
            and "lost its supervisor" in str(result.error)
            and "Killed" in str(result.error)
        )
        assert result.times[1] is not None


def test_functions_and_gpus_of_jobs_that_hold_several_trials(slurm: Slurm, tmp_path: Path) -> None:
    with batch(programs.square, tmp_path, per_job=2, env={"NOT": "seen"}) as launcher:
        launcher.submit(jobs(3, 4, 95))
        results = drain(launcher, 3)
        assert (results[3].value, results[4].value, results[95].state) == (9.0, 16.0, "failed")
        assert results[3].where["job"] == results[4].where["job"] != results[95].where["job"]
    show = 'echo "$CUDA_VISIBLE_DEVICES" >&2; echo {x}'
    with batch(
        show, tmp_path, per_job=2, gpus=1, setup=["export CUDA_VISIBLE_DEVICES=2,6"]
    ) as launcher:
        launcher.submit(jobs(0, 1))
        drain(launcher, 2)
    assert [(tmp_path / "trials" / id / "stderr").read_text() for id in "01"] == ["2\n", "6\n"]


def test_a_cancelled_trial_ends_with_its_tree_and_no_other(slurm: Slurm, tmp_path: Path) -> None:
    sign = mark()
    with batch(f"setsid sleep {sign} & sleep {sign}; echo {{x}}", tmp_path) as launcher:
        launcher.submit(jobs(0, 1))
        assert eventually(lambda: len(marked(f"sleep {sign}")) == 4, 20.0)
        assert eventually(
            lambda: all((tmp_path / "trials" / id / "process.json").exists() for id in "01")
        )
        launcher.cancel(0)
        assert drain(launcher, 1)[0].state == "stopped"
        assert len(slurm.jobs()) >= 1 and marked(sign) != []
        launcher.cancel_all()
        assert drain(launcher, 1)[1].state == "stopped"
    assert eventually(lambda: not marked(sign), 10.0)


def test_a_waiting_trial_is_cancelled_in_the_queue(slurm: Slurm, tmp_path: Path) -> None:
    with batch("echo {x}", tmp_path, resources={"begin": "now+1hour"}) as launcher:
        launcher.submit(jobs(0, 1))
        assert len(slurm.jobs()) == 2
        launcher.cancel(1)
        assert drain(launcher, 1)[1].state == "stopped"
        assert len(slurm.jobs()) == 1


def test_the_wall_time_of_the_queue_is_survived_by_its_checkpoint(
    slurm: Slurm, tmp_path: Path
) -> None:
    command = (
        'test -e "$DSICE_DIR/checkpoint" && {{ echo {x}; exit; }}; '
        'touch "$DSICE_DIR/checkpoint"; scancel $SLURM_JOB_ID; sleep 60'
    )
    with batch(command, tmp_path, requeue=1) as launcher:
        launcher.submit(jobs(5))
        result = drain(launcher, 1)[5]
    assert (result.state, result.value) == ("done", 5.0)


def test_what_slurm_refuses_is_shown(slurm: Slurm, tmp_path: Path) -> None:
    for resources, reason in (
        ({"partition": "nope"}, "invalid partition"),
        ({"gres": "gpu:9"}, "node configuration is not available"),
    ):
        with batch("echo {x}", tmp_path, resources=resources) as launcher:
            with pytest.raises(
                LaunchError,
                match=r"slurm refused the job\ncommand: sbatch --parsable \S+\n"
                rf"[\s\S]*{reason}[\s\S]*script: ",
            ):
                launcher.submit(jobs(0, 1))
            assert launcher.collect(0.0) == [] and launcher.attach(jobs(0)) == []


def test_a_controller_that_is_away_is_waited_for(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch("sleep 2; echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
        conf = slurm.conf.read_text()
        away = tmp_path / "away.conf"
        away.write_text(re.sub(r"SlurmctldPort=\d+", "SlurmctldPort=1\nMessageTimeout=2", conf))
        monkeypatch.setenv("SLURM_CONF", str(away))
        with pytest.warns(DsiceWarning, match="slurm does not answer"):
            assert drain(launcher, 1)[0].value == 0.0  # the result needs no controller
        with pytest.warns(DsiceWarning, match="slurm queue is full"):
            launcher.submit(jobs(1))
        monkeypatch.setenv("SLURM_CONF", str(slurm.conf))
        assert drain(launcher, 1)[1].value == 1.0


COORDINATOR = """
import sys
from dsice import Tuner, run
from dsice.launchers import Batch
command = (
    'echo run >> "$DSICE_DIR/runs"; '
    'while test ! -e "$DSICE_DIR/../go"; do sleep 0.2; done; echo {x}'
)
launcher = Batch(command, slots=40, directory=sys.argv[1] + "/trials", poll=1.0)
with Tuner({"x": range(40)}, journal=sys.argv[1] + "/journal.jsonl") as tuner:
    run(tuner, launcher, progress=False)
print(sorted(int(trial.value) for trial in tuner.history))
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_forty_jobs_are_taken_over_from_a_coordinator_that_was_ended(
    slurm: Slurm, tmp_path: Path, sign: signal.Signals
) -> None:
    command = [sys.executable, "-c", COORDINATOR, str(tmp_path)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert eventually(lambda: len(list(tmp_path.glob("trials/*/runs"))) == 40, 60.0)
    before = slurm.jobs()
    first.send_signal(sign)
    said = first.communicate(timeout=30)[1]
    assert ("40 trials stay in the slurm queue" in said) == (sign == signal.SIGTERM)
    assert slurm.jobs() == before and len(before) == 40
    second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    assert slurm.jobs() == before
    (tmp_path / "trials" / "go").touch()
    assert json.loads(second.communicate(timeout=60)[0]) == list(range(40))
    assert {path.read_text() for path in tmp_path.glob("trials/*/runs")} == {"run\n"}


def test_a_coordinator_inside_a_job_hands_none_of_its_limits_down(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SLURM_JOB_ID", "1"), ("SLURM_MEM_PER_NODE", "1"), ("SLURM_NTASKS", "99")):
        monkeypatch.setenv(name, value)
    with batch('echo "$SLURM_NTASKS" >&2; echo {x}', tmp_path) as launcher:
        launcher.submit(jobs(0))
        assert drain(launcher, 1)[0].value == 0.0
    assert (tmp_path / "trials" / "0" / "stderr").read_text() == "\n"
    assert "SLURM_CONF" in os.environ
