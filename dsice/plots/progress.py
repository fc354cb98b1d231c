"""The transition of a search: the value of each trial in turn, and the width of the directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.history import History
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.scale import Scale, scale_of
from dsice.plots.style import (
    BLACK,
    BLUE,
    GREY,
    MANY,
    ORANGE,
    PALE_GREY,
    RING,
    VERMILLION,
    head,
    remove_frame,
    save,
)
from dsice.plots.texts import text
from dsice.plots.transition import Transition, transition
from dsice.trial import Trial
from dsice.typing import Floats, Ints, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (9.0, 5.6)


def progress(
    search: HistoryLike,
    path: PathLike | None = None,
    *,
    start: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the transition of a search.

    Every value is a dot over the number of its trial; rounds are bands (groups of about equal size
    where trials were asked singly, or rounds are very many), the best of each round is marked, the
    best point so far is a line, with the value of all its measurements until then, and so is the
    value of the user's own setting. A ring marks the best of all, with the number of its
    measurements and their standard deviation. Trials that failed or were stopped stand at the worse
    edge; those that break a bound of the goal are hollow, those of other stages pale. A strip above
    shows the width of the directions, where the search used such.

    Parameters
    ----------
    search
        A tuner, a history, the path of a journal or study file, or ``history.frame()``.
    path
        File to write: .png, .svg or .pdf.
    start
        The initial value, where it was not measured in this search. Default: that of the strategy's
        `start`; without one, no initial value is drawn.
    ax
        Axes to draw in, without the strip; a figure of its own by default.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot, except in a notebook and where pyplot is interactive.

    Raises
    ------
    OptionError
        No trial has a value yet, or the file's ending is unknown.

    References
    ----------
    Mochizuki, Fujii, Tanaka and Katagiri (iWAPT 2017): the form of the figure.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5)})
    >>> for trial in tuner.ask(4):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.progress(tuner, "progress.png")
    """
    seen = given(search)
    seen.require_values("progress")
    shown, history = transition(seen, start), seen.history
    trials = list(history)
    strip = None
    if ax is None and any("width" in t.note for t in trials):
        figure = place.new_figure(SIZE)
        grid = figure.add_gridspec(2, 1, height_ratios=(1.0, 5.0))
        below = figure.add_subplot(grid[1])
        strip = figure.add_subplot(grid[0], sharex=below)
        _draw_bands(strip, shown)
        _draw_widths(strip, trials)
        remove_frame(strip)
    else:
        figure, below = place.panel(ax, SIZE)
    scale = _draw_all(below, shown, history)
    below.set_xlim(-0.01 * len(history) - 0.5, 1.01 * len(history) - 0.5)
    below.set_xlabel(f"trial{'; ' if scale.said else ''}{scale.said}")
    save(figure, path, "progress")
    return figure


def _draw_all(axes: Axes, shown: Transition, history: History) -> Scale:
    """Draw the values of all trials with what belongs to them."""
    goal = history.goal
    less = not goal.maximize
    keep = [] if shown.final.value is None else [shown.final.value]
    values = np.concatenate([shown.values, shown.others[:, 1]])
    scale = scale_of(values, less_is_better=less, keep=keep)
    _draw_bands(axes, shown)
    _draw_values(axes, shown, scale)
    _draw_best(axes, shown, scale, f"best: {goal.describe(shown.final)}")
    edge = 0.985 if less else 0.015
    _draw_unmeasured(axes, shown.failed, edge, "x", VERMILLION, "failed")
    _draw_unmeasured(axes, shown.stopped, edge, "|", ORANGE, "stopped early")
    scale.apply(axes.yaxis, text(goal.metric))
    remove_frame(axes)
    head(axes, _title(shown))
    return scale


# ---------------------------------------------------------------------- parts
def _draw_bands(axes: Axes, shown: Transition) -> None:
    """Shade every other band."""
    spans = [(first - 0.5, end - first) for first, end in shown.bands[::2]]
    axes.broken_barh(
        spans,
        (0.0, 1.0),
        transform=axes.get_xaxis_transform(),  # x in trials, y as a share of the height
        color=PALE_GREY,
        linewidth=0,
        zorder=0,
        label="_bands",
    )


def _draw_widths(axes: Axes, trials: list[Trial]) -> None:
    """Width of the direction of each trial; points that lie on no direction are at 0."""
    on = [(t.id, t.note["width"]) for t in trials if "width" in t.note]
    off = [t.id for t in trials if "width" not in t.note]
    ids, widths = zip(*on, strict=True)
    axes.scatter(ids, widths, s=9, color=BLUE, linewidths=0, zorder=3)
    axes.scatter(off, [0] * len(off), s=9, marker="|", color=GREY, linewidths=1, zorder=3)
    most = max(map(int, widths))
    axes.set_ylim(-0.6, most + 0.6)
    ticks = range(0, most + 1, 1 + most // 4)
    axes.set_yticks(ticks, labels=["none", *map(str, ticks[1:])])
    axes.tick_params(labelbottom=False, bottom=False, labelsize=8)
    axes.set_ylabel("width of\ndirection", fontsize=8)


def _draw_values(axes: Axes, shown: Transition, scale: Scale) -> None:
    """A dot for each value, hollow where a bound is broken, pale where the stage is another."""
    good = shown.feasible
    many = len(shown.ids) > MANY
    style: dict[str, Any] = {"s": 6 if many else 14, "rasterized": many}
    if len(shown.others):
        ids, values = shown.others.T
        label = f"other stages ({len(ids)})"
        at = scale.drawn(values)
        axes.scatter(ids, at, color=GREY, alpha=0.4, linewidths=0, zorder=1, label=label, **style)
    ids, at = shown.ids, scale.drawn(shown.values)
    filled: dict[str, Any] = {
        "color": BLUE,
        "alpha": 0.3 if many else 0.55,
        "linewidths": 0,
        "zorder": 2,
    }
    axes.scatter(ids[good], at[good], label="trial", **filled, **style)
    if not good.all():
        hollow: dict[str, Any] = {
            "facecolors": "none",
            "edgecolors": BLUE,
            "linewidths": 0.8,
            "zorder": 2,
        }
        axes.scatter(ids[~good], at[~good], label="breaks a bound", **hollow, **style)


def _draw_best(axes: Axes, shown: Transition, scale: Scale, label: str) -> None:
    """Lines at the initial value and the best so far; marks at the best, and in each band."""
    if shown.initial is not None:
        axes.axhline(
            float(scale.drawn(shown.initial)),
            color=VERMILLION,
            linestyle=(0, (6, 3)),
            linewidth=1.4,
            zorder=3,
            label=f"initial value {shown.initial:.4g}",
        )
    end = max(high for _, high in shown.bands) - 0.5
    axes.step(
        np.append(shown.ids, end),
        scale.drawn(np.append(shown.best, shown.best[-1])),
        where="post",
        color=BLACK,
        linewidth=1.6,
        zorder=4,
        label="best so far",
    )
    axes.scatter(
        shown.ids[shown.band_best],
        scale.drawn(shown.values[shown.band_best]),
        s=46,
        marker="D",
        color=ORANGE,
        edgecolors=BLACK,
        linewidths=0.8,
        zorder=5,
        label="best of each round" if shown.bands_are_rounds else "best of each band",
    )
    value = math.nan if shown.final.value is None else shown.final.value
    axes.scatter([shown.final.id], scale.drawn([value]), label=label, **RING)


def _draw_unmeasured(
    axes: Axes, ids: Ints, edge: float, marker: str, colour: str, label: str
) -> None:
    """A mark at the worse edge for each trial that ended without a value."""
    if not len(ids):
        return
    heights: Floats = np.full(len(ids), edge)
    axes.scatter(
        ids,
        heights,
        transform=axes.get_xaxis_transform(),
        marker=marker,
        s=26,
        color=colour,
        linewidths=1.2,
        zorder=5,
        label=f"{label} ({len(ids)})",
        clip_on=False,
    )


def _title(shown: Transition) -> str:
    """The share of better trials, where there is something to be better than."""
    if shown.initial is None:
        of_stage = " of the goal's stage" if len(shown.others) else ""
        return f"{shown.n_ended} trials{of_stage}"
    share = shown.n_better / max(1, shown.n_ended)
    return f"{share:.0%} of {shown.n_ended} trials better than the initial value"
