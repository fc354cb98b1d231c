"""`Local` on another machine than the trials that an earlier coordinator left running.

The trials and their supervisors are real; the coordinator is told another host and boot id.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import Job, Local, allocation, elsewhere, program
from dsice.launchers.local import elsewhere as trials
from dsice.launchers.local import process
from dsice.launchers.local.process import TrialProcess
from dsice.study import read_study
from tests.launchers.helpers import drain, eventually, mark, marked

BOOT = "01234567-89ab-cdef-0123-456789abcdef"
HOUR = 3600.0
ONE = [Job(0, {"x": 0})]
WAITS = 'echo run >> "$DSICE_DIR/runs"; until test -e "$DSICE_DIR/go"; do sleep 0.02; done; echo 7'


# as long as $GO is not there it does not end
UNTIL_GO = 'test -e "$GO" || {{ touch "$DSICE_DIR/up"; exec sleep 60; }}; echo {x}'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(trials, "_LOOK", 0.05)
    monkeypatch.setattr(trials, "_SIGNS", 0.05)


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let this process be on another machine from now on, or on the one it was on before."""

    def to(host: str = "elsewhere", boot: str = BOOT) -> None:
        monkeypatch.setattr(elsewhere, "this_host", lambda: host)
        monkeypatch.setattr(elsewhere, "this_boot", lambda: boot)
        # no signal reaches another machine, and no process id means anything there
        monkeypatch.setattr("dsice.launchers.processes.alive", lambda *_: False)
        monkeypatch.setattr("dsice.launchers.processes.send", lambda *_: None)

    return to


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Trials 0, 1, 2 that run on as when their coordinator was killed.

    Their supervisors show that they live more often than others do.
    """
    started: list[TrialProcess] = []

    def start(command: str, often: float = 0.1, **variables: str) -> None:
        def script(module: str, *options: str) -> list[str]:
            *words, code = program.script(module, *options)
            run = "module.run()"
            assert code.endswith(run)
            return [*words, code.replace(run, f"module.SIGN_SECONDS = {often}; {run}")]

        home = tmp_path / "t"
        with monkeypatch.context() as patch:
            patch.setattr(process, "script", script)
            launcher = Local(command, slots=3, directory=home, env=variables)
            launcher.submit(jobs(0, 1, 2))
            up = "runs" if "runs" in command else "up" if "up" in command else "stdout"
            for id in "012":
                assert eventually((home / id / up).exists)
            started.extend(launcher._running.values())
            launcher._running.clear()
            launcher.close()

    yield start
    for trial in started:
        assert trial._child is not None
        trial._child.kill()
        trial._child.wait()


def record(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "process.json").read_text())
    return found


def dead(directory: Path, age: float = HOUR, **changes: Any) -> None:
    """Kill the supervisor of a trial, and let its last sign of life be of some time ago."""
    os.kill(record(directory)["pid"], signal.SIGKILL)
    time.sleep(0.05)
    aged(directory, age)
    (directory / "process.json").write_text(json.dumps(record(directory) | changes))


def aged(directory: Path, age: float) -> None:
    then = time.time() - age
    os.utime(directory / "alive", (then, then))


def jobs(*ids: int) -> list[Job]:
    return [Job(id, {"x": id}) for id in ids]


def runs(directory: Path) -> int:
    return len((directory / "runs").read_text().splitlines())


def test_what_runs_on_another_machine_is_followed_and_never_started_beside(
    tmp_path: Path, left: Any, move: Any
) -> None:
    home = tmp_path / "t"
    left(WAITS)
    move()
    with Local(WAITS, slots=4, directory=home) as launcher:
        with pytest.warns(DsiceWarning, match=r"trial 0 on .* since 20.*trial 2"):
            assert launcher.attach(jobs(0, 1, 2)) == [0, 1, 2]
        assert launcher.collect(0.5) == []
        with pytest.raises(LaunchError, match="running already"):
            launcher.submit(jobs(1))
        (home / "1" / "go").touch()
        result = drain(launcher, 1)[1]
        assert result.value == 7.0 and result.where["host"] == os.uname().nodename
    # closed: they go on, and the next coordinator, back on their machine, takes them over
    assert all(runs(home / id) == 1 for id in "012")
    assert marked(str(home / "0")) and not (home / "0" / "exit.json").exists()
    with Local(WAITS, slots=3, directory=home) as launcher, pytest.warns(DsiceWarning):
        assert launcher.attach(jobs(0, 2)) == [0, 2]
        for id in "02":
            (home / id / "go").touch()
        assert [r.value for r in drain(launcher, 2).values()] == [7.0, 7.0]
    assert all(runs(home / id) == 1 for id in "012")


@pytest.mark.parametrize("age", [181.0, HOUR])
def test_what_gave_no_sign_for_long_is_started_again(
    age: float, tmp_path: Path, left: Any, move: Any
) -> None:
    left("echo 1; sleep 60; echo {x}", often=60.0)
    token = record(tmp_path / "t" / "0")["token"]
    dead(tmp_path / "t" / "0", age)
    move()
    with Local("echo 1; sleep 60; echo {x}", slots=3, directory=tmp_path / "t") as launcher:
        assert launcher.attach(jobs(0)) == []
        launcher.submit(jobs(0))
        assert eventually((tmp_path / "t" / "0" / "process.json").exists)
        assert record(tmp_path / "t" / "0")["token"] != token


def test_what_dies_while_it_is_followed_starts_again_by_itself(
    tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = UNTIL_GO
    left(command, GO=str(tmp_path / "go"))
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    (tmp_path / "go").touch()
    move()
    with Local(command, slots=3, directory=tmp_path / "t") as launcher:
        with pytest.warns(DsiceWarning, match="may still run"):
            assert launcher.attach(jobs(0, 1, 2)) == [0, 1, 2]
        assert launcher.collect(0.3) == []
        dead(tmp_path / "t" / "1")
        with pytest.warns(DsiceWarning, match=r"trial 1 .* started again here: it gave no sign"):
            assert drain(launcher, 1)[1].value == 1.0
        assert launcher.collect(0.1) == []


@pytest.mark.parametrize("offset", [-HOUR, 0.0, HOUR])
def test_the_clock_of_this_machine_does_not_matter(
    offset: float, tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(WAITS)
    dead(tmp_path / "t" / "1")
    move()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + offset)
    with Local(WAITS, slots=3, directory=tmp_path / "t") as launcher, pytest.warns(DsiceWarning):
        assert launcher.attach(jobs(0, 1)) == [0]


@pytest.mark.parametrize("offset", [-HOUR, HOUR])
def test_the_clock_of_the_file_system_counts(
    offset: float, tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server whose clock is off stamps the sign of life and the file it is compared with."""
    left(WAITS, often=60.0)
    move()
    stamp = elsewhere._now
    monkeypatch.setattr(elsewhere, "_now", lambda directory: (stamp(directory) or 0.0) + offset)
    aged(tmp_path / "t" / "0", 100 - offset)
    dead(tmp_path / "t" / "1", 200 - offset)
    with Local(WAITS, slots=3, directory=tmp_path / "t") as launcher, pytest.warns(DsiceWarning):
        assert launcher.attach(jobs(0, 1)) == [0]


def test_machines_that_stamp_files_by_clocks_of_their_own_are_watched(
    tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign of a living trial seems to be an hour old, that of a dead one to come in an hour."""
    left(WAITS, often=0.1)
    move()
    real = elsewhere._touched

    def shifted(directory: Path) -> float | None:
        found = real(directory)
        return None if found is None else found + {"0": -HOUR, "1": HOUR}[directory.name]

    monkeypatch.setattr(elsewhere, "_touched", shifted)
    monkeypatch.setattr(elsewhere, "_has_one_clock", lambda _: False)
    monkeypatch.setattr(elsewhere, "_WATCH", 1.0)
    monkeypatch.setattr(elsewhere, "PATIENCE", 2.0)
    with Local(WAITS, slots=3, directory=tmp_path / "t") as launcher, warnings.catch_warnings():
        warnings.simplefilter("ignore", DsiceWarning)
        assert launcher.attach(jobs(0, 1)) == [0, 1]
        dead(tmp_path / "t" / "1", 0.0)
        before = record(tmp_path / "t" / "1")["token"]
        assert launcher.collect(4.0) == []
        assert record(tmp_path / "t" / "1")["token"] != before
        assert runs(tmp_path / "t" / "0") == 1 and launcher._running[0].over() is False


def scheduler(folder: Path, name: str, says: str) -> None:
    """A command of a scheduler that writes down how it is called and prints a text."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$0 $*" >> "{folder}/asked"\n{says}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


WORDS = {
    "slurm": ("SLURM_JOB_ID", "77", "squeue", "echo CANCELLED", "echo RUNNING"),
    "pbs": ("PBS_JOBID", "77.head", "qstat", "echo '    job_state = F'", "echo 'job_state = R'"),
    "pjm": ("PJM_JOBID", "77", "pjstat", "echo JOB_ID ST; echo 77 EXT", "echo 77 RUN"),
    "lsf": ("LSB_JOBID", "77", "bjobs", "echo EXIT", "echo RUN"),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_the_scheduler_says_has_ended_is_started_again_at_once(
    name: str, tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, job, asks, over, runs_on = WORDS[name]
    bin = tmp_path / "bin"
    bin.mkdir()
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    monkeypatch.setattr(allocation, "_AGAIN", 0.1)
    scheduler(bin, asks, runs_on)
    command = UNTIL_GO
    left(command, GO=str(tmp_path / "go"), **{variable: job})
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    (tmp_path / "go").touch()
    move()
    with Local(command, slots=3, directory=tmp_path / "t") as launcher:
        with pytest.warns(DsiceWarning, match=rf"\(job {job}\)"):
            assert launcher.attach(jobs(1)) == [1]
        assert launcher.collect(1.0) == []
        for id in "012":
            os.kill(record(tmp_path / "t" / id)["pid"], signal.SIGKILL)
        scheduler(bin, asks, over)
        with pytest.warns(DsiceWarning, match=f"its job {job} has ended"):
            assert drain(launcher, 1)[1].value == 1.0
    asked = (bin / "asked").read_text().splitlines()
    assert all(line.endswith(job) for line in asked)


@pytest.mark.parametrize(
    "says",
    [
        "sleep 60",
        "exit 1",
        "(sleep 60) & echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
        "echo 'Socket timed out on send/recv operation' >&2; exit 1",
        "true",
        "echo NODE_FAIL",
        "echo COMPLETED; echo RUNNING; echo COMPLETED",  # an array's id is one of its jobs', too
    ],
)
def test_no_word_of_the_scheduler_ends_what_shows_that_it_lives(
    says: str, tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another cluster's, or answers oddly, or not at all; nobody waits for it."""
    bin = tmp_path / "bin"
    bin.mkdir()
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    monkeypatch.setattr(allocation, "_AGAIN", 0.1)
    monkeypatch.setattr(allocation, "_LIMIT", 0.5)
    scheduler(bin, "squeue", says)
    left(WAITS, SLURM_JOB_ID="77")
    before = record(tmp_path / "t" / "0")["token"]
    move()
    with Local(WAITS, slots=3, directory=tmp_path / "t") as launcher, pytest.warns(DsiceWarning):
        assert launcher.attach(jobs(0)) == [0]
        began = time.monotonic()
        assert launcher.collect(0.0) == [] and time.monotonic() - began < 0.3
        assert launcher.collect(1.5) == []
        assert record(tmp_path / "t" / "0")["token"] == before
        (tmp_path / "t" / "0" / "go").touch()
        assert drain(launcher, 1)[0].value == 7.0
    assert runs(tmp_path / "t" / "0") == 1


def test_cancel_reaches_another_machine(tmp_path: Path, left: Any, move: Any) -> None:
    sign = mark()
    command = f"exec sleep {sign}{{x}}"
    left(command)
    move()
    with Local(command, slots=3, directory=tmp_path / "t") as launcher:
        with pytest.warns(DsiceWarning):
            assert launcher.attach(jobs(0, 1)) == [0, 1]
        launcher.cancel(0)
        assert drain(launcher, 1)[0].state == "stopped"
        dead(tmp_path / "t" / "1", 0.0)
        launcher.cancel(1)
        aged(tmp_path / "t" / "1", HOUR)
        assert drain(launcher, 1)[1].state == "stopped"  # and not started again
        assert launcher.stop([2, 1, 5]) == [2]
        assert eventually((tmp_path / "t" / "2" / "exit.json").exists)
    assert eventually(lambda: not marked(sign))


def test_a_trial_that_listens_has_its_time_to_end_by_itself(
    tmp_path: Path, left: Any, move: Any
) -> None:
    command = (
        'echo \'{{"step": 0, "value": 1}}\' > "$DSICE_DIR/steps"; '
        'until [ -e "$DSICE_DIR/stop" ]; do sleep 0.02; done; sleep 0.5; '
        'touch "$DSICE_DIR/stopping"; echo 7'
    )
    left(command)
    move()
    with Local(command, slots=3, directory=tmp_path / "t") as launcher:
        with pytest.warns(DsiceWarning):
            launcher.attach(jobs(0))
        launcher.cancel(0)
        result = drain(launcher, 1)[0]
        assert result.state == "stopped" and result.value == 7.0


def test_the_switch_starts_it_at_once_and_what_ran_ends(
    tmp_path: Path, left: Any, move: Any
) -> None:
    sign = mark()
    left(f"sleep {sign}; echo {{x}}8")
    move()
    command = "sleep 1; echo {x}"
    with Local(command, slots=3, directory=tmp_path / "t", restart_elsewhere=True) as launcher:
        assert launcher.attach(jobs(0, 1, 2)) == []
        launcher.submit(jobs(0, 1, 2))
        assert eventually(lambda: not marked(sign))
        assert {id: r.value for id, r in drain(launcher, 3).items()} == {0: 0.0, 1: 1.0, 2: 2.0}


def test_a_study_file_has_the_switch(tmp_path: Path, left: Any, move: Any) -> None:
    left("sleep 60; echo {x}")
    move()
    file = tmp_path / "study.toml"
    study = "[study]\ncommand = 'true {x}'\n[space]\nx = [0, 1]\n"
    for switch, found in (("false", [0]), ("true", [])):
        file.write_text(f"{study}[launcher]\nrestart_elsewhere = {switch}\n")
        section = read_study(file).launcher_section
        launcher = section.make_launcher(
            "sleep 60; echo {x}", slots=3, timeout=None, directory=tmp_path / "t"
        )
        with launcher, warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)
            assert launcher.attach(jobs(0)) == found


def test_another_program_waits_until_the_old_one_has_ended(
    tmp_path: Path, left: Any, move: Any
) -> None:
    sign = mark()
    left(f"trap '' TERM; sleep {sign}{{x}} & wait; sleep {sign}{{x}}; echo 8")
    move()
    command = f'test -z "$(pgrep -f "[s]leep {sign}1")" && echo {{x}}'
    with Local(command, slots=3, directory=tmp_path / "t") as launcher:
        assert launcher.attach(jobs(0, 1, 2)) == []
        with pytest.warns(DsiceWarning, match="may still run"):
            launcher.submit(jobs(1))
        assert launcher.collect(0.0) == []
        assert drain(launcher, 1)[1].value == 1.0


def test_one_of_0_1_0_is_refused_unless_the_switch_is_given(
    tmp_path: Path, left: Any, move: Any
) -> None:
    left(WAITS, often=60.0)
    directory = tmp_path / "t" / "1"
    (directory / "alive").unlink()
    old = {k: v for k, v in record(directory).items() if k in ("pid", "birth", "host", "token")}
    (directory / "process.json").write_text(json.dumps(old))
    with Local(WAITS, slots=3, directory=tmp_path / "t") as launcher:  # on its own machine
        assert launcher.attach(jobs(1)) == [1]
        launcher._running.clear()
    move()
    with Local(WAITS, slots=3, directory=tmp_path / "t") as launcher:
        for act in (launcher.attach, launcher.submit):
            with pytest.raises(LaunchError, match="restart_elsewhere=True") as caught:
                act(jobs(0, 1))
            assert str(directory) in str(caught.value) and old["host"] in str(caught.value)
        assert not launcher._running
    with Local("echo {x}", slots=3, directory=tmp_path / "t", restart_elsewhere=True) as launcher:
        assert launcher.attach(jobs(1)) == []
        launcher.submit(jobs(1))
        assert drain(launcher, 1)[1].value == 1.0


@pytest.mark.parametrize(
    ("here", "seen"),
    [
        ({}, True),
        ({"host": "renamed"}, True),
        ({"pids": "pid:[1]"}, False),  # another container on this machine
        ({"boot": BOOT}, False),  # restarted, or another machine of the same name
        ({"boot": "", "host": "renamed"}, False),  # no Linux
        ({"boot": ""}, True),
    ],
)
def test_who_would_be_seen_from_here(
    here: dict[str, str], seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot, pids = elsewhere.this_boot(), elsewhere.this_pids()
    found = {"pid": 4_000_000, "birth": f"{boot}:12", "host": "a", "token": "t", "pids": pids}
    (tmp_path / "process.json").write_text(json.dumps({**found, "alive": 10}))
    for name in ("host", "boot", "pids"):
        value = here.get(name, {"host": "a", "boot": boot, "pids": pids}[name])
        monkeypatch.setattr(elsewhere, f"this_{name}", lambda value=value: value)
    assert (elsewhere.occupant(tmp_path) is None) is seen


def test_after_a_restart_of_the_machine_nothing_is_waited_for(
    tmp_path: Path, left: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(WAITS, often=60.0)
    move(host=elsewhere.this_host())
    aged(tmp_path / "t" / "0", 60.0)
    dead(tmp_path / "t" / "1", 60.0)
    with Local("echo {x}", slots=3, directory=tmp_path / "t") as launcher:
        monkeypatch.setattr(elsewhere, "_seconds_up", lambda: 90.0)  # another of the same name
        with pytest.warns(DsiceWarning):
            launcher.submit(jobs(0))
        monkeypatch.setattr(elsewhere, "_seconds_up", lambda: 50.0)
        launcher.submit(jobs(1))
        with pytest.warns(DsiceWarning, match="its machine was restarted"):
            assert {id: r.value for id, r in drain(launcher, 2).items()} == {0: 0.0, 1: 1.0}


def test_a_name_from_a_file_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    found = {"pid": 1, "birth": f"{BOOT}:1", "host": "a\x1b[31mb\nc", "token": "t"}
    (tmp_path / "process.json").write_text(json.dumps(found))
    assert str(elsewhere.occupant(tmp_path)).startswith("on a?[31mb?c since ")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"pid": null}', '{"pid": 1e999}', '{"pid": "x", "birth": 1}']
)
def test_a_record_that_is_none_names_nobody(text: str, tmp_path: Path) -> None:
    (tmp_path / "process.json").write_text(text)
    assert elsewhere.occupant(tmp_path) is None


def test_a_supervisor_says_where_it_runs(tmp_path: Path) -> None:
    env = {"SLURM_JOB_ID": '7"\n', "SLURM_CLUSTER_NAME": "big", "PBS_JOBID": "8"}
    with Local("echo 1", directory=tmp_path, slots=1, env=env) as launcher:
        launcher.submit([Job(0)])
        assert drain(launcher, 1)[0].value == 1.0
    found = record(tmp_path / "0")
    assert (found["scheduler"], found["job"], found["cluster"]) == ("slurm", "7", "big")
    assert found["pids"] == elsewhere.this_pids() and (tmp_path / "0" / "alive").exists()
