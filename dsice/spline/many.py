"""Fit tens of thousands of lines at once: :func:`fit_many` and its result :class:`ManyFits`."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsice.errors import FitError
from dsice.spline.knots import (
    CONVENTIONS,
    UNIT_GRID,
    Knots,
    MarkerGrid,
    make_grid,
    merge_line,
    read_knots,
)
from dsice.spline.line import SplineFit, fixed_lam
from dsice.typing import Floats, Ints


@dataclass(frozen=True)
class PackedLines:
    """Line i has measurements offsets[i] to offsets[i + 1] of levels, values and weights, on sizes[i] levels.

    No weights: all 1. starts: where the levels of each line begin when the grids of all lines are
    packed, shape (L + 1,). Tidied, the levels of each line rise strictly; ``repeats[i]`` then holds
    the number of measurements, their weighted sum of squares within repeats and their mean weight,
    and the real values are ``values * units[i]`` (None: all 1).
    """

    offsets: Ints
    levels: Ints
    values: Floats
    weights: Floats
    sizes: Ints
    starts: Ints
    repeats: Floats
    units: Floats | None = None


def read_batch(
    offsets: ArrayLike,
    levels: ArrayLike,
    values: ArrayLike,
    n: ArrayLike,
    weights: ArrayLike | None,
) -> PackedLines:
    """Convert and check what concerns the batch as a whole; see :func:`dsice.spline.fit_many` for what is accepted."""
    ends, places = whole(offsets, "offsets"), whole(levels, "levels")
    y = _floats(values, "values")
    w = np.empty(0) if weights is None else _floats(weights, "weights")
    if not len(places) == len(y) == (len(y) if weights is None else len(w)):
        raise FitError(
            f"levels, values, weights: expected equal lengths, got {len(places)}, {len(y)} and {len(w)}"
        )
    if len(ends) < 1 or ends[0] != 0 or ends[-1] != len(places):
        raise FitError(
            f"offsets: expected them to run from 0 to the number of measurements, {len(places)}, got {ends}"
        )
    counts = np.diff(ends)
    if (counts < 1).any():
        raise FitError(
            f"offsets: expected at least one measurement on each line, but line {int(np.argmax(counts < 1))} has none"
        )
    sizes = whole(n, "n")
    if len(sizes) not in (1, len(counts)):
        raise FitError(
            f"n: expected one number of levels or one for each of the {len(counts)} lines, got {len(sizes)}"
        )
    repeats = np.zeros((len(counts), 3))
    repeats[:, 0], repeats[:, 2] = counts, 1.0
    if weights is not None and len(counts):
        repeats[:, 2] = np.add.reduceat(w, ends[:-1]) / counts
    sizes = np.broadcast_to(sizes, counts.shape).copy()
    return PackedLines(ends, places, y, w, sizes, _cumulated(sizes), repeats)


def _cumulated(counts: Ints) -> Ints:
    """0 and the running sums."""
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def merge_flagged(batch: PackedLines, untidy: NDArray[np.bool_]) -> PackedLines:
    """The batch with flagged lines sorted, merged and scaled (or the error of the first that cannot be)."""
    pieces: list[tuple[NDArray[np.generic], ...]] = []
    if not len(batch.weights):
        batch = replace(batch, weights=np.ones(len(batch.values)))
    counts, repeats, units = np.diff(batch.offsets), batch.repeats.copy(), np.ones(len(batch.sizes))
    done = 0
    for i in np.flatnonzero(untidy).tolist():
        begin, end = batch.offsets[i], batch.offsets[i + 1]
        knots = read_line(batch, i)
        pieces.append(
            (batch.levels[done:begin], batch.values[done:begin], batch.weights[done:begin])
        )
        pieces.append(
            (np.array(knots.levels, np.int64), np.array(knots.y) + knots.mean, np.array(knots.w))
        )
        counts[i], units[i] = len(knots.levels), knots.unit
        repeats[i] = knots.n_measured, knots.within, knots.weight
        done = end
    pieces.append((batch.levels[done:], batch.values[done:], batch.weights[done:]))
    levels, values, weights = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return replace(
        batch,
        offsets=_cumulated(counts),
        levels=levels,
        values=values,
        weights=weights,
        repeats=repeats,
        units=units,
    )


def read_line(batch: PackedLines, i: int) -> Knots:
    """Line i checked and merged on its own."""
    part = slice(batch.offsets[i], batch.offsets[i + 1])
    levels, values = batch.levels[part].tolist(), batch.values[part].tolist()
    weights = batch.weights[part].tolist() if len(batch.weights) else None
    try:
        return merge_line(levels, values, int(batch.sizes[i]), weights)
    except FitError as error:
        raise FitError(f"line {i}: {error}") from None


def whole(data: ArrayLike, name: str) -> Ints:
    """Whole numbers as kernels take them: int64, C-contiguous, writeable (or of another signature), one dimension."""
    array = np.atleast_1d(np.asarray(data))
    if array.size == 0:
        array = array.astype(np.int64)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iuf"
        or (array.dtype.kind == "f" and not (array == np.rint(array)).all())
    ):
        raise FitError(
            f"{name}: expected whole numbers in one dimension, got shape {array.shape} of {array.dtype}"
        )
    return np.require(array, np.int64, ["C", "A", "W"])


def _floats(data: ArrayLike, name: str) -> Floats:
    try:
        array = np.require(data, np.float64, ["C", "A", "W"])
    except (TypeError, ValueError):
        raise FitError(f"{name}: expected numbers, got {data!r}") from None
    if array.ndim != 1:
        raise FitError(f"{name}: expected one dimension, got shape {array.shape}")
    return array


ResultArrays = tuple[Ints, Floats, Floats, Floats]

BULK_FROM = 1000
"""Measurements from which numba is worth loading; smaller batches are fitted in plain Python (some 20 ms)."""
PARALLEL_FROM = 20_000
"""Measurements and grid points from which threads pay for starting them."""

_threads = (
    threading.Lock()
)  # numba's simplest threading layer ends the process when two threads enter it at once


@dataclass(frozen=True)
class ManyFits:
    """d-splines on L lines, packed like their input (CSR).

    Attributes
    ----------
    argmin : int64, shape (L,)
        Level where each curve is lowest.
    minimum, alpha, sigma2 : float64, shape (L,)
        The curve there, the alpha used and the noise variance of a measurement of weight 1
        (infinite without a spare measurement to estimate it from).
    starts : int64, shape (L + 1,)
        Level j of line i is element ``starts[i] + j`` of curves and variances.
    curves : float64, shape (starts[-1],), or None
        The curves at all levels.
    variances : float64, shape (starts[-1],), or None
        Posterior variance of the curves at all levels.
    dof : float64, shape (L,), or None
        Effective degrees of freedom, with the variances.
    """

    argmin: Ints
    minimum: Floats
    alpha: Floats
    sigma2: Floats
    starts: Ints
    curves: Floats | None
    variances: Floats | None
    dof: Floats | None

    def __len__(self) -> int:
        return len(self.argmin)

    def curve(self, i: int) -> Floats:
        """The curve of line i, shape (n,); needs ``curves=True``."""
        return self._of(self.curves, "curves", i)

    def variance(self, i: int) -> Floats:
        """The posterior variance of line i, shape (n,); needs ``variances=True``."""
        return self._of(self.variances, "variances", i)

    def _of(self, packed: Floats | None, name: str, i: int) -> Floats:
        if packed is None:
            raise FitError(f"{name}: not computed; call fit_many(..., {name}=True)")
        i = range(len(self))[i]  # negative indices from the end, IndexError outside
        return packed[self.starts[i] : self.starts[i + 1]]


def fit_many(
    offsets: ArrayLike,
    levels: ArrayLike,
    values: ArrayLike,
    n: ArrayLike,
    *,
    alpha: float | str = "reml",
    weights: ArrayLike | None = None,
    spacing: str | None = None,
    curves: bool = False,
    variances: bool = False,
    parallel: bool = True,
) -> ManyFits:
    """Fit L lines in one call of compiled code, each as :func:`dsice.spline.fit` would (to rounding).

    Parameters
    ----------
    offsets : sequence of int, shape (L + 1,)
        Line i owns measurements ``offsets[i]`` to ``offsets[i + 1]`` (from 0 to K, each line at
        least one).
    levels, values, weights : shape (K,)
        As in :func:`dsice.spline.fit`. Lines whose levels rise strictly are taken as they are;
        others are sorted and their repeats merged first, which is slower.
    n : int or sequence of int, shape (L,)
        Levels on each line.
    alpha, spacing : as in :func:`dsice.spline.fit`; spacing is None or the name of a published
    grid. curves, variances : bool
        Also return the curves and their posterior variances at all levels.
    parallel : bool
        Use all of numba's threads (``NUMBA_NUM_THREADS``) for large batches. The result is the
        same.

    Raises
    ------
    FitError
        As :func:`dsice.spline.fit`, naming the line; offsets that do not fit the measurements.

    Notes
    ----- The first call in a process imports numba and loads the machine code (about a second), the
    first on a machine compiles it (several seconds).

    Examples
    --------
    >>> fits = fit_many([0, 4, 7], [0, 5, 7, 12, 0, 2, 3], [3.0, 1.0, 1.5, 9.0, 5.0, 4.0, 4.5], [16, 4], alpha=0.1)
    >>> fits.argmin.tolist()
    [5, 2]
    """
    grid = UNIT_GRID
    if spacing is not None:
        if not isinstance(spacing, str) or spacing not in CONVENTIONS:
            raise FitError(
                f"spacing: expected None or one of {sorted(CONVENTIONS)}, got {spacing!r}; for real positions use fit"
            )
        grid = CONVENTIONS[spacing]
    lam = 0.0 if isinstance(alpha, str) and alpha == "reml" else fixed_lam(alpha)
    batch = read_batch(offsets, levels, values, n, weights)
    lines = len(batch.sizes)
    size = int(np.maximum(batch.sizes, 0).sum()) if curves or variances else 0
    argmin, stats = np.empty(lines, np.int64), np.empty((lines, 4))
    curve, band = np.empty(size if curves else 0), np.empty(size if variances else 0)
    results = (argmin, stats, curve, band)
    if len(batch.levels) < BULK_FROM:
        _fit_plainly(batch, alpha, grid, results)
    else:
        _fit_in_bulk(batch, lam, grid, parallel, results)
    minimum, used, sigma2, dof = (np.ascontiguousarray(column) for column in stats.T)
    return ManyFits(
        argmin,
        minimum,
        np.sqrt(used),
        sigma2,
        batch.starts,
        curve if curves else None,
        band if variances else None,
        dof if variances else None,
    )


def _fit_plainly(
    batch: PackedLines, alpha: float | str, grid: MarkerGrid, results: ResultArrays
) -> None:
    """One line after the other, without numba."""
    argmin, stats, curve, band = results
    starts = batch.starts
    for i in range(len(batch.sizes)):
        spline = SplineFit(read_line(batch, i), int(batch.sizes[i]), grid, alpha)
        argmin[i] = spline.argmin
        stats[i] = spline.minimum, spline.alpha**2, spline.sigma2, spline.dof if len(band) else 0.0
        here = np.arange(spline.n)
        if len(curve):
            curve[starts[i] : starts[i + 1]] = spline.at(here)
        if len(band):
            band[starts[i] : starts[i + 1]] = spline.variance(here)


def _fit_in_bulk(
    batch: PackedLines, lam: float, grid: MarkerGrid, parallel: bool, results: ResultArrays
) -> None:
    """One call of compiled code, on several threads where the work pays for it."""
    from dsice.spline import kernels

    flags = np.empty(len(batch.sizes), np.bool_)
    if kernels.flag_irregular(_lines(batch), flags):
        batch = merge_flagged(batch, flags)
    shape = (float(grid.before), float(grid.step), float(grid.after))
    work = batch.offsets + (batch.starts if len(results[2]) or len(results[3]) else 0)
    threads = kernels.get_num_threads()
    if not parallel or threads == 1 or work[-1] < PARALLEL_FROM:
        kernels.fit_lines(0, len(batch.sizes), _lines(batch), lam, shape, results)
    else:
        cuts = np.searchsorted(work, np.linspace(0, work[-1], 4 * threads + 1)).astype(np.int64)
        with _threads:
            kernels.fit_lines_parallel(cuts, _lines(batch), lam, shape, results)
    if batch.units is not None:
        _scale(batch.units, np.diff(batch.starts), results)


def _lines(batch: PackedLines) -> tuple[Ints, Ints, Floats, Floats, Floats, Ints, Ints]:
    return (
        batch.offsets,
        batch.levels,
        batch.values,
        batch.weights,
        batch.repeats,
        batch.sizes,
        batch.starts,
    )


def _scale(units: Floats, sizes: Ints, results: ResultArrays) -> None:
    """Back from the scale in which lines with extreme values were fitted."""
    _, stats, curve, band = results
    with np.errstate(over="ignore", under="ignore"):
        stats[:, 0] *= units
        stats[:, 2] *= units
        stats[:, 2] *= units
        each = np.repeat(units, sizes)
        if len(curve):
            curve *= each
        if len(band):
            band *= each
            band *= each


SCORES_BULK_FROM = 2000
"""Knots times alphas from which numba is worth loading."""


class Scores(NamedTuple):
    """Lower is better; each of shape (A,), defined as the properties of the same names of ``SplineFit``."""

    reml: NDArray[np.float64]
    gcv: NDArray[np.float64]
    loo: NDArray[np.float64]


def score_alphas(
    levels: ArrayLike,
    values: ArrayLike,
    n: int,
    alphas: Iterable[float],
    *,
    weights: ArrayLike | None = None,
    spacing: str | Iterable[float] | None = None,
) -> Scores:
    """REML, GCV and leave-one-out score of A alphas on one line; arguments as in :func:`dsice.spline.fit`.

    Examples
    --------
    >>> scores = score_alphas(range(8), [5.0, 3.1, 2.2, 0.9, 1.1, 1.8, 3.3, 4.7], 8, [0.1, 1.0, 10.0])
    >>> scores.loo.round(2).tolist()
    [0.23, 0.35, 4.17]
    """
    knots = read_knots(levels, values, n, weights)
    grid = UNIT_GRID if spacing is None else make_grid(spacing, int(n))
    lams = np.array([fixed_lam(alpha) for alpha in alphas], np.float64)
    k = len(knots.y)
    if (
        k < 3
        or knots.n_measured > k
        or grid.positions is not None
        or k * len(lams) < SCORES_BULK_FROM
    ):
        fits = [SplineFit(knots, int(n), grid, math.sqrt(lam)) for lam in lams.tolist()]
        return Scores(
            *(np.array([getattr(fit, name) for fit in fits], np.float64) for name in Scores._fields)
        )
    from dsice.spline import kernels  # numba is loaded on first bulk use only

    out = np.empty((len(lams), 3))
    x = np.array(knots.levels) * float(grid.step)
    kernels.score_lams(x, np.array(knots.y), np.array(knots.w), lams, out)
    reml, gcv, loo = (np.ascontiguousarray(column) for column in out.T)
    reml += 2 * (k - 2) * math.log(knots.unit)
    return Scores(reml, gcv * knots.unit**2, loo * knots.unit**2)
