"""The model of a history: which trials its smoothness is fitted to, and what it is drawn through."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.spline.evidence import Smoothness
from dsice.spline.surface import Surface, fit_surface, smoothness_of
from dsice.strategies.measurements import Measurements, normal_scores
from dsice.trial import Point

Array = np.ndarray[Any, np.dtype[Any]]
GROWTH = 1.12  # smoothness is fitted anew when there are so many times more points
_FITTED: OrderedDict[bytes, Smoothness] = OrderedDict()  # what follows from its key alone
_KEPT = 32  # one for each bound of the goal, too
FIELDS = ("points", "counts", "failed", "ids", "scores", "squares", "spare")


def surface_of(
    space: Space, data: Measurements, coming: Sequence[Point], log_lam: float | None = None
) -> Surface:
    """The model through all measured points.

    Smoothness and noise are those of the oldest points, as many as the last step of a geometric series: they change
    slowly, and one fit serves many single asks.
    """
    return surface_through(space, data, data.values, coming, log_lam, ranks=True)


def surface_through(
    space: Space,
    data: Measurements,
    values: Array,
    coming: Sequence[Point],
    log_lam: float | None,
    *,
    ranks: bool = False,
) -> Surface:
    """The model through other values at the measured points; `ranks`: they are normal scores."""
    old = np.sort(np.argsort(data.ids, kind="stable")[: _step(len(data.ids))])
    first = normal_scores(values[old]) if ranks else values[old]
    smoothness = _smoothness(space, data, old, first, log_lam, repeats=ranks)
    pending = space.coded(np.array(coming, dtype=np.int64).reshape(-1, space.ndim))
    return fit_surface(
        space.coded(data.points),
        values,
        space.shape,
        space.ordered,
        counts=data.counts,
        coming=pending,
        smoothness=smoothness,
    )


def lowest_mean(space: Space, history: History, log_lam: float | None = None) -> Point:
    """The measured, not failed point where the model's mean is lowest; feasible ones before others.

    The model is drawn through these points alone: next to points in last place it would smooth a good value away.
    """
    data = Measurements.of(history)
    feasible = history.feasible()[data.ids] & ~data.failed
    among = np.flatnonzero(feasible if feasible.any() else ~data.failed)
    kept = replace(data, **{name: getattr(data, name)[among] for name in FIELDS})
    values = normal_scores(data.values[among])
    surface = surface_through(space, kept, values, (), log_lam, ranks=True)
    mean = np.round(surface.measured()[0], 9)
    return tuple(
        kept.points[surface.places[np.lexsort((values[surface.places], mean))[0]]].tolist()
    )


def _step(count: int) -> int:
    """The largest number of the series that is not above `count`."""
    step = 8.0
    while int(step * GROWTH) <= count:
        step = max(step * GROWTH, step + 1)
    return min(int(step), count)


def _smoothness(
    space: Space,
    data: Measurements,
    old: Array,
    values: Array,
    log_lam: float | None,
    *,
    repeats: bool,
) -> Smoothness:
    points, counts = space.coded(data.points[old]), data.counts[old]
    squares, spare = (
        (data.squares[old], data.spare[old])
        if repeats
        else (np.zeros(len(old)), np.zeros(len(old)))
    )
    key = repr((space.shape, space.ordered, log_lam)).encode() + b"".join(
        a.tobytes() for a in (points, values, counts, squares)
    )
    if key not in _FITTED:
        _FITTED[key] = smoothness_of(
            points,
            values,
            space.shape,
            space.ordered,
            counts=counts,
            log_lam=log_lam,
            squares=squares,
            spare=spare,
        )
        while len(_FITTED) > _KEPT:
            _FITTED.popitem(last=False)
    return _FITTED[key]
