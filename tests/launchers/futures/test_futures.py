"""`Futures`: what it refuses, what it says, and what it does when a pool breaks."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import DsiceWarning, LaunchError, MissingPackageError, OptionError
from dsice.launchers import Futures, Job, Result
from tests.launchers import programs
from tests.launchers.cases import processes, threads
from tests.launchers.helpers import drain, eventually


@pytest.mark.parametrize("name", ["dask", "ray", "mpi"])
def test_an_engine_that_is_not_installed_names_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (
        "distributed",
        "ray",
        "mpi4py",
        "mpi4py.futures",
        *(f"dsice.launchers.futures.{n}" for n in ("dask", "ray")),
    ):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for module in ("distributed", "ray", "mpi4py"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=rf"pip install 'dsice\[{name}\]'"):
        Futures(programs.square, name)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"executor": 3}, "executor must be"),
        ({"executor": "spark"}, "'dask', 'ray' or 'mpi'"),
        ({"executor": lambda: 3}, "executor must be"),
        ({"executor": threads, "slots": 0}, "slots"),
        ({"executor": threads, "stop_grace": -1}, "stop_grace"),
        ({"executor": threads, "options": {"priority": 1}}, "for dask and ray"),
        ({"program": "echo 1", "executor": threads}, "shell commands"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        Futures(**{"program": programs.square, **options})


def test_the_old_name_of_the_program_warns_and_works() -> None:
    old: dict[str, Any] = {"function": programs.square, "executor": threads}
    with pytest.warns(DeprecationWarning, match="function= is called program= now"):
        launcher = Futures(**old)
    with launcher:
        launcher.submit([Job(0, {"x": 3})])
        assert drain(launcher, 1)[0].value == 9.0


class Plain(Executor):
    """An executor that does not say how many workers it has."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.pool.shutdown(wait, cancel_futures=cancel_futures)


def test_any_executor_will_do_once_its_slots_are_known() -> None:
    with pytest.raises(OptionError, match="give slots="):
        Futures(programs.square, Plain)
    with Plain() as executor, Futures(programs.square, executor, slots=2) as launcher:
        launcher.submit([Job(0, {"x": 3})])
        assert drain(launcher, 1)[0].value == 9.0


def test_a_shell_command_as_work_is_refused() -> None:
    with Futures(programs.square, threads) as launcher:
        with pytest.raises(LaunchError, match="Local or Batch"):
            launcher.submit([Job(0, work="make data")])
        launcher.submit([Job(0, {"code": "5"}, work=programs.returns)])
        assert drain(launcher, 1)[0].value == 5.0


def test_an_executor_that_was_shut_down_is_a_clear_error() -> None:
    pool = threads()
    pool.shutdown()
    with (
        Futures(programs.square, pool) as launcher,
        pytest.raises(LaunchError, match="takes no more trials"),
    ):
        launcher.submit([Job(0, {"x": 1})])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("'fast'", "number, got str 'fast'"),
        ("None", "returned None"),
        ("[]", "empty list"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("__import__('sys').exit(4)", "sys.exit(4)"),
    ],
)
def test_a_function_without_a_measurement_fails_with_the_reason(code: str, reason: str) -> None:
    with Futures(programs.returns, threads) as launcher:
        launcher.submit([Job(0, {"code": code})])
        assert (result := drain(launcher, 1)[0]).state == "failed" and reason in str(result.error)


def test_metrics_and_repeats_and_where() -> None:
    with Futures(programs.returns, processes) as launcher:
        launcher.submit([Job(0, {"code": "{'loss': 1, 'yes': True}"}), Job(1, {"code": "[1, 2]"})])
        results = drain(launcher, 2)
    assert results[0].metrics == {"loss": 1.0, "yes": 1.0} and results[1].value == [1.0, 2.0]
    assert (
        results[0].where["host"] == os.uname().nodename and results[0].where["pid"] != os.getpid()
    )


def environment(x: int) -> dict[str, float]:
    """What a worker process sees."""
    return {"id": float(os.environ["DSICE_TRIAL"]), "stage": float(os.environ["DSICE_STAGE"])}


def test_worker_processes_have_the_environment_of_their_trial() -> None:
    with Futures(environment, processes) as launcher:
        launcher.submit([Job(i, {"x": 0}, stage=2) for i in (4, 5)])
        assert [r.metrics for _, r in sorted(drain(launcher, 2).items())] == [
            {"id": 4.0, "stage": 2.0},
            {"id": 5.0, "stage": 2.0},
        ]
    assert "DSICE_TRIAL" not in os.environ


def test_the_full_traceback_is_in_the_log(tmp_path: Path) -> None:
    with Futures(programs.square, threads, directory=tmp_path) as launcher:
        launcher.submit([Job(0, {"x": 99})])
        result = drain(launcher, 1)[0]
    log = Path(result.where["log"]).read_text()
    assert log.startswith("Traceback") and "programs.py" in log and "_remote.py" not in log


def test_learning_curves_of_threads_do_not_mix(tmp_path: Path) -> None:
    with Futures(programs.climb, threads, directory=tmp_path) as launcher:
        launcher.submit([Job(i, {"x": i}) for i in range(3)])
        assert eventually(lambda: all((tmp_path / str(i) / "steps").exists() for i in range(3)))
        for i in range(3):
            launcher.cancel(i)
        assert {r.state for r in drain(launcher, 3).values()} == {"stopped"}
    assert "DSICE_DIR" not in os.environ


def test_a_curve_that_nobody_hears_is_said_once() -> None:
    def calls(x: int) -> int:
        import dsice

        return int(dsice.step(0, 1.0)) + int(dsice.step(1, 1.0))

    with (
        Futures(calls, threads) as launcher,
        pytest.warns(DsiceWarning, match=r"dsice.step 2 times.*directory=") as warned,
    ):
        launcher.submit([Job(i, {"x": i}) for i in range(2)])
        assert drain(launcher, 2)[0].value == 0.0
    assert len(warned) == 1


def test_a_trial_that_waits_in_the_queue_can_be_taken_back() -> None:
    begun = threading.Event()

    def waits(x: int) -> int:
        begun.set()
        time.sleep(0.3)
        return x

    with ThreadPoolExecutor(1) as pool, Futures(waits, pool, slots=2) as launcher:
        launcher.submit([Job(0, {"x": 0}), Job(1, {"x": 1})])
        assert begun.wait(10)
        launcher.cancel(0)  # runs already, and a thread cannot be ended
        launcher.cancel(1)
        assert {id: (r.state, r.value) for id, r in drain(launcher, 2).items()} == {
            0: ("done", 0.0),
            1: ("stopped", None),
        }


def test_close_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsice.launchers.futures.launcher._WORRY", 0.05)
    with ThreadPoolExecutor(1) as pool:
        launcher = Futures(programs.nap, pool)
        launcher.submit([Job(0, {"x": 1})])
        assert eventually(lambda: pool._work_queue.empty())
        with pytest.warns(DsiceWarning, match="1 trials still run in ThreadPoolExecutor"):
            launcher.close()


def test_a_broken_pool_that_cannot_be_made_anew_is_a_clear_error() -> None:
    with ProcessPoolExecutor(2) as pool, Futures(programs.kill, pool) as launcher:
        launcher.submit([Job(1, {"x": 1})])
        assert (result := drain(launcher, 1)[1]).state == "lost" and "died" in str(result.error)
        with pytest.raises(LaunchError, match=r"whole pool.*lambda: ProcessPoolExecutor"):
            launcher.submit([Job(2, {"x": 2})])


def test_those_in_flight_with_a_killer_run_apart_afterwards() -> None:
    with Futures(programs.kill, processes) as launcher:
        launcher.submit([Job(x, {"x": x}) for x in (1, 2, 3)])
        assert {r.state for r in drain(launcher, 3).values()} <= {"lost", "done"}
        launcher.submit([Job(x, {"x": x}) for x in (1, 2, 3)])  # as `run` does with lost ones
        results = drain(launcher, 3)
    assert {id: r.state for id, r in results.items()} == {1: "lost", 2: "done", 3: "done"}


def test_run_takes_it_like_any_launcher(tmp_path: Path) -> None:
    with Tuner({"x": range(5), "y": range(4)}, journal=tmp_path / "run.jsonl") as tuner:
        with Futures(
            lambda x, y: (x - 3) ** 2 + y, processes, directory=tmp_path / "trials"
        ) as launcher:
            run(tuner, launcher, progress=False)
        assert (
            len(tuner.history) == 20
            and tuner.best is not None
            and dict(tuner.best.params) == {"x": 3, "y": 0}
        )
        assert all(
            isinstance(trial.where["pid"], int) and trial.seconds is not None
            for trial in tuner.history
        )


def test_the_last_result_counts_when_an_id_comes_again(tmp_path: Path) -> None:
    with Futures(programs.climb, threads, directory=tmp_path) as launcher:
        for _ in range(2):  # the second time in a directory without the first one's mark to stop
            launcher.submit([Job(0, {"x": 0})])
            steps: list[Any] = []
            while len(steps) < 3:
                steps += launcher.collect(1.0)
            assert not any(isinstance(event, Result) for event in steps) and steps[0].step == 0
            launcher.cancel(0)
            assert drain(launcher, 1)[0].state == "stopped"


MPI = """
import sys
from mpi4py.futures import MPIPoolExecutor
from dsice import Tuner, run
from dsice.launchers import Futures

def cost(x, y):
    return (x - 3) ** 2 + y

if __name__ == "__main__":
    with (
        MPIPoolExecutor() as pool,
        Tuner({"x": range(5), "y": range(3)}) as tuner,
        Futures(cost, pool) as launcher,
    ):
        run(tuner, launcher, progress=False)
        pids = {t.where["pid"] for t in tuner.history}
        print(launcher.slots, len(tuner.history), dict(tuner.best.params), len(pids) > 1)
"""


@pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="mpi4py is not installed")
def test_under_mpiexec_the_other_ranks_are_the_workers(tmp_path: Path) -> None:
    mpiexec = shutil.which("mpiexec") or str(Path(sys.executable).with_name("mpiexec"))
    if not os.access(mpiexec, os.X_OK):
        assert not os.environ.get("DSICE_NEEDS_ENGINES"), "there is no mpiexec"
        pytest.skip("there is no mpiexec")
    (tmp_path / "tune.py").write_text(MPI)
    command = [mpiexec, "-n", "4", sys.executable, "-m", "mpi4py.futures", "tune.py"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert (
        done.stdout.split(" ", 2)[:2] == ["3", "15"]
        and "'x': 3, 'y': 0" in done.stdout
        and done.stdout.strip().endswith("True")
    ), done


@pytest.mark.parametrize("executor", [threads, processes])
def test_what_is_prepared_is_handed_to_functions_of_a_pool(executor: Any, tmp_path: Path) -> None:
    def pretrain() -> None:
        import dsice

        Path(dsice.environment()["DSICE_DIR"], "model").write_text("2")

    def train(x: int, prepared: str) -> float:
        import dsice

        assert dsice.environment()["DSICE_PREPARED"] == prepared
        return x * float(Path(prepared, "model").read_text())

    with Futures(train, executor, directory=tmp_path / "trials") as launcher:
        tuner = run(Tuner({"x": [1, 2, 3]}), launcher, prepare=pretrain, progress=False)
    assert sorted(t.value for t in tuner.history if t.value is not None) == [2.0, 4.0, 6.0]
    assert tuner.preparations == {"prepare": str(tmp_path / "trials" / "prepare-0")}


def test_a_preparation_needs_a_directory() -> None:
    with (
        Futures(programs.square, threads) as launcher,
        pytest.raises(LaunchError, match=r"Futures\(\.\.\., directory="),
    ):
        launcher.submit([Job(0, kind="prepare", work=programs.square)])


TERMINATED = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from dsice.launchers import Futures, Job


def work(x):
    Path(sys.argv[1], f"{x}.pid").write_text(str(os.getpid()))
    time.sleep(60)


if __name__ == "__main__":
    with Futures(work, lambda: ProcessPoolExecutor(2)) as launcher:
        launcher.submit([Job(0, {"x": 0}), Job(1, {"x": 1})])
        launcher.collect(60)
"""


def works(psutil: Any, pid: int) -> bool:
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals on this system")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_coordinator_that_is_terminated_leaves_no_workers_of_its_own_pool(
    name: str, tmp_path: Path
) -> None:
    psutil = pytest.importorskip("psutil")
    script = tmp_path / "tune.py"
    script.write_text(TERMINATED)
    coordinator = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], start_new_session=True
    )
    files = [tmp_path / "0.pid", tmp_path / "1.pid"]
    try:
        assert eventually(lambda: all(file.exists() and file.read_text() for file in files))
        coordinator.send_signal(getattr(signal, name))
        assert coordinator.wait(20) == 128 + getattr(signal, name)
        assert eventually(lambda: not any(works(psutil, int(file.read_text())) for file in files))
    finally:
        with contextlib.suppress(OSError):
            os.killpg(coordinator.pid, signal.SIGKILL)


def test_workers_of_a_pool_end_on_a_signal_as_ever() -> None:
    """What the coordinator does on SIGTERM is not inherited by workers that it forks."""
    # ray, which other tests start in this process, has its own handler
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = "__import__('os').kill(__import__('os').getpid(), 15)"
    try:
        with Futures(programs.returns, lambda: ProcessPoolExecutor(1)) as launcher:
            launcher.submit([Job(0, {"code": code})])
            assert drain(launcher, 1)[0].state == "lost"
    finally:
        signal.signal(signal.SIGTERM, before)
