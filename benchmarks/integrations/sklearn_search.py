"""DsiceSearchCV beside RandomizedSearchCV: scores in cross-validation, and on data held out.

Three data sets of scikit-learn, three estimators, two seeds: 18 pairs of searches with the same
number of settings, from the same distributions, on the same folds. A third of the data is held out.
About ten minutes.

    python -m benchmarks.integrations.sklearn_search
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dsice.integrations.sklearn import DsiceSearchCV

SETTINGS, SEEDS, LARGEST = 30, 2, 600
DATA = {"cancer": load_breast_cancer, "digits": load_digits, "wine": load_wine}
SEARCHED: dict[str, tuple[Any, dict[str, Any]]] = {
    "svc": (
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-5, 1)},
    ),
    "neighbours": (
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        {
            "kneighborsclassifier__n_neighbors": randint(1, 40),
            "kneighborsclassifier__p": uniform(1, 3),
            "kneighborsclassifier__weights": ["uniform", "distance"],
        },
    ),
    "boosting": (
        HistGradientBoostingClassifier(max_iter=25, random_state=0),
        {
            "learning_rate": loguniform(0.01, 1),
            "max_leaf_nodes": randint(2, 40),
            "min_samples_leaf": randint(2, 40),
            "l2_regularization": loguniform(1e-3, 10),
        },
    ),
}


def pair(data: str, searched: str, seed: int) -> list[tuple[float, float]]:
    """Best score in cross-validation and score on held-out data: of dsice, of random search."""
    X, y = DATA[data](return_X_y=True)
    X, y = X[:LARGEST], y[:LARGEST]
    X, held_out, y, truth = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)
    estimator, space = SEARCHED[searched]
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    options = {"n_iter": SETTINGS, "cv": folds, "random_state": seed}
    found = []
    for search in (DsiceSearchCV, RandomizedSearchCV):
        fitted = search(estimator, space, **options).fit(X, y)
        found.append((float(fitted.best_score_), float(fitted.score(held_out, truth))))
    return found


def outcome(ours: float, theirs: float) -> str:
    """Which of two scores is the better one."""
    difference = round(ours - theirs, 6)
    return "better" if difference > 0 else "worse" if difference < 0 else "equal"


def main() -> None:
    warnings.simplefilter("ignore")
    validated, held_out = Counter[str](), Counter[str]()
    for data in DATA:
        for searched in SEARCHED:
            for seed in range(SEEDS):
                ours, theirs = pair(data, searched, seed)
                validated[outcome(ours[0], theirs[0])] += 1
                held_out[outcome(ours[1], theirs[1])] += 1
                shown = " ".join(f"{a:.4f}/{b:.4f}" for a, b in zip(ours, theirs, strict=True))
                print(f"{data:8}{searched:12}{seed}  {shown}", flush=True)
    for name, counts in (("cross-validation", validated), ("held-out data", held_out)):
        print(f"{name}: " + ", ".join(f"{counts[k]} {k}" for k in ("better", "equal", "worse")))


if __name__ == "__main__":
    main()
