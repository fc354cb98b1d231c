"""The transition of a search: the value of each trial in turn, and the width of the directions.

`transition` collects what the figure shows; the functions below it draw one part each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PALE_GREY,
    VERMILLION,
    HasHistory,
    best_of,
    history_of,
    remove_frame,
    save,
)
from dsice.trial import State, Trial
from dsice.typing import Bools, Floats, Ints, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GROUPS: Final = 12
"""Number of bands of a search that asked for single trials."""
_FEW: Final = 3.0
"""Rounds of fewer trials than this, on average, are not drawn as bands."""
_DECADES: Final = 100.0
"""A scale is logarithmic where the largest value is more than so many times the smallest."""
_CROWDED: Final = 0.1
"""Or where three quarters of the values lie in this share of the range."""
_UNKNOWN: Final = (State.PENDING, State.WITHDRAWN)
_FAILED: Final = (State.FAILED, State.TIMED_OUT, State.INVALID, State.STOPPED, State.LOST)


@dataclass(frozen=True)
class Transition:
    """Trials in the order of their ids.

    Attributes
    ----------
    ids, values, feasible
        Of the trials that have a score, each of shape (scored,); values in units of the metric.
    failed
        Ids of the trials that ended without a score.
    best
        Value of the best point as it was known after each scored trial, shape (scored,). It may
        become worse, when a point that led is measured again.
    final
        The best point in the end, with all its measurements: the one that a tuner recommends.
    bands
        First id, and one past the last, of each round or group.
    bands_are_rounds
        Whether the bands are rounds, rather than groups of about equal size.
    band_best
        Positions in `ids` of the best trial of each band.
    initial
        The initial value.
    n_better, n_ended
        How many trials are better than it, and how many of the goal's stage have ended.
    """

    ids: Ints
    values: Floats
    feasible: Bools
    failed: Ints
    best: Floats
    final: Trial
    bands: list[tuple[int, int]]
    bands_are_rounds: bool
    band_best: list[int]
    initial: float
    n_better: int
    n_ended: int


def progress(
    search: History | HasHistory,
    path: PathLike | None = None,
    *,
    start: float | None = None,
) -> Figure:
    """Draw the transition of a search.

    Every value is a dot over the number of its trial; rounds are bands (groups of about equal size
    where trials were asked singly), the best of each round is marked, the best point so far is a
    line, with the value of all its measurements until then, and so is the initial value. A ring
    marks the best of all, with the number of its measurements and their standard deviation. The
    strip above shows the width of the directions in use. Trials that failed are crosses at the
    upper edge; those that break a bound of the goal are hollow.

    Parameters
    ----------
    search
        A history, or a tuner.
    path
        File to write: .png, .svg or .pdf.
    start
        The initial value, where it was not measured in this search. Default: the trial of the
        strategy's `start`, else the first one.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

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
    from matplotlib.figure import Figure

    history = history_of(search)
    shown = transition(history, start, best_of(search))
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.0, 5.0))
    below = figure.add_subplot(grid[1])
    above = figure.add_subplot(grid[0], sharex=below)
    for axes in (above, below):
        _draw_bands(axes, shown)
        remove_frame(axes)
    _draw_widths(above, list(history))
    _draw_values(below, shown)
    _draw_best(below, shown, history)
    _draw_failed(below, shown)
    below.set_xlabel("trial")
    below.set_ylabel(history.goal.metric)
    _add_title(below, shown)
    below.set_xlim(-0.01 * len(history) - 0.5, 1.01 * len(history) - 0.5)
    save(figure, path, "progress")
    return figure


# ---------------------------------------------------------------------- what is drawn
def transition(
    history: History, start: float | None = None, best: Trial | None = None
) -> Transition:
    """Collect what the figure shows.

    Parameters
    ----------
    start
        The initial value; None: that of the user's own setting, else of the first trial.
    best
        The best in the end; None: that of the history.

    Raises
    ------
    OptionError
        No trial has a value yet.
    """
    ids = np.sort(history.order())
    if not len(ids):
        raise OptionError("the history has no trial with a value yet, so there is nothing to draw")
    goal = history.goal
    trials = list(history)
    rank = np.empty(len(ids))  # 0 for the best
    rank[np.searchsorted(ids, history.order())] = np.arange(len(ids))
    values = np.array([goal.metric_of(trials[i]) for i in ids])
    feasible = history.feasible()[ids]
    if start is None:
        first = trials[_initial_trial(trials, ids)]
        own = history.at(first.point, member=first.member) or first
        initial = math.nan if own.value is None else own.value
        score, violation = history.point_scores()[first.id], history.violation()[first.id]
        beyond = history.violation()[ids]
        better = (beyond < violation) | (
            (beyond == violation) & (history.point_scores()[ids] < score)
        )
    else:
        initial = float(start)
        better = feasible & (values > initial if goal.maximize else values < initial)
    leaders = history.leaders()
    changes = np.searchsorted([id for id, _ in leaders], ids, side="right") - 1
    bands, are_rounds = _bands_of(trials)
    members = [np.flatnonzero((ids >= low) & (ids < high)) for low, high in bands]
    return Transition(
        ids=ids,
        values=values,
        feasible=feasible,
        failed=np.array([t.id for t in trials if t.state in _FAILED], dtype=np.int64),
        best=np.array([leader.value for _, leader in leaders], dtype=float)[changes],
        final=best or leaders[-1][1],
        bands=bands,
        bands_are_rounds=are_rounds,
        band_best=[int(band[np.argmin(rank[band])]) for band in members if len(band)],
        initial=initial,
        n_better=int(np.sum(better)),
        n_ended=sum(t.state not in _UNKNOWN and t.stage == goal.stage for t in trials),
    )


def _initial_trial(trials: Sequence[Trial], ids: Ints) -> int:
    """Id of the trial of the user's own setting, else of the first one with a value."""
    scored = set(ids.tolist())
    starts = (t.id for t in trials if t.note.get("phase") == "start" and t.id in scored)
    return next(starts, int(ids[0]))


def _bands_of(trials: Sequence[Trial]) -> tuple[list[tuple[int, int]], bool]:
    """First id, and one past the last, of each band, and whether the bands are rounds.

    Where rounds are single trials, bands are groups of about equal size.
    """
    rounds = [[t.id for t in members] for _, members in groupby(trials, key=lambda t: t.round)]
    if len(trials) >= _FEW * len(rounds):
        return [(ids[0], ids[-1] + 1) for ids in rounds], True
    edges = np.linspace(0, len(trials), min(_GROUPS, len(trials)) + 1).astype(int)
    return list(pairwise(np.unique(edges).tolist())), False


# ---------------------------------------------------------------------- drawing
def _draw_bands(axes: Axes, shown: Transition) -> None:
    """Shade every other band."""
    for first, end in shown.bands[::2]:
        axes.axvspan(first - 0.5, end - 0.5, color=PALE_GREY, linewidth=0, zorder=0)


def _draw_widths(axes: Axes, trials: list[Trial]) -> None:
    """Width of the direction of each trial; points that lie on no direction are at 0."""
    on = [(t.id, t.note["width"]) for t in trials if "width" in t.note]
    off = [t.id for t in trials if "width" not in t.note]
    most = max((int(width) for _, width in on), default=1)
    if on:
        ids, widths = zip(*on, strict=True)
        axes.scatter(ids, widths, s=9, color=BLUE, linewidths=0, zorder=3)
    axes.scatter(off, [0] * len(off), s=9, marker="|", color=GREY, linewidths=1, zorder=3)
    axes.set_ylim(-0.6, most + 0.6)
    ticks = range(0, most + 1, 1 + most // 6)
    axes.set_yticks(ticks, labels=["none", *map(str, ticks[1:])])
    axes.tick_params(labelbottom=False, bottom=False, labelsize=8)
    axes.set_ylabel("width of\ndirection", fontsize=8)


def _draw_values(axes: Axes, shown: Transition) -> None:
    """A dot for each value, hollow where a bound is broken."""
    if _is_logarithmic(shown.values):
        _set_log_scale(axes)
    good = shown.feasible
    axes.scatter(
        shown.ids[good],
        shown.values[good],
        s=14,
        color=BLUE,
        alpha=0.55,
        linewidths=0,
        zorder=2,
        label="trial",
    )
    if not good.all():
        axes.scatter(
            shown.ids[~good],
            shown.values[~good],
            s=14,
            facecolors="none",
            edgecolors=BLUE,
            linewidths=0.8,
            zorder=2,
            label="breaks a bound",
        )


def _draw_best(axes: Axes, shown: Transition, history: History) -> None:
    """Lines at the initial value and the best so far; marks at the best, and in each band."""
    axes.axhline(
        shown.initial,
        color=VERMILLION,
        linestyle=(0, (6, 3)),
        linewidth=1.4,
        zorder=3,
        label=f"initial value {shown.initial:.4g}",
    )
    end = max(high for _, high in shown.bands) - 0.5
    axes.step(
        np.append(shown.ids, end),
        np.append(shown.best, shown.best[-1]),
        where="post",
        color=BLACK,
        linewidth=1.6,
        zorder=4,
        label="best so far",
    )
    axes.scatter(
        shown.ids[shown.band_best],
        shown.values[shown.band_best],
        s=46,
        marker="D",
        color=ORANGE,
        edgecolors=BLACK,
        linewidths=0.8,
        zorder=5,
        label="best of each round" if shown.bands_are_rounds else "best of each band",
    )
    axes.scatter(
        [shown.final.id],
        [math.nan if shown.final.value is None else shown.final.value],
        s=150,
        marker="o",
        facecolors="none",
        edgecolors=VERMILLION,
        linewidths=1.8,
        zorder=6,
        label=f"best: {history.goal.describe(shown.final)}",
    )


def _draw_failed(axes: Axes, shown: Transition) -> None:
    """A cross at the upper edge for each trial that ended without a value."""
    if not len(shown.failed):
        return
    axes.scatter(
        shown.failed,
        [0.985] * len(shown.failed),
        transform=axes.get_xaxis_transform(),  # x in trials, y as a share of the height
        marker="x",
        s=26,
        color=VERMILLION,
        zorder=5,
        label="failed",
        clip_on=False,
    )


def _add_title(axes: Axes, shown: Transition) -> None:
    """The share of better trials, with the legend below it."""
    columns = 4
    rows = -(-len(axes.get_legend_handles_labels()[0]) // columns)
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=columns,
        fontsize=8,
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.4,
    )
    share = shown.n_better / shown.n_ended
    title = f"{share:.0%} of {shown.n_ended} trials better than the initial value"
    axes.set_title(title, fontsize=10, pad=10 + 14 * rows)


def _is_logarithmic(values: Floats) -> bool:
    """Whether positive values span two decades, or three quarters of them crowd at the bottom."""
    low, quartile, high = np.quantile(values, [0.0, 0.75, 1.0])
    is_crowded = quartile - low < _CROWDED * (high - low) and high > 3 * low
    return bool(low > 0 and (high > _DECADES * low or is_crowded))


def _set_log_scale(axes: Axes) -> None:
    """Logarithmic, with plain numbers at 1, 2, 5 where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
