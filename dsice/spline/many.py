"""d-splines on many lines in one call, and the scores of many alphas on one line.

:func:`fit_many` returns :class:`ManyFits`, :func:`score_alphas` returns :class:`Scores`. Small
inputs are fitted in plain Python, large ones by the compiled code of `kernels`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsice.errors import FitError
from dsice.spline.knots import (
    CONVENTIONS,
    UNIT_GRID,
    MarkerGrid,
    make_grid,
    read_knots,
)
from dsice.spline.line import SplineFit
from dsice.spline.packing import PackedData, merge_flagged, read_batch, read_line
from dsice.spline.smoothing import fixed_lam
from dsice.typing import Floats, Ints

ResultArrays = tuple[Ints, Floats, Floats, Floats]
"""argmin; minimum, lam, sigma2 and dof, shape (L, 4); curves; posterior variances."""

BULK_FROM = 1000
"""Measurements from which numba is worth loading; plain Python needs some 20 ms for fewer."""
PARALLEL_FROM = 20_000
"""Measurements and grid points from which threads pay for starting them."""

SCORES_BULK_FROM = 2000
"""Knots times alphas from which numba is worth loading."""

# numba's simplest threading layer ends the process when two threads enter it at once
_threads = threading.Lock()


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

    Examples
    --------
    >>> from dsice.spline import fit_many
    >>> fits = fit_many([0, 3, 5], [0, 4, 8, 0, 3], [3.0, 1.0, 2.0, 1.0, 0.0], [9, 4])
    >>> len(fits), fits.argmin.tolist()
    (2, [4, 3])
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
    """Fit L lines in one call of compiled code, each as :func:`dsice.spline.fit` to rounding.

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
    -----
    ----- The first call in a process imports numba and loads the machine code (about a second), the
    first on a machine compiles it (several seconds).

    Examples
    --------
    >>> levels = [0, 5, 7, 12, 0, 2, 3]
    >>> values = [3.0, 1.0, 1.5, 9.0, 5.0, 4.0, 4.5]
    >>> fits = fit_many([0, 4, 7], levels, values, [16, 4], alpha=0.1)
    >>> fits.argmin.tolist()
    [5, 2]
    """
    grid = UNIT_GRID
    if spacing is not None:
        if not isinstance(spacing, str) or spacing not in CONVENTIONS:
            raise FitError(
                f"spacing: expected None or one of {sorted(CONVENTIONS)}, got {spacing!r}; "
                "for real positions use fit"
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
    batch: PackedData, alpha: float | str, grid: MarkerGrid, results: ResultArrays
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
    batch: PackedData, lam: float, grid: MarkerGrid, parallel: bool, results: ResultArrays
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


def _lines(batch: PackedData) -> tuple[Ints, Ints, Floats, Floats, Floats, Ints, Ints]:
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
    """Undo the scaling of lines with extreme values."""
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


class Scores(NamedTuple):
    """Scores of A alphas, each of shape (A,), as those of ``SplineFit``; lower is better.

    Examples
    --------
    >>> from dsice.spline import score_alphas
    >>> scores = score_alphas([0, 2, 4, 8], [3.0, 1.9, 1.0, 2.0], 9, [0.1, 1.0])
    >>> type(scores).__name__, scores.loo.shape
    ('Scores', (2,))
    """

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
    """REML, GCV and leave-one-out score of A alphas on one line.

    The arguments are those of :func:`dsice.spline.fit`.

    Examples
    --------
    >>> values = [5.0, 3.1, 2.2, 0.9, 1.1, 1.8, 3.3, 4.7]
    >>> scores = score_alphas(range(8), values, 8, [0.1, 1.0, 10.0])
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
