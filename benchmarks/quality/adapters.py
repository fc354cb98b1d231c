"""Optimisers behind one interface: ask for points, tell values.

All of them see levels 0 .. m-1, never the values of parameters. Each imports its library itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import isfinite, isnan
from typing import Any

from benchmarks.quality.tables import Point, Problem
from dsice import Choice, Ordinal, Space, Tuner
from dsice.strategies import Strategy
from dsice.trial import Trial

NEXT_SEED = 1000  # between the seeds of searches that start one after another in one run


class Dsice:
    """A strategy of dsice through the Tuner; when it ends, it starts anew with another seed."""

    def __init__(
        self, problem: Problem, seed: int, batch: int, *, make: Callable[[int], Strategy]
    ) -> None:
        axes = zip(problem.shape, problem.ordered, strict=True)
        self._space = Space(
            {
                f"x{i}": (Ordinal if ordered else Choice)(range(m))
                for i, (m, ordered) in enumerate(axes)
            }
        )
        self._strategy, self._seed = make(batch), seed
        self._start()

    def _start(self) -> None:
        self._tuner = Tuner(self._space, self._strategy, seed=self._seed)
        self._pending = dict[Point, Trial]()
        self._seed += NEXT_SEED

    def ask(self, n: int) -> list[Point]:
        trials = self._tuner.ask(n)
        if not trials and not self._pending:
            self._start()
            trials = self._tuner.ask(n)
        self._pending |= {trial.point: trial for trial in trials}
        return [trial.point for trial in trials]

    def tell(self, points: list[Point], values: list[float]) -> None:
        for point, value in zip(points, values, strict=True):
            trial = self._pending.pop(point)
            if isnan(value):
                self._tuner.tell(trial, error="failed")
            else:
                self._tuner.tell(trial, value)


class _Worst:
    """Stands in for failed points where a library needs a number: the worst value so far."""

    def __init__(self) -> None:
        self._worst: float | None = None

    def number(self, value: float) -> float | None:
        """The value itself if it is finite, else the worst; None if nothing was measured yet."""
        if isfinite(value):
            self._worst = value if self._worst is None else max(self._worst, value)
            return value
        return self._worst


class Optuna:
    """A sampler of Optuna (Akiba et al., KDD 2019) through study.ask and study.tell."""

    def __init__(
        self, problem: Problem, seed: int, batch: int, *, sampler: Callable[[Any, int, int], Any]
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        whole, category = (
            optuna.distributions.IntDistribution,
            optuna.distributions.CategoricalDistribution,
        )
        axes = zip(problem.shape, problem.ordered, strict=True)
        self._axes = {
            f"x{i}": whole(0, m - 1) if ordered else category(range(m))
            for i, (m, ordered) in enumerate(axes)
        }
        self._failed = optuna.trial.TrialState.FAIL
        self._study: Any = optuna.create_study(sampler=sampler(optuna.samplers, seed, batch))
        self._pending, self._worst = dict[Point, list[Any]](), _Worst()

    def ask(self, n: int) -> list[Point]:
        trials = [self._study.ask(self._axes) for _ in range(n)]
        points = [tuple(int(trial.params[name]) for name in self._axes) for trial in trials]
        for point, trial in zip(points, trials, strict=True):
            self._pending.setdefault(point, []).append(trial)
        return points

    def tell(self, points: list[Point], values: list[float]) -> None:
        for point, value in zip(points, values, strict=True):
            number = self._worst.number(value)
            for trial in self._pending.pop(point):
                self._study.tell(trial, number, state=self._failed if number is None else None)


class Skopt:
    """scikit-optimize: a Gaussian process.

    While a batch is asked, pending points count with the lowest value so far (`cl_min`).
    """

    def __init__(self, problem: Problem, seed: int, batch: int) -> None:
        from skopt import Optimizer
        from skopt.space import Categorical, Integer

        warnings.filterwarnings("ignore", module="skopt|sklearn")
        axes = zip(problem.shape, problem.ordered, strict=True)
        self._search: Any = Optimizer(
            [Integer(0, m - 1) if ordered else Categorical(list(range(m))) for m, ordered in axes],
            base_estimator="GP",
            n_initial_points=batch,
            random_state=seed,
        )
        self._worst = _Worst()

    def ask(self, n: int) -> list[Point]:
        return [tuple(map(int, point)) for point in self._search.ask(n_points=n, strategy="cl_min")]

    def tell(self, points: list[Point], values: list[float]) -> None:
        numbers = [
            (list(p), number)
            for p, v in zip(points, values, strict=True)
            if (number := self._worst.number(v)) is not None
        ]
        if numbers:
            self._search.tell([point for point, _ in numbers], [number for _, number in numbers])
