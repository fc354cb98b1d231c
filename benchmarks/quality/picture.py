"""Curves of the comparison: score of each round, one panel per table and one for their mean."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.quality.report import Report, Values, standard_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which everybody can tell apart, and grey; dashes distinguish the rest
HERO, COLOURS = (
    "#D55E00",
    ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1a1a1a", "#8c8c8c"),
)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
COLUMNS, LOWEST = 5, -0.5


def draw(report: Report, path: Path) -> None:
    """Write the picture; bands are one standard error over the repeats."""
    from matplotlib.figure import Figure

    panels = ["mean", *report.tables]
    height = ceil(len(panels) / COLUMNS)
    figure = Figure(
        figsize=(3.1 * min(COLUMNS, len(panels)) + 0.4, 2.6 * height + 0.9), layout="constrained"
    )
    grid = figure.subplots(
        height, min(COLUMNS, len(panels)), sharex=True, sharey=True, squeeze=False
    )
    for axes, name in zip(grid.flat, panels, strict=False):
        _panel(axes, report, name)
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel("score of the round", fontsize=9)
    for axes in list(grid.flat)[: len(panels)][-COLUMNS:]:  # the lowest panel of each column
        axes.set_xlabel("round", fontsize=9)
        axes.tick_params(labelbottom=True)
    lines = sorted(
        grid.flat[0].get_legend_handles_labels()[0],
        key=lambda line: line.get_label() != report.hero,
    )
    figure.legend(
        handles=lines,
        loc="outside lower center",
        ncols=min(5, len(lines)),
        frameon=False,
        fontsize=9,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def curve(report: Report, peer: str, table: str) -> tuple[Values, Values]:
    """Mean score of each round that counts, and its standard error (0 for a single run).

    Both have the shape (rounds,).
    """
    scores = report.run(peer, table, "score")
    scores = scores[:, np.isfinite(scores).all(axis=0)]
    errors = (
        [standard_error(column) for column in scores.T]
        if len(scores) > 1
        else np.zeros(scores.shape[1])
    )
    return (scores.mean(axis=0) if len(scores) else np.empty(0)), np.asarray(errors)


def mean_curve(report: Report, peer: str) -> tuple[Values, Values]:
    """The same over all tables.

    A table on which the later rounds do not count keeps its last score there.
    """
    found = [curve(report, peer, table) for table in report.tables]
    if not all(len(means) for means, _ in found):
        return np.empty(0), np.empty(0)
    last = np.arange(report.rounds(peer))
    means = [mean[np.minimum(last, len(mean) - 1)] for mean, _ in found]
    squares = [error[np.minimum(last, len(error) - 1)] ** 2 for _, error in found]
    return np.mean(means, axis=0), np.sqrt(np.sum(squares, axis=0)) / len(found)


def _panel(axes: Axes, report: Report, name: str) -> None:
    axes.axhline(0.0, color="#8c8c8c", linewidth=0.8)
    # the hero is drawn last, above the others
    order = sorted(report.peers, key=lambda peer: peer == report.hero)
    for place, peer in enumerate(order):
        mean, error = mean_curve(report, peer) if name == "mean" else curve(report, peer, name)
        rounds = np.arange(1, len(mean) + 1)
        colour, dashes, thick = (
            COLOURS[place % len(COLOURS)],
            DASHES[place // len(COLOURS) % len(DASHES)],
            1.2,
        )
        if peer == report.hero:
            colour, dashes, thick = HERO, "-", 2.4
        axes.plot(rounds, mean, color=colour, linestyle=dashes, linewidth=thick, label=peer)
        axes.fill_between(rounds, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)
    axes.set_title(f"mean of {len(report.tables)} tables" if name == "mean" else name, fontsize=9)
    axes.set_ylim(LOWEST, 1.03)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
