"""A sweep over 700 values of one parameter: all of them, and a search with a tenth of the work.

    python examples/sweep/sweep.py                # a few seconds
    python examples/sweep/sweep.py --trials 40    # an even smaller budget for the search

`error` stands in for the training of a network for a fixed time: small batches make noisy steps,
large ones few, and sizes that are not a multiple of 8 or 32 use the processor badly.

Put your own program in its place, say a shell command with
``Local("python train.py --batch {batch}", slots=8)``; nothing else changes.
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor

from dsice import Tuner, run
from dsice.launchers import Futures
from dsice.strategies import DSICE, Grid


def error(batch):
    """Validation error after a fixed time with this batch size."""
    lanes = 32 * math.ceil(batch / 32)  # the processor works on whole groups of 32
    seconds = 2e-3 + 1e-5 * lanes + (1e-4 if batch % 8 else 0.0)  # of one step
    steps = 60 / seconds
    return 0.05 + 0.4 / math.sqrt(batch) + 90 * math.sqrt(batch) / steps + 100 / steps


def sweep(strategy, trials, workers):
    """Measure up to `trials` batch sizes, `workers` at a time; return the tuner."""
    tuner = Tuner({"batch": range(1, 701)}, strategy, max_trials=trials)
    with tuner, Futures(error, lambda: ProcessPoolExecutor(workers)) as launcher:
        return run(tuner, launcher, mode="rounds", progress=False)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=70, help="budget of the search")
    parser.add_argument("--workers", type=int, default=10, help="trials at the same time")
    options = parser.parse_args()
    print("          trials  best batch   error   place among all 700")
    grid = sweep(Grid(), None, options.workers)
    errors = sorted(trial.value for trial in grid.history)
    search = sweep(DSICE(start={"batch": 350}), options.trials, options.workers)
    for name, tuner in (("all", grid), ("search", search)):
        best = tuner.best
        place = 1 + sum(value < best.value for value in errors)
        print(
            f"{name:<10}{len(tuner.history):>6}  "
            f"{best.params['batch']:>10}  {best.value:.4f}   {place}"
        )


if __name__ == "__main__":  # worker processes may import this file
    main()
