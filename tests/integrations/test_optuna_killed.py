"""Four processes on one study, of which one after the other is killed at a random moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="pip install 'dsice[optuna]'")

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

KILLS, PROCESSES, SECONDS = 20, 4, 400
WORKER = """
import random, sys, time, warnings
import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from dsice.integrations.optuna import DsiceSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
space = {name: IntDistribution(0, 30) for name in "xy"} | {"k": CategoricalDistribution("ab")}
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="study", storage=storage, sampler=DsiceSampler(space))
told = open(sys.argv[2], "a", buffering=1)

def objective(trial):
    x, y = trial.suggest_int("x", 0, 30), trial.suggest_int("y", 0, 30)
    kind = trial.suggest_categorical("k", "ab")
    time.sleep(random.random() * 0.02)
    return (x - 3) ** 2 + (y - 25) ** 2 + 5 * (kind == "a")

study.optimize(objective, callbacks=[lambda study, trial: print(trial.number, file=told)])
"""


@pytest.mark.long
@pytest.mark.timeout(2 * SECONDS)
def test_killed_processes_lose_no_trial_and_measure_no_point_twice(tmp_path: Path) -> None:
    path, folder = tmp_path / "journal.log", tmp_path / "told"
    folder.mkdir()
    storage = JournalStorage(JournalFileBackend(str(path)))
    study: Any = optuna.create_study(study_name="study", storage=storage)
    started = 0

    def start() -> subprocess.Popen[bytes]:
        nonlocal started
        started += 1
        return subprocess.Popen([sys.executable, "-c", WORKER, path, folder / str(started)])

    def ended() -> int:
        return sum(len(file.read_text().split()) for file in folder.iterdir())

    random.seed(started)
    running = [start() for _ in range(PROCESSES)]
    limit = time.monotonic() + SECONDS
    try:
        for _ in range(KILLS):
            before = ended()
            while ended() < before + PROCESSES and time.monotonic() < limit:
                time.sleep(0.01)
            time.sleep(0.3 * random.random())  # at any moment of an ask or of a trial
            place = random.randrange(PROCESSES)
            running[place].kill()
            running[place].wait()
            running[place] = start()
    finally:
        for process in running:
            process.kill()
            process.wait()

    trials = study.trials
    points = Counter(tuple(sorted(t.params.items())) for t in trials if len(t.params) == 3)
    told = {int(word) for file in folder.iterdir() for word in file.read_text().split()}
    complete = {t.number for t in trials if t.state is optuna.trial.TrialState.COMPLETE}
    doubles = [point for point, times in points.items() if times > 1]
    print(
        f"{KILLS} kills, {len(complete)} trials complete, {len(doubles)} points measured twice, "
        f"{len(told - complete)} lost"
    )
    assert len(complete) >= KILLS * PROCESSES
    assert doubles == [] and told <= complete
