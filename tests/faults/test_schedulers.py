"""Schedulers that answer oddly: each trial runs once, and no command holds the tuning up."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.launchers import Batch
from dsice.launchers.batch import command, scheduler_client
from tests.faults.bench import linux_only, scaled
from tests.faults.conftest import Note
from tests.launchers.fixtures import Fake

pytestmark = [
    linux_only,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::dsice.errors.DsiceWarning"),
]

BAR = "a scheduler that answers oddly, 40 trials each"
TRIALS = scaled(4, 40)
LOST_AFTER = scaled(0.8, 1.5)
SECONDS = scaled(2.0, 4.0)
LIMIT = 3.0
WORK = 'echo run >> "$DSICE_DIR/../../runs-"{x}; sleep %s; echo {x}'
OTHERS = """\
*** The file systems are under maintenance until 12:00 ***
Lmod: loaded module gcc/12
94646[].server    sweep            else             00:00:00 B workq
77+0|R|heterogeneous
94646[]   RUN  bulk
"""
Steps = Iterator[float]


def others(fake: Fake) -> Steps:
    fake.tell("noise", OTHERS)
    yield 0.0


def cut(fake: Fake) -> Steps:
    fake.tell("cut", "9")
    yield 0.0


def empty(fake: Fake) -> Steps:
    yield 1.0
    fake.tell("empty", "error: the controller is busy")
    yield 3 * LOST_AFTER
    fake.forget("empty")


def late(fake: Fake) -> Steps:
    fake.tell("late", str(0.7 * LOST_AFTER))
    yield 0.0


def lying(fake: Fake) -> Steps:
    fake.tell("lie", str(TRIALS // 2))
    yield 0.0


def lying_and_late(fake: Fake) -> Steps:
    fake.tell("late", "2.5")  # longer than the first pause
    fake.tell("lie", str(scaled(1, 10)))
    yield 0.0


def lying_about_a_full_queue(fake: Fake) -> Steps:
    fake.tell("late", str(0.7 * LOST_AFTER))
    fake.tell("swallow")
    yield 1.0
    fake.forget("swallow")


def keeping_pipes(fake: Fake) -> Steps:
    fake.tell("keep", "20")
    yield 0.0


def hanging(fake: Fake) -> Steps:
    fake.tell("hang")
    yield 0.0


def jumping(hours: int) -> Callable[[Fake], Steps]:
    def steps(fake: Fake) -> Steps:
        clock = time.time
        yield 1.0
        fake.tell("empty")
        yield 0.7
        time.time = lambda: clock() + 3600 * hours
        try:
            yield 3.0
        finally:
            time.time = clock
        fake.forget("empty")

    return steps


class Calls:
    """The durations of all commands of the scheduler."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.longest = 0.0
        monkeypatch.setattr(scheduler_client, "_TIMEOUT", LIMIT)
        monkeypatch.setattr(scheduler_client, "ask", self._ask)

    def _ask(self, *arguments: Any) -> command.Answer:
        began = time.monotonic()
        try:
            return command.ask(*arguments)
        finally:
            self.longest = max(self.longest, time.monotonic() - began)


def play(fake: Fake, steps: Steps) -> threading.Thread:
    """Take the first step now, and the others in their time."""

    def follow() -> None:
        time.sleep(first)
        for pause in steps:
            time.sleep(pause)

    first = next(steps)
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    return thread


def tune(
    fake: Fake,
    name: str,
    place: Path,
    seconds: float,
    retries: int = 0,
    lost_after: float = LOST_AFTER,
) -> Tuner:
    launcher = Batch(
        WORK % seconds,
        scheduler=name,
        slots=TRIALS,
        directory=place / "trials",
        poll=0.3,
        lost_after=lost_after,
        throttle=0.0,
    )
    with Tuner({"x": range(TRIALS)}, max_trials=TRIALS) as tuner, launcher:
        run(tuner, launcher, progress=False, retries=retries)
    return tuner


def runs(place: Path) -> list[int]:
    """How often each trial ran."""
    return [len((place / f"runs-{x}").read_text().split()) for x in range(TRIALS)]


SCENES = [  # every other one is in the short form
    (others, "pjm"),
    (others, "slurm"),
    (cut, "pjm"),
    (cut, "slurm"),
    (empty, "pjm"),
    (empty, "slurm"),
    (lying_and_late, "slurm"),
    (lying_and_late, "pjm"),
    (keeping_pipes, "pjm"),
    (late, "slurm"),
    (hanging, "slurm"),
    (lying, "slurm"),
    (jumping(1), "slurm"),
    (jumping(-1), "slurm"),
    (lying_about_a_full_queue, "slurm"),
    (lying, "pjm"),
]


@pytest.mark.parametrize(
    ("scene", "name"),
    SCENES[:: scaled(2, 1)],
    ids=[f"{scene.__name__}, {name}" for scene, name in SCENES][:: scaled(2, 1)],
)
def test_each_trial_runs_once(
    commands: Fake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    note: Note,
    scene: Callable[[Fake], Steps],
    name: str,
) -> None:
    calls = Calls(monkeypatch)
    thread = play(commands, scene(commands))
    seconds = SECONDS + 3 * LOST_AFTER if scene is empty else SECONDS
    patience = 3.5 if scene is lying_and_late else LOST_AFTER
    tuner = tune(commands, name, tmp_path, seconds, lost_after=patience)
    thread.join()
    twice = sum(count != 1 for count in runs(tmp_path))
    failed = [trial.error for trial in tuner.history if trial.value is None]
    note(BAR, "trials", TRIALS)
    note(BAR, "trials that did not run once", twice, "0")
    note(BAR, "trials told lost or failed", len(failed), "0")
    note(BAR, f"longest command, limit {LIMIT:g} s", calls.longest, f"<{LIMIT + 1:g}", most=True)
    assert failed == [] and twice == 0
    assert calls.longest <= LIMIT + 1


@pytest.mark.parametrize("name", ["pjm", "slurm"][: scaled(1, 2)])
def test_reused_ids(
    commands: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Note, name: str
) -> None:
    """Jobs that die, and whose ids other programs get: those are left alone, and the dead found."""
    Calls(monkeypatch)
    count = max(1, TRIALS // 4)
    strangers: list[subprocess.Popen[bytes]] = []

    def reuse() -> None:
        while len(list(tmp_path.glob("trials/*/process.json"))) < TRIALS:
            time.sleep(0.05)
        for file in sorted((commands.place / "jobs").iterdir())[:count]:
            kill_tree(int(file.read_text().split()[-1]))
            strangers.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
            file.write_text(f"thesis {strangers[-1].pid}")

    thread = threading.Thread(target=reuse, daemon=True)
    thread.start()
    try:
        tuner = tune(commands, name, tmp_path, scaled(4.0, 20.0), retries=1)
        thread.join()
        killed = sum(process.poll() is not None for process in strangers)
    finally:
        for process in strangers:
            process.kill()
            process.wait()
    measured = sum(trial.value is not None for trial in tuner.history)
    again = sum(found == 2 for found in runs(tmp_path))
    note(BAR, "other programs' jobs cancelled", killed, "0")
    note(BAR, "dead jobs not found", count - again, "0")
    assert (len(strangers), killed, measured, again) == (count, 0, TRIALS, count)


def kill_tree(root: int) -> None:
    """End a job with all its processes, as a node that dies does."""
    import psutil

    process = psutil.Process(root)
    for found in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            found.kill()
