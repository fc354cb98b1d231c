"""What "as good" means: the measurement's noise, and each search judged by fresh trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.literature.batch_size.sweep import Scale

ROBUST = 1.4826  # median absolute deviation -> standard deviation of a normal distribution
SPREAD = 8  # sizes from small to large whose noise is shown


def sizes_to_repeat(sweep: pd.DataFrame, found: pd.DataFrame, scale: Scale) -> list[int]:
    """Sizes to train again.

    The best of the sweep by loss and by time, those that the searches for the loss found, and some
    sizes from small to large.
    """
    best = {batch for column in ("loss", "cpu_seconds") for batch in top(sweep, column, scale.top)}
    chosen = set(found.loc[found.objective == "loss", "batch"])
    places = np.geomspace(1, len(scale.batches), SPREAD).round().astype(int) - 1
    return sorted(best | chosen | {scale.batches[place] for place in places})


def top(sweep: pd.DataFrame, column: str, count: int) -> list[int]:
    """The `count` sizes with the lowest values, best first."""
    return [int(batch) for batch in sweep.nsmallest(count, column).batch]


def noise(repeats: pd.DataFrame, column: str, batches: list[int]) -> float:
    """How far one training is from the median of its size.

    This is a robust standard deviation, over several sizes. With 8 trainings of a size it is about
    a tenth too small, which makes the judgement stricter.
    """
    some = repeats[repeats.batch.isin(batches)]
    away = (some[column] - some.groupby("batch")[column].transform("median")).abs()
    count = some.groupby("batch").size().mean()
    # the median was fitted to the same values
    return float(ROBUST * away.median() * np.sqrt(count / (count - 1)))


def judge(
    found: pd.DataFrame, sweep: pd.DataFrame, repeats: pd.DataFrame, noises: dict[str, float]
) -> pd.DataFrame:
    """Add three columns to the searches.

    - ``in_table``: the value found is at most two noises above the lowest of the sweep.
    - ``fresh``: median loss of the fresh trainings of the size found, in searches for the loss.
    - ``as_good``: ``fresh`` is at most one noise above that of the sweep's best size; False in
      searches for the time.
    """
    medians = repeats.groupby("batch").loss.median()
    limit = medians[top(sweep, "loss", 1)[0]] + noises["loss"]
    lowest = found.objective.map(lambda name: sweep[name].min() + 2 * noises[name])
    fresh = found.batch.map(medians).where(found.objective == "loss")
    return found.assign(in_table=found.value <= lowest, fresh=fresh, as_good=fresh <= limit)


def near(asked: str, within: int = 2) -> float:
    """Share of the sizes of a search that are at most `within` from one that it asked earlier."""
    sizes = [int(batch) for batch in asked.split()]
    return float(
        np.mean(
            [
                any(abs(size - other) <= within for other in sizes[:i])
                for i, size in enumerate(sizes)
            ]
        )
    )


def difference(judged: pd.DataFrame, column: str) -> float:
    """Chance that DSICE and random search for the loss differ as much in `column` by luck.

    This is the p-value of a two-sided Mann-Whitney test.
    """
    of_loss = judged[judged.objective == "loss"]
    one, other = (of_loss.loc[of_loss.search == name, column] for name in ("DSICE", "random"))
    return float(stats.mannwhitneyu(one, other).pvalue)


def shares(judged: pd.DataFrame) -> pd.DataFrame:
    """One row per objective and search: runs, medians, and shares with their 95 % intervals.

    The intervals are Wilson's.
    """
    rows = []
    for (objective, search), group in judged.groupby(["objective", "search"], sort=False):
        row = {
            "objective": objective,
            "search": search,
            "seeds": len(group),
            "near": group.asked.map(near).mean(),
        }
        row |= {
            f"median_{name}": group[name].median()
            for name in ("runs", "rank", "value", "fresh", "trained", "elapsed")
        }
        for name in ("in_table", "as_good"):
            if name == "in_table" or objective == "loss":
                interval = stats.binomtest(int(group[name].sum()), len(group)).proportion_ci(
                    method="wilson"
                )
                row |= {
                    name: group[name].mean(),
                    f"{name}_low": interval.low,
                    f"{name}_high": interval.high,
                }
        rows.append(row)
    return pd.DataFrame(rows)
