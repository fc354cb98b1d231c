"""The figures of the summary, beside the published ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from benchmarks.literature.pedestrian import clock, study, walks

PAPER = {
    "fde_initial_m": 0.70,
    "fde_tuned_m": 0.48,
    "share_better": 0.75,
    "time": "1/14 (35 days to 2.4)",
}
NEAR = 1.01  # an fde up to so many times the lowest of the sequential search is as good


@dataclass(frozen=True)
class Found:
    """All measurements, and what follows from them.

    Attributes
    ----------
    rows
        The trials of all searches.
    again
        The trainings with other seeds.
    workers
        Number of processes that trained.
    """

    data: walks.Walks
    size: study.Size
    rows: pd.DataFrame
    again: pd.DataFrame
    workers: int

    @cached_property
    def each(self) -> dict[str, pd.DataFrame]:
        """The trials of each search by its label."""
        return {one.label: study.of(self.rows, one.label) for one in study.searches(self.size)}

    def seeds(self, name: str) -> list[str]:
        """The labels of a search with several seeds."""
        return [f"{name}_{seed}" for seed in range(self.size.seeds)]

    @cached_property
    def start(self) -> float:
        """The fde of the initial point, m."""
        return study.initial(self.rows)

    @cached_property
    def straight(self) -> dict[str, float]:
        """The fde of the plainest prediction, m."""
        parts = {"validation": self.data.validation, "test": self.data.test}
        return {
            part: walks.errors(walks.straight_on(truth), truth)["fde"]
            for part, truth in parts.items()
        }

    @cached_property
    def times(self) -> pd.DataFrame:
        """What each search takes on the virtual clock."""
        target = NEAR * float(self.each["Sequential2018_0"]["fde"].min())
        typical = self.rows.groupby("rnn_size")["cpu_seconds"].transform("median")
        rows = self.rows.assign(typical_seconds=typical)
        return pd.DataFrame(
            [
                clock.account(one, study.of(rows, one.label), target)
                for one in study.searches(self.size)
            ]
        )

    def gain(self, before: list[str], after: list[str]) -> dict[str, dict[str, float]]:
        """How much lower the fde of the points `after` is than that of `before`, in metres.

        Mean and standard error of the differences between trainings with the same seed.
        """
        found = {}
        for part in ("validation", "test"):
            wide = self.again.pivot(index="seed", columns="point", values=part)
            gain = (wide[before].mean(axis=1) - wide[after].mean(axis=1)).to_numpy()
            found[part] = {
                "mean": float(gain.mean()),
                "standard_error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
            }
        return found

    def summary(self) -> dict[str, object]:
        """The contents of summary.json."""
        # measured again, since the seed of the trials may be a bad one
        usual = float(self.again.loc[self.again["point"] == "initial", "validation"].mean())
        quality = {
            "published": PAPER,
            "data": self.data.source,
            "windows": {
                name: len(getattr(self.data, name)) for name in ("train", "validation", "test")
            },
            "processes": self.workers,
            "start": study.START,
            "trials": {label: len(rows) for label, rows in self.each.items()},
            "failed": {label: int(rows["fde"].isna().sum()) for label, rows in self.each.items()},
            "fde_initial_m": self.start,
            "fde_tuned_m": {label: float(rows["fde"].min()) for label, rows in self.each.items()},
            "tuned": {label: study.best(rows) for label, rows in self.each.items()},
            "fde_straight_on_m": self.straight,
            "share_better": {
                label: study.better(rows, self.start) for label, rows in self.each.items()
            },
            "share_better_by_round": {label: self.by_round(label) for label in self.seeds("DSICE")},
            "share_better_than_retrained_initial": {
                label: study.better(rows, usual) for label, rows in self.each.items()
            },
            "retrained_fde_m": self.again.groupby("point", sort=False)[["validation", "test"]]
            .mean()
            .to_dict("index"),
            "retrained_gain_m": {
                "initial to DSICE": self.gain(["initial"], self.seeds("DSICE")),
                "initial to random": self.gain(["initial"], self.seeds("random")),
                "random to DSICE": self.gain(self.seeds("random"), self.seeds("DSICE")),
            },
        }
        return {**quality, **self._speed()}

    def by_round(self, label: str) -> list[float]:
        """Share of the trials of each round that beat the initial value."""
        return [study.better(some, self.start) for _, some in self.each[label].groupby("round")]

    def _speed(self) -> dict[str, object]:
        by_label = {str(row.pop("search")): row for row in self.times.to_dict("records")}
        sequential = by_label["Sequential2018_0"]
        others = [label for label in by_label if label != "Sequential2018_0"]
        found: dict[str, object] = {}
        for name, column in (("speedup_same_trials", "speedup"), ("utilisation", "utilisation")):
            found[name] = {label: float(by_label[label][column]) for label in others}
        for column in ("elapsed_s", "elapsed_at_typical_costs_s", "to_target_s"):
            ratios = {
                label: float(sequential[column] / by_label[label][column]) for label in others
            }
            found[f"sequential_over_{column}"] = {
                label: ratio if np.isfinite(ratio) else None for label, ratio in ratios.items()
            }
        return found
