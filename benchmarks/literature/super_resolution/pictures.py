"""The pictures: RMSE against the index, jobs over time, the enlarged image before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dsice import Tuner
from dsice.plots import timeline, tradeoff

DPI = 90


def front(
    tuner: Tuner, bests: pd.DataFrame, references: Mapping[str, Mapping[str, float]], path: Path
) -> None:
    """RMSE and index of every trial, their front, the bounds and the best under each.

    For comparison it has the values before any tuning.
    """
    figure = tradeoff(tuner, "rmse", "index")
    axes = figure.axes[0]
    for marker, (name, found) in zip("sX", references.items(), strict=False):
        axes.scatter(
            found["rmse"], found["index"], marker=marker, s=60, color="black", zorder=6, label=name
        )
    done = tuner.history.frame()
    done = done[(done["stage"] == 0) & done["index"].notna()]
    # diverged trials, and a bound that nothing comes near, lie far away: the axes show the rest
    right = float(done["rmse"].quantile(0.97)) + 0.05
    axes.set_xlim(done["rmse"].min() - 0.05, right)
    axes.set_ylim(done["index"].min() - 0.2, float(done["index"].quantile(0.9)) + 0.5)
    for bound, multiple in zip(bests["bound"], bests["multiple"], strict=True):
        if bound < right:
            axes.axvline(bound, color="0.6", linestyle=":", linewidth=1.2, zorder=1)
            place: dict[str, Any] = {
                "xycoords": ("data", "axes fraction"),
                "rotation": 90,
                "va": "top",
                "ha": "right",
            }
            axes.annotate(f"bound: pre-trained x {multiple:g}", (bound, 0.99), fontsize=8, **place)
    axes.set_xlabel("RMSE on held-out crops (0 to 255; less is better)")
    axes.set_ylabel("naturalness index, stand-in for the PI (less is better)")
    axes.legend(
        fontsize=7,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        columnspacing=1.2,
    )
    figure.savefig(path, dpi=DPI)


def jobs(tuner: Tuner, path: Path) -> None:
    """A bar for each training by worker, the number that run at the same time above them."""
    timeline(tuner).savefig(path, dpi=DPI)


def pieces(
    images: NDArray[np.float64], where: Sequence[tuple[int, int, int]], side: int = 64
) -> NDArray[np.float64]:
    """Pieces of images, one above the other; `where` has image, row and column of each."""
    return np.concatenate(
        [images[place, top : top + side, left : left + side] for place, top, left in where]
    )


def crops(
    shown: Mapping[str, NDArray[np.float64]], captions: Mapping[str, str], path: Path
) -> None:
    """The same pieces of each image, side by side, grey and without interpolation.

    Images have the shape (height, width) and values from 0 to 255.
    """
    figure = Figure(figsize=(2.1 * len(shown), 4.8), layout="constrained")
    plain: dict[str, Any] = {"cmap": "gray", "vmin": 16, "vmax": 235, "interpolation": "nearest"}
    for axes, (name, image) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        axes.imshow(image, **plain)
        axes.set_title(f"{name}\n{captions[name]}", fontsize=8)
        axes.set_axis_off()
    figure.savefig(path, dpi=DPI)
