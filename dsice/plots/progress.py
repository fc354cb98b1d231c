"""The transition of a search: what was measured, trial by trial, and how wide the directions were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots.style import (
    BAND,
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    history_of,
    save,
    without_frame,
)
from dsice.trial import State, Trial
from dsice.tuner import Tuner

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = 12  # bands of a search that asked for single trials
SMALL = 3.0  # trials a round below which rounds are no bands


@dataclass(frozen=True)
class Course:
    """Trials in the order of their ids.

    Attributes
    ----------
    ids, values, feasible
        Of the trials that have a score, each of shape (scored,); the values in the units of the metric.
    failed
        Ids of the trials without one.
    best
        Best value up to each scored trial, shape (scored,).
    bands
        (first id, one past the last) of every round.
    champions
        Positions in `ids` of the best of each band.
    start
        The initial value.
    better, told
        How many trials are better than it, and how many of the goal's stage have ended.
    rounds
        Whether the bands are rounds, rather than groups of about equal size.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    failed: NDArray[np.int64]
    best: NDArray[np.float64]
    bands: list[tuple[int, int]]
    champions: list[int]
    start: float
    better: int
    told: int
    rounds: bool


def course(history: History, start: float | None = None) -> Course:
    """Collect what the figure shows.

    Raises
    ------
    OptionError
        No trial has a value yet.
    """
    ids = np.sort(history.order())
    if not len(ids):
        raise OptionError("the history has no trial with a value yet, so there is nothing to draw")
    goal, trials = history.goal, list(history)
    place = np.empty(len(ids))
    place[np.searchsorted(ids, history.order())] = np.arange(len(ids))  # 0: the best
    values = np.array([goal.metric_of(trials[i]) for i in ids])
    leaders = np.maximum.accumulate(
        np.where(place == np.minimum.accumulate(place), np.arange(len(ids)), 0)
    )
    bands, rounds = _line_bands(trials)
    initial = _initial(trials, ids) if start is None else None
    first = (
        float(values[np.searchsorted(ids, initial)]) if initial is not None else float(start or 0.0)
    )
    feasible = history.feasible()[ids]
    better = (
        (place < place[np.searchsorted(ids, initial)])
        if initial is not None
        else feasible & _beats(values, first, goal.maximize)
    )
    in_band = [np.flatnonzero((ids >= lo) & (ids < hi)) for lo, hi in bands]
    return Course(
        ids=ids,
        values=values,
        feasible=feasible,
        failed=np.array([t.id for t in trials if t.state in _VALUELESS], dtype=np.int64),
        best=values[leaders],
        bands=bands,
        champions=[int(members[np.argmin(place[members])]) for members in in_band if len(members)],
        start=first,
        better=int(np.sum(better)),
        told=sum(t.state is not State.PENDING and t.stage == goal.stage for t in trials),
        rounds=rounds,
    )


_VALUELESS = (State.FAILED, State.TIMED_OUT, State.INVALID, State.STOPPED, State.LOST)


def _beats(values: NDArray[np.float64], start: float, maximize: bool) -> NDArray[np.bool_]:
    return values > start if maximize else values < start


def _initial(trials: Sequence[Trial], ids: NDArray[np.int64]) -> int:
    """The trial of the user's own setting, else the first one with a value."""
    scored = set(ids.tolist())
    return next(
        (t.id for t in trials if t.note.get("phase") == "start" and t.id in scored), int(ids[0])
    )


def _line_bands(trials: Sequence[Trial]) -> tuple[list[tuple[int, int]], bool]:
    """First id and one past the last of each round; of about equal groups where the rounds are single trials."""
    rounds = [[t.id for t in members] for _, members in groupby(trials, key=lambda t: t.round)]
    if len(trials) >= SMALL * len(rounds):
        return [(ids[0], ids[-1] + 1) for ids in rounds], True
    edges = np.unique(
        np.linspace(0, len(trials), min(GROUPS, len(trials)) + 1).astype(int)
    ).tolist()
    return list(pairwise(edges)), False


WIDE, CROWDED = 100.0, 0.1  # when a scale is logarithmic


def progress(
    search: History | Tuner,
    path: str | os.PathLike[str] | None = None,
    *,
    start: float | None = None,
) -> Figure:
    """Draw the transition of a search.

    Every value is a dot over the number of its trial; rounds are bands (groups of about equal size where trials were
    asked singly), the best of each round is marked, the best so far is a line, and so is the initial value. The strip
    above shows the width of the directions in use. Trials that failed are crosses at the upper edge; those that break
    a bound of the goal are hollow.

    Parameters
    ----------
    search
        A history, or a tuner.
    path
        File to write: .png, .svg or .pdf.
    start
        The initial value, where it was not measured in this search. Default: the trial of the strategy's `start`,
        else the first one.

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
    """
    from matplotlib.figure import Figure

    history = history_of(search)
    shown = course(history, start)
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.0, 5.0))
    below = figure.add_subplot(grid[1])
    above = figure.add_subplot(grid[0], sharex=below)
    for axes in (above, below):
        _bands(axes, shown)
    _widths(above, list(history))
    _values(below, shown, history.goal.metric)
    below.set_xlim(-0.01 * len(history) - 0.5, 1.01 * len(history) - 0.5)
    save(figure, path, "progress")
    return figure


def _bands(axes: Axes, shown: Course) -> None:
    for number, (first, end) in enumerate(shown.bands):
        if number % 2 == 0:
            axes.axvspan(first - 0.5, end - 0.5, color=BAND, linewidth=0, zorder=0)
    without_frame(axes)


def _widths(axes: Axes, trials: list[Trial]) -> None:
    """Width over trial; points that lie on no direction stand at 0."""
    on = [(t.id, t.note["width"]) for t in trials if "width" in t.note]
    off = [t.id for t in trials if "width" not in t.note]
    most = max((int(width) for _, width in on), default=1)
    if on:
        ids, widths = zip(*on, strict=True)
        axes.scatter(ids, widths, s=9, color=BLUE, linewidths=0, zorder=3)
    axes.scatter(off, [0] * len(off), s=9, marker="|", color=GREY, linewidths=1, zorder=3)
    axes.set_ylim(-0.6, most + 0.6)
    axes.set_yticks(
        range(0, most + 1, 1 + most // 6),
        labels=["none", *map(str, range(1 + most // 6, most + 1, 1 + most // 6))],
    )
    axes.tick_params(labelbottom=False, bottom=False, labelsize=8)
    axes.set_ylabel("width of\ndirection", fontsize=8)


def _logarithmic(values: NDArray[np.float64]) -> bool:
    """Positive values over more than two decades, or three quarters of them crowded at the bottom."""
    low, crowd, high = np.quantile(values, [0.0, 0.75, 1.0])
    return bool(
        low > 0 and (high > WIDE * low or (crowd - low < CROWDED * (high - low) and high > 3 * low))
    )


def _log_scale(axes: Axes) -> None:
    """Logarithmic, with plain numbers at 1, 2, 5 where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _values(axes: Axes, shown: Course, metric: str) -> None:
    if _logarithmic(shown.values):
        _log_scale(axes)
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
    axes.axhline(
        shown.start,
        color=VERMILLION,
        linestyle=(0, (6, 3)),
        linewidth=1.4,
        zorder=3,
        label=f"initial value {shown.start:.4g}",
    )
    end = max(hi for _, hi in shown.bands) - 0.5
    steps = (np.append(shown.ids, end), np.append(shown.best, shown.best[-1]))
    axes.step(
        *steps,
        where="post",
        color=BLACK,
        linewidth=1.6,
        zorder=4,
        label=f"best so far, at the end {shown.best[-1]:.4g}",
    )
    best = (shown.ids[shown.champions], shown.values[shown.champions])
    word = "best of each round" if shown.rounds else "best of each band"
    axes.scatter(
        *best,
        s=46,
        marker="D",
        color=ORANGE,
        edgecolors=BLACK,
        linewidths=0.8,
        zorder=5,
        label=word,
    )
    if len(shown.failed):
        top = axes.get_xaxis_transform()  # x in trials, y as a share of the height
        axes.scatter(
            shown.failed,
            [0.985] * len(shown.failed),
            transform=top,
            marker="x",
            s=26,
            color=VERMILLION,
            zorder=5,
            label="failed",
            clip_on=False,
        )
    axes.set_xlabel("trial")
    axes.set_ylabel(metric)
    share = f"{shown.better / shown.told:.0%} of {shown.told} trials better than the initial value"
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
        fontsize=8,
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.4,
    )
    axes.set_title(share, fontsize=10, pad=24)
