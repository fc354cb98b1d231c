"""Choose scaler, classifier and their parameters by cross-validation, each batch from those before.

pip install 'dsice[sklearn]'
python tune.py [--settings 40]
"""

from __future__ import annotations

import argparse

from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from dsice.integrations.sklearn import DsiceSearchCV

SCALERS = [StandardScaler(), MinMaxScaler()]
PARAMETERS = [
    {
        "scale": SCALERS,
        "classify": [SVC()],
        "classify__C": loguniform(1e-2, 1e3),
        "classify__gamma": loguniform(1e-5, 1),
    },
    {
        "scale": SCALERS,
        "classify": [LogisticRegression(max_iter=500)],
        "classify__C": loguniform(1e-3, 1e2),
    },
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=int, default=40)
    options = parser.parse_args()
    X, X_test, y, y_test = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", SVC())])
    search = DsiceSearchCV(pipeline, PARAMETERS, n_iter=options.settings, cv=3, random_state=0)
    search.fit(X, y)
    print(f"{len(search.cv_results_['params'])} settings, the best: {search.best_params_}")
    print(f"in cross-validation {search.best_score_:.3f}")
    print(f"on new data {search.score(X_test, y_test):.3f}")


if __name__ == "__main__":
    main()
