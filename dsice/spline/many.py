"""Fit tens of thousands of lines at once: :func:`fit_many` and its result :class:`ManyFits`."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsice.errors import FitError
from dsice.spline.grid import CONVENTIONS, UNIT, Grid
from dsice.spline.line import SplineFit, fixed_lam
from dsice.spline.packing import Batch, read_batch, read_line, tidied

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Results = tuple[Ints, Array, Array, Array]

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
        The curve there, the alpha used and the noise variance of a measurement of weight 1 (infinite without a spare
        measurement to estimate it from).
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
    minimum: Array
    alpha: Array
    sigma2: Array
    starts: Ints
    curves: Array | None
    variances: Array | None
    dof: Array | None

    def __len__(self) -> int:
        return len(self.argmin)

    def curve(self, i: int) -> Array:
        """The curve of line i, shape (n,); needs ``curves=True``."""
        return self._of(self.curves, "curves", i)

    def variance(self, i: int) -> Array:
        """The posterior variance of line i, shape (n,); needs ``variances=True``."""
        return self._of(self.variances, "variances", i)

    def _of(self, packed: Array | None, name: str, i: int) -> Array:
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
        Line i owns measurements ``offsets[i]`` to ``offsets[i + 1]`` (from 0 to K, each line at least one).
    levels, values, weights : shape (K,)
        As in :func:`dsice.spline.fit`. Lines whose levels rise strictly are taken as they are; others are sorted and
        their repeats merged first, which is slower.
    n : int or sequence of int, shape (L,)
        Levels on each line.
    alpha, spacing : as in :func:`dsice.spline.fit`; spacing is None or the name of a published grid.
    curves, variances : bool
        Also return the curves and their posterior variances at all levels.
    parallel : bool
        Use all of numba's threads (``NUMBA_NUM_THREADS``) for large batches. The result is the same.

    Raises
    ------
    FitError
        As :func:`dsice.spline.fit`, naming the line; offsets that do not fit the measurements.

    Notes
    -----
    The first call in a process imports numba and loads the machine code (about a second), the first on a machine
    compiles it (several seconds).

    Examples
    --------
    >>> fits = fit_many([0, 4, 7], [0, 5, 7, 12, 0, 2, 3], [3.0, 1.0, 1.5, 9.0, 5.0, 4.0, 4.5], [16, 4], alpha=0.1)
    >>> fits.argmin.tolist()
    [5, 2]
    """
    grid = UNIT
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


def _fit_plainly(batch: Batch, alpha: float | str, grid: Grid, results: Results) -> None:
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


def _fit_in_bulk(batch: Batch, lam: float, grid: Grid, parallel: bool, results: Results) -> None:
    """One call of compiled code, on several threads where the work pays for it."""
    from dsice.spline import kernels

    flags = np.empty(len(batch.sizes), np.bool_)
    if kernels.mark_untidy(_lines(batch), flags):
        batch = tidied(batch, flags)
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


def _lines(batch: Batch) -> tuple[Ints, Ints, Array, Array, Array, Ints, Ints]:
    return (
        batch.offsets,
        batch.levels,
        batch.values,
        batch.weights,
        batch.repeats,
        batch.sizes,
        batch.starts,
    )


def _scale(units: Array, sizes: Ints, results: Results) -> None:
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
