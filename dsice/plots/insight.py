"""Figures of insight: main effects of the parameters with bands, and shares of the variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.history import History
from dsice.insight import effects as effects_of
from dsice.insight import importance as importance_of
from dsice.insight.model import TunerLike, history_and_space
from dsice.plots.style import BLACK, BLUE, GREY, ORANGE, PALE_BLUE, remove_frame, save
from dsice.space import Space
from dsice.space.values import labels
from dsice.typing import Floats, PathLike

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS: Final = 4
"""Panels in a row, at most."""
TICKS: Final = 9
"""Labels below one panel, at most."""
LETTERS: Final = 32
"""Letters in all these labels, at most."""


def effects(
    search: TunerLike | History,
    path: PathLike | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
) -> Figure:
    """Draw how the score depends on each parameter, averaged over all others.

    One panel for each parameter, the one with the largest effect first, all with the same scale:
    the expected score at each level as a line (points where the levels have no order), its 95 %
    band, and the mean of the measurements with that level as a dot, the larger the more there are.
    A search measures near the best, so its dots lie lower than the average over the grid that the
    line shows.

    Parameters
    ----------
    search
        A tuner, or a history.
    path
        File to write: .png, .svg or .pdf.
    space
        The space of a bare history.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError, FitError
        As `dsice.effects`; or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5), "y": range(5)})
    >>> for trial in tuner.ask(12):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.effects(tuner, "effects.png")
    """
    from matplotlib.figure import Figure

    history, grid = history_and_space(search, space)
    frame = effects_of(history, grid)
    panels = {str(name): part for name, part in frame.groupby("parameter", sort=False)}
    names = sorted(panels, key=lambda name: -float(np.ptp(panels[name]["effect"].fillna(0.0))))
    rows = -(-len(names) // COLUMNS)
    columns = -(-len(names) // rows)  # none of the rows much shorter than the others
    figure = Figure(figsize=(1.2 + 2.7 * columns, 1.0 + 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel, name in zip(axes, names, strict=False):
        part = panels[name]
        _draw_effect(panel, part, frame.attrs["mean"], ordered=grid.axes[name].ordered)
        _draw_means(panel, history, grid, name)
        panel.set_title(name, fontsize=10)
        _label_levels(panel, part["value"].tolist())
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    figure.supylabel(_score_label(history), fontsize=10)
    figure.suptitle(
        "expected score over the grid, 95 % band; dots: mean of the measurements there", fontsize=10
    )
    save(figure, path, "effects")
    return figure


def importance(
    search: TunerLike | History,
    path: PathLike | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
) -> Figure:
    """Draw which parameters matter.

    Bars: the share of the variance over the grid that each parameter explains alone (dark), and
    with all its interactions (pale), the latter with its interval. Beside them the share of each
    pair's interaction as a heat map. Where it is too early to trust the shares, the title says so.

    Parameters
    ----------
    search, path, space
        As for `effects`.

    Returns
    -------
    matplotlib.figure.Figure
        Independent of pyplot.

    Raises
    ------
    OptionError, FitError
        As `dsice.importance`; or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5), "y": range(5)})
    >>> for trial in tuner.ask(12):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.importance(tuner, "importance.png")
    """
    from matplotlib.figure import Figure

    frame = importance_of(*history_and_space(search, space))
    alone = frame[frame["other"].isna()]
    names = alone["parameter"].tolist()
    height = max(3.0, 1.6 + 0.36 * len(alone))
    if len(names) > 1:
        figure = Figure(figsize=(10.0, height), layout="constrained")
        bars, pairs = figure.subplots(1, 2, width_ratios=(1.3, 1.0))
        _draw_pairs(pairs, names, frame[frame["other"].notna()])
    else:
        figure = Figure(figsize=(5.5, height), layout="constrained")
        bars = figure.subplots(1, 1)
    intervals = alone[["total_low", "total_high"]].to_numpy()
    _draw_shares(bars, names, alone["share"].to_numpy(), alone["total"].to_numpy(), intervals)
    title = f"{frame.attrs['noise']:.0%} of the variance of the measurements is noise"
    if len(names) > 2:
        title = f"{frame.attrs['higher']:.0%} left to interactions of three and more; {title}"
    if frame.attrs["early"]:
        title = f"too early to trust these shares: {frame.attrs['early']}\n{title}"
    figure.suptitle(title, fontsize=10)
    save(figure, path, "importance")
    return figure


# ---------------------------------------------------------------------- effects
def _score_label(history: History) -> str:
    goal = history.goal
    name = f"-{goal.metric}" if goal.maximize else goal.metric
    return f"{name}{' and weighted time' if history.weighs_time else ''} (less is better)"


def _draw_effect(panel: Axes, part: pd.DataFrame, mean: float, *, ordered: bool) -> None:
    """The expected score at each level of a parameter, with its band.

    Parameters
    ----------
    part
        The rows of the parameter in the frame of `dsice.effects`.
    mean
        The expected score over the grid.
    ordered
        Whether neighbouring levels are joined.
    """
    x = part["level"].to_numpy()
    middle = mean + part["effect"].to_numpy()
    low = mean + part["low"].to_numpy()
    high = mean + part["high"].to_numpy()
    panel.axhline(mean, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    if ordered and len(x) > 1:
        panel.fill_between(x, low, high, color=PALE_BLUE, linewidth=0, zorder=2)
        panel.plot(
            x,
            middle,
            color=BLUE,
            linewidth=1.8,
            marker="o" if len(x) <= 2 * TICKS else "",
            markersize=3,
            zorder=4,
        )
    else:
        panel.errorbar(
            x,
            middle,
            (middle - low, high - middle),
            fmt="none",
            ecolor=PALE_BLUE,
            elinewidth=9,
            zorder=2,
        )
        panel.plot(x, middle, "_", color=BLUE, markersize=16, markeredgewidth=2.2, zorder=4)
    remove_frame(panel)
    panel.set_xlim(-0.5, len(x) - 0.5)
    panel.tick_params(labelsize=8)


def _draw_means(panel: Axes, history: History, grid: Space, name: str) -> None:
    """Mean score of the trials at each level, the area by their number."""
    j = grid.names.index(name)
    ids = history.order()
    levels = grid.coded(history.points()[ids])[:, j]
    at = np.unique(levels[levels < grid.shape[j]])
    means = [float(np.mean(history.scores()[ids[levels == level]])) for level in at]
    counts = np.array([np.sum(levels == level) for level in at])
    sizes = 8 + 52 * counts / counts.max() if len(at) else []
    panel.scatter(
        at, means, s=sizes, facecolor=ORANGE, edgecolor=BLACK, linewidth=0.5, alpha=0.8, zorder=3
    )


def _label_levels(panel: Axes, values: Sequence[Any]) -> None:
    """Values below the levels, as many as there is space for."""
    texts = labels(values)
    texts = [text if len(text) <= 12 else f"{text[:11]}…" for text in texts]
    most = max(2, min(TICKS, LETTERS // max(map(len, texts))))
    every = -(-len(texts) // most)
    panel.set_xticks(range(0, len(texts), every), labels=texts[::every])


# ---------------------------------------------------------------------- importance
def _draw_shares(
    panel: Axes, names: Sequence[str], alone: Floats, total: Floats, intervals: Floats
) -> None:
    """Bars of the shares of each parameter, alone and with its interactions.

    Parameters
    ----------
    alone, total
        Shape (names,).
    intervals
        Low and high ends of `total`, shape (names, 2).
    """
    place = np.arange(len(names))
    panel.barh(place, total, color=PALE_BLUE, height=0.7, label="with its interactions")
    panel.barh(place, alone, color=BLUE, height=0.7, label="alone")
    panel.hlines(place, *intervals.T, color=GREY, linewidth=1.2, label="interval")
    for y, value, end in zip(place, total, intervals[:, 1], strict=True):
        panel.text(end + 0.01, float(y), f"{value:.1%}", va="center", fontsize=8, color=BLACK)
    panel.set_yticks(place, labels=list(names))
    panel.invert_yaxis()
    panel.set_xlim(0.0, max(0.1, 1.16 * float(intervals.max(initial=0.0))))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.set_xlabel("share of the variance over the grid")
    panel.legend(loc="lower right", fontsize=8, frameon=False)
    remove_frame(panel)


def _draw_pairs(panel: Axes, names: Sequence[str], pairs: pd.DataFrame) -> None:
    """A heat map of the interactions of pairs, its lower triangle; the strongest in full colour.

    Parameters
    ----------
    pairs
        The rows of pairs in the frame of `dsice.importance`.
    """
    shares = np.full((len(names), len(names)), np.nan)
    for a, b, share in zip(pairs["parameter"], pairs["other"], pairs["share"], strict=True):
        j, k = sorted((names.index(a), names.index(b)))
        shares[k, j] = share
    most = float(np.nanmax(shares))
    panel.imshow(shares[1:, :-1], cmap="Blues", vmin=0.0, vmax=most or 1.0, aspect="auto")
    cells = np.argwhere(~np.isnan(shares))
    for j, k in cells if len(names) <= 12 else cells[:0]:
        colour = "white" if shares[j, k] > 0.6 * most else BLACK
        label = f"{shares[j, k]:.1%}"
        panel.text(k, j - 1, label, ha="center", va="center", fontsize=8, color=colour)
    ticks = range(len(names) - 1)
    panel.set_xticks(ticks, labels=list(names[:-1]), rotation=45, ha="right", fontsize=8)
    panel.set_yticks(ticks, labels=list(names[1:]), fontsize=8)
    panel.set_title("interactions of pairs, share of the variance", fontsize=9)
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(length=0)
