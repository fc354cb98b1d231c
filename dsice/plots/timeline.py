"""When which trial ran where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import OptionError
from dsice.history import Array, History
from dsice.plots.style import BLACK, BLUE, GREY, ORANGE, VERMILLION, history_of, save, without_frame
from dsice.trial import State
from dsice.tuner import Tuner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {State.DONE: BLUE, State.STOPPED: ORANGE}
UNITS = ((7200.0, 3600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True)
class Bar:
    """One job: when it ran, in which row of the figure, and how it ended."""

    id: int
    start: float
    end: float
    row: int
    state: State


def timeline(search: History | Tuner, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw a bar for each job by worker, and above them how many ran at the same time.

    Workers are those that the launcher reported (``where["worker"]``); else each job takes the first row that is free
    when it starts. Bars are blue for done trials, orange for those stopped early, red for failed ones.

    Parameters
    ----------
    search
        A history, or a tuner.
    path
        File to write: .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError
        No trial has times of its start and end, or the file's ending is unknown.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    bars = jobs(history_of(search))
    rows, begin, end = (
        1 + max(b.row for b in bars),
        min(b.start for b in bars),
        max(b.end for b in bars),
    )
    unit, word = next((unit, word) for least, unit, word in UNITS if end - begin >= least)
    figure = Figure(figsize=(9.0, 2.6 + min(4.5, 0.16 * rows)), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.2, 0.8 + min(4.5, 0.16 * rows)))
    below = figure.add_subplot(grid[1])
    above = figure.add_subplot(grid[0], sharex=below)
    for colour, label in ((BLUE, "done"), (ORANGE, "stopped early"), (VERMILLION, "failed")):
        some = [b for b in bars if COLOURS.get(b.state, VERMILLION) == colour]
        starts, widths = (
            [(b.start - begin) / unit for b in some],
            [(b.end - b.start) / unit for b in some],
        )
        if some:
            edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5}
            below.barh(
                [b.row for b in some],
                widths,
                left=starts,
                height=0.86,
                color=colour,
                label=f"{label} ({len(some)})",
                **edge,
            )
    moments, counts = running(bars)
    busy = sum(b.end - b.start for b in bars)
    above.fill_between(
        (moments - begin) / unit, counts, step="post", color=GREY, alpha=0.35, linewidth=0
    )
    above.step((moments - begin) / unit, counts, where="post", color=BLACK, linewidth=1.0)
    above.set_ylabel("running")
    above.set_ylim(0, 1.1 * max(1, int(counts.max())))
    above.tick_params(labelbottom=False)
    mean = busy / (end - begin) if end > begin else float("nan")
    above.set_title(
        f"{len(bars)} jobs, {(end - begin) / unit:.4g} {word}, on average {mean:.1f} at once",
        fontsize=10,
    )
    below.set_ylim(rows - 0.4, -0.6)
    below.set_ylabel("worker")
    below.yaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_xlabel(f"{word} since the first start")
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    for axes in (above, below):
        without_frame(axes)
    save(figure, path, "timeline")
    return figure


def jobs(history: History) -> list[Bar]:
    """All trials that have times, in the order of their starts.

    Raises
    ------
    OptionError
        There are none.
    """
    timed = [(t, t.times[1], t.times[2]) for t in history]
    ran = sorted(
        (start, end, t.id) for t, start, end in timed if start is not None and end is not None
    )
    if not ran:
        raise OptionError(
            "no trial of the history has the times of its start and end, so there is no timeline; tell times=..."
        )
    named = [history[id].where.get("worker") for _, _, id in ran]
    if all(name is not None for name in named):
        order = sorted(set(map(str, named)), key=lambda name: (len(name), name))
        rows = [order.index(str(name)) for name in named]
    else:
        rows = first_free([(start, end) for start, end, _ in ran])
    return [
        Bar(id, start, end, row, history[id].state)
        for (start, end, id), row in zip(ran, rows, strict=True)
    ]


def first_free(spans: Sequence[tuple[float, float]]) -> list[int]:
    """The lowest row that is free at the start of each span; spans in the order of their starts."""
    ends, rows = list[float](), list[int]()
    for start, end in spans:
        row = next((i for i, until in enumerate(ends) if until <= start), len(ends))
        ends[row : row + 1] = [end]
        rows.append(row)
    return rows


def running(bars: Sequence[Bar]) -> tuple[Array, Array]:
    """Moments at which jobs start or end, and how many run from there on; both of shape (moments,)."""
    starts, ends = np.sort([b.start for b in bars]), np.sort([b.end for b in bars])
    moments = np.unique(np.concatenate([starts, ends]))
    return moments, np.searchsorted(starts, moments, side="right") - np.searchsorted(
        ends, moments, side="right"
    )
