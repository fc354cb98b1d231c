"""Tune a network for handwritten digits with Optuna, its search by dsice.

    pip install 'dsice[optuna,sklearn]'
    python tune.py [--trials 40] [--storage sqlite:///digits.db] [--jobs 1]

Start it again with the same storage to go on, or several times at once: no setting is trained
twice. The batch may not be larger than the layers allow for, a rule that Optuna has no words for.
"""

from __future__ import annotations

import argparse
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from dsice import Require
from dsice.integrations.optuna import DsiceSampler

SPACE = {
    "layers": IntDistribution(1, 3),
    "width": IntDistribution(16, 128, step=16),
    "batch": CategoricalDistribution([16, 32, 64, 128, 256]),
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
}
RULE = Require("layers * width * batch <= 32768")


def objective(trial: optuna.Trial) -> float:
    layers = trial.suggest_int("layers", 1, 3)
    width = trial.suggest_int("width", 16, 128, step=16)
    batch = trial.suggest_categorical("batch", [16, 32, 64, 128, 256])
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    X, y = (part[:900] for part in load_digits(return_X_y=True))
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    network = MLPClassifier(
        (width,) * layers, batch_size=batch, learning_rate_init=rate, max_iter=3, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(network.fit(X, y).score(X_test, y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--storage")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    study = optuna.create_study(
        study_name="digits",
        direction="maximize",
        storage=options.storage,
        load_if_exists=True,
        sampler=DsiceSampler(SPACE, where=[RULE]),
    )
    study.optimize(objective, n_trials=options.trials, n_jobs=options.jobs)
    settings = {tuple(trial.params.values()) for trial in study.trials}
    print(f"{len(study.trials)} trials of {len(settings)} settings")
    print(f"best: {study.best_params} with {study.best_value:.3f} of the digits read")


if __name__ == "__main__":
    main()
