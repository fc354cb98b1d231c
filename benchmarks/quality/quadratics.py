"""Coupled quadratics: distinct jobs and rounds to the optimum, DSICE beside Radial2024.

    python benchmarks/quality/quadratics.py --seeds 10

f = z'Az with z_j = (x_j - c_j) / (m_j - 1). For each seed, with g = default_rng(seed):
c_j = g.uniform(.15, .85) (m_j - 1), G = g.normal(size=(d, d)), A = G G'/d + I.

Batches of 40, medians over the seeds. A search that ends without the optimum counts as infinite.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from statistics import median

import numpy as np

from dsice import Tuner
from dsice.strategies import DSICE, Radial2024, Strategy

SHAPES = ((5,) * 5, (12, 12, 10), (20, 20), (15, 16, 16, 16))
BATCH, MOST = 40, 4000


def quadratic(shape: tuple[int, ...], seed: int) -> Callable[[tuple[int, ...]], float]:
    """The quadratic as a function of points."""
    g = np.random.default_rng(seed)
    size = np.array(shape) - 1.0
    centre = g.uniform(0.15, 0.85, size=len(shape)) * size
    factor = g.normal(size=(len(shape), len(shape)))
    form = factor @ factor.T / len(shape) + np.eye(len(shape))
    return lambda point: float((z := (np.array(point) - centre) / size) @ form @ z)


def to_optimum(strategy: Strategy, shape: tuple[int, ...], seed: int) -> tuple[float, float]:
    """Distinct points and rounds up to the optimum of the grid."""
    f = quadratic(shape, seed)
    optimum = min(f(point) for point in np.ndindex(*shape))
    tuner = Tuner({f"x{j}": range(m) for j, m in enumerate(shape)}, strategy, seed=seed)
    jobs, rounds = set[tuple[int, ...]](), 0
    while len(tuner.history) < MOST and (trials := tuner.ask(BATCH)):
        rounds += 1
        for trial in trials:
            jobs.add(trial.point)
            value = f(trial.point)
            tuner.tell(trial, value)
            if value <= optimum:
                return len(jobs), rounds
    return math.inf, math.inf


def main() -> None:
    """Print a line for each shape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    print(f"{'grid':18}{'DSICE jobs':>12}{'rounds':>8}{'Radial2024 jobs':>18}{'rounds':>8}")
    for shape in SHAPES:
        line = f"{'x'.join(map(str, shape)):18}"
        for strategy, width in ((DSICE(tolerance=None), 12), (Radial2024(), 18)):
            found = [to_optimum(strategy, shape, seed) for seed in range(options.seeds)]
            line += f"{median(f[0] for f in found):{width}g}{median(f[1] for f in found):8g}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
