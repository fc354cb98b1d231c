"""What the members of a population went through."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots.style import BLACK, BLUE, GREY, VERMILLION, history_of, save, without_frame
from dsice.trial import Trial
from dsice.tuner import Tuner

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lineage(
    search: History | Tuner, path: str | os.PathLike[str] | None = None, *, param: str | None = None
) -> Figure:
    """Draw the schedule of each lineage of a population-based training.

    Every trial of a member stands over its stage, joined to the trial that it continues: above its parameter, below the
    goal's metric. Copies of another member are red lines, and the lineage of the best trial is bold.

    Parameters
    ----------
    search
        A history, or a tuner, of `Population`.
    path
        File to write: .png, .svg or .pdf.
    param
        Name of a numeric parameter. Default: the first that a member changed, else the first numeric one.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError
        No trial continues another one, there is no such parameter, or the file's ending is unknown.
    """
    from matplotlib.figure import Figure

    history = history_of(search)
    children = [t for t in history if t.parent is not None]
    if not children:
        raise OptionError(
            "no trial of the history continues another one, so there is no lineage; it is a figure of Population"
        )
    name = _named(history, children, param)
    best = {t.id for t in history.lineage(history.best)} if history.best is not None else set[int]()
    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    rates = {
        t.id: float(t.params[name]) for t in history if isinstance(t.params.get(name), (int, float))
    }
    values = {t.id: history.goal.metric_of(t) for t in history}
    for axes, shown, label in ((above, rates, name), (below, values, history.goal.metric)):
        _tree(axes, history, {id: v for id, v in shown.items() if np.isfinite(v)}, best)
        axes.set_ylabel(label)
        without_frame(axes)
    below.set_xlabel("stage")
    below.set_xticks(sorted({t.stage for t in history}))
    copies = sum(t.member != history[t.parent].member for t in children if t.parent is not None)
    members = len({t.member for t in history})
    above.set_title(f"{members} members, {copies} copies", fontsize=10, pad=22)
    for colour, width, word in (
        (GREY, 1.0, "goes on"),
        (VERMILLION, 1.0, "copies another member"),
        (BLACK, 2.4, "lineage of the best"),
    ):
        above.plot([], [], color=colour, linewidth=width, label=word)
    above.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    save(figure, path, "lineage")
    return figure


def _tree(axes: Axes, history: History, shown: dict[int, float], best: set[int]) -> None:
    for id, value in shown.items():
        trial = history[id]
        parent = trial.parent
        if parent is not None and parent in shown:
            source = history[parent]
            copied, bold = source.member != trial.member, id in best and parent in best
            style: dict[str, Any] = {
                "color": VERMILLION if copied else BLACK if bold else GREY,
                "linewidth": 2.4 if bold else 1.0,
            }
            axes.plot(
                [source.stage, trial.stage],
                [shown[parent], value],
                zorder=3 if bold else 1,
                **style,
            )
    ids = list(shown)
    axes.scatter(
        [history[i].stage for i in ids],
        [shown[i] for i in ids],
        s=16,
        color=BLUE,
        linewidths=0,
        zorder=4,
    )
    told = np.array(list(shown.values()))
    if len(told) and told.min() > 0 and told.max() > 20 * told.min():
        axes.set_yscale("log")


def _named(history: History, children: list[Trial], param: str | None) -> str:
    """The parameter to draw."""
    numeric = dict.fromkeys(
        n
        for t in history
        for n, v in t.params.items()
        if isinstance(v, (int, float)) and not isinstance(v, bool)
    )
    changed = [n for t in children for n in t.overrides if n in numeric]
    if param is None and numeric:
        return changed[0] if changed else next(iter(numeric))
    if param not in numeric:
        raise OptionError(
            f"lineage(param={param!r}): expected the name of a numeric parameter, one of {list(numeric)}"
        )
    return str(param)
