"""The figures of the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.literature.time_penalty.design import SHARES, WEIGHTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 80
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#777777"
NAMES = {"gp": "Gaussian process", "dsice": "DSICE"}


def _figure(
    width: float, height: float, columns: int, *, sharey: bool = False
) -> tuple[Figure, Sequence[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False, sharey=sharey)[0]


def _logarithmic(*axes: Any) -> None:
    """Logarithmic axes with few, plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for axis in axes:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def trainings(frame: pd.DataFrame, path: Path) -> None:
    """Loss over run time of every training of the table."""
    figure, (axis,) = _figure(7.0, 4.0, 1)
    for channels, colour in zip(
        sorted(frame["channels"].unique()), (GREY, GREEN, BLUE, RED), strict=False
    ):
        some = frame[frame["channels"] == channels]
        axis.scatter(
            some["seconds"], some["loss"], s=14, color=colour, label=f"{channels} channels"
        )
    axis.set(xlabel="run time of a training T (s)", ylabel="validation loss L")
    _logarithmic(axis.xaxis, axis.yaxis)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axis.set_title(f"{len(frame)} trainings of a CNN on digits", fontsize=10)
    figure.savefig(path, dpi=DPI)


def _median_course(
    courses: pd.DataFrame, name: str, over: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Median over the seeds of the best loss so far, from when every seed has one."""
    runs = [run for _, run in courses[courses["search"] == name].groupby("seed")]
    ends = [run.dropna(subset="best") for run in runs]
    start, stop = (
        max(float(run[over].iloc[0]) for run in ends),
        max(float(run[over].iloc[-1]) for run in ends),
    )
    moments = np.geomspace(start, stop, 400)
    steps = [
        run["best"].to_numpy()[np.searchsorted(run[over].to_numpy(), moments, side="right") - 1]
        for run in ends
    ]
    return moments, np.median(steps, axis=0)


def penalty(courses: pd.DataFrame, runs: pd.DataFrame, goal: float, path: Path) -> None:
    """With and without the time term: best loss over run time spent, and each seed's total."""
    figure, axes = _figure(10.4, 3.8, 3)
    for axis, who in zip(axes, NAMES, strict=False):
        for name, colour, label in (
            (f"{who} async", BLUE, "Z = L"),
            (f"{who} async time", ORANGE, "Z = L + b T, then L"),
        ):
            axis.plot(*_median_course(courses, name, "total"), color=colour, label=label)
        axis.axhline(goal, color=GREY, linestyle=":", linewidth=1)
        axis.set(xlabel="run time of all trainings so far (s)", ylabel="best loss, median of seeds")
        _logarithmic(axis.xaxis, axis.yaxis)
        axis.set_title(f"{NAMES[who]} (dots: the target)", fontsize=10)
        axis.legend(frameon=False, fontsize=8)
    for place, who in enumerate(NAMES):
        pairs = [
            runs[runs["search"] == name].sort_values("seed")["total"]
            for name in (f"{who} async", f"{who} async time")
        ]
        for before, after in zip(*pairs, strict=True):
            axes[2].plot(
                [3 * place, 3 * place + 1],
                [before, after],
                color=GREY,
                linewidth=0.8,
                marker="o",
                markersize=3,
            )
    axes[2].set_xticks(
        [0, 1, 3, 4], ["GP\nL", "GP\nL + b T", "DSICE\nL", "DSICE\nL + b T"], fontsize=8
    )
    axes[2].set(ylabel="run time of all trainings (s)", ylim=(0, None))
    axes[2].set_title("the pairs, seed by seed", fontsize=10)
    figure.savefig(path, dpi=DPI)


def modes(courses: pd.DataFrame, goal: float, path: Path, workers: Mapping[str, int]) -> None:
    """Asynchronous, in rounds and one after the other: the best loss over the elapsed time."""
    figure, axes = _figure(8.6, 3.8, 2, sharey=True)
    for axis, who in zip(axes, NAMES, strict=True):
        for mode, colour, style in (
            ("sequential", GREY, "-"), ("rounds", ORANGE, "-"), ("async", BLUE, "-"),
            ("rounds wide", ORANGE, "--"), ("async wide", BLUE, "--"),
        ):  # fmt: skip
            name = f"{who} {mode}"
            label = (
                f"{mode.removesuffix(' wide')}, "
                f"{workers[name]} worker{'s' if workers[name] > 1 else ''}"
            )
            axis.plot(
                *_median_course(courses, name, "elapsed"),
                color=colour,
                linestyle=style,
                label=label,
            )
        axis.axhline(goal, color=GREY, linestyle=":", linewidth=1)
        axis.set(xlabel="elapsed on the virtual clock (s)")
        _logarithmic(axis.xaxis, axis.yaxis)
        axis.set_title(f"{NAMES[who]} (dots: the target)", fontsize=10)
    axes[0].set_ylabel("best loss, median of seeds")
    axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=DPI)


def weights(runs: pd.DataFrame, path: Path) -> None:
    """Effect of other weights and shares on the total time and the final loss (DSICE)."""
    base = runs[runs["search"] == "dsice async"]
    figure, axes = _figure(8.6, 3.6, 2)
    for share, colour in zip(SHARES, (GREY, GREEN, BLUE, RED), strict=True):
        some = [runs[runs["search"] == f"dsice b={weight} share={share}"] for weight in WEIGHTS]
        for axis, name, scale in (
            (axes[0], "total", 1 / float(base["total"].mean())),
            (axes[1], "of_the_way", 100.0),
        ):
            mean = [scale * float(run[name].mean()) for run in some]
            error = [
                scale * float(run[name].to_numpy(float).std(ddof=1)) / len(run) ** 0.5
                for run in some
            ]
            axis.errorbar(
                WEIGHTS,
                mean,
                error,
                color=colour,
                marker="o",
                markersize=3,
                label=f"the first {share:.0%}",
            )
    axes[0].axhline(1.0, color=GREY, linestyle=":")
    axes[1].axhline(100 * base["of_the_way"].mean(), color=GREY, linestyle=":")
    axes[0].set(ylabel="total run time, share of that with Z = L", ylim=(0, None))
    axes[1].set(ylabel="final loss, % of the way best to median", ylim=(0, None))
    for axis in axes:
        axis.set(xscale="log", xlabel="weight b, in (spread of L) / (spread of T)")
        axis.set_xticks(WEIGHTS, [str(weight) for weight in WEIGHTS])
        axis.minorticks_off()
    axes[0].legend(
        frameon=False, fontsize=8, title="time counts for ... trainings", title_fontsize=8
    )
    axes[1].set_title("dots: Z = L throughout; bars: standard errors", fontsize=9)
    figure.savefig(path, dpi=DPI)
