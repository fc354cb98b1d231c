"""The MNIST reproduction: its network, its checkpoints, its budgets, its figures, a short run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn", reason="the digits are those of scikit-learn")

from benchmarks.literature.mnist import early, figures, searches
from benchmarks.literature.mnist.design import (
    AXES,
    MATCHED,
    METHODS,
    POPULATION,
    QUICK,
    RANDOM,
    SHAPES,
)
from benchmarks.literature.mnist.network import Network, log_loss
from benchmarks.literature.mnist.training import CHECKPOINT, CheckpointError, Training, data
from dsice import State

pytestmark = pytest.mark.literature

ROOT = Path(__file__).parents[3]
TINY = replace(QUICK, trainings=6, epochs=4, points=(1, 2), checkpoints=(2,), complete=2, stages=2)


@pytest.fixture(scope="module")
def found() -> dict[str, searches.Study]:
    return searches.studies("24-24", 3, TINY)


# ------------------------------------------------------------------ network and training
def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    network = Network([5, 4, 3, 3], rng)
    for kept in (network.weights, network.biases):
        kept[:] = [(p + 0.1 * rng.standard_normal(p.shape)).astype(np.float64) for p in kept]
    x, labels = rng.standard_normal((7, 5)), rng.integers(3, size=7)
    found = network.gradients(x, np.eye(3)[labels])  # type: ignore[arg-type]
    for parameter, gradient in zip(network.weights + network.biases, found, strict=True):
        for place in np.ndindex(parameter.shape):
            ends = []
            for by in (1e-5, -1e-5):
                parameter[place] += by
                ends.append(log_loss(network.predict(x), labels))  # type: ignore[arg-type]
                parameter[place] -= by
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-3, abs=1e-6)


def test_it_learns_as_well_as_scikit_learns_own_network() -> None:
    from sklearn.neural_network import MLPClassifier

    (x, y), (x_validation, y_validation), _ = data()
    training = Training((32,), [0])
    accuracy = [training.epoch(0.1, 64, 0.9).accuracy for _ in range(15)][-1]
    theirs = MLPClassifier(
        (32,),
        solver="sgd",
        alpha=0.0,
        batch_size=64,
        learning_rate_init=0.1,
        momentum=0.9,
        random_state=0,
    )
    for _ in range(15):
        theirs.partial_fit(x, y, classes=range(10))
    assert accuracy > theirs.score(x_validation, y_validation) - 0.02


def test_a_training_goes_on_from_its_checkpoint_as_if_never_stopped(tmp_path: Path) -> None:
    through, first = Training((24, 24), [5]), Training((24, 24), [5])
    for training in (through, first):
        training.epoch(0.1, 64, 0.9)
    first.save(tmp_path)
    second = Training.load(tmp_path, (24, 24), [5])
    assert second.epochs == 1
    assert [second.epoch(0.1, 64, 0.9) for _ in range(2)] == [
        through.epoch(0.1, 64, 0.9) for _ in range(2)
    ]


def test_a_copy_leaves_the_original_alone() -> None:
    original = Training((32,), [5])
    before = original.test()
    original.copy([6]).epoch(0.1, 64, 0.9)
    assert original.test() == before and original.epochs == 0


def test_a_checkpoint_missing_torn_or_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Training.load(tmp_path, (32,), [0])
    Training((32,), [0]).save(tmp_path)
    with pytest.raises(CheckpointError, match="not of a network with hidden layers"):
        Training.load(tmp_path, (16,), [0])
    with pytest.raises(CheckpointError, match="not of a network with hidden layers"):
        Training.load(tmp_path, (24, 24), [0])
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for torn in (whole[: len(whole) // 2], b""):
        (tmp_path / CHECKPOINT).write_bytes(torn)
        with pytest.raises(CheckpointError, match="cannot be read"):
            Training.load(tmp_path, (32,), [0])


# ------------------------------------------------------------------ searches
def test_every_search_spends_the_same_epochs(found: dict[str, searches.Study]) -> None:
    for method, study in found.items():
        assert study.spent == sum(map(len, study.courses.values())), method
        diverged = any(t.state is State.FAILED for t in study.tuner.history)
        assert study.spent == TINY.budget or (
            method == POPULATION and diverged and study.spent < TINY.budget
        ), method


def test_a_stopper_ends_the_very_trials_of_random_search_earlier(
    found: dict[str, searches.Study],
) -> None:
    whole, part = found[RANDOM], found[MATCHED]
    assert part.stops and len(part.tuner.history) > len(whole.tuner.history)
    for a, b in zip(whole.tuner.history, part.tuner.history, strict=False):
        assert a.params == b.params
        assert b.curve == a.curve[: len(b.curve)]
        assert len(b.curve) in (TINY.checkpoints if b.id in part.stops else (TINY.epochs,))


def test_what_a_stopper_saved_and_lost(found: dict[str, searches.Study]) -> None:
    row = early.compared("24-24", 3, found).set_index("stopper").to_dict("index")[MATCHED]
    whole, part, n = found[RANDOM], found[MATCHED], int(row["trials"])
    trained = sum(len(part.courses[i]) for i in range(n))
    assert row["saved"] == pytest.approx(1 - trained / sum(len(whole.courses[i]) for i in range(n)))
    kept = min(t.metrics["loss"] for t in list(part.tuner.history)[:n] if t.state is State.DONE)
    assert row["lost"] == pytest.approx(
        kept - whole.tuner.best.metrics["loss"]  # type: ignore[union-attr]
    )
    assert row["lost"] >= 0


def test_a_lineage_has_the_rates_of_all_its_stages() -> None:
    study = searches.population("32", 1, 4, members=4, stages=4)
    for trial in [t for t in study.tuner.history if t.stage == 3]:
        course = study.course(trial)
        assert len(course) == 4 and course[-1][0] == trial.params["lr"]
        assert all(AXES["lr"].values[0] <= lr <= AXES["lr"].values[-1] for lr, _ in course)


# ------------------------------------------------------------------ figures
def test_differences_are_paired_by_seed() -> None:
    rows = [
        {
            "network": "32",
            "seed": seed,
            "method": method,
            "epochs": 10,
            "trials": 2,
            "loss": loss + 0.1 * seed,
            "test": 0.9,
        }
        for seed in range(4)
        for loss, method in zip((0.5, 0.4, 0.5, 0.6, 0.5), METHODS, strict=True)
    ]
    table = figures.by_method(pd.DataFrame(rows)).set_index("method")
    assert table.loc[MATCHED, "loss_off"] == pytest.approx(-0.1)
    # the spread over the seeds is the same
    assert table.loc[MATCHED, "loss_off_ci"] == pytest.approx(0.0, abs=1e-9)
    assert table.loc[MATCHED, "loss_ahead"] == 4 and table.loc[POPULATION, "loss_ahead"] == 0


def test_the_interval_is_students() -> None:
    assert figures.interval(pd.Series([1.0, 2.0, 3.0])) == pytest.approx(
        4.302653 / np.sqrt(3), rel=1e-5
    )


# ------------------------------------------------------------------ the run
@pytest.mark.long
def test_the_quick_form_writes_everything(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.literature.mnist", "--quick", "--workers", "1"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    folder = next(tmp_path.glob("dsice-literature-*"))
    figures_found = json.loads((folder / "summary.json").read_text())["figures"]
    assert figures_found["PBT through Local: largest difference to the same in process"] < 1e-6
    assert figures_found["grid: points"] == 12
    final = pd.read_csv(folder / "final.csv")
    assert len(final) == len(SHAPES) * QUICK.seeds * len(METHODS)
    assert (final["test"] > 0.7).all()  # something was learnt
    pictures = {path.stem for path in folder.glob("*.png")}
    assert pictures == {
        "rate_over_epochs",
        "accuracy_over_epochs",
        "accuracy_over_rate",
        "methods",
        "grid",
        "lineage",
    }
    assert not list(tmp_path.glob("dsice-[!l]*"))  # nothing of the launchers is left behind
