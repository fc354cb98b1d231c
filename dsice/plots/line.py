"""The d-spline on lines through the best point: what was measured there, the curve, its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.checks import shown
from dsice.errors import FitError, OptionError
from dsice.history import History
from dsice.insight.frames import BAND
from dsice.insight.lines import (
    Direction,
    axis_direction,
    labels_of,
    lowest,
    name_of,
    noted,
    on_line,
    points_of,
)
from dsice.insight.model import TunerLike, model_of
from dsice.plots.effects import label_of, sign_of
from dsice.plots.given import Given, HistoryLike, given, levels_of
from dsice.plots.scale import Scale, scale_of
from dsice.plots.small_multiples import LETTERS, add_panels, label_places
from dsice.plots.style import BLACK, BLUE, GREY, ORANGE, PALE_BLUE, RING, SKY, VERMILLION, save
from dsice.plots.texts import text
from dsice.space import Space
from dsice.spline import fit, fit_many
from dsice.trial import State, Trial
from dsice.typing import Floats, Ints, PathLike, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 8
"""Lines that are drawn where the user names none."""
OWN: Final = 4
"""Measured levels from which a line has a d-spline of its own."""
MOST_LEVELS: Final = 400
"""Levels of a curve of the whole grid's d-spline, at most."""


@dataclass(frozen=True, eq=False)
class GridLine:
    """A line with what was measured on it.

    Attributes
    ----------
    points
        From the low end, shape (length, axes).
    ids, at
        Trials of the goal's stage with a score, and their positions from the low end.
    pending
        Positions that were asked and not told.
    best
        Position of the best point.
    """

    direction: Direction
    points: Ints
    ids: Ints
    at: Ints
    pending: Ints
    best: int

    @property
    def n_levels(self) -> int:
        """How many levels are measured."""
        return len(np.unique(self.at))


def line(
    search: HistoryLike | TunerLike,
    path: PathLike | None = None,
    *,
    along: str | Sequence[int] | None = None,
    space: Space | Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the d-spline on lines through the best point.

    A panel for each line: the values measured on it as dots, the d-spline through them with its
    95 % band, the best point as a ring, and what is asked and not told as ticks below. A line with
    fewer than 4 measured levels shows the d-spline of the whole grid there, in a paler blue.

    Parameters
    ----------
    search, path
        As for `progress`.
    along
        The parameter that the line changes, or the step of each parameter from one point to the
        next. Default: those of the axis lines, and of the lines on which the search asked, that
        have the most measurements.
    space, ax
        As for `effects`.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        There is no such parameter, no best point yet, or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5), "y": range(5)})
    >>> for trial in tuner.ask(12):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.line(tuner, "line.png")
    """
    seen = given(search, space)
    seen.require_values("line")
    grid, best = seen.require_space("line"), seen.best
    levels_of(seen.history, grid, "line")
    if best is None:
        raise OptionError("line: there is no best point that lines could go through")
    lines = _chosen(seen, grid, best, along)
    values = [axis.values for axis in grid.axes.values()]
    curves = _curves(seen, grid, lines)
    figure, panels = add_panels(
        ax,
        [name_of(grid.names, one.direction) for one in lines],
        ylabel=label_of(seen.history),
        title=_title(curves),
    )
    scale = _scale(seen.history, lines, curves)
    height = sign_of(seen.history) * float(seen.history.point_scores()[best.id])
    for panel, one, curve in zip(panels, lines, curves, strict=True):
        _draw(panel, one, curve, scale, _values(seen.history, one))
        panel.scatter([one.best], scale.drawn([height]), **RING)
        changed = [j for j, step in enumerate(one.direction) if step]
        _label(panel, one, changed, values)
    scale.apply(panels[0].yaxis)
    save(figure, path, "line")
    return figure


def _title(curves: Sequence[Curve | None]) -> str:
    if all(curve is None for curve in curves):
        return "measurements on lines through the best, too few for a d-spline"
    title = "d-spline on lines through the best, 95 % band"
    of_grid = any(curve is not None and curve.of_grid for curve in curves)
    return f"{title}; pale: that of the whole grid" if of_grid else title


def _label(
    panel: Axes, one: GridLine, changed: Sequence[int], values: Sequence[Sequence[object]]
) -> None:
    """Values of the parameters that change below the levels of a line."""

    def texts_of(few: list[int]) -> list[str]:
        return [text(label, LETTERS) for label in labels_of(values, one.points[few], changed)]

    label_places(panel, len(one.points), texts_of)


# ---------------------------------------------------------------------- which lines
def _chosen(
    seen: Given, grid: Space, best: Trial, along: str | Sequence[int] | None
) -> list[GridLine]:
    """The line that the user named, or those with the most measurements."""
    if along is not None:
        return [_line(seen.history, grid, best.point, _direction(grid, along))]
    directions = dict.fromkeys(
        axis_direction(j, grid.ndim)
        for j in range(grid.ndim)
        if grid.ordered[j] and grid.shape[j] > 2
    )
    for trial in seen.history:
        found = noted(trial, grid.ndim)
        if found is not None and _goes_through(best.point, found, grid.shape):
            directions.setdefault(found[1])
    lines = [_line(seen.history, grid, best.point, direction) for direction in directions]
    lines.sort(key=lambda one: -one.n_levels)
    kept = [one for one in lines if one.n_levels >= OWN] or lines
    if not kept:
        raise OptionError(
            "line: no parameter has an order and more than two values, so there is no line to draw"
        )
    return kept[:MOST]


def _direction(grid: Space, along: str | Sequence[int]) -> Direction:
    if isinstance(along, str):
        if along not in grid.names:
            raise OptionError(
                f"line(along={shown(along)}): expected the name of a parameter, one of "
                f"{list(grid.names)}"
            )
        return axis_direction(grid.names.index(along), grid.ndim)
    steps = tuple(along)
    if len(steps) != grid.ndim or not all(isinstance(s, (int, np.integer)) for s in steps):
        raise OptionError(
            f"line(along={shown(along)}): expected the name of a parameter, or {grid.ndim} whole "
            "numbers, the step of each parameter"
        )
    if not any(steps):
        raise OptionError(f"line(along={shown(along)}): expected a step that is not 0")
    return tuple(map(int, steps))


def _goes_through(point: Point, found: tuple[Point, Direction], shape: Sequence[int]) -> bool:
    through, direction = found
    return lowest(through, direction, shape) == lowest(point, direction, shape)


def _line(history: History, grid: Space, point: Point, direction: Direction) -> GridLine:
    points = points_of(point, direction, grid.shape)
    ids, at = (
        np.array(column, dtype=np.int64) for column in on_line(history, points[0], direction)
    )
    waits = history.in_state(State.PENDING)[ids] if len(ids) else np.zeros(0, dtype=bool)
    scored = np.isfinite(history.scores())[ids] if len(ids) else waits
    best = int(np.flatnonzero((points == np.array(point)).all(axis=1))[0])
    return GridLine(direction, points, ids[scored], at[scored], at[waits], best)


# ---------------------------------------------------------------------- curves
@dataclass(frozen=True)
class Curve:
    """Positions on a line, the curve there and the half width of its band, each shape (k,)."""

    x: Ints
    middle: Floats
    half: Floats
    of_grid: bool = False


def _values(history: History, one: GridLine) -> Floats:
    """What was measured of each trial on a line, in units of the figure."""
    return np.asarray(sign_of(history) * history.scores()[one.ids], dtype=float)


def _curves(seen: Given, grid: Space, lines: Sequence[GridLine]) -> list[Curve | None]:
    """The d-spline of each line; of one with few measurements that of the grid, if there is one."""
    own = [i for i, one in enumerate(lines) if one.n_levels >= OWN]
    found: list[Curve | None] = [None] * len(lines)
    for i, curve in zip(own, _own_curves(seen.history, [lines[i] for i in own]), strict=True):
        found[i] = curve
    if len(own) < len(lines):
        found = [f or c for f, c in zip(found, _grid_curves(seen, grid, lines), strict=True)]
    return found


def _own_curves(history: History, lines: Sequence[GridLine]) -> list[Curve]:
    """d-splines through the measurements on each line, all in one call where lines are short."""
    values = [_clipped(_values(history, one), history) for one in lines]
    if any(len(one.points) > MOST_LEVELS for one in lines):
        fits = (fit(o.at, v, len(o.points)) for o, v in zip(lines, values, strict=True))
        drawn = [_drawn_levels(one) for one in lines]
        return [Curve(x, f.at(x), _half(f.variance(x))) for x, f in zip(drawn, fits, strict=True)]
    if not lines:
        return []
    many = fit_many(
        np.cumsum([0, *(len(one.at) for one in lines)]),
        np.concatenate([one.at for one in lines]),
        np.concatenate(values),
        [len(one.points) for one in lines],
        curves=True,
        variances=True,
    )
    return [
        Curve(_drawn_levels(one), many.curve(i), _half(many.variance(i)))
        for i, one in enumerate(lines)
    ]


def _drawn_levels(one: GridLine) -> Ints:
    """Positions of a line that are drawn: all, or the measured and an even choice."""
    kept = np.arange(len(one.points), dtype=np.int64)
    if len(kept) > MOST_LEVELS:
        even = np.linspace(0, len(kept) - 1, MOST_LEVELS).astype(np.int64)
        kept = np.union1d(even, one.at)
    return kept


def _half(variance: Floats) -> Floats:
    """Half width of the band; infinite where the measurements are too few to estimate noise."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(BAND * np.sqrt(variance))


def _clipped(values: Floats, history: History) -> Floats:
    """Values that went astray count like the worst of the others."""
    scale = scale_of(values, less_is_better=sign_of(history) > 0)
    inside = values[~scale.beyond(values)]
    return np.clip(values, inside.min(), inside.max())


def _grid_curves(seen: Given, grid: Space, lines: Sequence[GridLine]) -> list[Curve | None]:
    """The d-spline of the whole grid on each line."""
    try:
        model = model_of(seen.history, grid)
    except FitError:  # fewer than MIN_POINTS points
        return [None] * len(lines)
    curves: list[Curve | None] = []
    for one in lines:
        kept = _drawn_levels(one)
        told = model.surface.predict(grid.coded(one.points[kept]))
        middle = sign_of(seen.history) * (model.mean + model.unit * told.mean)
        half = model.unit * _half(told.variance * model.scale)
        curves.append(Curve(kept, middle, half, of_grid=True))
    return curves


# ---------------------------------------------------------------------- drawing
def _scale(history: History, lines: Sequence[GridLine], curves: Sequence[Curve | None]) -> Scale:
    values = [_values(history, one) for one in lines]
    values += [curve.middle for curve in curves if curve is not None]
    return scale_of(np.concatenate(values), less_is_better=sign_of(history) > 0, linear=True)


def _draw(panel: Axes, one: GridLine, curve: Curve | None, scale: Scale, values: Floats) -> None:
    """The curve with its band, the measurements and what is asked."""
    if curve is not None:
        colour = SKY if curve.of_grid else BLUE
        known = np.isfinite(curve.half)
        if known.any():
            with np.errstate(over="ignore"):
                low = scale.drawn(curve.middle - curve.half)
                high = scale.drawn(curve.middle + curve.half)
            panel.fill_between(
                curve.x, low, high, where=known, color=PALE_BLUE, alpha=0.6, linewidth=0, zorder=1
            )
        panel.plot(curve.x, scale.drawn(curve.middle), color=colour, linewidth=1.8, zorder=2)
    panel.scatter(
        one.at,
        scale.drawn(values),
        s=22,
        color=ORANGE,
        edgecolors=BLACK,
        linewidths=0.6,
        zorder=4,
    )
    if len(one.pending):
        panel.scatter(
            one.pending,
            np.full(len(one.pending), 0.02),
            transform=panel.get_xaxis_transform(),
            marker="|",
            color=VERMILLION,
            zorder=5,
        )
    panel.axvline(one.best, color=GREY, linewidth=0.6, linestyle=(0, (2, 3)), zorder=0)
