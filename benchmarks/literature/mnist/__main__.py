"""Run the reproduction: ``python -m benchmarks.literature.mnist [--quick] [--workers N]``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def main() -> None:
    """Train, compare, draw.

    Modules that take long to import are imported here, since spawned processes import this file.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        # numpy reads this when it is first imported, below: every training keeps to one core
        os.environ.setdefault(name, "1")
    from benchmarks.literature.results import Results, arguments, need

    given = arguments(
        "Random search, learning-curve matching, population-based training and decay on digits."
    )
    need("sklearn", "the reproduction on digits")
    from benchmarks.literature.mnist import figures, launched, pictures, searches
    from benchmarks.literature.mnist.design import FULL, QUICK, SHAPES
    from benchmarks.literature.mnist.study import everything
    from benchmarks.literature.mnist.trial import SEED
    from dsice.plots import lineage

    size, shape, results = (
        QUICK if given.quick else FULL,
        next(iter(SHAPES)),
        Results(Path(__file__).parent, quick=given.quick),
    )
    tables = everything(size, given.workers)
    tables |= {
        "methods": figures.by_method(tables["final"]),
        "stoppers": figures.by_stopper(tables["stopping"]),
    }
    tables["by_rate"] = figures.by_rate(tables["sweep"])

    workers = max(2, given.workers)  # the grid is distributed even on one core
    grid, elapsed = launched.grid(size, shape, workers)
    tables["grid"] = grid[
        ["lr", "batch", "momentum", "state", "loss", "accuracy", "test", "seconds"]
    ]
    with tempfile.TemporaryDirectory() as folder:
        tuner = launched.through_local(size, shape, given.workers, Path(folder))
    members, stages = size.launched
    same = searches.population(shape, SEED, size.epochs, members=members, stages=stages).tuner
    apart = launched.difference(tuner, same)
    tables["population"] = launched.frame(tuner)

    for name, table in tables.items():
        results.table(name, table)
    pictures.rate_over_epochs(tables["schedules"], results.path("rate_over_epochs.png"))
    pictures.accuracy_over_epochs(tables["schedules"], results.path("accuracy_over_epochs.png"))
    pictures.accuracy_over_rate(
        tables["by_rate"], size.copies, results.path("accuracy_over_rate.png")
    )
    pictures.methods(tables["final"], results.path("methods.png"))
    pictures.grid(tables["grid"], results.path("grid.png"))
    lineage(tuner, results.path("lineage.png"), param="lr")
    pictures.shrink(results.path("lineage.png"))
    found = figures.summary(tables, grid, elapsed, workers, apart)
    results.finish(found | {"processor seconds, all processes": sum(os.times()[:4])})


if __name__ == "__main__":
    main()
