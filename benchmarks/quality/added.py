"""What measurements that were added are worth: the search after a share of a table is known.

    python -m benchmarks.quality.added [--tables DIR] [--names a,b] [--seeds 5]

A share of the rows is added at random, then 10 points are asked. Each gets its true rank among the
rows that are not known yet, 1 the best; shown is the median of all ranks, the median over the
seeds. Beside it are the ranks of the 10 rows with the lowest mean of the model, and of random ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.quality.asynchronous import Source, sources
from dsice import Goal, Tuner
from dsice.launchers import Table
from dsice.strategies import DSICE
from dsice.strategies.dsice.search import SearchModel

SHARES, ASKED = (0.1, 0.3, 0.5, 0.7, 0.9), 10


def ranks(source: Source, share: float, seed: int) -> tuple[float, float, float]:
    """Median rank of what is asked and of the lowest means, and how many rows are left."""
    frame = source.frame()
    table = Table(frame, objective=source.objective, params=source.axes)
    goal = Goal(maximize=source.maximize)
    tuner = Tuner(table.space, DSICE(tolerance=None), goal=goal, seed=seed)
    names = list(table.space.names)
    order = np.random.default_rng(seed).permutation(len(frame))
    known, rest = np.split(order, [int(share * len(frame))])
    rows = frame[[*names, source.objective]].to_dict("records")
    for i in known.tolist():
        value = rows[i][source.objective]
        if value == value:
            tuner.add({name: rows[i][name] for name in names}, value)
        else:
            tuner.add({name: rows[i][name] for name in names}, error="failed")
    sign = -1.0 if source.maximize else 1.0
    losses = np.array([rows[i][source.objective] for i in rest.tolist()], dtype=float)
    left = np.sort(np.where(np.isnan(losses), np.inf, sign * losses))
    points = [table.space.point({name: rows[i][name] for name in names}) for i in rest.tolist()]
    place = dict(zip(points, rest.tolist(), strict=True))

    def rank(chosen: list[int]) -> float:
        values = np.array([rows[i][source.objective] for i in chosen], dtype=float)
        values = np.where(np.isnan(values), np.inf, sign * values)
        return float(np.median(np.searchsorted(left, values) + 1))

    model = SearchModel.of(table.space, tuner.history, None)
    lowest = np.argsort(model.at(np.array(points)), kind="stable")[:ASKED]
    asked = [place[trial.point] for trial in tuner.ask(ASKED)]
    return rank(asked), rank([place[points[i]] for i in lowest.tolist()]), len(rest) / 2


def main() -> None:
    """Print a line for each table and share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="folder of tables (default: our digits table)"
    )
    parser.add_argument("--names", default="", metavar="A,B")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'table':36}{'added':>6}{'asked':>9}{'lowest':>9}{'random':>9}  median true rank")
    for source in sources(options.tables, [name for name in options.names.split(",") if name]):
        for share in SHARES:
            found = [ranks(source, share, seed) for seed in range(options.seeds)]
            middle = np.median(found, axis=0)
            print(
                f"{source.name:36}{share:6.0%}" + "".join(f"{m:9.1f}" for m in middle), flush=True
            )


if __name__ == "__main__":
    main()
