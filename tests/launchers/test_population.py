"""Population-based training through every launcher with checkpoints, and after their loss."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dsice
from dsice import Tuner, run
from dsice.errors import LaunchError, OptionError
from dsice.launchers import Batch, Futures, Job, Launcher, Local, Table
from dsice.strategies import Population
from tests.by_value import by_value
from tests.launchers.fixtures import Fake
from tests.launchers.helpers import drain

LR = {"lr": [0.01, 0.05, 0.1, 0.2]}
SMALL = Population(members=4, stages=3)
LEAST = Population(members=2, stages=2)  # where a trial takes long to start


@by_value
def train(lr: float) -> float:
    """Gradient descent on x**2, five steps a stage, from the checkpoint of the parent."""
    parent, own = dsice.parent_dir(), dsice.trial_dir()
    assert own is not None
    if parent is not None and not (parent / "state.json").exists():
        raise FileNotFoundError(f"no checkpoint in {parent.name}")
    state: dict[str, Any] = (
        json.loads((parent / "state.json").read_text()) if parent else {"x": 1.0, "rates": []}
    )
    if os.environ.get("KILLED_IN") == own.name and not (own.parent / "killed").exists():
        (own.parent / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("ALWAYS_KILLED_IN") == own.name:
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(5):
        state["x"] -= lr * 2 * state["x"]
    state["rates"].append(lr)
    (own / "state.json").write_text(json.dumps(state))
    return float(state["x"] ** 2)


def trained(launcher: Launcher, place: Path, tuner: Tuner | None = None) -> Tuner:
    """A whole population; the checkpoint of every trial holds the rates of its lineage."""
    tuner = tuner or Tuner(LR, SMALL)
    with tuner:
        run(tuner, launcher, progress=False)
    for trial in tuner.history:
        if trial.state == "done":
            rates = json.loads((place / str(trial.id) / "state.json").read_text())["rates"]
            assert rates == pytest.approx([t.params["lr"] for t in tuner.history.lineage(trial)])
    return tuner


def all_done(tuner: Tuner) -> bool:
    size = tuner.strategy.members * tuner.strategy.stages  # type: ignore[attr-defined]
    return len(tuner.history) == size and all(t.state == "done" for t in tuner.history)


# ---------------------------------------------------------------------- through every launcher
# tests/strategies/test_population.py has a test in a directory that the user names
def test_local_in_a_temporary_directory() -> None:
    tuner = Tuner(LR, LEAST)
    with tuner, Local(train, slots=2) as launcher:
        run(tuner, launcher, progress=False)
    assert all_done(tuner)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_futures_of_threads_and_processes(pool: Any, tmp_path: Path) -> None:
    with Futures(train, lambda: pool(2), directory=tmp_path) as launcher:
        assert all_done(trained(launcher, tmp_path))


def test_jobs_of_a_scheduler(fake: Fake, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scheduler": fake.name, "slots": 4, "poll": 0.3, "throttle": 0.0}
    with Batch(
        train,
        directory=tmp_path / "trials",
        env={"PYTHONPATH": os.pathsep.join(_paths())},
        **options,
    ) as launcher:
        assert all_done(trained(launcher, tmp_path / "trials", Tuner(LR, LEAST)))


def _paths() -> list[str]:
    return [str(Path(dsice.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]


def test_a_table_and_futures_without_directories_say_so_before_anything_is_asked() -> None:
    frame = pd.DataFrame({"lr": LR["lr"], "objective": [4.0, 3.0, 2.0, 1.0], "seconds": 1.0})
    for launcher in (Table(frame), Table(frame, workers=4)):
        tuner = Tuner(launcher.space, SMALL)
        with pytest.raises(
            OptionError, match=r"Population trains in stages.*a Table answers with whole trainings"
        ):
            run(tuner, launcher, progress=False)
        assert len(tuner.history) == 0
        with pytest.raises(LaunchError, match=r"trial 4 continues from the checkpoint of trial 0"):
            launcher.submit([Job(4, {"lr": 0.01}, parent=0, stage=1)])
    with ThreadPoolExecutor(2) as pool, Futures(train, pool) as futures:
        with pytest.raises(OptionError, match=r"Population.*give it directory="):
            run(Tuner(LR, SMALL), futures, progress=False)
        with pytest.raises(LaunchError, match=r"trial 4 continues.*give it directory="):
            futures.submit([Job(4, {"lr": 0.01}, parent=0, stage=1)])
    single = Tuner(LR, Population(members=2, stages=1))  # one stage continues nothing
    run(single, Table(frame), progress=False)
    assert len(single.history) == 2


# ---------------------------------------------------------------------- what is lost
@pytest.mark.parametrize("kind", ["local", "threads", "batch"])
def test_a_directory_that_is_gone_fails_the_job_and_no_other(
    kind: str, tmp_path: Path, fake: Fake
) -> None:
    place = tmp_path / "trials"
    (place / "0").mkdir(parents=True)
    makers: dict[str, Any] = {
        "local": lambda: Local("echo 1", slots=2, directory=place),
        "threads": lambda: Futures(echo, lambda: ThreadPoolExecutor(2), directory=place),
        "batch": lambda: Batch(
            "echo 1", slots=2, directory=place, scheduler=fake.name, poll=0.3, throttle=0.0
        ),
    }
    with makers[kind]() as launcher:
        launcher.submit([Job(4, {}, parent=0, stage=1), Job(5, {}, parent=1, stage=1)])
        results = drain(launcher, 2)
    assert results[4].value == 1.0
    assert results[5].state == "failed" and "continues trial 1" in str(results[5].error)
    assert str(place / "1") in str(results[5].error)


def echo() -> float:
    return 1.0


@pytest.mark.parametrize("harm", ["missing", "torn", "directory"])
def test_a_checkpoint_that_is_lost_fails_its_members_and_the_population_goes_on(
    harm: str, tmp_path: Path
) -> None:
    tuner = Tuner(LR, SMALL)
    harmed: list[int] = []

    def spoil(tuner: Tuner, trial: dsice.Trial) -> None:
        if not harmed and len(tuner.history) == 4 and not tuner.pending:
            # neither the best, which is copied, nor the worst
            worst = sorted(tuner.history, key=lambda t: t.value or 0.0)[1]
            harmed.append(worst.id)
            file = tmp_path / str(worst.id) / "state.json"
            if harm == "torn":
                file.write_text(file.read_text()[:9])
            elif harm == "missing":
                file.unlink()
            else:
                shutil.rmtree(file.parent)

    with Futures(train, lambda: ThreadPoolExecutor(4), directory=tmp_path) as launcher:
        run(tuner, launcher, callbacks=[spoil], progress=False)
    failed = [t for t in tuner.history if t.state == "failed"]
    assert len(failed) == 1 and failed[0].parent == harmed[0] and failed[0].stage == 1
    reason = {
        "missing": "no checkpoint in",
        "torn": "JSONDecodeError",
        "directory": f"continues trial {harmed[0]}",
    }[harm]
    assert reason in str(failed[0].error)
    after = next(t for t in tuner.history if (t.stage, t.member) == (2, failed[0].member))
    assert after.state == "done" and after.note["phase"] == "copy" and after.parent != failed[0].id
    assert tuner.history[after.parent or 0].state == "done" and len(tuner.history) == 12
    assert tuner.best is not None and tuner.best.stage == 2


def test_a_member_lost_in_a_stage_is_started_again_from_the_same_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLED_IN", "5")
    with Futures(train, lambda: ProcessPoolExecutor(2), directory=tmp_path) as launcher:
        assert all_done(trained(launcher, tmp_path))
    assert (tmp_path / "killed").exists()


def test_a_member_lost_for_good_fails_with_the_reason_and_copies_another_in_the_next_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALWAYS_KILLED_IN", "5")
    with Futures(train, lambda: ProcessPoolExecutor(2), directory=tmp_path) as launcher:
        tuner = trained(launcher, tmp_path)
    lost = tuner.history[5]
    assert [t.id for t in tuner.history if t.state != "done"] == [5]
    assert lost.state == "failed" and "lost 2 times" in str(lost.error)
    after = next(t for t in tuner.history if (t.stage, t.member) == (2, lost.member))
    assert after.note["phase"] == "copy" and tuner.history[after.parent or 0].state == "done"


def test_a_population_cut_in_the_middle_goes_on_from_the_checkpoints_that_are_there(
    tmp_path: Path,
) -> None:
    class Cut(Exception):
        pass

    def cut(tuner: Tuner, trial: dsice.Trial) -> None:
        if trial.id == 2:
            raise Cut

    journal, place = tmp_path / "j.jsonl", tmp_path / "trials"
    tuner = Tuner(LR, LEAST, journal=journal)
    with pytest.raises(Cut), tuner, Local(train, slots=2, directory=place) as launcher:
        run(tuner, launcher, callbacks=[cut], progress=False)
    with Local(train, slots=2, directory=place) as launcher:
        assert all_done(trained(launcher, place, Tuner(LR, LEAST, journal=journal)))


def test_without_a_directory_of_its_own_a_restart_fails_the_stage_with_the_reason(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "j.jsonl"
    with (
        Tuner(LR, LEAST, journal=journal) as tuner,
        Local("echo {lr}", slots=4) as launcher,
        pytest.warns(match="of stage 1"),
    ):
        run(tuner, launcher, max_trials=2, progress=False)
    with (
        Tuner(LR, LEAST, journal=journal) as tuner,
        Local("echo {lr}", slots=4) as launcher,
        pytest.warns(match="no best"),
    ):
        run(tuner, launcher, progress=False)
    assert len(tuner.history) == 4 and all(
        "give the launcher a directory=" in str(t.error) for t in tuner.history[2:]
    )
