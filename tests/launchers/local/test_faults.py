"""`Local`: trials that misbehave fail alone, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dsice.launchers import Job, Local, Result
from tests.launchers import programs
from tests.launchers.helpers import drain, eventually, mark, marked

CASES = {
    "kills itself": ("kill -9 $$", "failed", "SIGKILL"),
    "kills its process group": ("kill -9 0", "failed", "SIGKILL"),
    "terminates its group": ("kill 0; sleep 9", "failed", "SIGTERM"),
    "hangs": ("sleep {mark}", "timed_out", "timeout=3"),
    "hangs and is deaf": ("trap '' TERM; sleep {mark}; sleep {mark}", "timed_out", "timeout=3"),
    "suspends itself": ("kill -STOP $$", "timed_out", "timeout=3"),
    "kills its supervisor": (
        "sleep {mark} & setsid sleep {mark} & kill -9 $PPID; sleep {mark}",
        "lost",
        "killed by signal 9",
    ),
    "suspends its supervisor": ("kill -STOP $PPID; sleep {mark}", "timed_out", "timeout=3"),
    "removes its directory": (
        'rm -rf "$DSICE_DIR"; sleep {mark} & echo 1',
        "lost",
        "without a record",
    ),
    "leaves a child": ("sleep {mark} & echo 1", "done", ""),
    "leaves a deaf child": ("(trap '' TERM; sleep {mark}; sleep {mark}) & echo 1", "done", ""),
    "leaves a daemon": (
        "setsid sh -c 'sleep {mark} & sleep {mark}' & sleep 0.2; echo 1",
        "done",
        "",
    ),
    "leaves one with an empty environment": (
        "env -i setsid sleep {mark} & sleep 0.2; echo 1",
        "done",
        "",
    ),
    "prints a lot": ("head -c 200000000 /dev/zero; echo; echo 1", "done", ""),
    "prints a lot without a line": ("head -c 50000000 /dev/zero", "failed", "not JSON"),
    "is well": ("echo 1", "done", ""),
}


def test_each_misbehaves_alone_and_nothing_is_left(tmp_path: Path) -> None:
    sign, before = mark(), psutil.Process().memory_info().rss
    with Local(
        "eval {code}", slots=len(CASES), timeout=3, grace=0.3, directory=tmp_path
    ) as launcher:
        jobs = [
            Job(i, {"code": case[0].replace("{mark}", sign)})
            for i, case in enumerate(CASES.values())
        ]
        launcher.submit(jobs)
        results = drain(launcher, len(jobs))
        assert eventually(lambda: not marked(sign), 2.0), marked(sign)
    for id, (name, (_, state, reason)) in enumerate(CASES.items()):
        result = results[id]
        assert result.state == state and reason in (result.error or ""), (name, result)
        assert state != "done" or result.value == 1.0, (name, result)
    assert psutil.Process().memory_info().rss - before < 50e6


def test_a_function_leaves_nothing_behind() -> None:
    sign = mark()
    with Local(programs.leaves, slots=1) as launcher:
        launcher.submit([Job(0, {"mark": sign})])
        assert drain(launcher, 1)[0].value == 1.0
        assert marked(sign) == []


def test_cancel_ends_the_whole_tree() -> None:
    signs = mark(), mark()
    with Local(programs.unkind, slots=2, grace=0.2) as launcher:
        launcher.submit([Job(i, {"mark": sign}) for i, sign in enumerate(signs)])
        assert eventually(lambda: len(marked(signs[0])) == len(marked(signs[1])) == 2)
        launcher.cancel(0)
        result = drain(launcher, 1)[0]
        assert result.state == "stopped" and "cancelled" in str(result.error)
        assert marked(signs[0]) == [] and len(marked(signs[1])) == 2
    assert marked(signs[1]) == []  # the other one: by close


def test_a_cancelled_program_may_say_goodbye(tmp_path: Path) -> None:
    command = (
        "trap 'echo saved > \"$DSICE_DIR/checkpoint\"; exit' TERM; "
        'touch "$DSICE_DIR/up"; while :; do sleep 0.05; done'
    )
    with Local(command, directory=tmp_path, slots=1, grace=5.0) as launcher:
        launcher.submit([Job(0)])
        assert eventually((tmp_path / "0" / "up").exists)
        launcher.cancel(0)
        assert (tmp_path / "0" / "stop").exists()
        assert drain(launcher, 1)[0].state == "stopped"
    assert (tmp_path / "0" / "checkpoint").read_text() == "saved\n"


def climbs(kind: str) -> float:
    """Report steps; told to stop, return, raise or go on."""
    import time

    import dsice

    for step in range(1000):
        if dsice.step(step, 1.0) and kind != "deaf":
            if kind == "raises":
                raise StopIteration("told to stop")
            return step
        time.sleep(0.02)
    return -1.0


def cancelled(kinds: list[str], directory: Path, stop_grace: float) -> list[Result]:
    """Results of trials that were cancelled after their first step."""
    with Local(climbs, directory=directory, slots=len(kinds), stop_grace=stop_grace) as launcher:
        launcher.submit([Job(i, {"kind": kind}) for i, kind in enumerate(kinds)])
        assert eventually(
            lambda: all((directory / str(i) / "steps").exists() for i in range(len(kinds))), 60.0
        )
        for i in range(len(kinds)):
            launcher.cancel(i)
            launcher.cancel(i)
        return [result for _, result in sorted(drain(launcher, len(kinds), 60.0).items())]


def test_a_cancelled_trial_that_listens_ends_by_itself(tmp_path: Path) -> None:
    returned, raised = cancelled(["returns", "raises"], tmp_path, 60.0)
    assert returned.state == raised.state == "stopped"
    assert isinstance(returned.value, float) and returned.value >= 0
    assert raised.value is None and "told to stop" in str(raised.error)


def test_a_cancelled_trial_that_is_deaf_is_ended(tmp_path: Path) -> None:
    (result,) = cancelled(["deaf"], tmp_path, 0.2)
    assert result.state == "stopped" and result.value is None


@pytest.mark.parametrize(
    ("last", "value", "error"),
    [
        ("echo 7", 7.0, "cancelled; it ended by itself"),
        ("true", None, "cancelled; it ended by itself"),  # its measurement is not missing
        ("exit 3", None, "cancelled; exit code 3"),
    ],
)
def test_a_shell_trial_that_listens_gives_its_last_value(
    tmp_path: Path, last: str, value: float | None, error: str
) -> None:
    command = (
        'echo \'{{"step": 0, "value": 1}}\' > "$DSICE_DIR/steps"; '
        'until [ -e "$DSICE_DIR/stop" ]; do sleep 0.02; done; '
        f'touch "$DSICE_DIR/stopping"; {last}'
    )
    with Local(command, directory=tmp_path, slots=1) as launcher:
        launcher.submit([Job(0)])
        assert eventually((tmp_path / "0" / "steps").exists)
        launcher.cancel(0)
        result = drain(launcher, 1)[0]
    assert (result.state, result.value, result.error) == ("stopped", value, error)


def test_a_supervisor_ended_from_outside_is_the_machines_fault(tmp_path: Path) -> None:
    sign = mark()
    with Local(f"sleep {sign}", directory=tmp_path, slots=1) as launcher:
        launcher.submit([Job(0)])
        assert eventually(lambda: len(marked(sign)) > 1)
        supervisor = json.loads((tmp_path / "0" / "process.json").read_text())["pid"]
        os.kill(supervisor, signal.SIGTERM)
        assert drain(launcher, 1)[0].state == "lost"
        assert marked(sign) == []


def test_what_was_measured_stands_whatever_the_process_does_afterwards() -> None:
    def crashes_at_exit() -> float:
        import atexit
        import os

        atexit.register(os.abort)
        return 7.0

    with Local(crashes_at_exit, slots=1) as launcher:
        launcher.submit([Job(0)])
        assert (result := drain(launcher, 1)[0]).state == "done" and result.value == 7.0


def test_the_machine_refusing_a_process_is_no_fault_of_the_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Local("echo {x}", slots=3) as launcher:
        real = subprocess.Popen
        monkeypatch.setattr(
            subprocess,
            "Popen",
            lambda *a, **k: (_ for _ in ()).throw(BlockingIOError(11, "no more processes")),
        )
        launcher.submit([Job(0, {"x": 1})])
        monkeypatch.setattr(subprocess, "Popen", real)
        launcher.submit([Job(1, {"x": 1})])
        results = drain(launcher, 2)
        assert results[0].state == "unstarted" and "no more processes" in str(results[0].error)
        assert results[1].value == 1.0


def test_a_temporary_directory_goes_unless_its_logs_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Local("test {x} = 1 && echo 1", slots=2) as launcher:
        launcher.submit([Job(0, {"x": 0})])
        log = Path(drain(launcher, 1)[0].where["log"])
        launcher.submit([Job(1, {"x": 1})])
        drain(launcher, 1)
    with Local(programs.square, slots=2) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        drain(launcher, 1)
    assert log.is_file()
    assert list(tmp_path.iterdir()) == [log.parent.parent]
    assert list(log.parent.parent.iterdir()) == [log.parent]


def test_a_supervisor_that_its_trial_suspended_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsice.launchers.local.process._WAKE", 0.1)
    command = 'kill -STOP $PPID; touch "$DSICE_DIR/up"; sleep 0.3; echo {x}'
    with Local(command, slots=2, directory=tmp_path) as launcher:
        launcher.submit([Job(0, {"x": 5})])
        assert drain(launcher, 1)[0].value == 5.0
        launcher.submit([Job(1, {"x": 6})])
        assert eventually((tmp_path / "1" / "up").exists)
        (trial,) = launcher._running.values()
        launcher._running.clear()  # forgotten, as by a coordinator that was killed
        assert launcher.attach([Job(1, {"x": 6})]) == [1]
        assert drain(launcher, 1)[1].value == 6.0
        assert trial._child is not None and trial._child.wait() == 0


def test_a_supervisor_that_is_suspended_again_and_again_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsice.launchers.local.process._WAKE", 0.05)
    sign = mark()
    command = f"setsid sleep {sign} & while :; do kill -STOP $PPID; done"
    with Local(command, slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0)])
        result = drain(launcher, 1)[0]
    assert result.state == "lost" and "suspended again and again" in str(result.error)
    assert marked(sign) == []


def test_close_ends_a_trial_whose_supervisor_is_suspended(tmp_path: Path) -> None:
    sign = mark()
    with Local(f"kill -STOP $PPID; sleep {sign}", slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0)])
        assert eventually(lambda: len(marked(sign)) > 1)
        began = time.monotonic()
    assert time.monotonic() - began < 3.0 and marked(sign) == []
    assert (tmp_path / "0" / "exit.json").exists()


@pytest.mark.parametrize(
    "odd",
    [
        "'code': float('inf')",
        "'signal': float('nan')",
        "'seconds': -1",
        "'pid': 1e400",
        "'code': 'x'",
    ],
)
def test_what_no_supervisor_writes_is_no_record(odd: str, tmp_path: Path) -> None:
    program = f"""
import json, os, signal
record = {{"why": "exit", "token": os.environ["DSICE_NONCE"], {odd}}}
with open(os.environ["DSICE_DIR"] + "/exit.json", "w") as file:
    json.dump(record, file)
os.kill(os.getppid(), signal.SIGKILL)
"""
    script = tmp_path / "program.py"
    script.write_text(program)
    with Local(f"exec {sys.executable} {script}", slots=1, directory=tmp_path / "t") as launcher:
        launcher.submit([Job(0)])
        result = drain(launcher, 1)[0]
    assert result.state == "lost" and "without a record" in str(result.error)


def test_an_error_that_shows_a_whole_array_is_shortened(tmp_path: Path) -> None:
    def program(x: int) -> float:
        raise ValueError("start" + "x" * 1_000_000 + "end")

    with Local(program, slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0, {"x": 1})])
        error = str(drain(launcher, 1)[0].error)
    assert "ValueError: startxxx" in error and "xxxend" in error and len(error) < 50_000


COORDINATOR = """
import sys, time
from dsice.launchers import Job, Local
launcher = Local(sys.argv[1], slots=4, directory=sys.argv[2] or None)
launcher.submit([Job(i, {"x": i}) for i in range(3)])
print("up", flush=True)
if sys.argv[3] == "wait":
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["kill", "interrupt", "forgets to close"])
def test_trials_without_a_directory_end_with_their_coordinator(how: str) -> None:
    sign = mark()
    stay = "leave" if how == "forgets to close" else "wait"
    code = [
        sys.executable,
        "-c",
        COORDINATOR,
        f"setsid sleep {sign} & sleep {sign}; echo {{x}}",
        "",
        stay,
    ]
    coordinator = subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert coordinator.stdout is not None and coordinator.stdout.readline() == b"up\n"
    if how != "forgets to close":
        coordinator.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
    coordinator.wait(10)
    coordinator.stdout.close()
    assert eventually(lambda: not marked(sign), 5.0)


def test_ctrl_c_at_the_terminal_reaches_the_coordinator_only(tmp_path: Path) -> None:
    code = (
        "import signal, sys; from dsice.launchers import Job, Local; "
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with Local('sleep 0.7; echo 5', directory=sys.argv[1], slots=1) as launcher:\n"
        "    launcher.submit([Job(0)]); print('up', flush=True)\n"
        "    while not (news := launcher.collect(1)): pass\n"
        "    print(news[0].state, news[0].value)"
    )
    coordinator = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert coordinator.stdout is not None and coordinator.stdout.readline() == "up\n"
    assert eventually((tmp_path / "0" / "process.json").exists)
    os.killpg(coordinator.pid, signal.SIGINT)  # as a terminal does
    assert coordinator.communicate(timeout=20)[0] == "done 5.0\n"


def test_a_fork_of_the_coordinator_ends_nothing(tmp_path: Path) -> None:
    with Local("sleep 0.5; echo 1", directory=tmp_path, slots=1) as launcher:
        launcher.submit([Job(0)])
        child = os.fork()
        if child == 0:
            launcher.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert drain(launcher, 1)[0].value == 1.0


def test_many_trials_leave_no_process_handle_or_memory_behind(tmp_path: Path) -> None:
    me = psutil.Process()
    with Local("echo {x}", slots=8, directory=tmp_path) as launcher:
        for start in range(0, 80, 8):
            if start == 16:
                handles, memory = me.num_fds(), me.memory_info().rss
            launcher.submit([Job(start + i, {"x": i}) for i in range(8)])
            drain(launcher, 8)
        # of 64 trials; an engine that other tests share may open a handle in between
        assert me.num_fds() < handles + 16 and me.memory_info().rss - memory < 5e6
        time.sleep(0.05)
        assert not [p for p in me.children() if p.status() == psutil.STATUS_ZOMBIE]
