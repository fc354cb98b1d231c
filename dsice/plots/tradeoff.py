"""Two metrics of all trials, the front between them, and the bounds of the goal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import OptionError
from dsice.goal import Goal
from dsice.history import History
from dsice.history.frames import less_is_better, metric_or_seconds, undominated
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.scale import Scale, scale_of
from dsice.plots.style import BLACK, BLUE, GREY, MANY, ORANGE, RING, head, remove_frame, save
from dsice.plots.texts import text
from dsice.typing import Bools, Floats, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def tradeoff(
    search: HistoryLike,
    a: str | None = None,
    b: str | None = None,
    path: PathLike | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Draw two metrics against each other.

    Every measured point of the goal's stage is a dot, with the means of its measurements (of the
    goal's metric, what the goal makes of them), hollow where it breaks a bound; the trade-off front
    (`History.front`) is a line of steps with diamonds, the best one is marked, and bounds on the
    two metrics are dashed lines.

    Parameters
    ----------
    search
        As for `progress`.
    a, b
        Metrics on the horizontal and the vertical axis; ``"value"`` and ``"seconds"`` too. Default:
        the goal's, and beside it the first with a bound, else the first that was told, else the
        run time.
    path, ax
        As for `progress`.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        No trial carries both metrics, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(1, 5)})
    >>> for trial in tuner.ask(4):
    ...     _ = tuner.tell(trial, 1 / trial.params["x"], metrics={"memory": trial.params["x"]})
    >>> figure = plots.tradeoff(tuner, "value", "memory", "tradeoff.png")
    """
    seen = given(search)
    history = seen.history
    seen.require_values("tradeoff")
    a = history.goal.metric if a is None else a
    b = _beside(history, a) if b is None else b
    trials, values = history.carrying(a, b)
    is_less = [less_is_better(history.goal, name) for name in (a, b)]
    front = values[undominated(values * np.where(is_less, 1.0, -1.0))]
    scales = [
        scale_of(values[:, k], less_is_better=is_less[k], keep=_kept(history.goal, name, values, k))
        for k, name in enumerate((a, b))
    ]
    figure, axes = place.panel(ax, (6.6, 5.0))
    _draw_trials(axes, _drawn(scales, values), history.feasible()[[trial.id for trial in trials]])
    _draw_front(axes, _drawn(scales, front))
    if seen.best is not None:
        told = np.array([[metric_or_seconds(seen.best, a), metric_or_seconds(seen.best, b)]])
        if np.isfinite(told).all():
            axes.scatter(*_drawn(scales, told).T, label="best", **RING)
    _draw_bounds(axes, history.goal, (a, b), scales)
    for axis, name, less, scale in zip(
        (axes.xaxis, axes.yaxis), (a, b), is_less, scales, strict=True
    ):
        said = f"\n{scale.said}" if scale.said else ""
        scale.apply(axis, f"{text(name)} ({'less' if less else 'more'} is better){said}")
    remove_frame(axes)
    head(axes, columns=3)
    save(figure, path, "tradeoff")
    return figure


def _beside(history: History, a: str) -> str:
    """The metric that is set against `a` where the user names none."""
    told = dict.fromkeys(name for trial in history for name in trial.metrics)
    others = [name for name in (*history.goal.bounded, *told) if name not in (a, "seconds")]
    if others:
        return others[0]
    if a == "seconds" or not any(trial.seconds is not None for trial in history):
        raise OptionError(
            f"tradeoff: the trials carry {text(a)!r} only, without another metric or a run time; "
            "there is nothing to set it against"
        )
    return "seconds"


def _kept(goal: Goal, name: str, values: Floats, column: int) -> list[float]:
    """Bounds that the axis holds: those that are not far off from what was measured."""
    low, high = values[:, column].min(), values[:, column].max()
    reach = high / 2 - low / 2  # half of it, since the whole may overflow
    limits = [bounds[name] for bounds in (goal.at_most, goal.at_least) if name in bounds]
    return [v for v in limits if low / 2 - reach <= v / 2 <= high / 2 + reach]


def _drawn(scales: list[Scale], values: Floats) -> Floats:
    """Two metrics where they are drawn, shape (n, 2)."""
    return np.stack([scales[k].drawn(values[:, k]) for k in range(2)], axis=1)


def _draw_trials(axes: Axes, values: Floats, good: Bools) -> None:
    """A dot for each trial, hollow where it breaks a bound.

    Parameters
    ----------
    values
        The two metrics of each trial, shape (trials, 2).
    good
        Which trials keep all bounds, shape (trials,).
    """
    many = len(values) > MANY
    style = {"s": 6 if many else 18, "zorder": 2, "rasterized": many}
    axes.scatter(
        *values[good].T,
        color=BLUE,
        alpha=0.25 if many else 0.6,
        linewidths=0,
        label=f"trial ({int(good.sum())})",
        **style,  # type: ignore[arg-type]
    )
    if not good.all():
        axes.scatter(
            *values[~good].T,
            facecolors="none",
            edgecolors=BLUE,
            linewidths=0.8,
            label=f"breaks a bound ({int((~good).sum())})",
            **style,  # type: ignore[arg-type]
        )


def _draw_front(axes: Axes, front: Floats) -> None:
    """A line of steps with diamonds at the trials of the front, shape (front, 2)."""
    axes.step(front[:, 0], front[:, 1], where="post", color=BLACK, linewidth=1.2, zorder=3)
    axes.scatter(
        front[:, 0],
        front[:, 1],
        s=34,
        marker="D",
        color=ORANGE,
        edgecolors=BLACK,
        linewidths=0.7,
        zorder=4,
        label=f"front ({len(front)})",
    )


def _draw_bounds(axes: Axes, goal: Goal, names: tuple[str, str], scales: list[Scale]) -> None:
    """Dashed lines at the bounds on the two metrics that lie on the axes; the others are named."""
    for word, bounds in (("at most", goal.at_most), ("at least", goal.at_least)):
        for name, scale, draw in zip(names, scales, (axes.axvline, axes.axhline), strict=True):
            if name not in bounds:
                continue
            label = f"bound: {text(name, 24)} {word} {bounds[name]:g}"
            style: dict[str, Any] = {"color": GREY, "linestyle": (0, (5, 3)), "linewidth": 1.3}
            if scale.beyond(bounds[name]):
                axes.plot([], [], label=f"{label}, beyond the axis", zorder=1, **style)
            else:
                draw(float(scale.drawn(bounds[name])), label=label, zorder=1, **style)
