"""All compiled kernels of dsice, in one file.

Importing this module imports numba; only bulk work does so, on first use. A kernel takes
C-contiguous int64 and float64 arrays and scalars, always with the same signature;
it checks nothing.

1. The d-spline on a line. The arithmetic is that of `plain` and `smoothing` on discrete grids
   (c = 1), in the same order; the formulas are explained there and in method.md, eqs. (11) to (17).
2. Whole lines: `fit_one`, `fit_knots`, `score_lams`, `fit_lines`, `flag_irregular`.
3. The n-dimensional d-spline: covariances, gradient and predictions on a grid, method.md,
   eqs. (4) to (10).

Arguments that many kernels share, of which the first k elements count:

=========  =================================================================================
x, y       Positions and values at the k knots (distinct measured levels).
w, iw      Weights, and one over the weights.
g          lam / weight at each knot.
f, m       The curve and its second differences at the knots.
rows[j]    Row j of the factored system: u, d, L[j, j-1], L[j, j-2], r[j] (`plain.Row`).
band       Diagonals 0 to 3 of B^-1, shape (k + 5, 4).
grid       Position of level 0, distance between levels, markers beyond the last level.
=========  =================================================================================
"""

from __future__ import annotations

import math

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from dsice.spline.numerics import kernel
from dsice.typing import Floats, Ints

__all__ = [
    "fit_knots",
    "fit_lines",
    "fit_lines_parallel",
    "fit_one",
    "flag_irregular",
    "get_num_threads",
    "grid_covariance",
    "grid_gradient",
    "grid_line_means",
    "score_lams",
]

GridShape = tuple[float, float, float]
"""Position of level 0, distance between levels, markers beyond the last level."""
RepeatStats = tuple[float, float, float]
"""Number of measurements of a line, sum of squares within repeats, largest magnitude of a value."""

# Constants of the plain path, repeated: numba's cache only notices changes of this file.
THIRD = 1.0 / 3.0
SIXTH = 1.0 / 6.0
REFINE_FROM = 1e4 / 9.0
REML_KNOTS = 6
DEFAULT_LAM = 0.25
PRIOR_MEAN = -0.5
STEPS_PER_DECADE = 32
MAX_RATIO = 1e13


@kernel(inline=True)
def factor(k: int, x: Floats, y: Floats, g: Floats, rows: Floats) -> None:
    """Factor B and eliminate z into k - 2 rows, for k >= 3 knots: method.md, eq. (12)."""
    h1, r0, r1 = x[2] - x[1], 1.0 / (x[1] - x[0]), 1.0 / (x[2] - x[1])
    s1 = r1 * (y[2] - y[1])
    gr = g[1] * (r0 + r1)
    d1 = (x[1] - x[0] + h1) * THIRD + (SIXTH + gr) * (r0 + r1) + g[0] * r0 * r0 + g[2] * r1 * r1
    u1 = s1 - r0 * (y[1] - y[0])
    d2, u2, a = math.inf, 0.0, 0.0
    rows[0, 0], rows[0, 1], rows[0, 2], rows[0, 3], rows[0, 4] = u1, d1, 0.0, 0.0, r0
    for j in range(1, k - 2):
        h2 = x[j + 2] - x[j + 1]
        r2 = 1.0 / h2
        s2 = r2 * (y[j + 2] - y[j + 1])
        rs = r1 + r2
        gs = g[j + 1] * rs
        p, q = SIXTH + gs, g[j] * r1
        t2 = q * r0
        t1 = h1 * SIXTH - r1 * (gr + p) - t2 * a
        b = t2 / d2
        a = t1 / d1
        d = (h1 + h2) * THIRD + p * rs + q * r1 + g[j + 2] * r2 * r2 - t1 * a - t2 * b
        if d <= 0.0:
            d = (h1 + h2) * THIRD + p * rs
        u = s2 - s1 - a * u1 - b * u2
        rows[j, 0], rows[j, 1], rows[j, 2], rows[j, 3], rows[j, 4] = u, d, a, b, r1
        d2, d1, u2, u1, h1, r0, r1, s1, gr = d1, d, u1, u, h2, r1, r2, s2, gs


@kernel(inline=True)
def back_substitute(
    k: int, rows: Floats, x: Floats, g: Floats, y: Floats, f: Floats, m: Floats
) -> float:
    """Curve f, method.md, eq. (13), and m by back substitution, for k >= 3. Returns z' B^-1 z."""
    m[0] = m[k - 1] = 0.0
    q = 0.0
    m1 = m2 = a1 = b1 = b2 = pull = 0.0
    r1 = 1.0 / (x[k - 1] - x[k - 2])
    for j in range(k - 3, -1, -1):
        scaled = rows[j, 0] / rows[j, 1]
        q += rows[j, 0] * scaled
        mj = scaled - a1 * m1 - b2 * m2
        m[j + 1] = mj
        v = r1 * (m1 - mj)
        f[j + 2] = y[j + 2] - g[j + 2] * (pull - v)
        m2, m1, a1, b2, b1, pull, r1 = m1, mj, rows[j, 2], b1, rows[j, 3], v, rows[j, 4]
    v = r1 * m1
    f[1] = y[1] - g[1] * (pull - v)
    f[0] = y[0] - g[0] * v
    return q


@kernel()
def solve_refined(
    k: int, rows: Floats, x: Floats, y: Floats, g: Floats, f: Floats, m: Floats
) -> float:
    """Curve f and m with one step of iterative refinement, for large lam. Returns z' B^-1 z."""
    e, de, dm, zero, steps = (
        np.empty(k),
        np.empty(k),
        np.empty(k),
        np.zeros(k),
        rows[: k - 2].copy(),
    )
    q = back_substitute(k, rows, x, g, zero, e, m)
    h1, r1 = x[1] - x[0], 1.0 / (x[1] - x[0])
    s1 = r1 * ((y[1] + e[1]) - (y[0] + e[0]))
    u1 = u2 = 0.0
    for j in range(k - 2):
        h0, r0, s0 = h1, r1, s1
        h1 = x[j + 2] - x[j + 1]
        r1 = 1.0 / h1
        s1 = r1 * ((y[j + 2] + e[j + 2]) - (y[j + 1] + e[j + 1]))
        rm = ((h0 + h1) * THIRD + SIXTH * (r0 + r1)) * m[j + 1]
        rm += (h0 * SIXTH - SIXTH * r0) * m[j] + (h1 * SIXTH - SIXTH * r1) * m[j + 2]
        u = s1 - s0 - rm - rows[j, 2] * u1 - rows[j, 3] * u2
        steps[j, 0] = u
        u2, u1 = u1, u
    back_substitute(k, steps, x, g, zero, de, dm)
    for j in range(k):
        f[j] = y[j] + (e[j] + de[j])
        m[j] += dm[j]
    return q


@kernel(inline=True)
def solve(
    k: int, x: Floats, y: Floats, g: Floats, stiffest: float, rows: Floats, f: Floats, m: Floats
) -> float:
    """Curve f and second differences m at the knots; stiffest: largest of g. Returns z' B^-1 z."""
    if k < 3:
        for j in range(k):
            f[j], m[j] = y[j], 0.0
        return 0.0
    factor(k, x, y, g, rows)
    if stiffest > REFINE_FROM:
        return solve_refined(k, rows, x, y, g, f, m)
    return back_substitute(k, rows, x, g, y, f, m)


@kernel()
def extrapolate(k: int, x: Floats, f: Floats, m: Floats, p: float) -> float:
    """The curve at p outside the knots: a straight line."""
    if p <= x[0]:
        h = x[1] - x[0]
        return float(f[0] + (p - x[0]) * ((f[1] - f[0]) / h - (h - 1.0 / h) * m[1] / 6.0))
    h = x[k - 1] - x[k - 2]
    return float(
        f[k - 1] + (p - x[k - 1]) * ((f[k - 1] - f[k - 2]) / h + (h - 1.0 / h) * m[k - 2] / 6.0)
    )


@kernel()
def value_at(k: int, x: Floats, f: Floats, m: Floats, p: float) -> float:
    """The curve at one position."""
    if k == 1:
        return float(f[0])
    if p <= x[0] or p >= x[k - 1]:
        return extrapolate(k, x, f, m, p)
    j = np.searchsorted(x[:k], p, side="right") - 1
    h, s = x[j + 1] - x[j], p - x[j]
    c3 = (m[j + 1] - m[j]) / (6.0 * h)
    c1 = (f[j + 1] - f[j]) / h - h * (2.0 * m[j] + m[j + 1]) / 6.0
    return float(f[j] + s * (c1 + s * (0.5 * m[j] + s * c3)))


@kernel(inline=True)
def turning(h: float, c1: float, m0: float, c3: float) -> float:
    """Position in (0, h) of the local minimum of the cubic of a gap; -2 where there is none."""
    disc = m0 * m0 - 12.0 * c3 * c1
    if disc <= 0.0 or (m0 <= 0.0 and c3 <= 0.0):
        return -2.0
    s = -2.0 * c1 / (m0 + math.sqrt(disc)) if m0 > 0.0 else (math.sqrt(disc) - m0) / (6.0 * c3)
    return s if 0.0 < s < h else -2.0


@kernel(inline=True)
def lowest(k: int, x: Floats, f: Floats, m: Floats, last: float) -> tuple[float, float]:
    """Lowest of the positions 0, 1, .., last, and the curve there; of equal ones the first."""
    best_x, best = x[0], f[0]
    for j in range(1, k):
        if f[j] < best:
            best_x, best = x[j], f[j]
    if k == 1:
        return 0.0, best
    if x[0] > 0.0:
        edge = extrapolate(k, x, f, m, 0.0)
        if edge <= best:
            best_x, best = 0.0, edge
    for j in range(k - 1):
        h, f0, f1, m0, m1 = x[j + 1] - x[j], f[j], f[j + 1], m[j], m[j + 1]
        if (f0 if f0 < f1 else f1) - 0.125 * h * h * (m0 if m0 > m1 else m1) <= best:
            c3 = (m1 - m0) / (6.0 * h)
            c1 = (f1 - f0) / h - h * (2.0 * m0 + m1) / 6.0
            s = float(math.floor(turning(h, c1, m0, c3)))
            for t in (s, s + 1.0):
                if 0.0 < t < h:
                    v = f0 + t * (c1 + t * (0.5 * m0 + t * c3))
                    if v < best or (v == best and x[j] + t < best_x):
                        best_x, best = x[j] + t, v
    if last > x[k - 1]:
        edge = extrapolate(k, x, f, m, last)
        if edge < best:
            best_x, best = last, edge
    return best_x, best


@kernel(inline=True)
def write_curve(
    k: int,
    x: Floats,
    f: Floats,
    m: Floats,
    shift: float,
    grid: GridShape,
    out: Floats,
    begin: int,
    end: int,
    capacity: int,
) -> None:
    """The curve plus shift at every level into out[begin:end].

    Elements between end and capacity may be overwritten as well.
    """
    if k == 1:
        out[begin:end] = f[0] + shift
        return
    step = grid[1]
    first = start = begin + int((x[0] - grid[0]) / step)
    left = right = 0.0
    for j in range(k - 1):
        h = x[j + 1] - x[j]
        c3 = (m[j + 1] - m[j]) / (6.0 * h)
        c1 = (f[j + 1] - f[j]) / h - h * (2.0 * m[j] + m[j + 1]) / 6.0
        c2, f0 = 0.5 * m[j], f[j] + shift
        left, right = c1 + c3 if j == 0 else left, c1 + h * c2 + c3
        stop = start + int(h / step)
        if (
            stop - start <= 16 and start + 16 <= capacity
        ):  # blocks of 8 that may run past the end of the gap: the next gap overwrites the excess
            for i in range(8):
                s = step * i
                out[start + i] = f0 + s * (c1 + s * (c2 + s * c3))
            if stop - start > 8:
                for i in range(8, 16):
                    s = step * i
                    out[start + i] = f0 + s * (c1 + s * (c2 + s * c3))
        else:
            piece = out[start:stop]  # counted from zero, the loop becomes vector code
            for i in range(len(piece)):
                s = step * i
                piece[i] = f0 + s * (c1 + s * (c2 + s * c3))
        start = stop
    for i in range(begin, first):
        out[i] = f[0] + step * (i - first) * left + shift
    for i in range(start, end):
        out[i] = f[k - 1] + step * (i - start) * right + shift


@kernel(inline=True)
def quadratic_form(k: int, rows: Floats) -> float:
    """Quadratic form z' B^-1 z."""
    total = 0.0
    for j in range(k - 2):
        total += rows[j, 0] * rows[j, 0] / rows[j, 1]
    return total


@kernel()
def reml(k: int, rows: Floats, lam: float, measured: int, within: float) -> float:
    """REML(lam) up to a constant: method.md, eq. (14)."""
    log_det, product = 0.0, 1.0
    for j in range(k - 2):
        product *= rows[j, 1]
        if not 1e-100 < product < 1e100:
            log_det += math.log(product)
            product = 1.0
    log_det += math.log(product)
    q = quadratic_form(k, rows)
    if measured == k:
        return (k - 2) * math.log(q) + log_det if q > 0.0 else math.inf
    rest = lam * q + within
    return (
        (measured - 2) * math.log(rest) - (k - 2) * math.log(lam) + log_det
        if rest > 0.0
        else math.inf
    )


@kernel()
def lam_at(i: int, scale: float) -> float:
    """Step i of the logarithmic grid of lam."""
    return scale * math.exp((PRIOR_MEAN + i / STEPS_PER_DECADE) * 2.302585092994046)


@kernel()
def penalised_reml(
    i: int,
    k: int,
    x: Floats,
    y: Floats,
    iw: Floats,
    scale: float,
    repeats: RepeatStats,
    g: Floats,
    rows: Floats,
) -> float:
    """REML plus the prior of lam at step i of its grid: method.md, eqs. (14) and (15)."""
    lam = lam_at(i, scale)
    for j in range(k):
        g[j] = lam * iw[j]
    factor(k, x, y, g, rows)
    return reml(k, rows, lam, int(repeats[0]), repeats[1]) + (i / STEPS_PER_DECADE) * (
        i / STEPS_PER_DECADE
    )


@kernel()
def choose_lam(
    k: int,
    x: Floats,
    y: Floats,
    iw: Floats,
    scale: float,
    repeats: RepeatStats,
    g: Floats,
    rows: Floats,
) -> float:
    """The lam by REML with the weak prior, as `smoothing.choose_lam`; g and rows are work space."""
    if k < REML_KNOTS:
        return DEFAULT_LAM * scale
    tr = tq = steepest = heaviest = bend = 0.0
    for j in range(k - 2):
        h0, h1 = x[j + 1] - x[j], x[j + 2] - x[j + 1]
        r0, r1 = 1.0 / h0, 1.0 / h1
        tr += (h0 + h1) / 3.0
        tq += iw[j] * r0 * r0 + iw[j + 1] * (r0 + r1) * (r0 + r1) + iw[j + 2] * r1 * r1
        steepest = max(steepest, max(r0, r1))
        bend = max(bend, abs(r1 * (y[j + 2] - y[j + 1]) - r0 * (y[j + 1] - y[j])))
    if bend <= 1e-13 * repeats[2] * steepest:
        return DEFAULT_LAM * scale
    for j in range(k):
        heaviest = max(heaviest, iw[j])
    middle = math.log10(tr / tq / scale) - PRIOR_MEAN
    most = math.floor(
        math.log10(MAX_RATIO / (9.0 * heaviest * steepest * steepest * steepest) / scale)
        - PRIOR_MEAN
    )
    low, high = math.ceil(min(middle, 0.0) - 4.0), math.ceil(max(middle, 0.0) + 4.0)
    first, final = (
        STEPS_PER_DECADE * int(min(low, most - 1)),
        STEPS_PER_DECADE * int(max(min(high, most), low + 1)),
    )
    best, at = math.inf, first
    for i in range(first, final + 1, STEPS_PER_DECADE):
        v = penalised_reml(i, k, x, y, iw, scale, repeats, g, rows)
        if v < best:
            best, at = v, i
    step = STEPS_PER_DECADE // 2
    while step > 0:
        centre = at
        for i in (centre - step, centre + step):
            v = penalised_reml(i, k, x, y, iw, scale, repeats, g, rows)
            if v < best:
                best, at = v, i
        step //= 2
    return lam_at(at, scale)


@kernel()
def inverse_band(k: int, rows: Floats, band: Floats) -> None:
    """Diagonals 0 to 3 of B^-1 into band[2:k]; the zeros around stand for columns outside B."""
    band[:] = 0.0
    for j in range(k - 3, -1, -1):
        i, p, q = j + 2, 0.0, 0.0
        if j < k - 3:
            p = rows[j + 1, 2]
        if j < k - 4:
            q = rows[j + 2, 3]
        band[i, 1] = -p * band[i + 1, 0] - q * band[i + 1, 1]
        band[i, 2] = -p * band[i + 1, 1] - q * band[i + 2, 0]
        band[i, 3] = -p * band[i + 1, 2] - q * band[i + 2, 1]
        band[i, 0] = 1.0 / rows[j, 1] - p * band[i, 1] - q * band[i, 2]


@kernel()
def residual_dof(k: int, band: Floats, x: Floats, g: Floats, out: Floats) -> float:
    """Residual degrees of freedom (1 - leverage) at each of k >= 3 knots; returns their sum."""
    total = q2 = 0.0
    for j in range(k):
        q0, q2 = q2, 1.0 / (x[j + 1] - x[j]) if j < k - 1 else 0.0
        q1 = -(q0 + q2)
        here = q0 * q0 * band[j, 0] + q1 * q1 * band[j + 1, 0] + q2 * q2 * band[j + 2, 0]
        here += 2.0 * (q0 * q1 * band[j, 1] + q1 * q2 * band[j + 1, 1] + q0 * q2 * band[j, 2])
        out[j] = min(max(g[j] * here, 0.0), 1.0)
        total += out[j]
    return total


@kernel()
def curve_variances(
    k: int,
    x: Floats,
    g: Floats,
    band: Floats,
    grid: GridShape,
    scale: float,
    out: Floats,
    begin: int,
    end: int,
) -> None:
    """Posterior variance of the curve at every level into out[begin:end]: method.md, eq. (17).

    scale: sigma^2 / lam. For k >= 2 knots.
    """
    b = np.empty(4)
    j = 0
    for i in range(begin, end):
        p = grid[0] + grid[1] * (i - begin)
        while j < k - 2 and p >= x[j + 1]:
            j += 1
        h, s, d = x[j + 1] - x[j], p - x[j], x[j + 1] - p
        p0 = p1 = 0.0
        if s >= 0.0 and d >= 0.0:
            v = s * d * (2.0 * s * d + 1.0) / (6.0 * h)
            p0, p1 = -s * d * (h + d) / (6.0 * h), -s * d * (h + s) / (6.0 * h)
        else:
            e = -min(s, d)
            v = e * (e + h) * (2.0 * e * h + 1.0) / (6.0 * h)
            p0, p1 = (
                (0.0, e * (h * h - 1.0) / (6.0 * h))
                if s < 0.0
                else (e * (h * h - 1.0) / (6.0 * h), 0.0)
            )
        v0, v1, r = d / h * g[j], s / h * g[j + 1], 1.0 / h
        r0 = 1.0 / (x[j] - x[j - 1]) if j > 0 else 0.0
        r2 = 1.0 / (x[j + 2] - x[j + 1]) if j < k - 2 else 0.0
        b[0], b[1], b[2], b[3] = (
            -v0 * r0,
            p0 + v0 * (r0 + r) - v1 * r,
            p1 - v0 * r + v1 * (r + r2),
            -v1 * r2,
        )
        quad = 0.0
        for row in range(4):
            quad += b[row] * b[row] * band[j + row, 0]
            for gap in range(1, 4 - row):
                quad += 2.0 * b[row] * b[row + gap] * band[j + row, gap]
        out[i] = scale * max(v + d / h * v0 + s / h * v1 - quad, 0.0)


@kernel()
def fit_one(levels: Ints, values: Floats, n: int, lam: float, out: Floats) -> tuple[int, float]:
    """One line on the unit grid, weights 1: (argmin, minimum).

    The curve at the first len(out) levels goes into out.
    """
    k = len(levels)
    work, rows = np.empty((5, k)), np.empty((k, 5))
    x, y, g, f, m = work[0], work[1], work[2], work[3], work[4]
    mean = 0.0
    for j in range(k):
        mean += values[j]
    mean /= k
    for j in range(k):
        x[j], y[j], g[j] = levels[j], values[j] - mean, lam
    solve(k, x, y, g, lam, rows, f, m)
    place, low = lowest(k, x, f, m, n - 1.0)
    if len(out) > 0:
        begin = len(out) - len(out)  # 0, but a literal would be a signature of its own
        write_curve(k, x, f, m, mean, (0.0, 1.0, 0.0), out, begin, len(out), len(out))
    return int(place), mean + low


@kernel()
def fit_knots(
    x: Floats, f: Floats, m: Floats, mean: float, lam: float, last: float
) -> tuple[float, float, float]:
    """One line on the unit grid, weights 1: position of the lowest level, the curve there, lam.

    f: the values less their mean, which become the curve; m: its second differences, as
    `plain.solve`. lam: alpha squared, 0 to choose it by REML.
    """
    k = len(x)
    rows, g = np.empty((k, 5)), np.empty(k)
    if lam == 0.0:
        size = 0.0
        for j in range(k):
            size = max(size, abs(f[j]))
        lam = choose_lam(k, x, f, np.ones(k), 1.0, (float(k), 0.0, size + abs(mean)), g, rows)
    for j in range(k):
        g[j] = lam
    solve(k, x, f, g, lam, rows, f, m)
    place, low = lowest(k, x, f, m, last)
    return place, low, lam


@kernel()
def score_lams(x: Floats, values: Floats, w: Floats, lams: Floats, out: Floats) -> None:
    """REML, GCV and leave-one-out mean square of each lam into out, shape (len(lams), 3).

    For k >= 3 knots without repeats.
    """
    k = len(x)
    work, rows, band, zero = np.empty((5, k)), np.empty((k, 5)), np.empty((k + 5, 4)), np.zeros(k)
    y, g, e, m, om = work[0], work[1], work[2], work[3], work[4]
    y[:] = values - values.mean()
    for i in range(len(lams)):
        for j in range(k):
            g[j] = lams[i] / w[j]
        factor(k, x, y, g, rows)
        back_substitute(k, rows, x, g, zero, e, m)
        inverse_band(k, rows, band)
        dof = residual_dof(k, band, x, g, om)
        rss = loo = total = 0.0
        for j in range(k):
            total += w[j]
            rss += w[j] * e[j] * e[j]
            loo += w[j] * (e[j] / om[j]) * (e[j] / om[j]) if om[j] > 0.0 else math.inf
        out[i, 0], out[i, 1], out[i, 2] = (
            reml(k, rows, lams[i], k, 0.0),
            k * rss / (dof * dof),
            loo / total,
        )


LineArrays = tuple[Ints, Ints, Floats, Floats, Floats, Ints, Ints]
ResultArrays = tuple[Ints, Floats, Floats, Floats]


@kernel()
def fit_lines(
    begin: int, end: int, lines: LineArrays, lam: float, grid: GridShape, results: ResultArrays
) -> None:
    """Fit lines begin to end of a batch.

    lines: offsets, levels, values, weights (empty: all 1), repeats, sizes, starts. Line i has the
    knots offsets[i] to offsets[i + 1] and sizes[i] levels; repeats[i]: number of measurements, sum
    of squares within repeats, mean weight. lam: alpha squared, 0 to choose it by REML. results:
    argmin[i]; stats[i]: minimum, lam, sigma2, dof; curves and bands (posterior variances) from
    starts[i] on. Empty curves or bands are left out, and dof with the bands.
    """
    offsets, levels, values, weights, repeats, sizes, starts = lines
    argmin, stats, curves, bands = results
    most = 0
    for i in range(begin, end):
        most = max(most, offsets[i + 1] - offsets[i])
    work, rows, band = np.empty((7, most)), np.empty((most, 5)), np.empty((most + 5, 4))
    x, y, g, f, m, iw, om = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    for i in range(begin, end):
        at, k, n = offsets[i], offsets[i + 1] - offsets[i], sizes[i]
        mean = size = 0.0
        for j in range(k):
            mean += values[at + j]
        mean /= k
        lightest = 1.0
        for j in range(k):
            x[j], y[j], iw[j], g[j] = (
                grid[0] + grid[1] * levels[at + j],
                values[at + j] - mean,
                1.0,
                lam,
            )
            size = max(size, abs(y[j]))
        if len(weights) > 0:
            lightest = math.inf
            for j in range(k):
                iw[j] = 1.0 / weights[at + j]
                lightest = min(lightest, weights[at + j])
        used = lam
        if lam == 0.0:
            scale = repeats[i, 2] * grid[1] * grid[1] * grid[1]
            known = (repeats[i, 0], repeats[i, 1], size + abs(mean))
            used = choose_lam(k, x, y, iw, scale, known, g, rows)
        if lam == 0.0 or len(weights) > 0:
            for j in range(k):
                g[j] = used * iw[j]
        q = solve(k, x, y, g, used / lightest, rows, f, m)
        place, low = lowest(k, x, f, m, grid[0] + grid[1] * (n - 1) + grid[2])
        argmin[i] = int(place)
        if grid[1] > 1.0:  # from the marker to the nearest level
            argmin[i] = min(max(int((place - grid[0] + 1.0) // grid[1]), 0), n - 1)
            low = value_at(k, x, f, m, grid[0] + grid[1] * argmin[i])
        dof = repeats[i, 0] - min(k, 2)
        sigma2 = (used * q + repeats[i, 1]) / dof if dof > 0.0 else math.inf  # noise variance, (16)
        stats[i, 0], stats[i, 1], stats[i, 2], stats[i, 3] = mean + low, used, sigma2, k
        if len(curves) > 0:
            write_curve(k, x, f, m, mean, grid, curves, starts[i], starts[i + 1], starts[end])
        if len(bands) > 0:
            band[:] = 0.0
            if k > 2:
                inverse_band(k, rows, band)
                stats[i, 3] = k - residual_dof(k, band, x, g, om)
            if k > 1 and sigma2 < math.inf:
                curve_variances(k, x, g, band, grid, sigma2 / used, bands, starts[i], starts[i + 1])
            else:
                bands[starts[i] : starts[i + 1]] = math.inf
                if sigma2 < math.inf:
                    bands[starts[i] + levels[at]] = sigma2 * iw[0]


@kernel(parallel=True)
def fit_lines_parallel(
    cuts: Ints, lines: LineArrays, lam: float, grid: GridShape, results: ResultArrays
) -> None:
    """Fit all lines on all threads, as `fit_lines`; block b is lines cuts[b] to cuts[b + 1]."""
    for b in prange(len(cuts) - 1):
        fit_lines(cuts[b], cuts[b + 1], lines, lam, grid, results)


@kernel()
def flag_irregular(lines: LineArrays, flags: NDArray[np.bool_]) -> int:
    """Flag the lines that need sorting, merging, scaling or an error; returns their number."""
    offsets, levels, values, weights, _, sizes, _ = lines
    found = 0
    for i in range(len(sizes)):
        last, tidy, finite = -1, True, 0.0
        low, high = math.inf, -math.inf
        for j in range(offsets[i], offsets[i + 1]):
            tidy &= levels[j] > last
            last = levels[j]
            finite += values[j] - values[j]
            low, high = min(low, values[j]), max(high, values[j])
        tidy &= last < sizes[i] and finite == 0.0 and (1e-100 < high - low < 1e100 or high == low)
        tidy &= low > -1e290 and high < 1e290
        if len(weights) > 0:
            light, heavy = math.inf, 0.0
            for j in range(offsets[i], offsets[i + 1]):
                tidy &= weights[j] == weights[j]
                light, heavy = min(light, weights[j]), max(heavy, weights[j])
            tidy &= light >= 1e-50 and heavy <= 1e50 and heavy <= 1e6 * light
        flags[i] = not tidy
        found += flags[i]
    return found


# ------------------------------------------------------------------ the grid of several axes
# tables: one square table per axis, row by row. That of axis j begins at starts[j] and has
# sizes[j] rows; the covariance of two points is the product over the axes of the tables' entries,
# method.md, eq. (4). See `surface`.


@kernel()
def grid_covariance(
    a: Ints, b: Ints, tables: Floats, starts: Ints, sizes: Ints, out: Floats
) -> None:
    """out[i, k]: covariance of points a[i] and b[k]."""
    for i in range(a.shape[0]):
        for k in range(b.shape[0]):
            out[i, k] = 1.0
        for j in range(a.shape[1]):
            row = starts[j] + a[i, j] * sizes[j]
            for k in range(b.shape[0]):
                out[i, k] *= tables[row + b[k, j]]


@kernel()
def grid_products(points: Ints, entries: Ints, starts: Ints, factors: Floats, out: Floats) -> None:
    """out[i, k]: covariance of points[i] with the k-th of the data.

    Entries, starts and factors are those of `grid_line_means`.
    """
    for i in range(points.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = 1.0
        for j in range(points.shape[1]):
            row = entries[starts[j] + points[i, j]]
            for k in range(out.shape[1]):
                out[i, k] *= factors[row, k]


@kernel()
def grid_gradient(
    points: Ints, tables: Floats, starts: Ints, sizes: Ints, weights: Floats, out: Floats
) -> None:
    """Derivative of sum(weights * covariance of points) by each entry of the tables, into out.

    The sum of method.md, eq. (8); the weights, S there, are symmetric.
    """
    n, d = points.shape
    before = np.empty(d + 1)
    factors = np.empty(d)
    before[0] = 1.0
    for i in range(n):
        for k in range(i + 1):
            for j in range(d):
                factors[j] = tables[starts[j] + points[i, j] * sizes[j] + points[k, j]]
                before[j + 1] = before[j] * factors[j]
            after = weights[i, k] if i == k else 2.0 * weights[i, k]
            # the product of all factors but that of j, without dividing by one that may be zero
            for j in range(d - 1, -1, -1):
                out[starts[j] + points[i, j] * sizes[j] + points[k, j]] += after * before[j]
                after *= factors[j]


@kernel()
def grid_line_means(
    lows: Ints,
    steps: Ints,
    lengths: Ints,
    entries: Ints,
    starts: Ints,
    factors: Floats,
    coefficients: Floats,
    mean: Floats,
) -> None:
    """Mean at every point of every line, one line after the other: method.md, eq. (9).

    Line i has lengths[i] points, lows[i] and so many steps[i] further on. Level v of axis j has row
    entries[starts[j] + v] of factors: the factor of the covariance with each of the data.
    """
    d, n = lows.shape[1], factors.shape[1]
    fixed = np.empty(n)  # coefficients times the factors of all axes that the line does not change
    product = np.empty(n)
    changed = np.empty(d, dtype=np.int64)
    place = 0
    for line in range(lows.shape[0]):
        width = 0
        for k in range(n):
            fixed[k] = coefficients[k]
        for j in range(d):
            if steps[line, j] != 0:
                changed[width] = j
                width += 1
                continue
            row = entries[starts[j] + lows[line, j]]
            for k in range(n):
                fixed[k] *= factors[row, k]
        for position in range(lengths[line]):
            for k in range(n):
                product[k] = fixed[k]
            for i in range(width):
                j = changed[i]
                row = entries[starts[j] + lows[line, j] + position * steps[line, j]]
                for k in range(n):
                    product[k] *= factors[row, k]
            # four sums at a time: one alone waits for itself
            a, b, c, e = 0.0, 0.0, 0.0, 0.0
            for k in range(0, n - 3, 4):
                a += product[k]
                b += product[k + 1]
                c += product[k + 2]
                e += product[k + 3]
            for k in range(n - n % 4, n):
                a += product[k]
            mean[place] = (a + b) + (c + e)
            place += 1
