"""Two metrics of all trials, the front between them, and the bounds of the goal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dsice.history import History
from dsice.history.frames import less_is_better, metric_or_seconds, undominated
from dsice.plots.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    HasHistory,
    best_of,
    history_of,
    remove_frame,
    save,
)
from dsice.typing import Bools, Floats, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def tradeoff(search: History | HasHistory, a: str, b: str, path: PathLike | None = None) -> Figure:
    """Draw two metrics against each other.

    Every measured point of the goal's stage is a dot, with the means of its measurements (of the
    goal's metric, what the goal makes of them), hollow where it breaks a bound; the trade-off front
    (`History.front`) is a line of steps with diamonds, the best one is marked, and bounds on the
    two metrics are dashed lines.

    Parameters
    ----------
    search
        A history, or a tuner.
    a, b
        Metrics on the horizontal and the vertical axis; ``"value"`` and ``"seconds"`` too.
    path
        File to write: .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError
        No trial carries both metrics, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(1, 5)})
    >>> for trial in tuner.ask(4):
    ...     _ = tuner.tell(trial, 1 / trial.params["x"], metrics={"memory": trial.params["x"]})
    >>> figure = plots.tradeoff(tuner, "value", "memory", "tradeoff.png")
    """
    from matplotlib.figure import Figure

    history = history_of(search)
    trials, values = history.carrying(a, b)
    ids = [trial.id for trial in trials]
    is_less_better = [less_is_better(history.goal, name) for name in (a, b)]
    signs = np.where(is_less_better, 1.0, -1.0)
    figure = Figure(figsize=(6.6, 5.0), layout="constrained")
    axes = figure.add_subplot()
    _draw_trials(axes, values, history.feasible()[ids])
    _draw_front(axes, values[undominated(values * signs)])
    best = best_of(search)
    if best is not None:
        _draw_best(axes, np.array([metric_or_seconds(best, a), metric_or_seconds(best, b)]))
    _draw_bounds(axes, history, a, b)
    for axis, name, is_less in zip((axes.xaxis, axes.yaxis), (a, b), is_less_better, strict=True):
        axis.set_label_text(f"{name} ({'less' if is_less else 'more'} is better)")
    remove_frame(axes)
    axes.legend(
        fontsize=8,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
        columnspacing=1.2,
    )
    save(figure, path, "tradeoff")
    return figure


def _draw_trials(axes: Axes, values: Floats, good: Bools) -> None:
    """A dot for each trial, hollow where it breaks a bound.

    Parameters
    ----------
    values
        The two metrics of each trial, shape (trials, 2).
    good
        Which trials keep all bounds, shape (trials,).
    """
    axes.scatter(
        values[good][:, 0],
        values[good][:, 1],
        s=18,
        color=BLUE,
        alpha=0.6,
        linewidths=0,
        label=f"trial ({int(good.sum())})",
        zorder=2,
    )
    if not good.all():
        axes.scatter(
            values[~good][:, 0],
            values[~good][:, 1],
            s=18,
            label=f"breaks a bound ({int((~good).sum())})",
            zorder=2,
            facecolors="none",
            edgecolors=BLUE,
            linewidths=0.8,
        )


def _draw_front(axes: Axes, front: Floats) -> None:
    """A line of steps with diamonds at the trials of the front, shape (front, 2)."""
    axes.step(front[:, 0], front[:, 1], where="post", color=BLACK, linewidth=1.2, zorder=3)
    axes.scatter(
        front[:, 0],
        front[:, 1],
        s=34,
        marker="D",
        color=ORANGE,
        edgecolors=BLACK,
        linewidths=0.7,
        zorder=4,
        label=f"front ({len(front)})",
    )


def _draw_best(axes: Axes, values: Floats) -> None:
    """A ring around the best trial; its two metrics have shape (2,), NaN where it lacks one."""
    if not np.isfinite(values).all():
        return
    axes.scatter(
        values[0],
        values[1],
        s=150,
        marker="o",
        facecolors="none",
        edgecolors=VERMILLION,
        linewidths=1.8,
        zorder=5,
        label="best",
    )


def _draw_bounds(axes: Axes, history: History, a: str, b: str) -> None:
    """Dashed lines at the bounds on the two metrics, each named once."""
    for word, bounds in (("at most", history.goal.at_most), ("at least", history.goal.at_least)):
        for name, draw in ((a, axes.axvline), (b, axes.axhline)):
            if name in bounds:
                draw(
                    bounds[name],
                    color=GREY,
                    linestyle=(0, (5, 3)),
                    linewidth=1.3,
                    zorder=1,
                    label=f"{name} {word} {bounds[name]:g}",
                )
