"""What short trainings say of full ones: stage 0 beside stage 1, on tables with learning curves.

    python -m benchmarks.reuse.stages                            # our digits table
    python -m benchmarks.reuse.stages --tables DIR [--names a,b] [--seeds 4]

A third of the points, at most 200, drawn at random, are known after a share of their epochs, as
trials of stage 0. Then full trainings are asked, under ``Goal(stage=1)``, in 6 rounds of 40 (of 5
where a table has under 300 points). The score (0 random search, 1 the optimum) is compared with
that of a search that knows nothing, and the weight of the stage after 2 rounds is shown; beside
shares of the epochs there is noise in their place, which ought to have weight 0. The folder's
tables are as for `benchmarks.quality.early`.
"""

from __future__ import annotations

import argparse
import warnings
from math import inf, isfinite
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.quality.early import Trainings, trainings
from benchmarks.quality.scoring import Yardstick
from benchmarks.quality.tables import DIGITS
from dsice import Goal, History, Space
from dsice.strategies import DSICE, stream
from dsice.strategies.dsice.search import SearchModel
from dsice.strategies.dsice.sources import Sources
from dsice.typing import Floats, Point

SHARES: tuple[float | None, ...] = (0.1, 0.25, None)
ROUNDS, WEIGHED, MOST = 6, 2, 200
GOAL = Goal(stage=1)


class Columns:
    """Trials of both stages, as columns."""

    def __init__(self, space: Space, points: list[Point], values: Floats) -> None:
        self.space, self.points, self.stages = space, list(points), [0] * len(points)
        self.values = [float(value) for value in values]

    def full(self, point: Point, value: float) -> None:
        """Add a full training."""
        self.points.append(point)
        self.values.append(value)
        self.stages.append(1)

    def history(self) -> History:
        """All trials so far."""
        states = ["done" if isfinite(value) else "failed" for value in self.values]
        return History.of(
            self.space, self.points, self.values, states=states, stages=self.stages, goal=GOAL
        )

    def weight(self) -> float:
        """Of stage 0 in the model of the search."""
        sources = Sources.of(self.space, self.history())
        model = SearchModel.of(self.space, self.history(), None, sources)
        return 0.0 if model.sources is None else float(model.sources.says()[0])


def compare(known: Trainings, share: float | None, seed: int) -> tuple[float, float, float, float]:
    """Scores without and with stage 0, its weight, and its rank correlation with the full ones."""
    names = list(known.params)
    space = known.table().space
    points = [space.point(row) for row in known.frame[names].to_dict("records")]
    final = known.frame["objective"].to_numpy(dtype=float)
    value = dict(zip(points, final.tolist(), strict=True))
    curves = known.frame.filter(regex="^epoch ").to_numpy(dtype=float)
    lengths = np.array([known.lengths[tuple(row)] for row in known.frame[names].to_numpy(object)])
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(points), min(MOST, len(points) // 3), replace=False)
    short = rng.standard_normal(len(rows))
    if share is not None:
        short = curves[rows, np.maximum(0, np.rint(share * lengths[rows]).astype(int) - 1)]
    batch = 5 if len(points) < 300 else 40
    stick, scores, weight = Yardstick(final), [], 0.0
    for staged in (False, True):
        trials = Columns(space, [points[row] for row in rows] if staged else [], short[: len(rows)])
        if not staged:
            trials.values = []
        best, score = inf, 0.0
        for number in range(ROUNDS):
            history = trials.history() if trials.points else History(GOAL)
            for proposal in DSICE(tolerance=None).ask(batch, space, history, stream(seed)):
                trials.full(proposal.point, value[proposal.point])
                best = min(best, value[proposal.point]) if isfinite(value[proposal.point]) else best
            random = stick.expected(batch * (number + 1))
            score += (1.0 - float(np.log1p(stick.rank(best))) / random) / ROUNDS
            if staged and number + 1 == WEIGHED:
                weight = trials.weight()
        scores.append(score)
    good = np.isfinite(short) & np.isfinite(final[rows])
    return scores[0], scores[1], weight, float(spearmanr(short[good], final[rows][good])[0])


def main() -> None:
    """Print a line for each table and share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, metavar="DIR")
    parser.add_argument("--names", default="", metavar="A,B")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = [DIGITS]
    if options.tables is not None:
        curves = sorted(options.tables.glob("*.curves.npz"))
        paths = [path.with_name(path.name.replace(".curves.npz", ".parquet")) for path in curves]
    chosen = [name for name in options.names.split(",") if name]
    print(f"{'table':28}{'known':>7}{'nothing':>9}{'stage 0':>9}{'gain':>8}{'':8}{'weight':>8}")
    for path in paths:
        name = path.name.partition(".")[0]
        if chosen and name not in chosen:
            continue
        for share in SHARES:
            found = [compare(trainings(path), share, seed) for seed in range(options.seeds)]
            cold, staged, weight, rank = np.mean(found, axis=0)
            gains = np.array([one[1] - one[0] for one in found])
            error = gains.std(ddof=1) / len(gains) ** 0.5
            word = "noise" if share is None else f"{share:.0%}"
            print(
                f"{name:28}{word:>7}{cold:9.2f}{staged:9.2f}{gains.mean():+8.2f} ± {error:4.2f} "
                f"{weight:8.2f}   rank correlation {rank:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
