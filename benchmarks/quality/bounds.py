"""The search under a bound on another metric, where metric and bound want different places.

``python -m benchmarks.quality.bounds`` prints the table in about a minute: the
rank of the best feasible point found among all feasible ones, for DSICE with its model of the
bound, for DSICE that only counts infeasible trials as bad, and for random points.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from dsice import Goal, Tuner
from dsice.strategies import DSICE, Random, Strategy

LEVELS, AXES = 10, 4
GRID = np.stack(np.meshgrid(*[np.arange(LEVELS)] * AXES, indexing="ij"), -1).reshape(-1, AXES)
PROBLEMS, TRIALS, BATCH, SHOWN = 14, 100, 10, (30, 50, 70, 100)
SHARES = (0.4, 0.1, 0.02)  # share of the grid that is feasible


def problem(seed: int) -> tuple[Any, Any]:
    """The metric and the bounded metric at every point of the grid."""
    rng = np.random.default_rng(seed)
    centre, other = rng.uniform(1, 8, AXES), rng.uniform(1, 8, AXES)
    weight, stretch = rng.uniform(0.5, 2, AXES), rng.uniform(0.5, 2, AXES)
    metric = ((GRID - centre) ** 2 * weight).sum(-1) + 2 * np.sin(GRID).sum(-1)
    bounded = np.sqrt(((GRID - other) ** 2 * stretch).sum(-1)) + 0.5 * np.cos(2 * GRID).sum(-1)
    return metric, bounded


def ranks(strategy: Strategy, seed: int, share: float) -> list[int]:
    """Rank of the best feasible point after each batch.

    While none was found: the number of feasible points plus one.
    """
    metric, bounded = problem(seed)
    bound = float(np.quantile(bounded, share))
    feasible, best, found = np.sort(metric[bounded <= bound]), np.inf, []
    tuner = Tuner(
        {f"x{i}": range(LEVELS) for i in range(AXES)},
        strategy,
        goal=Goal(at_most={"m": bound}),
        seed=seed,
    )
    for _ in range(TRIALS // BATCH):
        for trial in tuner.ask(BATCH):
            place = int(np.ravel_multi_index(trial.point, (LEVELS,) * AXES))
            tuner.tell(trial, float(metric[place]), metrics={"m": float(bounded[place])})
            if bounded[place] <= bound:
                best = min(best, float(metric[place]))
        found.append(int(np.searchsorted(feasible, best)) + 1)
    return found


def main() -> None:
    """Print the geometric means over the problems."""
    search = DSICE(tolerance=None)
    print(f"rank after {SHOWN} trials, geometric mean of {PROBLEMS} problems")
    for share in SHARES:
        _show("with a model of the bound", share, search)
        with mock.patch("dsice.strategies.dsice.search.ConstraintModel", lambda *_: None):
            _show("infeasible ones are bad ones", share, search)
        _show("random", share, Random())


def _show(name: str, share: float, strategy: Strategy) -> None:
    table = np.log([ranks(strategy, seed, share) for seed in range(PROBLEMS)])
    means = np.exp(table.mean(axis=0))[[n // BATCH - 1 for n in SHOWN]]
    print(f"{share:4.0%} feasible  {name:30}", *(f"{mean:7.1f}" for mean in means), flush=True)


if __name__ == "__main__":
    main()
