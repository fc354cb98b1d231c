"""The model of a search: distinct points, their normal scores, and the d-spline through them.

The model sees normal scores (van der Waerden scores): the point in place r of n, counted from the
best, has the value Phi^-1((r - 1/2) / n). So it is the same for seconds, their logarithm or any
other monotone change of the goal, one huge value cannot drown the differences near the best, and
values near the largest float do no harm. See "Normal scores" in docs/method.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.spline.evidence import Hyperparameters
from dsice.spline.surface import Surface, fit_hyperparameters, fit_surface
from dsice.trial import State
from dsice.typing import Array, Floats, Ints, Point


@dataclass(frozen=True, eq=False)
class Measurements:
    """Distinct points of a history under its goal.

    Attributes
    ----------
    points
        Distinct measured points, int of shape (k, axes).
    values
        Normal score of each point, shape (k,): less is better. Of a point measured repeatedly it is
        the mean of the normal scores of its trials, so that one value far off counts as much as any
        bad one; under a goal of the median or the minimum, the normal score of that.
    metric
        The same of the goal's metric alone, whether bounds hold or not, shape (k,).
    counts
        How many single measurements tell as much as what is known of each point, shape (k,): their
        number under a goal of the mean (`Goal.information`).
    failed
        Which points ended without a usable value, bool of shape (k,).
    ids
        First trial of each point, shape (k,).
    scores
        Score of each point, shape (k,); NaN where none is known.
    squares, dof
        Of the trials of each point: the sum of squares around their mean, in units of `metric`, and
        its residual degrees of freedom, both of shape (k,): SS and nu of method.md, eq. (23).
    """

    points: Ints
    values: Floats
    metric: Floats
    counts: Array
    failed: Array
    ids: Ints
    scores: Floats
    squares: Array
    dof: Array

    @classmethod
    def of(cls, history: History) -> Measurements:
        """Scored, failed and stopped trials of the goal's stage; at least one must be scored.

        Feasible points come before infeasible ones, these in the order of their violation, and
        failed and stopped ones last, all alike.
        """
        scored = np.sort(history.order())
        ended = history.of_stage()
        ended &= ~history.in_state(State.PENDING, State.LOST, State.WITHDRAWN)
        ids = np.concatenate([scored, np.setdiff1d(np.flatnonzero(ended), scored)])
        missing = np.full(len(ids) - len(scored), np.nan)
        single = np.concatenate([history.scores()[scored], missing])
        violation = np.concatenate([history.violation()[scored], missing])
        weights = np.maximum(history.counts()[ids], 1).astype(float)
        good = np.isfinite(single)
        first, place = distinct(history.points()[ids])
        points = history.points()[ids[first]]

        goal = history.goal
        counts: Array = np.bincount(place, weights=weights)
        # What trials are ranked by: all of one point alike, unless the mean of their ranks counts.
        ranked = single
        if goal.of != "mean":
            counts = goal.information(counts)
            weights = goal.information(weights)
            ranked = np.concatenate([history.point_scores()[scored], missing])
        valued = np.bincount(place, weights=weights * good)
        failed = valued == 0
        with np.errstate(over="ignore"):  # of values near the largest float: the worst, as they are
            scores = _weighted_mean(place, ranked, weights, good, valued)

        # Of a point that worked at least once, the trials that did.
        counted = np.where(failed[place], True, good)
        total = np.bincount(place, weights=weights * counted)
        each = _normal_scores_by(ranked, violation, ~good)
        values = metric = _weighted_mean(place, each, weights, counted, total)
        if (violation[good] > 0).any():
            each = _normal_scores_by(ranked, np.zeros(len(ids)), ~good)
            metric = _weighted_mean(place, each, weights, counted, total)

        middle = metric
        if goal.of != "mean":  # the scatter of the trials themselves
            each = _normal_scores_by(single, np.zeros(len(ids)), ~good)
            middle = _weighted_mean(place, each, weights, counted, total)
        deviation = weights * (each - middle[place]) ** 2
        told = counted & good & (goal.of != "min")  # they say nothing of the noise of a minimum
        squares = np.bincount(place, weights=np.where(told, deviation, 0.0))
        dof = np.maximum(np.bincount(place, weights=told.astype(float)) - 1.0, 0.0)
        return cls(points, values, metric, counts, failed, ids[first], scores, squares, dof)

    @classmethod
    def none(cls, ndim: int) -> Measurements:
        """No measurements on a grid of so many axes."""
        empty, whole = np.empty(0), np.empty(0, dtype=np.int64)
        points = np.empty((0, ndim), dtype=np.int64)
        return cls(points, empty, empty, empty, np.empty(0, dtype=bool), whole, empty, empty, empty)

    def subset(self, places: Array) -> Measurements:
        """The measurements of some of the points."""
        kept = {field.name: getattr(self, field.name)[places] for field in fields(self)}
        return Measurements(**kept)

    def to_scores(self, values: Floats) -> Floats:
        """Prediction of given normal scores of the metric: the inverse of the transform.

        It interpolates between the measured scores; at the ends it is the best and the worst.
        """
        known = np.flatnonzero(~self.failed & np.isfinite(self.scores))
        if not len(known):
            return np.full(len(values), np.nan)
        order = known[np.argsort(self.metric[known], kind="stable")]
        ascending = np.maximum.accumulate(self.scores[order])
        return np.asarray(np.interp(values, self.metric[order], ascending))

    def mean_per_point(self, history: History, ids: Ints, single: Floats) -> Floats:
        """Mean at each point of a number that trials have, shape (k,); NaN where it is unknown.

        Parameters
        ----------
        ids, single
            The trials, and the number of each, shape (n,).
        """
        places = {tuple(point): i for i, point in enumerate(self.points.tolist())}
        place = np.array(
            [places[tuple(point)] for point in history.points()[ids].tolist()], dtype=np.int64
        )
        good = np.isfinite(single)
        total = np.bincount(place, weights=good.astype(float), minlength=len(places))
        return _weighted_mean(place, single, np.ones(len(ids)), good, total)


def distinct(rows: Array) -> tuple[Ints, Ints]:
    """The first of each distinct row, in ascending order, and the place of each row among them.

    As `numpy.unique` along the first axis, which takes many times longer.
    """
    order = np.lexsort(rows.T[::-1])
    ascending = rows[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (ascending[1:] != ascending[:-1]).any(axis=1)
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    return order[new], place


def _weighted_mean(
    place: Ints, values: Floats, weights: Floats, good: Array, total: Array
) -> Floats:
    """Weighted mean of the good values at each point, NaN where there is none.

    Parameters
    ----------
    place
        Number of the point that each value belongs to, shape (n,).
    values, weights, good
        The values, their weights and which of them count, shape (n,).
    total
        Sum of the weights that count at each point, shape (k,).
    """
    share = np.divide(
        weights * good, total[place], out=np.zeros(len(weights)), where=total[place] > 0
    )
    sums = np.bincount(place, weights=np.where(good, values, 0.0) * share, minlength=len(total))
    return np.where(total > 0, sums, np.nan)


def _normal_scores_by(scores: Floats, violation: Floats, failed: Array) -> Floats:
    """Normal scores of the order by (failed, violation, score), shape (n,)."""
    keys = [
        failed.astype(float),
        np.where(failed, 0.0, _rounded(violation)),
        np.where(failed, 0.0, _rounded(scores)),
    ]
    return normal_scores(distinct(np.stack(keys, axis=1))[1])


def _rounded(values: Floats) -> Floats:
    """Values in units of the distance from the best to the median, to 9 digits.

    Rounding errors must not order values that are equal.
    """
    known = np.sort(values[np.isfinite(values)]) / 4.0  # or differences of huge ones overflow
    if not len(known):
        return values
    unit = float(known[len(known) // 2] - known[0]) or float(known[-1] - known[0]) or 1.0
    with np.errstate(over="ignore"):  # far beyond the others: infinite, and all alike
        return np.asarray(np.round(values / 4.0 / unit - known[0] / unit, 9))


def normal_scores(values: Array) -> Floats:
    """Phi^-1((r - 1/2) / n) of each value's place r, centred, with standard deviation 1.

    Equal values share their mean place (method.md, eq. (18)).
    """
    from scipy.special import ndtri

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2.0  # mean place, counted from 1, less one half
    found = ndtri(middle[place.ravel()] / len(values))
    found = found - found.mean()
    return np.asarray(found / (found.std() or 1.0))


# ---------------------------------------------------------------- the d-spline through them

GROWTH = 1.12  # hyperparameters are fitted anew when there are so many times more points
FIRST_FIT = 8.0  # points of the first fit
KEPT = 32  # fits in memory: one for each bound of the goal, too
_FITTED: OrderedDict[bytes, Hyperparameters] = OrderedDict()  # each follows from its key alone


def surface_through(
    space: Space,
    data: Measurements,
    values: Floats,
    log_lam: float | None,
    *,
    normal: bool = False,
    less: Callable[[Ints, Floats], Floats] | None = None,
) -> Surface:
    """The model through some values at the measured points.

    Its hyperparameters are those of the oldest points, as many as the last step of a geometric
    series: they change slowly, and one fit serves many single asks.

    Parameters
    ----------
    data
        The measured points.
    values
        A value for each of them, shape (k,).
    log_lam
        Logarithm of the weight of bending; None: fitted.
    normal
        Whether the values are normal scores, those of `data.metric` or `data.values`.
    less
        Takes from values at coded points what something else says of them, for the fit of the
        hyperparameters.
    """
    oldest = np.argsort(data.ids, kind="stable")[: _fitted_count(len(data.ids))]
    old = np.sort(oldest)
    first = normal_scores(values[old]) if normal else values[old]
    if less is not None:
        first = less(space.coded(data.points[old]), first)
    hyperparameters = _hyperparameters(space, data.subset(old), first, log_lam, repeats=normal)
    return fit_surface(
        space.coded(data.points),
        values,
        space.shape,
        space.ordered,
        counts=data.counts,
        hyperparameters=hyperparameters,
    )


def lowest_mean(space: Space, history: History, log_lam: float | None = None) -> Point | None:
    """The measured, not failed point where the model's mean is lowest; feasible ones before others.

    None where the rules in force allow none of them.

    The model is drawn through these points alone: next to points in last place it would smooth a
    good value away.
    """
    data = Measurements.of(history)
    usable = ~data.failed & history.allowed()[data.ids]
    if not usable.any():
        return None
    feasible = usable & history.feasible()[data.ids]
    among = feasible if feasible.any() else usable
    kept = data.subset(np.flatnonzero(among))
    values = normal_scores(kept.values)
    surface = surface_through(space, kept, values, log_lam, normal=True)
    mean = np.round(surface.predict_observed()[0], 9)
    best = surface.indices[np.lexsort((values[surface.indices], mean))[0]]
    return tuple(kept.points[best].tolist())


def _fitted_count(count: int) -> int:
    """The largest number of the geometric series that is not above `count`."""
    step = FIRST_FIT
    while int(step * GROWTH) <= count:
        step = max(step * GROWTH, step + 1)
    return min(int(step), count)


def _hyperparameters(
    space: Space, data: Measurements, values: Floats, log_lam: float | None, *, repeats: bool
) -> Hyperparameters:
    """Hyperparameters for these values at the points of `data`, fitted or from memory."""
    points = space.coded(data.points)
    squares = data.squares if repeats else np.zeros(len(values))
    dof = data.dof if repeats else np.zeros(len(values))
    key = repr((space.shape, space.ordered, log_lam)).encode() + b"".join(
        a.tobytes() for a in (points, values, data.counts, squares)
    )
    if key not in _FITTED:
        _FITTED[key] = fit_hyperparameters(
            points,
            values,
            space.shape,
            space.ordered,
            counts=data.counts,
            log_lam=log_lam,
            squares=squares,
            dof=dof,
        )
        while len(_FITTED) > KEPT:
            _FITTED.popitem(last=False)
    return _FITTED[key]
