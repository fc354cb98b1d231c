"""When each trial ran, and on which worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.style import BLACK, BLUE, GREY, MANY, ORANGE, VERMILLION, remove_frame, save
from dsice.plots.texts import text
from dsice.trial import State
from dsice.typing import Floats, Ints, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = {State.DONE: BLUE, State.STOPPED: ORANGE}
"""Colours of jobs by how they ended; all other states are failures."""
NAMED: Final = 24
"""Workers whose names stand beside their rows, at most."""
UNITS: Final = (
    (172800.0, 86400.0, "days"),
    (7200.0, 3600.0, "hours"),
    (300.0, 60.0, "minutes"),
    (0.0, 1.0, "seconds"),
)
"""Least length of a figure, in seconds, for each unit, and the unit in seconds."""


@dataclass(frozen=True)
class Bar:
    """One job: when it ran, in which row of the figure, and how it ended."""

    id: int
    start: float
    end: float
    row: int
    state: State


@dataclass(frozen=True)
class TimeAxis:
    """Begin and end of the figure, as Unix times, and the unit that its axis counts."""

    begin: float
    end: float
    unit: float
    word: str


def timeline(
    search: HistoryLike, path: PathLike | None = None, *, ax: Axes | None = None
) -> Figure:
    """Draw a bar for each job by worker, and above them how many ran at the same time.

    Workers are those that the launcher reported (``where["worker"]``); else each job takes the
    first row that is free when it starts. Bars are blue for done trials, orange for those stopped
    early, red for failed ones.

    Parameters
    ----------
    search, path
        As for `progress`.
    ax
        Axes of a grid of subplots, which make room for the two panels.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        No trial has times of its start and end, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5)})
    >>> for trial in tuner.ask(4):
    ...     _ = tuner.tell(trial, 1.0, times=(0, trial.id, trial.id + 2))
    >>> figure = plots.timeline(tuner, "timeline.png")
    """
    bars, names = jobs(given(search).history)
    rows = 1 + max(bar.row for bar in bars)
    height = min(4.5, 0.16 * rows)
    figure, room = place.panels(ax, (9.0, 2.6 + height))
    grid = room.add_gridspec(2, 1, height_ratios=(1.2, 0.8 + height))
    below = room.add_subplot(grid[1])
    above = room.add_subplot(grid[0], sharex=below)
    time = _time_axis(bars)
    _draw_jobs(below, bars, time)
    _name_rows(below, names)
    _draw_running(above, bars, time)
    below.set_ylim(rows - 0.4, -0.6)
    room.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    for axes in (above, below):
        remove_frame(axes)
    save(figure, path, "timeline")
    return figure


def _time_axis(bars: Sequence[Bar]) -> TimeAxis:
    begin = min(bar.start for bar in bars)
    end = max(bar.end for bar in bars)
    unit, word = next((unit, word) for least, unit, word in UNITS if end - begin >= least)
    return TimeAxis(begin, end, unit, word)


def _draw_jobs(axes: Axes, bars: Sequence[Bar], time: TimeAxis) -> None:
    """A bar for each job in the row of its worker, coloured by how it ended."""
    from matplotlib.collections import PolyCollection

    many = len(bars) > MANY
    for colour, label in ((BLUE, "done"), (ORANGE, "stopped early"), (VERMILLION, "failed")):
        subset = [bar for bar in bars if COLOURS.get(bar.state, VERMILLION) == colour]
        if not subset:
            continue
        left, right = (
            np.array([(t - time.begin) / time.unit for t in ts])
            for ts in zip(*((bar.start, bar.end) for bar in subset), strict=True)
        )
        rows = np.array([bar.row for bar in subset])
        xs = np.stack([left, right, right, left], axis=1)
        ys = np.stack([rows - 0.43, rows - 0.43, rows + 0.43, rows + 0.43], axis=1)
        boxes = PolyCollection(
            np.stack([xs, ys], axis=2),  # type: ignore[arg-type]
            facecolors=colour,
            edgecolors=colour if many else "white",
            linewidths=0.1 if many else 0.5,
            label=f"{label} ({len(subset)})",
            rasterized=many,
        )
        axes.add_collection(boxes)
    length = (time.end - time.begin) / time.unit or 1.0
    axes.set_xlim(-0.01 * length, 1.01 * length)
    axes.set_ylabel("worker")
    axes.set_xlabel(f"{time.word} since the first start")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names of workers beside their rows, numbers where they are many or unknown."""
    from dsice.plots import ticks

    if 0 < len(names) <= NAMED:
        shown = [text(name, 16) for name in names]
        axes.set_yticks(range(len(names)), labels=shown, fontsize=7)
    else:
        ticks.whole(axes.yaxis)


def _draw_running(axes: Axes, bars: Sequence[Bar], time: TimeAxis) -> None:
    """How many jobs ran at each moment, and how many on average."""
    moments, counts = running(bars)
    x = (moments - time.begin) / time.unit
    axes.fill_between(x, counts, step="post", color=GREY, alpha=0.35, linewidth=0)
    axes.step(x, counts, where="post", color=BLACK, linewidth=1.0)
    axes.set_ylabel("running")
    axes.set_ylim(0, 1.1 * max(1, int(counts.max())))
    axes.tick_params(labelbottom=False)
    length = time.end - time.begin
    busy = sum(bar.end - bar.start for bar in bars)
    mean = busy / length if length > 0 else float("nan")
    axes.set_title(
        f"{len(bars)} jobs, {length / time.unit:.4g} {time.word}, on average {mean:.1f} at once",
        fontsize=10,
    )


def jobs(history: History) -> tuple[list[Bar], list[str]]:
    """All trials that have times, in the order of their starts, and the names of the rows.

    Raises
    ------
    OptionError
        There are none.
    """
    counted = (t for t in history if t.state is not State.WITHDRAWN)
    times = [(t.times[1], t.times[2], t.id) for t in counted]
    ran = sorted(
        (start, max(start, end), id)  # a clock may have been set back meanwhile
        for start, end, id in times
        if start is not None and end is not None
    )
    if not ran:
        about = f"of the {len(history)} trials none has" if len(history) else "no trial has"
        raise OptionError(
            f"timeline: {about} the times of its start and end, so there is no timeline; "
            "tell times=..."
        )
    named = [history[id].where.get("worker") for _, _, id in ran]
    order: list[str] = []
    if all(name is not None for name in named):
        order = sorted(set(map(str, named)), key=lambda name: (len(name), name))
        row = {name: i for i, name in enumerate(order)}
        rows = [row[str(name)] for name in named]
    else:
        rows = first_free([(start, end) for start, end, _ in ran])
    bars = [
        Bar(id, start, end, row, history[id].state)
        for (start, end, id), row in zip(ran, rows, strict=True)
    ]
    return bars, order


def first_free(spans: Sequence[tuple[float, float]]) -> list[int]:
    """The lowest row that is free at the start of each span; spans in the order of their starts."""
    ends: list[float] = []  # of the last span in each row
    rows: list[int] = []
    for start, end in spans:
        row = next((i for i, until in enumerate(ends) if until <= start), len(ends))
        ends[row : row + 1] = [end]
        rows.append(row)
    return rows


def running(bars: Sequence[Bar]) -> tuple[Floats, Ints]:
    """Moments at which jobs start or end, and how many run from then on, both shape (moments,)."""
    starts = np.sort([bar.start for bar in bars])
    ends = np.sort([bar.end for bar in bars])
    moments = np.unique(np.concatenate([starts, ends]))
    n_started = np.searchsorted(starts, moments, side="right")
    n_ended = np.searchsorted(ends, moments, side="right")
    return moments, n_started - n_ended
