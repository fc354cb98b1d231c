"""The two pictures: the sweep with the points that a search asked, and the searches' progress."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

COLOURS = {"DSICE": "tab:red", "random": "tab:blue", "IPPE": "tab:green"}
OTHER = "tab:orange"
DPI = 90


def sweep(path: Path, measured: pd.DataFrame, repeats: pd.DataFrame, judged: pd.DataFrame) -> None:
    """Loss and time over the batch size, with the sizes that DSICE asked with seed 0 for each."""
    figure = Figure(figsize=(9, 8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    labels = {"loss": "validation loss", "cpu_seconds": "processor time of a training / s"}
    for axes, (column, label) in zip((upper, lower), labels.items(), strict=True):
        axes.plot(
            measured.batch,
            measured[column],
            ".",
            color="0.75",
            ms=4,
            label=f"sweep: all {len(measured)} sizes",
        )
        asked = _asked(judged, column, "DSICE", 0)
        values = measured.set_index("batch")[column].loc[asked]
        axes.plot(
            asked,
            values,
            "o",
            color=COLOURS["DSICE"],
            ms=5,
            mfc="none",
            label=f"DSICE, seed 0: {len(asked)} trainings",
        )
        _fresh(axes, repeats, column)
        lowest = measured.nsmallest(1, column)
        axes.plot(
            lowest.batch,
            lowest[column],
            "k*",
            ms=11,
            label=f"lowest of the sweep: size {lowest.batch.iloc[0]}",
        )
        axes.set(xscale="log", yscale="log", ylabel=label)
        _plain(axes, both=True)
        axes.legend(fontsize=8, loc="upper center")
        axes.grid(alpha=0.3)
    lower.set_xlabel("batch size")
    upper.set_title(
        f"Batch size of a small network on digits: all {len(measured)}, "
        f"and {len(asked)} that a search chose",
        fontsize=11,
    )
    figure.savefig(path, dpi=DPI)


def _plain(axes: Axes, *, both: bool = False) -> None:
    """0.1, 1, 10 at the axes instead of powers, with 2 and 5 in between."""
    for axis in (axes.yaxis, axes.xaxis) if both else (axes.yaxis,):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _fresh(axes: Axes, repeats: pd.DataFrame, column: str) -> None:
    """Median and quartiles of the fresh trainings of a size."""
    quartiles = repeats.groupby("batch")[column].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    bars = [quartiles[0.5] - quartiles[0.25], quartiles[0.75] - quartiles[0.5]]
    label = "fresh trainings: median, quartiles"
    axes.errorbar(
        quartiles.index,
        quartiles[0.5],
        yerr=bars,
        fmt="_",
        color="tab:purple",
        lw=1,
        ms=6,
        label=label,
    )


def courses(path: Path, measured: pd.DataFrame, judged: pd.DataFrame, noise: float) -> None:
    """Lowest loss so far over the number of trainings: each search's median and quartiles."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    of_loss = judged[judged.objective == "loss"]
    longest = int(of_loss.runs.max())
    for search in of_loss.search.unique():
        course = np.array(
            [
                _course(measured, row.asked, longest)
                for row in of_loss[of_loss.search == search].itertuples()
            ]
        )
        trainings, colour = np.arange(1, longest + 1), COLOURS.get(search, OTHER)
        seeds = f", {len(course)} seeds: median, quartiles" if len(course) > 1 else ""
        axes.plot(
            trainings,
            np.median(course, 0),
            color=colour,
            label=f"{search}{seeds}",
            drawstyle="steps-post",
        )
        if len(course) > 1:
            low, high = np.quantile(course, [0.25, 0.75], axis=0)
            axes.fill_between(trainings, low, high, color=colour, alpha=0.2, step="post", lw=0)
    lowest = measured.loss.min()
    axes.axhspan(
        lowest,
        lowest + 2 * noise,
        color="0.85",
        lw=0,
        label="lowest of the sweep and two noises above",
    )
    axes.set(
        xlabel="trainings", ylabel="lowest validation loss so far", yscale="log", xlim=(1, longest)
    )
    _plain(axes)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=DPI)


def _course(measured: pd.DataFrame, asked: str, longest: int) -> NDArray[np.float64]:
    """Lowest loss after 1, 2, ... trainings, shape (longest,); constant after a search ended."""
    values = (
        measured.set_index("batch").loss.loc[[int(batch) for batch in asked.split()]].to_numpy()
    )
    course = np.fmin.accumulate(values)
    return np.concatenate([course, np.full(longest - len(course), course[-1])])


def _asked(judged: pd.DataFrame, objective: str, search: str, seed: int) -> list[int]:
    row = judged[
        (judged.objective == objective) & (judged.search == search) & (judged.seed == seed)
    ]
    return [int(batch) for batch in str(row.asked.iloc[0]).split()]
