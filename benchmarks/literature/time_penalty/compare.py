"""Paired tests between two searches that have the same seeds."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Paired:
    """B beside A, seed by seed.

    Attributes
    ----------
    a, b
        Means over the seeds.
    change, low, high
        Mean of the differences B - A and its 95 % confidence interval (Student's t), in the unit
        of the figure.
    t_p, wilcoxon_p
        p-values of the paired t-test and of Wilcoxon's signed-rank test; 1 where all pairs are
        equal.
    """

    a: float
    b: float
    change: float
    low: float
    high: float
    t_p: float
    wilcoxon_p: float

    def __str__(self) -> str:
        change, low, high = (100 * value / self.a for value in (self.change, self.low, self.high))
        return (
            f"{self.a:.4g} -> {self.b:.4g} "
            f"({change:+.1f} %, 95 % interval {low:+.1f} to {high:+.1f} %; "
            f"p = {self.t_p:.2g} by t, {self.wilcoxon_p:.2g} by Wilcoxon)"
        )


def paired(runs: pd.DataFrame, a: str, b: str, figure: str) -> Paired:
    """Compare a figure of two searches.

    Parameters
    ----------
    runs
        One row for each search and seed, columns ``search``, ``seed`` and `figure`.
    a, b
        Names of the searches.

    Raises
    ------
    ValueError
        They do not have the same seeds, or only one.
    """
    from scipy.stats import ttest_rel, wilcoxon

    first, second = (runs[runs["search"] == name].sort_values("seed") for name in (a, b))
    if len(first) < 2 or first["seed"].tolist() != second["seed"].tolist():
        raise ValueError(
            f"paired({a!r}, {b!r}): expected the same seeds of both, two at least; "
            f"got {len(first)}, {len(second)}"
        )
    x, y = first[figure].to_numpy(float), second[figure].to_numpy(float)
    if np.array_equal(x, y):
        return Paired(float(x.mean()), float(y.mean()), 0.0, 0.0, 0.0, 1.0, 1.0)
    with warnings.catch_warnings():
        # differences that are all the same: no spread, p = 0
        warnings.simplefilter("ignore", RuntimeWarning)
        test = ttest_rel(y, x)
        interval = test.confidence_interval(0.95)
    differences = float(np.mean(y - x)), float(interval.low), float(interval.high)
    return Paired(
        float(x.mean()),
        float(y.mean()),
        *differences,
        float(test.pvalue),
        float(wilcoxon(y, x).pvalue),
    )


EQUAL = 0.05  # share of the difference between the median loss of the table and its best


def equal_loss(runs: pd.DataFrame, a: str, b: str) -> bool:
    """Whether the final losses are equal.

    They are where the interval of their difference is within 5 % of the difference between the
    median loss of the table and its best.
    """
    test = paired(runs, a, b, "of_the_way")
    return test.low > -EQUAL and test.high < EQUAL


PAIRS = (
    ("gp async", "gp async time"),
    ("dsice async", "dsice async time"),
    ("gp async", "gp b=0.3 share=0.5"),
    ("gp rounds", "gp async"),
    ("gp sequential", "gp async"),
    ("dsice rounds", "dsice async"),
    ("dsice sequential", "dsice async"),
    ("dsice async", "dsice async ignore"),
    ("gp rounds wide", "gp async wide"),
    ("dsice rounds wide", "dsice async wide"),
    ("gp async", "dsice async"),
    # added after the results were seen
    ("gp rounds", "dsice rounds"),
    ("gp sequential", "dsice sequential"),
    ("random async", "gp async"),
    ("random async", "dsice async"),
)
FIGURES = (
    "total",
    "elapsed",
    "final",
    "of_the_way",
    "per_loss",
    "to_target_total",
    "to_target_elapsed",
)


def all_pairs(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each figure of each pair of the design that was carried out."""
    there = set(runs["search"])
    pairs = [pair for pair in PAIRS if there.issuperset(pair)]
    rows = [
        {"a_is": a, "b_is": b, "figure": f, **asdict(paired(runs, a, b, f))}
        for a, b in pairs
        for f in FIGURES
    ]
    return pd.DataFrame(rows)


def means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error of the final loss over the seeds, one row for each search."""
    grouped = runs.drop(columns="seed").groupby("search", sort=False)
    return grouped.mean().assign(final_se=grouped["final"].sem()).reset_index()
