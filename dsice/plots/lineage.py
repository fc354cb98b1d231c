"""The schedules of the members of a population-based training."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.scale import Scale, scale_of
from dsice.plots.style import BLACK, BLUE, GREY, VERMILLION, head, remove_frame, save
from dsice.plots.texts import text
from dsice.trial import State, Trial
from dsice.typing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lineage(
    search: HistoryLike,
    path: PathLike | None = None,
    *,
    param: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the schedule of each lineage of a population-based training.

    Every trial of a member is drawn over its stage, joined to the trial that it continues: its
    parameter above, the goal's metric below. Copies of another member are red lines, and the
    lineage of the best trial is bold.

    Parameters
    ----------
    search, path
        As for `progress`.
    param
        Name of a numeric parameter. Default: the first that a member changed, else the first
        numeric one.
    ax
        Axes of a grid of subplots, which make room for the two panels.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        No trial continues another one, there is no such parameter, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> from dsice.strategies import Population
    >>> tuner = Tuner({"lr": [0.01, 0.1, 1.0]}, Population(members=4, stages=2))
    >>> while trials := tuner.ask(4):
    ...     for trial in trials:
    ...         _ = tuner.tell(trial, abs(trial.params["lr"] - 0.1))
    >>> figure = plots.lineage(tuner, "lineage.png")
    """
    from dsice.plots import ticks

    history = given(search).history
    trials = [t for t in history if t.state is not State.WITHDRAWN]
    children = [t for t in trials if t.parent is not None]
    if not children:
        raise OptionError(
            "lineage: no trial of the history continues another one, so there is no lineage; "
            "it is a figure of Population"
        )
    name = _parameter_of(history, children, param)
    best: set[int] = set()
    if history.best is not None:
        best = {t.id for t in history.lineage(history.best)}
    figure, room = place.panels(ax, (7.4, 6.4))
    above, below = room.subplots(2, 1, sharex=True)
    given_params = {t.id: t.params.get(name) for t in trials}
    settings = {id: float(v) for id, v in given_params.items() if isinstance(v, (int, float))}
    values = {t.id: history.goal.metric_of(t) for t in trials}
    less = not history.goal.maximize
    for axes, shown, label in ((above, settings, name), (below, values, history.goal.metric)):
        shown = {id: v for id, v in shown.items() if np.isfinite(v)}
        keep = shown.values() if axes is above else ()  # what somebody chose is never cut
        scale = scale_of(list(shown.values()), less_is_better=less, keep=keep)
        _draw_tree(axes, history, shown, best, scale)
        said = f"\n{scale.said}" if scale.said else ""
        scale.apply(axes.yaxis, f"{text(label)}{said}")
        remove_frame(axes)
    below.set_xlabel("stage")
    ticks.whole(below.xaxis)
    n_copies = sum(t.member != history[t.parent].member for t in children if t.parent is not None)
    _add_legend(above)
    head(above, f"{len({t.member for t in trials})} members, {n_copies} copies")
    save(figure, path, "lineage")
    return figure


def _add_legend(axes: Axes) -> None:
    for colour, width, label in (
        (GREY, 1.0, "goes on"),
        (VERMILLION, 1.0, "copies another member"),
        (BLACK, 2.4, "lineage of the best"),
    ):
        axes.plot([], [], color=colour, linewidth=width, label=label)


def _draw_tree(
    axes: Axes, history: History, shown: Mapping[int, float], best: Set[int], scale: Scale
) -> None:
    """A dot for each trial over its stage, and a line to the trial that it continues.

    Parameters
    ----------
    shown
        What is drawn of each trial, by id.
    best
        Ids of the lineage of the best trial.
    """
    from matplotlib.collections import LineCollection

    ids = list(shown)
    stages = np.array([history[id].stage for id in ids], dtype=float)
    heights = scale.drawn([shown[id] for id in ids])
    place_of = {id: (x, y) for id, x, y in zip(ids, stages.tolist(), heights.tolist(), strict=True)}
    links: list[list[tuple[float, float]]] = []
    colours: list[str] = []
    widths: list[float] = []
    for id in ids:
        parent = history[id].parent
        if parent is None or parent not in place_of:
            continue
        is_best = id in best and parent in best
        is_copy = history[parent].member != history[id].member
        links.append([place_of[parent], place_of[id]])
        colours.append(VERMILLION if is_copy else BLACK if is_best else GREY)
        widths.append(2.4 if is_best else 1.0)
    axes.add_collection(LineCollection(links, colors=colours, linewidths=widths, zorder=2))
    axes.scatter(stages, heights, s=16, color=BLUE, linewidths=0, zorder=4)


def _parameter_of(history: History, children: list[Trial], param: str | None) -> str:
    """The parameter to draw: the one asked for, else the first one that a member changed."""
    numeric = dict.fromkeys(
        name
        for trial in history
        for name, value in trial.params.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    )
    changed = [name for trial in children for name in trial.overrides if name in numeric]
    if param is None and numeric:
        return changed[0] if changed else next(iter(numeric))
    if param not in numeric:
        raise OptionError(
            f"lineage(param={param!r}): expected the name of a numeric parameter, "
            f"one of {list(numeric)}"
        )
    return str(param)
