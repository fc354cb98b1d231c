"""The three published graphs redrawn, the stoppers, and the grid of three axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.literature.mnist.design import DECAYING, METHODS, POPULATION, RANDOM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {RANDOM: "#0072B2", DECAYING: "#E69F00", POPULATION: "#D55E00"}  # Okabe and Ito
WAYS = {"static": COLOURS[RANDOM], "decaying": COLOURS[DECAYING], "PBT": COLOURS[POPULATION]}
NAMES = {RANDOM: "static (random search)", DECAYING: "decaying (random search)", POPULATION: "PBT"}
DPI = 100


def save(figure: Figure, path: Path) -> None:
    """Write a figure; small, since it is kept in the repository."""
    figure.savefig(path, dpi=DPI)
    shrink(path)


def shrink(path: Path) -> None:
    """Rewrite a PNG with 64 colours: a third of the size, and nothing is lost to the eye."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB").quantize(64)
    small.save(path, optimize=True)


def _panels(networks: list[str], height: float = 3.6, **options: Any) -> tuple[Figure, list[Axes]]:
    """A panel for each network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(networks), height), layout="constrained")
    panels = list(figure.subplots(1, len(networks), squeeze=False, **options)[0])
    for axes, network in zip(panels, networks, strict=True):
        axes.set_title(f"hidden layers {network}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def rate_over_epochs(schedules: pd.DataFrame, path: Path) -> None:
    """Learning rate of the best training of each seed, thin; their median, bold."""
    networks = list(schedules.network.unique())
    figure, panels = _panels(networks, sharey=True)
    for axes, network in zip(panels, networks, strict=True):
        for method, colour in COLOURS.items():
            table = schedules[(schedules.network == network) & (schedules.method == method)]
            wide = table.pivot(index="epoch", columns="seed", values="lr")
            axes.step(wide.index, wide, color=colour, linewidth=0.7, alpha=0.45, where="post")
            axes.step(
                wide.index,
                wide.median(axis=1),
                color=colour,
                linewidth=2.4,
                where="post",
                label=NAMES[method],
            )
        axes.set(yscale="log", xlabel="epoch")
    panels[0].set_ylabel("learning rate")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    save(figure, path)


def accuracy_over_epochs(schedules: pd.DataFrame, path: Path) -> None:
    """Validation accuracy of the best training of each seed: mean and standard deviation."""
    networks = list(schedules.network.unique())
    figure, panels = _panels(networks, sharey=True)
    for axes, network in zip(panels, networks, strict=True):
        for method, colour in COLOURS.items():
            table = schedules[(schedules.network == network) & (schedules.method == method)]
            found = table.groupby("epoch")["accuracy"].agg(["mean", "std"])
            axes.plot(found.index, found["mean"], color=colour, label=NAMES[method])
            low, high = found["mean"] - found["std"], found["mean"] + found["std"]
            axes.fill_between(found.index, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set(
            xlabel="epoch",
            ylim=(
                max(0.0, schedules.accuracy.max() - 0.2),
                min(1.0, schedules.accuracy.max() + 0.01),
            ),
        )
    panels[0].set_ylabel("validation accuracy")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    save(figure, path)


def accuracy_over_rate(by_rate: pd.DataFrame, copies: int, path: Path) -> None:
    """Final test accuracy over the initial rate.

    The best of `copies` trainings, and dotted the mean of all; the lower row enlarges the top.
    """
    from matplotlib.figure import Figure

    networks = list(by_rate.network.unique())
    figure = Figure(figsize=(4.6 * len(networks), 6.0), layout="constrained")
    panels = figure.subplots(
        2, len(networks), squeeze=False, sharex=True, sharey="row", height_ratios=(2, 3)
    )
    for column, network in enumerate(networks):
        for axes in panels[:, column]:
            for way, colour in WAYS.items():
                table = by_rate[(by_rate.network == network) & (by_rate.way == way)]
                axes.plot(
                    table.lr,
                    table.best,
                    "o-",
                    color=colour,
                    markersize=4,
                    label=f"{way}, best of {copies}",
                )
                axes.plot(table.lr, table["mean"], ":", color=colour, label=f"{way}, mean")
            axes.spines[["top", "right"]].set_visible(False)
        panels[0, column].set(xscale="log", ylim=(0, 1), title=f"hidden layers {network}")
        panels[1, column].set(xlabel="initial learning rate", ylim=(0.8, 0.94))
    panels[0, 0].set_ylabel("final test accuracy")
    panels[1, 0].set_ylabel("final test accuracy, the top")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    save(figure, path)


def methods(final: pd.DataFrame, path: Path) -> None:
    """Validation loss of the best trial of every seed by method.

    A line joins it to that of random search with the same seed.
    """
    networks = list(final.network.unique())
    figure, panels = _panels(networks, sharey=True)
    for axes, network in zip(panels, networks, strict=True):
        wide = final[final.network == network].pivot(index="seed", columns="method", values="loss")[
            list(METHODS)
        ]
        axes.plot(range(len(METHODS)), wide.T, color="0.8", linewidth=0.8)
        for place, method in enumerate(METHODS):
            axes.plot(
                [place] * len(wide), wide[method], "o", color="#0072B2", markersize=4, alpha=0.6
            )
            axes.plot(
                [place - 0.25, place + 0.25], [wide[method].mean()] * 2, color="black", linewidth=2
            )
        axes.set_xticks(
            range(len(METHODS)),
            [name.replace(" + ", "\n+ ").replace(", ", ",\n") for name in METHODS],
            fontsize=8,
        )
    panels[0].set_ylabel("validation loss of the best trial")
    save(figure, path)


def grid(table: pd.DataFrame, path: Path) -> None:
    """Validation accuracy on a grid of three axes: a panel for each momentum."""
    from matplotlib.figure import Figure

    momenta, rates = sorted(table.momentum.unique()), sorted(table.lr.unique())
    figure = Figure(figsize=(2.9 * len(momenta) + 0.8, 4.2), layout="constrained")
    panels = list(figure.subplots(1, len(momenta), squeeze=False, sharey=True)[0])
    for axes, momentum in zip(panels, momenta, strict=True):
        wide = (
            table[table.momentum == momentum]
            .pivot(index="lr", columns="batch", values="accuracy")
            .loc[rates]
        )
        image = axes.imshow(wide, cmap="viridis", vmin=0.0, vmax=1.0, origin="lower", aspect="auto")
        for y, line in enumerate(wide.to_numpy()):
            for x, value in enumerate(line):
                text = "div." if value != value else f"{value:.2f}"
                axes.text(
                    x,
                    y,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="black" if value > 0.6 else "white",
                )
        axes.set_xticks(range(wide.shape[1]), [str(b) for b in wide.columns])
        axes.set_yticks(range(len(rates)), [f"{lr:.3g}" for lr in rates])
        axes.set_title(f"momentum {momentum:g}", fontsize=10)
        axes.set_xlabel("batch (images)")
    panels[0].set_ylabel("learning rate")
    figure.colorbar(image, ax=panels, label="validation accuracy")
    save(figure, path)
