"""`DsiceSearchCV` in the place of RandomizedSearchCV: its checks, and what it must survive."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn", reason="pip install 'dsice[sklearn]'")

from joblib import parallel_config
from scipy.stats import loguniform, norm, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, RandomizedSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from dsice import Choice, Require, Source, When
from dsice.errors import DsiceError, DsiceWarning, OptionError
from dsice.integrations.sklearn import DsiceSearchCV

X, y = load_iris(return_X_y=True)


class Bowl(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator whose score depends on its parameters alone, best at a=3, b=0.1, kind='q'."""

    def __init__(self, a: Any = 0, b: Any = 1.0, kind: Any = "p") -> None:
        self.a = a
        self.b = b
        self.kind = kind

    def fit(self, X: Any, y: Any) -> Bowl:
        if self.a == "bad" or self.b is None:
            raise RuntimeError("this setting cannot work")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), dtype=int)

    def score(self, X: Any, y: Any) -> float:
        return -float((self.a - 3) ** 2 + np.log10(self.b / 0.1) ** 2 + (str(self.kind) != "q"))


BOWL = {"a": list(range(10)), "b": loguniform(1e-3, 1e1), "kind": ["p", "q", None]}


def searched(given: Any = None, **options: Any) -> Any:
    options = {"n_iter": 30, "random_state": 0, "cv": 2, **options}
    return DsiceSearchCV(Bowl(), BOWL if given is None else given, **options)


@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}),
        pytest.param(Ridge(), {"alpha": [0.1, 1.0]}, marks=pytest.mark.long),
        pytest.param(DecisionTreeClassifier(), {"max_depth": [1, 2]}, marks=pytest.mark.long),
        pytest.param(LogisticRegression(), {"C": [0.1, 1.0]}, marks=pytest.mark.long),
    ],
    ids=lambda given: type(given).__name__,
)
def test_it_passes_the_checks_that_random_search_passes(estimator: Any, space: Any) -> None:
    found = []
    for search in (RandomizedSearchCV, DsiceSearchCV):
        made = search(estimator, space, n_iter=2, cv=2, error_score="raise", random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checks = check_estimator(made, on_fail=None, on_skip=None)
        found.append({check["check_name"]: check["status"] for check in checks})
    print(f"{type(estimator).__name__}: {len(found[1])} checks")
    assert found[0] == found[1] and list(found[1].values()).count("passed") > 40


# ------------------------------------------------------------------ the search
def test_it_finds_the_best_setting_and_evaluates_none_twice() -> None:
    search = searched().fit(X, y)
    assert search.best_params_["a"] == 3 and search.best_params_["kind"] == "q"
    assert search.best_score_ > -0.05
    settings = [tuple(params.values()) for params in search.cv_results_["params"]]
    assert len(settings) == len(set(settings)) == 30


def test_the_settings_follow_from_the_random_state() -> None:
    def first(state: Any) -> list[Any]:
        return searched(n_iter=6, random_state=state).fit(X, y).cv_results_["params"]

    assert first(1) == first(1) == first(np.random.RandomState(1)) != first(2)


def test_a_list_of_dicts_is_searched_as_one_space() -> None:
    parts = [
        {"a": list(range(10)), "kind": ["p"]},
        {"a": [2, 3, 4], "b": loguniform(1e-3, 1e1), "kind": ["q"]},
        {},
    ]
    search = searched(parts).fit(X, y)
    names = [set(params) for params in search.cv_results_["params"]]
    assert {"a", "kind"} in names and {"a", "b", "kind"} in names and names.count(set()) == 1
    for params in search.cv_results_["params"]:
        assert params.get("kind") != "q" or params["a"] in (2, 3, 4)
    assert search.best_params_["kind"] == "q" and search.best_params_["a"] == 3
    assert pd.DataFrame(search.cv_results_)["param_b"].isna().sum() > 0


def test_rules_hold_and_parameters_exist_only_sometimes() -> None:
    rules = [Require("a >= 5 or kind == 'q'"), When("kind == 'q'", "b")]
    space = {**BOWL, "kind": ["p", "q"]}
    search = searched(space, where=rules).fit(X, y)
    for params in search.cv_results_["params"]:
        assert params["a"] >= 5 or params["kind"] == "q"
        assert ("b" in params) == (params["kind"] == "q")


def test_values_of_every_kind_reach_the_estimator_as_they_were_given() -> None:
    scalers = [StandardScaler(), MinMaxScaler(), "passthrough"]
    pipe = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    space = {"scale": scalers, "svc__C": np.logspace(-1, 1, 3), "svc__kernel": Choice(["rbf"])}
    search = DsiceSearchCV(pipe, space, n_iter=9, cv=2).fit(X, y)
    assert {type(params["scale"]) for params in search.cv_results_["params"]} == {
        StandardScaler,
        MinMaxScaler,
        str,
    }
    given = {*np.logspace(-1, 1, 3).tolist()}  # 0.1 is 0.09999999999999999 with numpy 1.26.0
    assert {params["svc__C"] for params in search.cv_results_["params"]} == given
    assert search.best_estimator_.predict(X).shape == (150,)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (uniform(2, 1), [2.0, 2.25, 2.5, 2.75, 3.0]),
        (loguniform(1e-4, 1), [1e-4, 1e-3, 1e-2, 0.1, 1.0]),
        (randint(3, 6), [3, 4, 5]),
        (randint(0, 1001), [0, 250, 500, 750, 1000]),
        ([3, 1, 2, 1], [1, 2, 3]),
        (["b", "a", "b"], ["b", "a"]),
        ([None, 0.5, "auto"], [None, 0.5, "auto"]),
        (range(2), [0, 1]),
        (pd.Series([1.5, 0.5]), [0.5, 1.5]),
    ],
)
def test_lists_and_distributions_are_values_of_a_grid(given: Any, expected: list[Any]) -> None:
    from dsice.integrations.sklearn.parameters import ListedAxis

    assert list(ListedAxis.of("p", given, 5, 0).values) == pytest.approx(expected)


def test_an_unbounded_distribution_and_one_to_draw_from_only() -> None:
    from dsice.integrations.sklearn.parameters import ListedAxis

    class Drawn:
        def rvs(self, random_state: Any) -> float:
            return float(random_state.uniform())

    values = ListedAxis.of("p", norm(), 5, 0).values
    assert np.isfinite(values).all() and values[2] == 0 and len(values) == 5
    assert ListedAxis.of("p", Drawn(), 5, 0).values == ListedAxis.of("p", Drawn(), 5, 0).values


# ------------------------------------------------------------------ what may go wrong
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_settings_that_fail_do_not_end_the_search(batch_size: int) -> None:
    space = {"a": [*range(6), "bad"], "b": [0.1, 1.0, None], "kind": ["p", "q"]}
    search = searched(space, batch_size=batch_size, n_iter=24)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    assert search.best_params_ == {"a": 3, "b": 0.1, "kind": "q"}
    rows = search.cv_results_["params"]
    good = [params for params in rows if params["a"] != "bad" and params["b"] is not None]
    assert np.isfinite(search.cv_results_["mean_test_score"]).sum() == len(good)
    assert len(rows) == len({str(params) for params in rows})


def test_where_nothing_works_the_error_is_that_of_scikit_learn() -> None:
    with pytest.raises(ValueError, match="this setting cannot work"):
        searched({"a": ["bad"], "b": [1, 2, 3]}, n_iter=3, batch_size=1).fit(X, y)
    with pytest.raises(RuntimeError, match="this setting cannot work"):
        searched({"a": [1, 2], "b": [None, 2]}, n_iter=4, error_score="raise").fit(X, y)


def test_settings_left_without_a_row_are_said() -> None:
    with pytest.warns() as said:
        search = searched({"b": [0.1, None]}, n_iter=2, batch_size=1, random_state=1).fit(X, y)
    assert len(search.cv_results_["params"]) == 2 or any(
        "cv_results_ is without them" in str(one.message) for one in said
    )
    assert any(one.category is FitFailedWarning for one in said)


def test_fewer_settings_than_n_iter_are_all_evaluated() -> None:
    with pytest.warns(DsiceWarning, match="the parameters have 4 settings"):
        search = searched({"a": [1, 3], "kind": ["p", "q"]}, n_iter=9, batch_size=3).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_params_ == {"a": 3, "kind": "q"}


@pytest.mark.parametrize(
    ("space", "options", "named"),
    [
        ({"a": 3}, {}, "'a'"),
        ({"a": []}, {}, "at least one value"),
        ({"a": "abc"}, {}, "'a'"),
        ([], {}, "param_distributions"),
        ([{"a": [1]}, 3], {}, "param_distributions"),
        ({"a": [1, 2]}, {"where": "a < 2"}, "where"),
        ([{"a": [1]}, {"a": [2]}], {"where": [Require("a < 2")]}, "single dict"),
        ({"a": [1, 2]}, {"where": [Require("a > 5")]}, "a > 5"),
        ({"a": [1, 2]}, {"reuse": [{"params": []}]}, "cv_results_"),
        ({"a": [1, 2]}, {"reuse": [searched()]}, "not fitted"),
    ],
)
def test_what_cannot_be_taken_is_named(space: Any, options: Any, named: str) -> None:
    with pytest.raises(DsiceError, match=named):
        searched(space, **options).fit(X, y)


# ------------------------------------------------------------------ as any search
def test_several_metrics_and_refit_by_name_by_a_function_or_not_at_all() -> None:
    scoring = {"accuracy": "accuracy", "f1": "f1_macro"}
    space = {"C": [0.001, 0.1, 1, 10, 100]}
    for refit in ("f1", False, lambda results: int(np.argmin(results["rank_test_accuracy"]))):
        search = DsiceSearchCV(SVC(), space, n_iter=5, scoring=scoring, refit=refit).fit(X, y)
        assert len(search.cv_results_["mean_test_f1"]) == 5
        assert hasattr(search, "best_estimator_") == bool(refit)
    with pytest.raises(ValueError, match="refit must be set"):
        DsiceSearchCV(SVC(), space, n_iter=5, scoring=scoring).fit(X, y)


def test_copies_pickles_and_nested_cross_validation() -> None:
    search = DsiceSearchCV(SVC(), {"C": loguniform(0.1, 100)}, n_iter=6, random_state=0, cv=2)
    fitted = clone(search).fit(X, y)
    read = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert (read.predict(X) == fitted.predict(X)).all()
    assert cross_val_score(clone(fitted), X, y, cv=2).min() > 0.9


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.long)])
def test_processes_groups_and_tables(backend: str) -> None:
    table = pd.DataFrame(X, columns=list("abcd"))
    groups = np.arange(len(y)) % 4
    options: dict[str, Any] = {"n_iter": 6, "random_state": 0, "cv": GroupKFold(2)}
    one = DsiceSearchCV(SVC(), {"C": loguniform(0.1, 100)}, **options)
    two = DsiceSearchCV(SVC(), {"C": loguniform(0.1, 100)}, n_jobs=2, **options)
    one.fit(table, y, groups=groups)
    with parallel_config(backend):
        two.fit(table, y, groups=groups)
    assert one.cv_results_["params"] == two.cv_results_["params"]
    assert list(one.feature_names_in_) == list("abcd")


def test_another_fit_informs_the_first_settings() -> None:
    old = searched().fit(X, y)
    for reuse in ([old], [old.cv_results_], [Source(table(old), metric="score", maximize=True)]):
        search = searched(n_iter=3, reuse=reuse, random_state=5).fit(X, y)
        assert search.best_params_["a"] == 3 and search.best_params_["kind"] == "q"
    copied = clone(searched(n_iter=3, reuse=[old.cv_results_])).fit(X, y)
    assert copied.best_params_["a"] == 3
    parts = [{"a": list(range(10)), "b": [0.1], "kind": ["q"]}, {"kind": ["p"], "a": [1, 2]}]
    others = searched(parts, n_iter=12).fit(X, y)
    assert searched(parts, n_iter=2, reuse=[others]).fit(X, y).best_params_["a"] == 3
    with pytest.raises(OptionError, match="says nothing of these parameters"):
        DsiceSearchCV(SVC(), {"C": [1, 2]}, reuse=[old]).fit(X, y)


def table(search: Any) -> pd.DataFrame:
    return pd.DataFrame(search.cv_results_["params"]).assign(
        score=search.cv_results_["mean_test_score"]
    )


def test_every_rank_of_a_trainer_may_search(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "PMI_RANK"):
        monkeypatch.setenv(name, "3")
    searched(n_iter=2).fit(X, y)


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from dsice.errors import MissingPackageError\n"
        "try:\n    import dsice.integrations.sklearn\n"
        "except MissingPackageError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'dsice[sklearn]'" in done.stdout
