"""Learning curves of all trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.scale import Scale, scale_of
from dsice.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    head,
    remove_frame,
    save,
)
from dsice.plots.texts import text
from dsice.trial import State, Trial
from dsice.typing import Floats, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 500
"""Curves that are drawn, at most; of more an even choice, the best among them."""
KINDS: Final = (
    ("done", (State.DONE,), {"colors": BLUE, "alpha": 0.45, "linewidths": 0.9, "zorder": 3}),
    ("stopped early", (State.STOPPED,), {"colors": GREY, "alpha": 0.3, "zorder": 2}),
    (
        "failed",
        (State.FAILED, State.TIMED_OUT, State.INVALID, State.LOST),
        {"colors": VERMILLION, "alpha": 0.5, "linewidths": 0.9, "zorder": 2},
    ),
    ("running", (State.PENDING,), {"colors": SKY, "linewidths": 1.2, "zorder": 4}),
)


def curves(search: HistoryLike, path: PathLike | None = None, *, ax: Axes | None = None) -> Figure:
    """Draw the learning curves of all trials.

    Those of trials that were stopped early are faded, with a tick where they ended; the best
    trial's is bold. Of more than 500 an even choice is drawn.

    Parameters
    ----------
    search, path
        As for `progress`.
    ax
        Axes to draw in; a figure of its own by default.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        No trial has a learning curve, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(1, 5)})
    >>> for trial in tuner.ask(2):
    ...     for step in range(3):
    ...         _ = tuner.step(trial, step, trial.params["x"] / (step + 1))
    >>> figure = plots.curves(tuner, "curves.png")
    """
    seen = given(search)
    history = seen.history
    trials = [t for t in history if t.curve and t.state is not State.WITHDRAWN]
    if not trials:
        raise OptionError(
            f"curves: none of the {len(history)} trials has a learning curve; "
            "programs report them by dsice.step"
        )
    best = seen.best if seen.best is not None and seen.best.curve else None
    chosen = _even(trials, None if best is None else best.id)
    scale = _scale(history, chosen)
    figure, axes = place.panel(ax, (7.4, 4.8))
    crowded = {"alpha": 0.15} if len(chosen) > 100 else {}
    for label, states, style in KINDS:
        subset = [t for t in chosen if t.state in states]
        n = sum(t.state in states for t in trials)
        if subset:
            _draw(axes, subset, scale, f"{label} ({n})", style | crowded)
    _mark_ends(axes, [t for t in chosen if t.state is State.STOPPED], scale)
    if best is not None:
        steps, values = _drawn(best, scale).T
        label = f"best (trial {best.id})"
        axes.plot(steps, values, color=ORANGE, linewidth=2.6, zorder=6, label=label)
    _set_steps(axes, chosen)
    few = f"{len(chosen)} of {len(trials)} curves" if len(chosen) < len(trials) else ""
    said = "; ".join(part for part in (few, scale.said) if part)
    axes.set_xlabel(f"step\n{said}" if said else "step")
    scale.apply(axes.yaxis, text(history.goal.metric))
    remove_frame(axes)
    head(axes, columns=5)
    save(figure, path, "curves")
    return figure


def _even(trials: Sequence[Trial], best: int | None) -> list[Trial]:
    """An even choice of the trials, with the best one."""
    if len(trials) <= MOST:
        return list(trials)
    places = np.linspace(0, len(trials) - 1, MOST).astype(int)
    chosen = [trials[i] for i in places]
    if best is not None and all(t.id != best for t in chosen):
        chosen[-1] = next((t for t in trials if t.id == best), chosen[-1])
    return chosen


def _scale(history: History, trials: Sequence[Trial]) -> Scale:
    values = np.array([v for t in trials for _, v in t.curve], dtype=float)
    return scale_of(values, less_is_better=not history.goal.maximize)


def _drawn(trial: Trial, scale: Scale) -> Floats:
    """Steps and values of a curve where they are drawn, shape (points, 2)."""
    points = np.array(trial.curve, dtype=float).reshape(-1, 2)
    points = points[np.argsort(points[:, 0], kind="stable")]
    points[:, 1] = scale.drawn(points[:, 1])
    return points


def _draw(
    axes: Axes, trials: Sequence[Trial], scale: Scale, label: str, style: dict[str, Any]
) -> None:
    from matplotlib.collections import LineCollection

    segments = [_drawn(t, scale) for t in trials]
    axes.add_collection(LineCollection(segments, label=label, **style))
    lone = np.array([s[0] for s in segments if len(s) == 1])
    if len(lone):  # a line of one point does not show
        axes.scatter(
            lone[:, 0], lone[:, 1], s=8, color=style["colors"], alpha=style.get("alpha"), zorder=3
        )


def _mark_ends(axes: Axes, stopped: Sequence[Trial], scale: Scale) -> None:
    if stopped:
        ends = np.array([_drawn(t, scale)[-1] for t in stopped])
        axes.scatter(ends[:, 0], ends[:, 1], marker="|", s=30, color=GREY, linewidths=1.0, zorder=2)


def _set_steps(axes: Axes, trials: Sequence[Trial]) -> None:
    from dsice.plots import ticks

    steps = [step for t in trials for step, _ in t.curve]
    low, high = float(min(steps)), float(max(steps))
    pad = 0.02 * (high - low) or 0.5
    axes.set_xlim(low - pad, high + pad)
    ticks.whole(axes.xaxis)
