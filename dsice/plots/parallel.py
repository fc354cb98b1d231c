"""Parallel coordinates: a line for each trial across all parameters (Inselberg 1985)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.history import History
from dsice.insight.model import TunerLike
from dsice.plots import place
from dsice.plots.given import HistoryLike, given, levels_of, values_of
from dsice.plots.scale import Scale, scale_of
from dsice.plots.small_multiples import wrapped
from dsice.plots.style import BLACK, GREY, VERMILLION, save
from dsice.plots.texts import distinct, letters, value_texts
from dsice.space import Space
from dsice.typing import Floats, Ints, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 1500
"""Lines that are drawn, at most: the best half of them, and an even choice of the others."""
LABELS: Final = 6
"""Values written beside one axis, at most."""
FEW: Final = 10
"""Axes up to which they stand apart by an inch."""
ABSENT: Final = -0.09
"""Height of a parameter that a trial does not have."""


def parallel(
    search: HistoryLike | TunerLike,
    path: PathLike | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw every trial as a line across an axis for each parameter, and one for the metric.

    The better the darker, the better on top; the best of all is red. A trial without a parameter
    runs below its axis. Of more than 1500 trials the best and an even choice are drawn.

    Parameters
    ----------
    search, path
        As for `progress`.
    space
        The space of a bare history.
    ax
        Axes to draw in; a figure of its own by default.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        No trial has a value yet, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5), "y": range(5)})
    >>> for trial in tuner.ask(12):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.parallel(tuner, "parallel.png")
    """
    from matplotlib.collections import LineCollection

    seen = given(search, space)
    seen.require_values("parallel")
    history, grid = seen.history, seen.require_space("parallel")
    ids = _chosen(history)
    values = values_of(history, ids)
    scale = scale_of(values, less_is_better=not history.goal.maximize)
    heights = _heights(grid, levels_of(history, grid, "parallel")[ids])
    heights = np.column_stack([heights, scale.share(values)])
    n = heights.shape[1]
    figure, axes = place.panel(ax, (max(5.0, 1.6 + (0.95 if n <= FEW else 0.65) * n), 4.8))
    x = np.broadcast_to(np.arange(n, dtype=float), heights.shape)
    lines = LineCollection(
        np.stack([x, heights], axis=2),  # type: ignore[arg-type]
        array=np.linspace(0.15, 1.0, len(ids)),
        cmap="Blues",
        linewidths=0.8,
        alpha=0.6 if len(ids) < 400 else 0.3,
        rasterized=len(ids) > 400,
        zorder=1,
    )
    lines.set_clim(0.0, 1.0)
    axes.add_collection(lines)
    best = ids[-1] if seen.best is None else seen.best.id
    here = np.flatnonzero(ids == best)
    if len(here):
        axes.plot(np.arange(n), heights[here[0]], color=VERMILLION, linewidth=2.2, zorder=4)
    lacking = np.flatnonzero((heights == ABSENT).any(axis=0)).tolist()
    _draw_axes(axes, grid, history.goal.metric, lacking)
    _write_values(axes, n - 1, scale, values)
    total = len(history.order())
    few = f"{len(ids)} of {total} trials" if len(ids) < total else f"{total} trials"
    parts = [f"{few}, the better the darker; red: the best", scale.said]
    title = wrapped("; ".join(p for p in parts if p), letters(_width(axes), 9))
    axes.set_title(title, fontsize=10, pad=10)
    save(figure, path, "parallel")
    return figure


def _chosen(history: History) -> Ints:
    """Ids of the trials that are drawn, the best last."""
    order = np.asarray(history.order(), dtype=np.int64)
    if len(order) > MOST:
        half = MOST // 2
        even = np.linspace(half, len(order) - 1, MOST - half).astype(np.int64)
        order = np.concatenate([order[:half], order[even]])
    return order[::-1]


def _heights(grid: Space, levels: Ints) -> Floats:
    """Height of each trial on the axis of each parameter, shape (trials, axes)."""
    shape = np.array(grid.shape)
    found = np.where(shape > 1, levels / np.maximum(shape - 1.0, 1.0), 0.5)
    return np.where(grid.coded(levels) < shape, found, ABSENT)


def _draw_axes(axes: Axes, grid: Space, metric: str, lacking: Sequence[int]) -> None:
    """Vertical axes with some of their values, and their names below."""
    n = grid.ndim + 1
    most = min(14, letters(_width(axes) / n - 0.12, 7))
    axes.vlines(range(n), 0.0, 1.0, color=GREY, linewidth=0.8, zorder=2)
    for j, axis in enumerate(grid.axes.values()):
        size = len(axis)
        few = np.unique(np.linspace(0, size - 1, min(size, LABELS)).astype(int)).tolist()
        texts = value_texts([axis.values[i] for i in few], most)
        _write(axes, j, [i / (size - 1) if size > 1 else 0.5 for i in few], texts)
    for j in lacking:
        _write(axes, j, [ABSENT], ["none"])
    axes.set_xticks(
        range(n),
        labels=distinct((*grid.names, metric), 24),
        rotation=0 if n <= 5 else 30 if n <= FEW else 50,
        ha="right" if n > 5 else "center",
        rotation_mode="anchor",
        fontsize=9,
    )
    axes.set_xlim(-0.4, n - 0.4)
    axes.set_ylim(ABSENT - 0.05 if lacking else -0.04, 1.04)
    axes.set_yticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _width(axes: Axes) -> float:
    """Width of axes in inches."""
    return float(axes.get_window_extent().width / axes.get_figure().dpi)  # type: ignore[union-attr]


def _write_values(axes: Axes, x: int, scale: Scale, values: Floats) -> None:
    """The lowest, the middle and the highest value that the axis of the metric holds."""
    inside = np.sort(scale.drawn(values[~scale.beyond(values)]))
    ends = np.unique(inside[[0, len(inside) // 2, -1]])
    unit = f"e{scale.exponent}" if scale.exponent else ""
    low, high = scale.low, scale.high
    places = Scale(low, high, scale.logarithmic).share(ends).tolist()
    kept: list[int] = []
    for i, y in enumerate(places):
        if not kept or y > places[kept[-1]] + 0.06:
            kept.append(i)
    _write(axes, x, [places[i] for i in kept], [f"{ends[i]:.4g}{unit}" for i in kept])


def _write(axes: Axes, x: int, heights: list[float], texts: list[str]) -> None:
    for y, label in zip(heights, texts, strict=True):
        axes.text(
            x + 0.04,
            y,
            label,
            fontsize=7,
            va="center",
            color=BLACK,
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "pad": 0.6, "linewidth": 0},
        )
