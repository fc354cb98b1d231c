"""Which parameters matter: shares of the variance, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.insight import importance as importance_of
from dsice.insight.model import TunerLike
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.small_multiples import width_of, wrapped
from dsice.plots.style import BLACK, BLUE, GREY, PALE_BLUE, remove_frame, save
from dsice.plots.texts import distinct, letters, text
from dsice.space import Space
from dsice.typing import Floats, PathLike

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 26
"""Of a parameter's name beside a bar."""
WRITTEN = 10
"""Parameters up to which the share of each pair is written into its field."""


def importance(
    search: HistoryLike | TunerLike,
    path: PathLike | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw which parameters matter.

    Bars: the share of the variance over the grid that each parameter explains alone (dark), and
    with all its interactions (pale), the latter with its interval. Beside them the share of each
    pair's interaction as a heat map. Where it is too early to trust the shares, the title says so.

    Parameters
    ----------
    search, path, space, ax
        As for `effects`.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

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
    seen = given(search, space)
    frame = importance_of(seen.history, seen.require_space("importance"))
    alone = frame[frame["other"].isna()]
    names = alone["parameter"].tolist()
    several = len(names) > 1
    size = (
        5.5 if not several else 10.0 if len(names) <= WRITTEN else 12.0,
        max(3.0, 1.6 + 0.36 * len(names)),
    )
    figure, room = place.panels(ax, size)
    if several:
        bars, pairs = room.subplots(1, 2, width_ratios=(1.3, 1.0))
        _draw_pairs(pairs, names, frame[frame["other"].notna()])
    else:
        bars = room.subplots(1, 1)
    intervals = alone[["total_low", "total_high"]].to_numpy()
    _draw_shares(bars, names, alone["share"].to_numpy(), alone["total"].to_numpy(), intervals)
    room.suptitle(wrapped(_title(frame, names), letters(width_of(room), 10)), fontsize=10)
    save(figure, path, "importance")
    return figure


def _title(frame: pd.DataFrame, names: Sequence[str]) -> str:
    title = f"{frame.attrs['noise']:.0%} of the variance of the measurements is noise"
    if len(names) > 2:
        title = f"{frame.attrs['higher']:.0%} left to interactions of three and more; {title}"
    if frame.attrs["early"]:
        title = f"too early to trust these shares: {text(frame.attrs['early'], 200)}\n{title}"
    return title


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
    places = np.arange(len(names))
    panel.barh(places, total, color=PALE_BLUE, height=0.7, label="with its interactions")
    panel.barh(places, alone, color=BLUE, height=0.7, label="alone")
    panel.hlines(places, *intervals.T, color=GREY, linewidth=1.2, label="interval")
    for y, value, end in zip(places, total, np.maximum(intervals[:, 1], total), strict=True):
        panel.text(end + 0.01, float(y), f"{value:.1%}", va="center", fontsize=8, color=BLACK)
    panel.set_yticks(places, labels=distinct(names, LETTERS))
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlim(0.0, max(0.1, 1.2 * float(intervals.max(initial=0.0))))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.set_xlabel("share of the variance over the grid")
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8, frameon=False)
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
    for j, k in cells if len(names) <= WRITTEN else cells[:0]:
        colour = "white" if shares[j, k] > 0.6 * most else BLACK
        label = f"{shares[j, k]:.1%}"
        panel.text(k, j - 1, label, ha="center", va="center", fontsize=8, color=colour)
    ticks = range(len(names) - 1)
    shown = distinct(names, LETTERS - 8)
    panel.set_xticks(
        ticks, labels=shown[:-1], rotation=45, ha="right", rotation_mode="anchor", fontsize=8
    )
    panel.set_yticks(ticks, labels=shown[1:], fontsize=8)
    panel.set_title(f"interactions of pairs,\nup to {most:.1%} of the variance", fontsize=9)
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(length=0)
