"""What the model of a search is fitted to: distinct points, their places in the order of results, their numbers.

The model sees normal scores: the point in place r of n (counted from the best) has the value
Phi^-1((r - 1/2) / n). So it is the same for seconds, their logarithm or any other monotone change of
the goal, one huge value cannot drown the differences near the best, and values near the largest float
do no harm.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.spline.evidence import Hyperparameters
from dsice.spline.surface import Surface, fit_hyperparameters, fit_surface
from dsice.trial import State
from dsice.typing import Array, Point


@dataclass(frozen=True, eq=False)
class Measurements:
    """Distinct points of a history under its goal.

    Attributes
    ----------
    points
        Distinct measured points, int of shape (k, axes).
    values
        Normal score of each point, shape (k,): less is better; of a point measured repeatedly, the mean of the normal scores
        of its trials, so that one value far off counts as much as any bad one.
    metric
        The same of the goal's metric alone, whether bounds hold or not, shape (k,).
    counts
        Number of measurements of each point, shape (k,).
    failed
        Which points ended without a usable value, bool of shape (k,).
    ids
        First trial of each point, shape (k,).
    scores
        Mean score of each point, shape (k,); NaN where none is known.
    squares, dof
        Of the trials of each point: sum of squares around their mean, in units of `metric`, and its degrees of freedom,
        both of shape (k,).
    """

    points: Array
    values: Array
    metric: Array
    counts: Array
    failed: Array
    ids: Array
    scores: Array
    squares: Array
    dof: Array

    @classmethod
    def of(cls, history: History) -> Measurements:
        """Scored, failed and stopped trials of the goal's stage; at least one must be scored.

        Feasible points come before infeasible ones, these by their violation, and failed and stopped ones
        last, all alike.
        """
        scored = np.sort(history.order())
        told = [
            t.id
            for t in history
            if t.stage == history.goal.stage and t.state not in (State.PENDING, State.LOST)
        ]
        others = np.setdiff1d(np.array(told, dtype=np.int64), scored)
        ids = np.concatenate([scored, others])
        missing = np.full(len(others), np.nan)
        weights = np.array([len(history[int(i)].values) or 1 for i in ids], dtype=float)
        points, first, place = np.unique(
            history.points()[ids], axis=0, return_index=True, return_inverse=True
        )
        place = place.ravel()
        single = np.concatenate([history.scores()[scored], missing])
        good = np.isfinite(single)
        counts = np.bincount(place, weights=weights)
        valued = np.bincount(place, weights=weights * good)
        failed = valued == 0
        with np.errstate(over="ignore"):  # of values near the largest float: the worst, as they are
            scores = _mean(place, single, weights, good, valued)
        over = np.concatenate([history.violation()[scored], missing])
        each = _normal(single, over, ~good)
        counted = np.where(
            failed[place], True, good
        )  # of a point that worked at least once, the trials that did
        total = np.bincount(place, weights=weights * counted)
        values = _mean(place, each, weights, counted, total)
        alone = values
        if (over[good] > 0).any():
            each = _normal(single, np.zeros(len(over)), ~good)
            alone = _mean(place, each, weights, counted, total)
        squares = np.bincount(
            place, weights=np.where(counted & good, weights * (each - alone[place]) ** 2, 0.0)
        )
        dof = np.maximum(np.bincount(place, weights=good.astype(float)) - 1.0, 0.0)
        return cls(points, values, alone, counts, failed, ids[first], scores, squares, dof)

    def some(self, places: Array) -> Measurements:
        """Those of the points alone."""
        return Measurements(
            **{field.name: getattr(self, field.name)[places] for field in fields(self)}
        )

    def worth(self, values: Array) -> Array:
        """Normal scores of the metric back as scores, interpolated between the measured ones; the best and worst at the ends."""
        known = np.flatnonzero(~self.failed & np.isfinite(self.scores))
        order = known[np.argsort(self.metric[known], kind="stable")]
        return np.asarray(
            np.interp(values, self.metric[order], np.maximum.accumulate(self.scores[order]))
        )


def pooled(data: Measurements, history: History, ids: Array, single: Array) -> Array:
    """Mean of some number of the trials `ids` at each point of `data`, shape (k,); NaN where there is none."""
    places = {tuple(point): i for i, point in enumerate(data.points.tolist())}
    place = np.array(
        [places[tuple(point)] for point in history.points()[ids].tolist()], dtype=np.int64
    )
    good = np.isfinite(single)
    total = np.bincount(place, weights=good.astype(float), minlength=len(places))
    return _mean(place, single, np.ones(len(ids)), good, total)


def _mean(place: Array, values: Array, weights: Array, good: Array, total: Array) -> Array:
    """Weighted mean of the good values at each place, NaN where there is none."""
    share = np.divide(
        weights * good, total[place], out=np.zeros(len(weights)), where=total[place] > 0
    )
    sums = np.bincount(place, weights=np.where(good, values, 0.0) * share, minlength=len(total))
    return np.where(total > 0, sums, np.nan)


def _normal(scores: Array, violation: Array, failed: Array) -> Array:
    """Normal scores of the order by (failed, violation, score)."""
    columns = [np.where(failed, 0.0, _rounded(violation)), np.where(failed, 0.0, _rounded(scores))]
    keys = np.stack([failed.astype(float), *columns], axis=1)
    return normal_scores(np.unique(keys, axis=0, return_inverse=True)[1].ravel())


def _rounded(values: Array) -> Array:
    """Values in units of the way from the best to the median, to 9 digits: rounding errors must not order equal ones."""
    known = np.sort(values[np.isfinite(values)]) / 4.0  # or differences of huge ones overflow
    if not len(known):
        return values
    way = float(known[len(known) // 2] - known[0]) or float(known[-1] - known[0]) or 1.0
    with np.errstate(over="ignore"):  # beyond all measure: infinite, and all alike
        return np.asarray(np.round(values / 4.0 / way - known[0] / way, 9))


def normal_scores(values: Array) -> Array:
    """Phi^-1((r - 1/2) / n) of each value's place r, centred, standard deviation 1; equal values share the mean place."""
    from scipy.special import ndtri

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2.0  # mean place, counted from 1, less one half
    out = ndtri(middle[place.ravel()] / len(values))
    out = out - out.mean()
    return np.asarray(out / (out.std() or 1.0))


GROWTH = 1.12  # smoothness is fitted anew when there are so many times more points
_FITTED: OrderedDict[bytes, Hyperparameters] = OrderedDict()  # what follows from its key alone
_KEPT = 32  # one for each bound of the goal, too
FIELDS = ("points", "counts", "failed", "ids", "scores", "squares", "dof")


def surface_of(
    space: Space, data: Measurements, coming: Sequence[Point], log_lam: float | None = None
) -> Surface:
    """The model through all measured points.

    Hyperparameters are those of the oldest points, as many as the last step of a geometric series: they change
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
    hyperparameters = _hyperparameters(space, data, old, first, log_lam, repeats=ranks)
    pending = space.coded(np.array(coming, dtype=np.int64).reshape(-1, space.ndim))
    return fit_surface(
        space.coded(data.points),
        values,
        space.shape,
        space.ordered,
        counts=data.counts,
        pending=pending,
        hyperparameters=hyperparameters,
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
    mean = np.round(surface.predict_observed()[0], 9)
    return tuple(
        kept.points[surface.indices[np.lexsort((values[surface.indices], mean))[0]]].tolist()
    )


def _step(count: int) -> int:
    """The largest number of the series that is not above `count`."""
    step = 8.0
    while int(step * GROWTH) <= count:
        step = max(step * GROWTH, step + 1)
    return min(int(step), count)


def _hyperparameters(
    space: Space,
    data: Measurements,
    old: Array,
    values: Array,
    log_lam: float | None,
    *,
    repeats: bool,
) -> Hyperparameters:
    points, counts = space.coded(data.points[old]), data.counts[old]
    squares, dof = (
        (data.squares[old], data.dof[old]) if repeats else (np.zeros(len(old)), np.zeros(len(old)))
    )
    key = repr((space.shape, space.ordered, log_lam)).encode() + b"".join(
        a.tobytes() for a in (points, values, counts, squares)
    )
    if key not in _FITTED:
        _FITTED[key] = fit_hyperparameters(
            points,
            values,
            space.shape,
            space.ordered,
            counts=counts,
            log_lam=log_lam,
            squares=squares,
            dof=dof,
        )
        while len(_FITTED) > _KEPT:
            _FITTED.popitem(last=False)
    return _FITTED[key]
