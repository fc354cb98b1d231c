"""The pictures: a search's transition, searches compared, workers, points trained again, paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.literature.pedestrian.walks import SEEN, Windows
from dsice import Tuner, plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, VERMILLION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8c8c8c"
COLOURS = {"DSICE": BLUE, "random": ORANGE, "Parallel2022": GREEN, "Sequential2018": VERMILLION}
DPI = 84


def transition(journal: Path, path: Path) -> None:
    """The published figure: each measured error and the best so far, over the measurements."""
    figure = plots.progress(Tuner.read(journal))
    figure.axes[0].set_ylabel("final displacement error (m)")
    figure.axes[0].set_xlabel("measurement")
    figure.savefig(path, dpi=DPI)


def workers(replayed: Tuner, path: Path) -> None:
    """The trials on the virtual clock."""
    plots.timeline(replayed).savefig(path, dpi=DPI)


def beside(rows: pd.DataFrame, start: float, straight: float, path: Path) -> None:
    """Searches beside each other.

    Above: the best so far over the number of trials, a line per search.
    Below: all trials of DSICE and of random search.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for label, group in rows.groupby("search", sort=False):
        name = str(label).rsplit("_", 1)[0]
        first = str(label).endswith("_0")
        lowest = np.fmin.accumulate(group["fde"].to_numpy())
        left.step(
            1 + np.arange(len(lowest)),
            lowest,
            where="post",
            color=COLOURS[name],
            linewidth=1.4,
            label=name if first else None,
        )
    left.set_xlabel("trial")
    left.set_ylabel("best so far: FDE on validation paths (m)")
    left.set_ylim(top=start * 1.02)
    for name in ("DSICE", "random"):
        values = np.sort(rows.loc[rows["search"].str.startswith(name), "fde"].dropna())
        right.step(
            values,
            np.arange(1, len(values) + 1) / len(values),
            color=COLOURS[name],
            linewidth=1.4,
            label=name,
        )
    right.set_xlabel("FDE on validation paths (m)")
    right.set_ylabel("share of trials at or below")
    right.set_xscale("log")
    _plain_ticks(right)
    right.axvline(start, color="black", linestyle="--", linewidth=1.0, label="initial point")
    right.axvline(straight, color=GREY, linestyle=":", linewidth=1.4, label="everybody straight on")
    left.axhline(start, color="black", linestyle="--", linewidth=1.0, label="initial point")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=DPI)


def _plain_ticks(axes: Axes) -> None:
    """Plain numbers on a logarithmic axis of few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def retrained(rows: pd.DataFrame, straight: dict[str, float], path: Path) -> None:
    """Every training of a point with another seed as a dot, their mean as a bar.

    On validation paths and in the unseen place.
    """
    from matplotlib.figure import Figure

    names = list(rows["point"].unique())
    figure = Figure(figsize=(9.0, 1.2 + 0.32 * len(names)), layout="constrained")
    titles = {"validation": "validation paths", "test": "a place never seen"}
    for axes, (part, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for place, name in enumerate(names):
            values = rows.loc[rows["point"] == name, part].to_numpy()
            colour = COLOURS.get(name.rsplit("_", 1)[0], "black")
            axes.scatter(
                values,
                place + np.linspace(-0.2, 0.2, len(values)),
                s=16,
                color=colour,
                alpha=0.6,
                linewidths=0,
            )
            axes.vlines(values.mean(), place - 0.35, place + 0.35, color=colour, linewidth=2.0)
        axes.axvline(
            straight[part],
            color=GREY,
            linestyle=":",
            linewidth=1.4,
            label="everybody goes straight on",
        )
        axes.set_yticks(
            range(len(names)), [name.replace("_", ", seed ") for name in names], fontsize=8
        )
        axes.set_xlabel(f"FDE (m), {title}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", frameon=False, fontsize=8)
    figure.savefig(path, dpi=DPI)


def paths(truth: Windows, predicted: dict[str, Windows], path: Path) -> None:
    """Some walks: the positions seen, where the walk went, and what each point predicts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    colours = {"initial": "black", "tuned": BLUE}
    for place, axes in enumerate(figure.subplots(1, len(truth))):
        axes.plot(*truth[place, :SEEN].T, color=GREY, marker=".", markersize=4, label="seen, 3.2 s")
        axes.plot(
            *truth[place, SEEN - 1 :].T,
            color=VERMILLION,
            marker=".",
            markersize=4,
            label="walked, 4.8 s",
        )
        for name, found in predicted.items():
            ahead = np.concatenate([np.zeros((1, 2)), found[place]])
            axes.plot(
                *ahead.T,
                color=colours[name],
                marker=".",
                markersize=3,
                linewidth=1.0,
                label=f"predicted, {name}",
            )
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("x (m)")
        axes.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("y (m)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=DPI)
