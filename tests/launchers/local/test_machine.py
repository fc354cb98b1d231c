"""What the machine lacks is not the program's fault, and what no command line can hold is."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Tuner, run
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers import Job, Local, Result, Step, program, trial_directory
from dsice.launchers.local import process
from dsice.launchers.machine import ExitInfo
from dsice.launchers.outcome import result_of
from dsice.launchers.program import ShellProgram
from dsice.launchers.standalone import _call
from dsice.strategies import Grid
from tests.launchers import programs
from tests.launchers.helpers import drain


def states(events: Iterable[Result | Step]) -> dict[int, str]:
    return {event.id: event.state for event in events if isinstance(event, Result)}


@contextmanager
def no_handles() -> Iterator[None]:
    """A block in which this process can open no file."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_scheduler_that_ends_the_program_first_does_not_make_it_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job is ended process by process: the supervisor may see its program die first."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with Local("(sleep 0.3; kill $PPID) & kill $$  # {x}", directory=tmp_path / "t") as launcher:
        launcher.submit([Job(0, {"x": 1})])
        result = drain(launcher, 1)[0]
    assert (result.state, str(result.error).partition("\n")[0]) == (
        "lost",
        "ended from outside: its supervisor was told to end",
    )


# ------------------------------------------------------------------ starting
@pytest.mark.parametrize("program", ["echo {x}", programs.square])
def test_without_an_interpreter_nothing_is_told(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Local(program, slots=2, directory=tmp_path / "t") as launcher:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(tmp_path / "gone" / "python"))
            launcher.submit([Job(0, {"x": 1}), Job(1, {"x": 1})])
            found = drain(launcher, 2)
        assert states(found.values()) == {0: "unstarted", 1: "unstarted"}
        assert "No such file" in str(found[0].error)
        launcher.submit([Job(0, {"x": 1})])
        assert drain(launcher, 1)[0].value == 1


def test_a_program_that_the_supervisor_cannot_start_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShellProgram, "arguments", lambda *_: [str(tmp_path / "sh"), "-c", "true"])
    with Local("echo {x}", slots=1) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        (found,) = drain(launcher, 1).values()
    assert found.state == "unstarted" and "No such file" in str(found.error)


@pytest.mark.parametrize("code", [1, 75, 127])
def test_a_supervisor_that_fails_before_it_begins_has_run_nothing(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "script", lambda *_: ["/bin/sh", "-c", f"exit {code}"])
    with Local("echo {x}", slots=1) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        assert drain(launcher, 1)[0].state == "unstarted"


def test_no_processes_for_the_supervisor_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    real = program.script

    def script(module: str, *options: str) -> list[str]:
        *words, code = real(module, *options)
        broken = "def no(): raise BlockingIOError(11, 'no processes')\nimport os; os.fork = no\n"
        return [*words, broken + code]

    monkeypatch.setattr(process, "script", script)
    with Local("echo {x}", slots=1) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        (found,) = drain(launcher, 1).values()
    assert found.state == "unstarted" and "no processes" in str(found.error)


def test_a_directory_that_vanishes_for_a_while(tmp_path: Path) -> None:
    home = tmp_path / "t"
    with Local("sleep 0.3; echo {x}", slots=3, directory=home) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        time.sleep(0.15)
        home.rename(tmp_path / "away")
        launcher.submit([Job(1, {"x": 2})])
        (found,) = drain(launcher, 1).values()
        assert found.id == 1 and found.state == "unstarted"
        time.sleep(0.4)
        (tmp_path / "away").rename(home)
        launcher.submit([Job(1, {"x": 2})])
        assert {id: result.value for id, result in drain(launcher, 2).items()} == {0: 1.0, 1: 2.0}


def test_a_full_disk_at_the_first_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Local("echo {x}", slots=1, directory=tmp_path / "t") as launcher:
        with monkeypatch.context() as patch:
            patch.setattr("dsice.launchers.home.take_home", full)
            launcher.submit([Job(0, {"x": 1})])
            assert drain(launcher, 1)[0].state == "unstarted"
        launcher.submit([Job(0, {"x": 1})])
        assert drain(launcher, 1)[0].value == 1


# ------------------------------------------------------------------ reading
def test_without_file_handles_nothing_is_concluded(tmp_path: Path) -> None:
    home = tmp_path / "t"
    with Local(programs.square, slots=3, directory=home) as launcher:
        launcher.submit([Job(0, {"x": 3})])
        end = time.monotonic() + 30
        while not (home / "0" / "exit.json").exists() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        with no_handles():
            assert launcher.collect(0.2) == []
            launcher.submit([Job(1, {"x": 3})])
            assert states(launcher.collect(0.2)) == {1: "unstarted"}
        assert drain(launcher, 1)[0].value == 9


def test_without_file_handles_what_runs_is_waited_for(tmp_path: Path) -> None:
    with Local("sleep 0.5; echo {x}", slots=5, directory=tmp_path / "t") as launcher:
        launcher.submit([Job(id, {"x": id}) for id in range(5)])
        with no_handles():
            assert launcher.collect(0.1) == []
        assert len(drain(launcher, 5)) == 5
        launcher.submit([Job(id, {"x": id}) for id in range(5)])
        with no_handles():
            launcher.close()


def test_without_file_handles_nothing_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import os, time\nfrom dsice.launchers import Job, Local\n"
        f"launcher = Local('sleep 0.5; echo 7', slots=2, directory={str(tmp_path / 't')!r})\n"
        "launcher.submit([Job(0)])\ntime.sleep(0.3)\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with Local("sleep 0.5; echo 7", slots=2, directory=tmp_path / "t") as launcher:
        launcher.accept(None)
        with no_handles(), pytest.raises(OSError, match="open files"):
            launcher.attach([Job(0)])
        assert launcher.attach([Job(0)]) == [0]
        with no_handles():
            assert launcher.collect(0.6) == []
        assert drain(launcher, 1)[0].value == 7


def test_a_temporary_directory_that_was_cleared_away_is_made_anew(temporary: Path) -> None:
    with Local(programs.square, slots=1) as launcher:
        for id in range(2):
            launcher.submit([Job(id, {"x": 3})])
            assert drain(launcher, 1)[id].value == 9
            shutil.rmtree(str(launcher.directory))


def test_what_an_earlier_try_left_and_nobody_may_remove_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a folder that the program made read-only."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with Local("mkdir -p $DSICE_DIR/data; echo {x}", slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        drain(launcher, 1)
        monkeypatch.setattr("shutil.rmtree", refuse)
        with pytest.warns(DsiceWarning, match=r"cannot be emptied[\s\S]*put aside as 0.aside-1"):
            launcher.submit([Job(0, {"x": 1})])
        assert drain(launcher, 1)[0].value == 1
    assert (tmp_path / "0.aside-1" / "data").is_dir()


# ------------------------------------------------------------------ what ran
def test_a_result_is_kept_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = _call.publish, list[str]()

    def publish(directory: str, token: str, done: Any) -> None:
        if len(refused) < 3:
            refused.append(token)
            raise OSError(errno.ENOSPC, "full")
        real(directory, token, done)

    monkeypatch.setattr(_call, "publish", publish)
    monkeypatch.setattr(_call, "attempt", lambda *_: {"value": 1.0})
    assert _call.main(str(tmp_path), "function.pkl", "") == 0
    assert json.loads((tmp_path / "result.json").read_text())["value"] == 1.0


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("echo 'sh: 1: Cannot fork' >&2; exit 2", "unstarted"),
        ("echo 'write error: No space left on device' >&2; exit 1", "unstarted"),
        ("echo 'no such thing' >&2; exit 1", "failed"),
    ],
)
def test_a_program_that_was_refused_something_says_so(command: str, state: str) -> None:
    with Local(f"{command} # {{x}}", slots=1) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        (found,) = drain(launcher, 1).values()
    assert found.state == state and found.times[1] is not None


def test_a_function_without_room_is_not_to_blame() -> None:
    def full(x: int) -> float:
        raise OSError(28, "No space left on device")

    with Local(full, slots=1) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        assert drain(launcher, 1)[0].state == "unstarted"


def test_a_cancelled_trial_does_not_start_again_though_the_disk_was_full(tmp_path: Path) -> None:
    submission = trial_directory.make(tmp_path / "0", Job(0), "program", 0)
    record = {"why": "exit", "code": 1, "fault": "No space left", "token": submission.token}
    (tmp_path / "0" / "exit.json").write_text(json.dumps(record))
    info = ExitInfo(0, tmp_path / "0", submission, False, None, "")
    assert result_of(info, "here").state == "unstarted"
    trial_directory.ask_to_stop(tmp_path / "0")
    assert result_of(info, "here").state == "stopped"


# ------------------------------------------------------------------ values
@pytest.mark.parametrize("value", ["a\0b", "half \ud800 pair", "x" * 200_000])
def test_a_value_that_no_command_line_can_hold_fails_alone(value: str) -> None:
    tuner = Tuner({"x": Choice(["a", value, "b"])}, Grid())
    with Local("true {x}; echo 1", slots=2) as launcher:
        run(tuner, launcher, progress=False)
    found = {trial.params["x"]: trial for trial in tuner.history}
    assert found["a"].value == found["b"].value == 1.0
    assert found[value].state == "failed" and "params.json" in str(found[value].error)


@pytest.mark.parametrize("value", ["a\0b", "half \ud800 pair", "x" * 200_000, "\udc80"])
def test_a_function_takes_what_no_command_line_can_hold(value: str) -> None:
    tuner = Tuner({"x": Choice(["a", value])}, Grid())
    with Local(lambda x: float(len(x)), slots=2) as launcher:
        run(tuner, launcher, progress=False)
    assert {trial.value for trial in tuner.history} == {1.0, float(len(value))}


def test_an_environment_that_is_too_large_is_no_fault_of_a_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LARGE", "x" * 200_000)
    with Local("echo {x}", slots=1) as launcher, pytest.raises(LaunchError, match="environment"):
        launcher.submit([Job(0, {"x": 1})])


@pytest.mark.parametrize(
    "options",
    [
        {"env": {"A": "a\0b"}},
        {"env": {"A=B": "c"}},
        {"env": {"": "c"}},
        {"env": {"A": "\ud800"}},
        {"directory": "a\0b"},
    ],
)
def test_what_no_system_can_hold_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Local("echo {x}", **options)
    with pytest.raises(OptionError):
        Local("echo \0 {x}")


@pytest.mark.parametrize("seconds", [1e10, 1e18, 1e308])
def test_times_without_end(seconds: float) -> None:
    options: dict[str, Any] = {"timeout": seconds, "grace": seconds, "stop_grace": seconds}
    with Local("sleep 0.1; echo {x}", slots=1, **options) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        (found,) = launcher.collect(seconds)
        assert isinstance(found, Result) and found.value == 1.0
    with Local("echo {x}", slots=1, timeout=seconds) as launcher, Tuner({"x": [1, 2]}) as tuner:
        run(tuner, launcher, max_seconds=seconds, start_timeout=seconds, progress=False)
        assert [trial.state.value for trial in tuner.history] == ["done", "done"]
