"""A run beside somebody who exchanges its files, and programs that exchange their own."""

from __future__ import annotations

import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import LaunchError
from dsice.launchers import Batch, Futures, Job, Local
from dsice.strategies import Grid
from tests.by_value import by_value
from tests.faults.bench import linux_only, scaled
from tests.faults.conftest import Note

BAR = "other users: exchanged pickles, directories, links, FIFOs"
TRIALS = scaled(8, 60)
NAMES = (
    *("stdout", "stderr", "steps", "stop", "stopping", "result.json", "exit.json"),
    *("process.json", "params.json", "job.json", "job.json.new", "alive"),
)
KINDS = ("mkfifo {0}", "ln -s /dev/zero {0}", "ln -s /dev/full {0}", "ln -s {1} {0}", "mkdir {0}")


class Evil:
    """A pickle that leaves a mark where it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (self.mark,)


class Attacker(threading.Thread):
    """Exchanges every function's file of a directory, as often as it sees one."""

    def __init__(self, home: Path, mark: Path) -> None:
        super().__init__(daemon=True)
        self.home, self.content = home, pickle.dumps(Evil(mark))
        self.exchanged = 0
        self.over = False

    def run(self) -> None:
        while not self.over:
            for path in list(self.home.glob("function-*.pkl")):
                with suppress(OSError):
                    if path.read_bytes() != self.content:
                        other = path.with_name("evil")
                        other.write_bytes(self.content)
                        other.replace(path)
                        self.exchanged += 1
            time.sleep(0.02)


@by_value
def square(x: int) -> float:
    return float(x * x)


@linux_only
def test_exchanged_while_it_runs(tmp_path: Path, note: Note) -> None:
    home, mark = tmp_path / "trials", tmp_path / "evil"
    refused = 0
    with Local(square, slots=2, directory=home) as launcher:
        attacker = Attacker(home, mark)
        attacker.start()
        waiting = list(range(TRIALS))
        results: dict[int, Any] = {}
        until = time.monotonic() + 300
        running = 0
        while len(results) < TRIALS and time.monotonic() < until:
            if refused >= TRIALS:
                attacker.over = True
            if waiting and running < 2:
                launcher.submit([Job(waiting[0], {"x": waiting.pop(0)})])
                running += 1
                continue
            for result in launcher.collect(5.0):
                running -= 1
                if result.state == "unstarted":  # type: ignore[union-attr]
                    refused += 1
                    waiting.append(result.id)
                else:
                    results[result.id] = result.value
        attacker.over = True
        attacker.join()
    note(BAR, "pickles exchanged while a tuning ran", attacker.exchanged)
    note(BAR, "of them loaded", mark.exists(), "0")
    note(BAR, "trials told another value than theirs", wrong(results), "0")
    assert attacker.exchanged and not mark.exists() and wrong(results) == 0


def wrong(results: dict[int, Any]) -> int:
    return sum(results.get(id) != float(id * id) for id in range(TRIALS))


def test_directories_that_others_can_write_to(
    tmp_path: Path, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsice.launchers.foreign._is_own_group", lambda *_: False)
    used, unnamed = 0, 0
    modes = [mode for mode in range(0o1000) if mode & 0o022 and mode & 0o700 == 0o700]
    modes = modes[:: scaled(12, 1)]
    for mode in modes:
        home = tmp_path / f"{mode:o}"
        home.mkdir()
        home.chmod(mode)
        for made in (Local(square, slots=1, directory=home), Batch("echo 1", directory=home)):
            with made as launcher:
                try:
                    launcher.submit([Job(0, {"x": 1})])
                    used += 1
                except LaunchError as error:
                    unnamed += str(home) not in str(error)
        used += len(list(home.iterdir()))
    note(BAR, "modes that let others write", len(modes))
    note(BAR, "of them used, or not named", used + unnamed, "0")
    assert used == unnamed == 0


@linux_only
def test_programs_that_exchange_their_own_files(tmp_path: Path, note: Note) -> None:
    secret = tmp_path / "secret"
    secret.write_text("99\n")
    commands = []
    for name in NAMES:
        for kind in KINDS:
            path = f"$DSICE_DIR/{name}"
            commands.append(f"rm -rf {path}; {kind.format(path, secret)}; echo 1")
    commands = commands[:: scaled(7, 1)]
    began = time.monotonic()
    space = {"command": commands}
    with (
        warnings.catch_warnings(),
        Tuner(space, strategy=Grid(), journal=tmp_path / "run.jsonl") as tuner,
        Local("eval {command}", slots=4, directory=tmp_path / "trials") as launcher,
    ):
        warnings.simplefilter("ignore")
        run(tuner, launcher, progress=False, retries=0)
        silent = [trial for trial in tuner.history if trial.value is None and not trial.error]
        others = [trial for trial in tuner.history if trial.value not in (None, 1.0)]
        pending = tuner.pending
    seconds = time.monotonic() - began
    note(BAR, "files of trials exchanged for FIFOs, devices, links", len(commands))
    note(BAR, "trials left, told otherwise or in silence", len(silent + others + pending), "0")
    note(BAR, "seconds for each", seconds / len(commands), "< 5")
    assert not silent and not others and not pending and secret.read_text() == "99\n"
    assert seconds < 5 * len(commands) + 30


@pytest.mark.parametrize("launcher", [Local, Futures])
def test_planted_links(tmp_path: Path, note: Note, launcher: Any) -> None:
    """The directory of every trial, and every file that is made in one, leads elsewhere."""
    from concurrent.futures import ThreadPoolExecutor

    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "model").write_text("weights")
    home = tmp_path / "trials"
    home.mkdir(mode=0o700)
    (home / "0").symlink_to(precious)
    (home / "1").mkdir()
    for name in (*NAMES, "job.json.new", "params.json.new"):
        with suppress(FileExistsError):
            (home / "1" / name).symlink_to(precious / f"new-{name}")
    pool = ThreadPoolExecutor(2)
    made = (
        Local(square, slots=2, directory=home)
        if launcher is Local
        else Futures(square, pool, slots=2, directory=home)
    )
    with made as running, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # put aside
        for id in (0, 1):
            try:
                running.submit([Job(id, {"x": 1})])
            except LaunchError as error:
                assert str(home) in str(error)
                continue
            results: list[Any] = []
            while not results:
                results += running.collect(5)
    pool.shutdown()
    lost = [path.name for path in precious.iterdir()] != ["model"]
    note(BAR, "files behind planted links changed", lost, "0")
    assert not lost and (precious / "model").read_text() == "weights"
