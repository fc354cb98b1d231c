"""The schedules of the members of a population-based training."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    HasHistory,
    history_of,
    remove_frame,
    save,
)
from dsice.trial import State, Trial
from dsice.typing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lineage(
    search: History | HasHistory, path: PathLike | None = None, *, param: str | None = None
) -> Figure:
    """Draw the schedule of each lineage of a population-based training.

    Every trial of a member is drawn over its stage, joined to the trial that it continues: its
    parameter above, the goal's metric below. Copies of another member are red lines, and the
    lineage of the best trial is bold.

    Parameters
    ----------
    search
        A history, or a tuner, of `Population`.
    path
        File to write: .png, .svg or .pdf.
    param
        Name of a numeric parameter. Default: the first that a member changed, else the first
        numeric one.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

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
    from matplotlib.figure import Figure

    history = history_of(search)
    children = [t for t in history if t.parent is not None]
    if not children:
        raise OptionError(
            "no trial of the history continues another one, so there is no lineage; "
            "it is a figure of Population"
        )
    name = _parameter_of(history, children, param)
    best: set[int] = set()
    if history.best is not None:
        best = {t.id for t in history.lineage(history.best)}
    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    given = {t.id: t.params.get(name) for t in history}
    settings = {id: float(v) for id, v in given.items() if isinstance(v, (int, float))}
    values = {t.id: history.goal.metric_of(t) for t in history if t.state is not State.WITHDRAWN}
    for axes, shown, label in ((above, settings, name), (below, values, history.goal.metric)):
        _draw_tree(axes, history, {id: v for id, v in shown.items() if np.isfinite(v)}, best)
        axes.set_ylabel(label)
        remove_frame(axes)
    below.set_xlabel("stage")
    below.set_xticks(sorted({t.stage for t in history}))
    n_copies = sum(t.member != history[t.parent].member for t in children if t.parent is not None)
    n_members = len({t.member for t in history})
    above.set_title(f"{n_members} members, {n_copies} copies", fontsize=10, pad=22)
    _add_legend(above)
    save(figure, path, "lineage")
    return figure


def _add_legend(axes: Axes) -> None:
    for colour, width, label in (
        (GREY, 1.0, "goes on"),
        (VERMILLION, 1.0, "copies another member"),
        (BLACK, 2.4, "lineage of the best"),
    ):
        axes.plot([], [], color=colour, linewidth=width, label=label)
    axes.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _draw_tree(axes: Axes, history: History, shown: Mapping[int, float], best: Set[int]) -> None:
    """A dot for each trial over its stage, and a line to the trial that it continues.

    Parameters
    ----------
    shown
        What is drawn of each trial, by id.
    best
        Ids of the lineage of the best trial.
    """
    for id, value in shown.items():
        parent = history[id].parent
        if parent is None or parent not in shown:
            continue
        is_best = id in best and parent in best
        colour = BLACK if is_best else GREY
        if history[parent].member != history[id].member:
            colour = VERMILLION
        axes.plot(
            [history[parent].stage, history[id].stage],
            [shown[parent], value],
            color=colour,
            linewidth=2.4 if is_best else 1.0,
            zorder=3 if is_best else 1,
        )
    values = np.array(list(shown.values()))
    stages = [history[id].stage for id in shown]
    axes.scatter(stages, values, s=16, color=BLUE, linewidths=0, zorder=4)
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")


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
