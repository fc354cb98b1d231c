"""`DsiceSearchCV`: dsice's search in the place of RandomizedSearchCV."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from dsice.errors import DsiceWarning
from dsice.goal import Goal
from dsice.history import History
from dsice.history.sources import SourceTrials
from dsice.integrations.sklearn.fits import metric_of, sources_of
from dsice.integrations.sklearn.parameters import ParameterGrid
from dsice.space.space import as_rules
from dsice.strategies.dsice import DSICE
from dsice.trial import State, stream
from dsice.typing import Point

Evaluate = Callable[[list[dict[str, Any]]], Mapping[str, Any]]


class DsiceSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search hyperparameters with cross-validation, learning from each batch of settings.

    It takes the place of `sklearn.model_selection.RandomizedSearchCV` and has its attributes and
    methods: ``best_params_``, ``cv_results_``, ``predict`` and so on. No setting is evaluated
    twice.

    Parameters
    ----------
    estimator
        Of scikit-learn.
    param_distributions
        Names and values: lists, of which numbers count by their size and everything else as
        alternatives; distributions of scipy, of which `levels` values are tried; or axes of dsice.
        Or a list of such dicts, of which each setting takes one.
    n_iter
        How many settings are evaluated.
    batch_size
        How many of them at a time: more keep more processes busy, fewer learn more.
    levels
        How many values of a continuous distribution are tried. By default 101, or 21 where
        there are three or more.
    where
        Rules, `dsice.Require` and `dsice.When`, that each setting obeys.
    reuse
        What other fits measured: a list of fitted searches or of their ``cv_results_``, or what
        `dsice.Tuner` takes.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, random_state, error_score, return_train_score
        As in RandomizedSearchCV. With several metrics, the one that `refit` names is maximised, or
        else the first.

    Notes
    -----
    A setting whose fits fail counts as bad and does not end the search, unless `error_score` is
    ``"raise"``. Settings that fail together in a whole batch are evaluated once more together with
    others, for their rows in ``cv_results_``.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from dsice.integrations.sklearn import DsiceSearchCV
    >>> search = DsiceSearchCV(SVC(), {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1)},
    ...                        n_iter=12, random_state=0)
    >>> bool(search.fit(*load_iris(return_X_y=True)).best_score_ > 0.97)
    True
    """

    _parameter_constraints = {  # noqa: RUF012  as scikit-learn has it
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "levels": [Interval(Integral, 2, None, closed="left"), None],
        "where": "no_validation",
        "reuse": "no_validation",
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        batch_size: int = 5,
        levels: int | None = None,
        where: Any = (),
        reuse: Any = (),
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.batch_size = batch_size
        self.levels = levels
        self.where = where
        self.reuse = reuse
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(self, evaluate_candidates: Any, *, callback_ctx: Any = None) -> None:
        """Evaluate batches of settings, each proposed by the search from those before."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rules: Any = as_rules(self.where)
        grid = ParameterGrid(self.param_distributions, rules, self.levels, seed)
        goal = Goal(maximize=True)
        sources = [source.trials(grid.space, goal) for source in sources_of(self.reuse, grid)]
        search = _Search(grid, goal, sources, seed)
        batches = _Batches(self, evaluate_candidates, callback_ctx)
        left = self.n_iter
        while left:
            points = search.ask(min(self.batch_size, left))
            if not points:
                _say_all(self.n_iter - left, self.n_iter)
                break
            left -= len(points)
            settings = [grid.params(point) for point in points]
            search.tell(points, batches.evaluate(settings, last=left == 0))
        batches.end()


class _Search:
    """The settings and scores so far, and what is evaluated next."""

    def __init__(
        self, grid: ParameterGrid, goal: Goal, sources: Sequence[SourceTrials], seed: int
    ) -> None:
        self._space, self._goal, self._sources = grid.space, goal, sources
        self._stream = stream(seed)
        self._points: list[Point] = []
        self._scores: list[float | None] = []

    def ask(self, n: int) -> list[Point]:
        """Up to `n` points that were not evaluated; fewer where there are no others."""
        history = History.of(
            self._space,
            np.array(self._points, dtype=np.int64).reshape(-1, self._space.ndim),
            self._scores,
            states=[State.FAILED if score is None else State.DONE for score in self._scores],
            goal=self._goal,
            sources=self._sources,
        )
        strategy = DSICE(tolerance=None)
        return [found.point for found in strategy.ask(n, self._space, history, self._stream)]

    def tell(self, points: Sequence[Point], scores: Sequence[float]) -> None:
        """Add points with their scores; those that are no finite number have failed."""
        self._points += points
        self._scores += [score if np.isfinite(score) else None for score in scores]


class _Batches:
    """Batches of settings, evaluated by scikit-learn.

    It raises an error where all fits of a call fail. Such settings are kept and evaluated once more
    together with others, so that one bad setting does not end the search.
    """

    def __init__(self, owner: DsiceSearchCV, evaluate: Any, callback_ctx: Any) -> None:
        self._owner = owner
        self._call = evaluate
        self._context = callback_ctx
        if callback_ctx is not None:
            self._context = callback_ctx.subcontext(task_name="search", max_subtasks=None)
            self._context = self._context.call_on_fit_task_begin(estimator=owner)
        self._rows = 0
        self._failed: list[dict[str, Any]] = []
        self._error: ValueError | None = None

    def evaluate(self, settings: list[dict[str, Any]], *, last: bool) -> list[float]:
        """The scores of settings; NaN where a fit failed."""
        again = self._failed if self._rows or last else []
        before = self._rows
        try:
            results = self._evaluated(settings + again)
        except ValueError as error:
            if self._owner.error_score == "raise" or "fits failed" not in str(error):
                raise
            self._error = error
            self._failed = self._failed + settings
            return [np.nan] * len(settings)
        if again:
            self._failed = []
        scores = results[metric_of(results, self._owner.refit)]
        return [float(score) for score in scores[before : before + len(settings)]]

    def _evaluated(self, settings: list[dict[str, Any]]) -> Mapping[str, Any]:
        if self._context is None:
            results: Mapping[str, Any] = self._call(settings)
        else:
            context = self._context.subcontext(
                task_name="batch",
                max_subtasks=len(settings) * self._owner.n_splits_,
                sequential_subtasks=False,
            ).call_on_fit_task_begin(estimator=self._owner)
            results = self._call(settings, callback_ctx=context)
            context.call_on_fit_task_end(estimator=self._owner)
        self._rows += len(settings)
        return results

    def end(self) -> None:
        """Raise the error where no setting worked at all; say which ones have no row."""
        if self._error is not None and not self._rows:
            raise self._error
        if self._failed:
            warnings.warn(
                f"All fits of {len(self._failed)} settings failed; cv_results_ is without them: "
                f"{self._failed[:3]}",
                FitFailedWarning,
                stacklevel=2,
            )
        if self._context is not None:
            self._context.call_on_fit_task_end(estimator=self._owner)


def _say_all(found: int, wanted: int) -> None:
    warnings.warn(
        f"the parameters have {found} settings, fewer than n_iter={wanted}: all were evaluated",
        DsiceWarning,
        stacklevel=3,
    )
