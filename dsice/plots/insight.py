"""What the measurements say of the parameters, drawn: main effects with bands, and shares of the variance."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsice.history import History
from dsice.insight import effects as effects_of
from dsice.insight import importance as importance_of
from dsice.plots.style import BLACK, BLUE, GREY, ORANGE, PALE, save, without_frame
from dsice.space import Space
from dsice.tuner import Tuner

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
TICKS, LETTERS = 9, 32  # of one panel: most labels, and most letters in all of them


def effects(
    search: History | Tuner,
    path: str | os.PathLike[str] | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
) -> Figure:
    """Draw how the score depends on each parameter, averaged over all others.

    One panel for each parameter, the one with the largest effect first, all with the same scale: the expected score at
    each level as a line (points where the levels have no order), its 95 % band, and the mean of the measurements with
    that level as a dot, the larger the more there are. A search measures near the best, so its dots lie lower than the
    average over the grid that the line shows.

    Parameters
    ----------
    search
        A tuner, or a history.
    path
        File to write: .png, .svg or .pdf.
    space
        The space of a bare history.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError, FitError
        As `dsice.effects`; or the file's ending is unknown.
    """
    from matplotlib.figure import Figure

    history, grid = _parts(search, space)
    frame = effects_of(history, grid)
    panels = {str(name): part for name, part in frame.groupby("parameter", sort=False)}
    names = sorted(panels, key=lambda name: -float(np.ptp(panels[name]["effect"].fillna(0.0))))
    rows = -(-len(names) // COLUMNS)
    columns = -(-len(names) // rows)  # none of the rows much shorter than the others
    figure = Figure(figsize=(1.2 + 2.7 * columns, 1.0 + 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel, name in zip(axes, names, strict=False):
        part = panels[name]
        _curve(panel, part, frame.attrs["mean"], ordered=grid.axes[name].ordered)
        _dots(panel, history, grid, name)
        panel.set_title(name, fontsize=10)
        _label_levels(panel, part["value"].tolist())
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    figure.supylabel(_score(history), fontsize=10)
    figure.suptitle(
        "expected score over the grid, 95 % band; dots: mean of the measurements there", fontsize=10
    )
    save(figure, path, "effects")
    return figure


def importance(
    search: History | Tuner,
    path: str | os.PathLike[str] | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
) -> Figure:
    """Draw which parameters matter.

    Bars: the share of the variance over the grid that each parameter explains alone (dark), and with all its
    interactions (pale). Beside them the share of each pair's interaction as a heat map.

    Parameters
    ----------
    search, path, space
        As for `effects`.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError, FitError
        As `dsice.importance`; or the file's ending is unknown.
    """
    from matplotlib.figure import Figure

    frame = importance_of(*_parts(search, space))
    alone = frame[frame["other"].isna()]
    names, high = alone["parameter"].tolist(), 1.6 + 0.36 * len(alone)
    figure = Figure(figsize=(10.0 if len(names) > 1 else 5.5, max(3.0, high)), layout="constrained")
    panels = figure.subplots(
        1,
        2 if len(names) > 1 else 1,
        squeeze=False,
        width_ratios=(1.3, 1.0) if len(names) > 1 else None,
    )[0]
    _bars(panels[0], names, alone["share"].to_numpy(), alone["total"].to_numpy())
    if len(names) > 1:
        _map(panels[1], names, frame[frame["other"].notna()])
    told = frame.attrs
    left = (
        f"{told['higher']:.0%} left to interactions of three and more; " if len(names) > 2 else ""
    )
    figure.suptitle(
        f"{left}{told['noise']:.0%} of the variance of the measurements is noise", fontsize=10
    )
    save(figure, path, "importance")
    return figure


# ---------------------------------------------------------------------- effects
def _parts(
    search: History | Tuner, space: Space | Mapping[str, Any] | None
) -> tuple[History, Space]:
    from dsice.insight.model import read

    return read(search, space)


def _score(history: History) -> str:
    goal = history.goal
    name = f"-{goal.metric}" if goal.maximize else goal.metric
    return f"{name}{' and weighted time' if history.weighs_time else ''} (less is better)"


def _curve(panel: Axes, part: pd.DataFrame, mean: float, *, ordered: bool) -> None:
    x, middle = part["level"].to_numpy(), mean + part["effect"].to_numpy()
    low, high = mean + part["low"].to_numpy(), mean + part["high"].to_numpy()
    panel.axhline(mean, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    if ordered and len(x) > 1:
        panel.fill_between(x, low, high, color=PALE, linewidth=0, zorder=2)
        panel.plot(
            x,
            middle,
            color=BLUE,
            linewidth=1.8,
            marker="o" if len(x) <= 2 * TICKS else "",
            markersize=3,
            zorder=4,
        )
    else:
        panel.errorbar(
            x,
            middle,
            (middle - low, high - middle),
            fmt="none",
            ecolor=PALE,
            elinewidth=9,
            zorder=2,
        )
        panel.plot(x, middle, "_", color=BLUE, markersize=16, markeredgewidth=2.2, zorder=4)
    without_frame(panel)
    panel.set_xlim(-0.5, len(x) - 0.5)
    panel.tick_params(labelsize=8)


def _dots(panel: Axes, history: History, grid: Space, name: str) -> None:
    """Mean score of the trials at each level, the area by their number."""
    j = grid.names.index(name)
    ids = history.order()
    levels = grid.coded(history.points()[ids])[:, j]
    at = np.unique(levels[levels < grid.shape[j]])
    means = [float(np.mean(history.scores()[ids[levels == level]])) for level in at]
    counts = np.array([np.sum(levels == level) for level in at])
    sizes = 8 + 52 * counts / counts.max() if len(at) else []
    panel.scatter(
        at, means, s=sizes, facecolor=ORANGE, edgecolor=BLACK, linewidth=0.5, alpha=0.8, zorder=3
    )


def _label_levels(panel: Axes, values: Sequence[Any]) -> None:
    """Values under the levels, as many as there is room for."""
    labels = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
    labels = [label if len(label) <= 12 else f"{label[:11]}…" for label in labels]
    room = max(2, min(TICKS, LETTERS // max(map(len, labels))))
    every = -(-len(labels) // room)
    panel.set_xticks(range(0, len(labels), every), labels=labels[::every])


# ---------------------------------------------------------------------- importance
def _bars(
    panel: Axes, names: Sequence[str], alone: NDArray[np.float64], total: NDArray[np.float64]
) -> None:
    place = np.arange(len(names))
    panel.barh(place, total, color=PALE, height=0.7, label="with its interactions")
    panel.barh(place, alone, color=BLUE, height=0.7, label="alone")
    for y, value in zip(place, total, strict=True):
        panel.text(value + 0.01, float(y), f"{value:.1%}", va="center", fontsize=8, color=BLACK)
    panel.set_yticks(place, labels=list(names))
    panel.invert_yaxis()
    panel.set_xlim(0.0, max(0.1, 1.16 * float(total.max(initial=0.0))))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.set_xlabel("share of the variance over the grid")
    panel.legend(loc="lower right", fontsize=8, frameon=False)
    without_frame(panel)


def _map(panel: Axes, names: Sequence[str], pairs: pd.DataFrame) -> None:
    """Lower triangle of the interactions, the strongest in full colour."""
    shares = np.full((len(names), len(names)), np.nan)
    for a, b, share in zip(pairs["parameter"], pairs["other"], pairs["share"], strict=True):
        j, k = sorted((names.index(a), names.index(b)))
        shares[k, j] = share
    most = float(np.nanmax(shares))
    panel.imshow(shares[1:, :-1], cmap="Blues", vmin=0.0, vmax=most or 1.0, aspect="auto")
    if len(names) <= 12:
        for j, k in np.argwhere(~np.isnan(shares)):
            dark = shares[j, k] > 0.6 * most
            panel.text(
                k,
                j - 1,
                f"{shares[j, k]:.1%}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else BLACK,
            )
    panel.set_xticks(
        range(len(names) - 1), labels=list(names[:-1]), rotation=45, ha="right", fontsize=8
    )
    panel.set_yticks(range(len(names) - 1), labels=list(names[1:]), fontsize=8)
    panel.set_title("interactions of pairs, share of the variance", fontsize=9)
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(length=0)
