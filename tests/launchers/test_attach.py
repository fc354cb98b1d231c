"""`Local.attach`: a coordinator that was killed and came back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import Job, Local
from dsice.launchers.processes import alive, send
from dsice.launchers.standalone._processes import birth
from tests.launchers import programs
from tests.launchers.helpers import drain, eventually, mark, marked, steps
from tests.launchers.local.test_faults import COORDINATOR


def killed(command: str, directory: Path) -> None:
    """A coordinator that submits ids 0, 1, 2 with x = id and is killed with -9."""
    code = [sys.executable, "-c", COORDINATOR, command, str(directory), "wait"]
    coordinator = subprocess.Popen(code, stdout=subprocess.PIPE)
    assert coordinator.stdout is not None and coordinator.stdout.readline() == b"up\n"
    coordinator.kill()
    coordinator.wait()
    coordinator.stdout.close()


def jobs(*ids: int) -> list[Job]:
    return [Job(id, {"x": id}) for id in ids]


def test_what_ran_on_is_adopted_and_what_ended_delivers(tmp_path: Path) -> None:
    waits = 'while test ! -e "$DSICE_DIR/go"; do test {x} = 0 && break; sleep 0.02; done'
    command = f'echo run >> "$DSICE_DIR/runs"; test {{x}} = 2 && exit 5; {waits}; echo {{x}}'
    killed(command, tmp_path)
    assert eventually(
        lambda: (tmp_path / "0" / "exit.json").exists() and (tmp_path / "2" / "exit.json").exists()
    )
    assert eventually((tmp_path / "1" / "runs").exists)
    with Local(command, slots=4, directory=tmp_path) as launcher:
        assert launcher.attach(jobs(0, 1, 2, 3)) == [0, 1, 2]
        assert launcher.attach(jobs(0, 1)) == []  # once
        first = drain(launcher, 2)
        assert (
            first[0].value == 0.0
            and first[2].state == "failed"
            and "exit code 5" in str(first[2].error)
        )
        assert first[0].times[0] is not None and first[0].seconds is not None
        (tmp_path / "1" / "go").touch()
        assert drain(launcher, 1)[1].value == 1.0
    assert [(tmp_path / id / "runs").read_text() for id in "012"] == ["run\n"] * 3


def test_a_program_may_have_a_params_json_of_its_own(tmp_path: Path) -> None:
    """One with defaults filled in, for example; its result counts all the same."""
    command = 'echo 5 > "$DSICE_DIR/params.json"; echo run >> "$DSICE_DIR/runs"; echo {x}'
    killed(command, tmp_path)
    assert eventually(lambda: all((tmp_path / id / "exit.json").exists() for id in "012"))
    with Local(command, slots=4, directory=tmp_path) as launcher:
        assert launcher.attach([*jobs(0, 1), Job(2, {"x": 3})]) == [0, 1]
        assert drain(launcher, 2)[1].value == 1.0


def test_a_program_that_wrote_over_the_claim_of_its_trial_loses_nothing(tmp_path: Path) -> None:
    command = 'echo "{{}}" > "$DSICE_DIR/job.json"; echo {x}'
    with Local(command, slots=1, directory=tmp_path) as launcher:
        launcher.submit(jobs(3))
        assert drain(launcher, 1)[3].value == 3.0
        with pytest.warns(DsiceWarning, match=r"removed its job.json or wrote over it"):
            launcher.submit(jobs(3))
        assert drain(launcher, 1)[3].value == 3.0
    assert (tmp_path / "3.aside-1" / "exit.json").exists()


def test_an_adopted_trial_can_be_cancelled_and_closed(tmp_path: Path) -> None:
    sign = mark()
    command = f"setsid sleep {sign} & sleep {sign}; echo {{x}}"
    killed(command, tmp_path)
    assert eventually(lambda: all((tmp_path / id / "process.json").exists() for id in "012"))
    with Local(command, slots=4, directory=tmp_path) as launcher:
        assert launcher.attach(jobs(0, 1, 2)) == [0, 1, 2]
        launcher.cancel(1)
        assert drain(launcher, 1)[1].state == "stopped"
    assert marked(sign) == []
    with Local(command, slots=4, directory=tmp_path) as launcher:
        # trials that close ended run again, a cancelled one does not
        assert launcher.attach(jobs(0, 1, 2)) == [1]
        assert drain(launcher, 1)[1].state == "stopped"


def test_a_trial_cancelled_while_it_starts_is_done_with(tmp_path: Path) -> None:
    with Local("sleep 60; echo {x}", slots=3, directory=tmp_path) as launcher:
        launcher.submit(jobs(0, 1, 2))
        for id in range(3):
            launcher.cancel(id)  # its supervisor is an interpreter that is still starting
        assert [result.state for result in drain(launcher, 3).values()] == ["stopped"] * 3
    assert [json.loads((tmp_path / id / "exit.json").read_text())["why"] for id in "012"] == [
        "cancel"
    ] * 3
    with Local("sleep 60; echo {x}", slots=3, directory=tmp_path) as launcher:
        assert launcher.attach(jobs(0, 1, 2)) == [0, 1, 2]


def test_the_learning_curve_comes_whole_from_the_start(tmp_path: Path) -> None:
    with Local(programs.curve, slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0, {"steps": 3})])
        assert eventually((tmp_path / "0" / "exit.json").exists)  # never collected
    with Local(programs.curve, slots=1, directory=tmp_path) as launcher:
        assert launcher.attach([Job(0, {"steps": 3})]) == [0]
        events = launcher.collect(5.0)
        assert steps(events) == [(0, 1.0), (1, 0.5), (2, 1 / 3)] and len(events) == 4


@pytest.mark.parametrize(
    ("command", "job"),
    [
        ("echo {x}", Job(0, {"x": 1})),
        ("echo {x}", Job(0, {"x": 0, "y": 1})),
        ("echo {x}", Job(0, {"x": 0}, stage=1)),
        ("echo {x}", Job(0, {"x": 0}, parent=0)),
        ("echo  {x}", Job(0, {"x": 0})),
    ],
)
def test_a_trial_of_another_study_is_not_taken_for_ours(
    command: str, job: Job, tmp_path: Path
) -> None:
    killed("echo {x}", tmp_path)
    assert eventually((tmp_path / "0" / "exit.json").exists)
    with Local(command, directory=tmp_path) as launcher:
        assert launcher.attach([job]) == []
    with Local("echo {x}", directory=tmp_path) as launcher:
        assert launcher.attach([Job(0, {"x": 0})]) == [0]


def test_a_recycled_pid_is_never_adopted(tmp_path: Path) -> None:
    with Local("echo {x}", directory=tmp_path) as launcher:
        launcher.submit(jobs(0))
        assert drain(launcher, 1)[0].value == 0.0
    (tmp_path / "0" / "exit.json").unlink()
    record = json.loads((tmp_path / "0" / "process.json").read_text())
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "0" / "process.json").write_text(json.dumps(record | {"pid": stranger.pid}))
        with Local("echo {x}", directory=tmp_path, slots=1) as launcher:
            assert launcher.attach(jobs(0)) == []
            launcher.submit(jobs(0))
            assert drain(launcher, 1)[0].value == 0.0
        send(stranger.pid, record["birth"], signal.SIGKILL)
        assert stranger.poll() is None and alive(stranger.pid, str(birth(stranger.pid)))
    finally:
        stranger.kill()
        stranger.wait()
    assert birth(stranger.pid) is None and not alive(stranger.pid, "")


def test_a_killed_supervisor_leaves_a_trial_to_be_submitted_again(tmp_path: Path) -> None:
    sign = mark()
    killed(f"sleep {sign}; echo {{x}}", tmp_path)
    assert eventually(lambda: (tmp_path / "0" / "process.json").exists())
    # supervisors, shells, sleeps
    assert eventually(lambda: len(marked(f"sleep {sign}")) == 6 and len(marked(sign)) == 9)
    record = json.loads((tmp_path / "0" / "process.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    assert eventually(lambda: not alive(record["pid"], record["birth"]))
    with Local(f"sleep {sign}; echo {{x}}", slots=3, directory=tmp_path) as launcher:
        assert eventually(lambda: all((tmp_path / id / "process.json").exists() for id in "12"))
        assert launcher.attach(jobs(0, 1, 2)) == [1, 2]
        launcher.submit(jobs(0))
    assert marked(sign) == []


def test_a_submission_ends_what_an_earlier_one_left_running(tmp_path: Path) -> None:
    sign = mark()
    # some may not have started yet: late ones see that they are not wanted
    killed(f"sleep {sign}; echo {{x}}", tmp_path)
    with Local("echo {x}", slots=3, directory=tmp_path) as launcher:
        assert launcher.attach(jobs(0, 1, 2)) == []
        launcher.submit(jobs(0, 1, 2))
        assert {id: r.value for id, r in drain(launcher, 3).items()} == {0: 0.0, 1: 1.0, 2: 2.0}
        assert eventually(lambda: not marked(sign), 3.0)


@pytest.mark.parametrize("text", ["", '{"id": 0, "ki'])
def test_a_coordinator_killed_while_it_claimed_a_directory_leaves_it_usable(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "job.json.new").write_text(text)
    with Local("echo {x}", slots=1, directory=tmp_path) as launcher:
        assert launcher.attach(jobs(0)) == []
        launcher.submit(jobs(0))
        assert drain(launcher, 1)[0].value == 0.0


def test_two_launchers_never_share_a_directory(tmp_path: Path) -> None:
    with Local("echo 1", directory=tmp_path) as first:
        first.submit([Job(0)])
        with (
            Local("echo 1", directory=tmp_path) as second,
            pytest.raises(LaunchError, match=f"in use.*pid {os.getpid()}"),
        ):
            second.submit([Job(1)])
        assert drain(first, 1)[0].value == 1.0
    with Local("echo 1", directory=tmp_path) as third:
        third.submit([Job(1)])
        assert drain(third, 1)[1].value == 1.0


def test_without_a_directory_nothing_is_attached() -> None:
    with Local("echo {x}") as launcher:
        assert launcher.attach(jobs(0)) == []
        assert launcher.directory is None
