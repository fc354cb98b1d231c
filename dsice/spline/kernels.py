"""All compiled kernels of dsice, in one file: fits of d-splines in bulk.

Importing this module imports numba; only functions that work in bulk do so, on first use. Each kernel takes arrays
(C-contiguous int64 and float64) and scalars, with one signature, and checks nothing. They do the arithmetic of
``plain``, ``smoothing`` and ``variance`` in the same order; formulas and sources are explained there.

x, y: positions and values at the knots; g: lam / weight at each knot; c: 1.0 on discrete grids, 0.0 over real positions;
rows[j]: u, d, L[j, j-1], L[j, j-2], r[j] of the factored system.
"""

from __future__ import annotations

import math

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from dsice.spline.jit import kernel

__all__ = ["get_num_threads"]

Ints = NDArray[np.int64]
Array = NDArray[np.float64]

# Constants of the plain path, repeated: numba's cache only notices changes of this file.
THIRD, SIXTH = 1.0 / 3.0, 1.0 / 6.0
LOSSY = 1e4
FEW, FIXED, CENTRE, FINE, WORST = 6, 0.25, -0.5, 32, 1e13
LN10 = 2.302585092994046


@kernel()
def factor(x: Array, y: Array, g: Array, c: float, rows: Array) -> None:
    """Factor B and eliminate z into rows, shape (k - 2, 5); k >= 3."""
    sixth = c * SIXTH
    h0, h1 = x[1] - x[0], x[2] - x[1]
    r0, r1 = 1.0 / h0, 1.0 / h1
    s1 = r1 * (y[2] - y[1])
    rs = r0 + r1
    gr = g[1] * rs
    d1 = (h0 + h1) * THIRD + sixth * rs + (g[0] * r0 * r0 + gr * rs + g[2] * r1 * r1)
    u1 = s1 - r0 * (y[1] - y[0])
    d2, u2, a = math.inf, 0.0, 0.0
    rows[0, 0], rows[0, 1], rows[0, 2], rows[0, 3], rows[0, 4] = u1, d1, 0.0, 0.0, r0
    for j in range(1, len(x) - 2):
        h2 = x[j + 2] - x[j + 1]
        r2 = 1.0 / h2
        s2 = r2 * (y[j + 2] - y[j + 1])
        rs = r1 + r2
        gs = g[j + 1] * rs
        t2 = g[j] * r0 * r1
        t1 = h1 * SIXTH - sixth * r1 - r1 * (gr + gs) - t2 * a
        b = t2 / d2
        a = t1 / d1
        stiff = (h1 + h2) * THIRD + sixth * rs
        d = stiff + (g[j] * r1 * r1 + gs * rs + g[j + 2] * r2 * r2) - t1 * a - t2 * b
        if d <= 0.0:
            d = stiff
        u = s2 - s1 - a * u1 - b * u2
        rows[j, 0], rows[j, 1], rows[j, 2], rows[j, 3], rows[j, 4] = u, d, a, b, r1
        d2, d1, u2, u1 = d1, d, u1, u
        h1, r0, r1, s1, gr = h2, r1, r2, s2, gs


@kernel()
def backward(rows: Array, x: Array, g: Array, e: Array, m: Array) -> None:
    """e = lam W^-1 Q m and m by back substitution."""
    k = len(x)
    m[0] = m[k - 1] = 0.0
    m1 = m2 = a1 = b1 = b2 = pull = 0.0
    r1 = 1.0 / (x[k - 1] - x[k - 2])
    for j in range(k - 3, -1, -1):
        mj = rows[j, 0] / rows[j, 1] - a1 * m1 - b2 * m2
        m[j + 1] = mj
        v = r1 * (m1 - mj)
        e[j + 2] = g[j + 2] * (pull - v)
        m2, m1, a1, b2, b1, pull, r1 = m1, mj, rows[j, 2], b1, rows[j, 3], v, rows[j, 4]
    v = r1 * m1
    e[1] = g[1] * (pull - v)
    e[0] = g[0] * v


@kernel()
def refine(rows: Array, x: Array, y: Array, g: Array, c: float, e: Array, m: Array) -> None:
    """One step of iterative refinement of e and m in place."""
    k = len(x)
    sixth = c * SIXTH
    steps = rows[: k - 2].copy()
    h1 = x[1] - x[0]
    r1 = 1.0 / h1
    s1 = r1 * ((y[1] - e[1]) - (y[0] - e[0]))
    u1 = u2 = 0.0
    for j in range(k - 2):
        h0, r0, s0 = h1, r1, s1
        h1 = x[j + 2] - x[j + 1]
        r1 = 1.0 / h1
        s1 = r1 * ((y[j + 2] - e[j + 2]) - (y[j + 1] - e[j + 1]))
        rm = ((h0 + h1) * THIRD + sixth * (r0 + r1)) * m[j + 1]
        rm += (h0 * SIXTH - sixth * r0) * m[j] + (h1 * SIXTH - sixth * r1) * m[j + 2]
        u = s1 - s0 - rm - rows[j, 2] * u1 - rows[j, 3] * u2
        steps[j, 0] = u
        u2, u1 = u1, u
    de, dm = np.empty(k), np.empty(k)
    backward(steps, x, g, de, dm)
    for j in range(k):
        e[j] += de[j]
        m[j] += dm[j]


@kernel()
def solve(x: Array, y: Array, g: Array, c: float, rows: Array, f: Array, m: Array) -> None:
    """Curve f and second differences m at the knots; rows stays untouched for k < 3."""
    k = len(x)
    if k < 3:
        for j in range(k):
            f[j], m[j] = y[j], 0.0
        return
    factor(x, y, g, c, rows)
    backward(rows, x, g, f, m)
    stiffest = g[0]
    for j in range(1, k):
        stiffest = max(stiffest, g[j])
    if c == 0.0 or stiffest > LOSSY / 9.0:
        refine(rows, x, y, g, c, f, m)
    for j in range(k):
        f[j] = y[j] - f[j]


@kernel()
def outer(x: Array, f: Array, m: Array, c: float, p: float) -> float:
    """The curve at p outside the knots: the straight line through its last two positions."""
    k = len(x)
    if p <= x[0]:
        h = x[1] - x[0]
        return f[0] + (p - x[0]) * ((f[1] - f[0]) / h - (h - c / h) * m[1] / 6.0)
    h = x[k - 1] - x[k - 2]
    return f[k - 1] + (p - x[k - 1]) * ((f[k - 1] - f[k - 2]) / h + (h - c / h) * m[k - 2] / 6.0)


@kernel()
def lowest(x: Array, f: Array, m: Array, c: float, last: float) -> tuple[float, float]:
    """Lowest of the positions 0, 1, .., last, and the curve there; of equal ones the first."""
    k = len(x)
    best_x, best = x[0], f[0]
    for j in range(1, k):
        if f[j] < best:
            best_x, best = x[j], f[j]
    if k == 1:
        return 0.0, best
    if x[0] > 0.0:
        edge = outer(x, f, m, c, 0.0)
        if edge <= best:
            best_x, best = 0.0, edge
    for j in range(k - 1):
        h, f0, f1, m0, m1 = x[j + 1] - x[j], f[j], f[j + 1], m[j], m[j + 1]
        if h > 1.0 and (f0 if f0 < f1 else f1) - 0.125 * h * h * (m0 if m0 > m1 else m1) <= best:
            c3 = (m1 - m0) / (6.0 * h)
            c1 = (f1 - f0) / h - h * (2.0 * m0 + m1) / 6.0
            s = float(math.floor(turning(h, c1, m0, c3)))
            for t in (s, s + 1.0):
                if 0.0 < t < h:
                    v = f0 + t * (c1 + t * (0.5 * m0 + t * c3))
                    if v < best or (v == best and x[j] + t < best_x):
                        best_x, best = x[j] + t, v
    if last > x[k - 1]:
        edge = outer(x, f, m, c, last)
        if edge < best:
            best_x, best = last, edge
    return best_x, best


@kernel()
def turning(h: float, c1: float, m0: float, c3: float) -> float:
    """Where in (0, h) the cubic of a gap has its local minimum; -2 if nowhere."""
    disc = m0 * m0 - 12.0 * c3 * c1
    if disc <= 0.0:
        return -2.0
    root = math.sqrt(disc)
    if m0 > 0.0:
        s = -2.0 * c1 / (m0 + root)
    elif c3 > 0.0:
        s = (root - m0) / (6.0 * c3)
    else:
        return -2.0
    return s if 0.0 < s < h else -2.0


@kernel()
def fill(x: Array, f: Array, m: Array, c: float, shift: float, before: float, step: float, out: Array) -> None:
    """The curve plus shift at positions before + step * i into out[i]."""
    n, k = len(out), len(x)
    if k == 1:
        out[:] = f[0] + shift
        return
    i = 0
    first = int((x[0] - before) / step)
    slope = f[0] - outer(x, f, m, c, x[0] - 1.0)
    for i in range(first):
        out[i] = f[0] + (before + step * i - x[0]) * slope + shift
    for j in range(k - 1):
        h = x[j + 1] - x[j]
        c3 = (m[j + 1] - m[j]) / (6.0 * h)
        c1 = (f[j + 1] - f[j]) / h - h * (2.0 * m[j] + m[j + 1]) / 6.0
        c2, f0 = 0.5 * m[j], f[j] + shift
        start = int((x[j] - before) / step)
        piece = out[start : start + int(h / step)]
        for i in range(len(piece)):
            s = step * i
            piece[i] = f0 + s * (c1 + s * (c2 + s * c3))
    final = int((x[k - 1] - before) / step)
    slope = outer(x, f, m, c, x[k - 1] + 1.0) - f[k - 1]
    for i in range(final, n):
        out[i] = f[k - 1] + (step * (i - final)) * slope + shift


@kernel()
def value_at(x: Array, f: Array, m: Array, c: float, p: float) -> float:
    """The curve at one position."""
    k = len(x)
    if k == 1:
        return f[0]
    if p <= x[0] or p >= x[k - 1]:
        return outer(x, f, m, c, p)
    j = np.searchsorted(x, p, side="right") - 1
    h, s = x[j + 1] - x[j], p - x[j]
    c3 = (m[j + 1] - m[j]) / (6.0 * h)
    c1 = (f[j + 1] - f[j]) / h - h * (2.0 * m[j] + m[j + 1]) / 6.0
    return f[j] + s * (c1 + s * (0.5 * m[j] + s * c3))


@kernel()
def quadratic(rows: Array, count: int) -> float:
    """z' B^-1 z from count rows."""
    total = 0.0
    for j in range(count):
        total += rows[j, 0] * rows[j, 0] / rows[j, 1]
    return total


@kernel()
def reml(rows: Array, k: int, lam: float, measured: int, within: float) -> float:
    """REML(lam) up to a constant."""
    total, product = 0.0, 1.0
    for j in range(k - 2):
        product *= rows[j, 1]
        if not 1e-100 < product < 1e100:
            total += math.log(product)
            product = 1.0
    log_det = total + math.log(product)
    q = quadratic(rows, k - 2)
    if measured == k:
        return (k - 2) * math.log(q) + log_det if q > 0.0 else math.inf
    rest = lam * q + within
    return (measured - 2) * math.log(rest) - (k - 2) * math.log(lam) + log_det if rest > 0.0 else math.inf


@kernel()
def lam_at(i: int, scale: float) -> float:
    """Rung i of the ladder of lam."""
    return scale * math.exp((CENTRE + i / FINE) * LN10)


@kernel()
def score(
    i: int, x: Array, y: Array, iw: Array, c: float, scale: float, measured: int, within: float, g: Array, rows: Array
) -> float:
    """REML plus prior at rung i."""
    lam = lam_at(i, scale)
    for j in range(len(x)):
        g[j] = lam * iw[j]
    factor(x, y, g, c, rows)
    prior = i / FINE
    return reml(rows, len(x), lam, measured, within) + prior * prior


@kernel()
def choose_lam(
    x: Array, y: Array, iw: Array, c: float, scale: float, measured: int, within: float, size: float, g: Array, rows: Array
) -> float:
    """lam by REML with the weak prior; g and rows are work space."""
    k = len(x)
    if k < FEW:
        return FIXED * scale
    tr = tq = steepest = heaviest = bend = 0.0
    for j in range(k - 2):
        h0, h1 = x[j + 1] - x[j], x[j + 2] - x[j + 1]
        r0, r1 = 1.0 / h0, 1.0 / h1
        rs = r0 + r1
        tr += (h0 + h1) / 3.0
        tq += iw[j] * r0 * r0 + iw[j + 1] * rs * rs + iw[j + 2] * r1 * r1
        steepest = max(steepest, max(r0, r1))
        bend = max(bend, abs(r1 * (y[j + 2] - y[j + 1]) - r0 * (y[j + 1] - y[j])))
    if bend <= 1e-13 * size * steepest:
        return FIXED * scale
    for j in range(k):
        heaviest = max(heaviest, iw[j])
    middle = math.log10(tr / tq / scale) - CENTRE
    most = math.floor(math.log10(WORST / (9.0 * heaviest * steepest * steepest * steepest) / scale) - CENTRE)
    low, high = math.ceil(min(middle, 0.0) - 4.0), math.ceil(max(middle, 0.0) + 4.0)
    first = FINE * int(min(low, most - 1))
    final = FINE * int(max(min(high, most), low + 1))
    best, at = score(first, x, y, iw, c, scale, measured, within, g, rows), first
    for i in range(first + FINE, final + 1, FINE):
        v = score(i, x, y, iw, c, scale, measured, within, g, rows)
        if v < best:
            best, at = v, i
    step = FINE // 2
    while step > 0:
        centre = at
        for i in (centre - step, centre + step):
            v = score(i, x, y, iw, c, scale, measured, within, g, rows)
            if v < best:
                best, at = v, i
        step //= 2
    return lam_at(at, scale)


@kernel()
def inverse_band(rows: Array, count: int, band: Array) -> None:
    """Diagonals 0 to 3 of B^-1, order count, into band[2 : count + 2]; zeros around."""
    band[:] = 0.0
    for j in range(count - 1, -1, -1):
        p = rows[j + 1, 2] if j + 1 < count else 0.0
        q = rows[j + 2, 3] if j + 2 < count else 0.0
        i = j + 2
        band[i, 1] = -p * band[i + 1, 0] - q * band[i + 1, 1]
        band[i, 2] = -p * band[i + 1, 1] - q * band[i + 2, 0]
        band[i, 3] = -p * band[i + 1, 2] - q * band[i + 2, 1]
        band[i, 0] = 1.0 / rows[j, 1] - p * band[i, 1] - q * band[i, 2]


@kernel()
def freedom(band: Array, x: Array, g: Array, out: Array) -> float:
    """1 - leverage at each of k >= 3 knots; returns their sum."""
    k = len(x)
    total = 0.0
    for j in range(k):
        q0 = 1.0 / (x[j] - x[j - 1]) if j > 0 else 0.0
        q2 = 1.0 / (x[j + 1] - x[j]) if j < k - 1 else 0.0
        q1 = -(q0 + q2)
        here = 0.0
        if j >= 2:
            here += q0 * q0 * band[j, 0]
        if 1 <= j <= k - 2:
            here += q1 * q1 * band[j + 1, 0]
            if j >= 2:
                here += 2.0 * q0 * q1 * band[j, 1]
            if j <= k - 3:
                here += 2.0 * q1 * q2 * band[j + 1, 1]
                if j >= 2:
                    here += 2.0 * q0 * q2 * band[j, 2]
        if j <= k - 3:
            here += q2 * q2 * band[j + 2, 0]
        out[j] = min(max(g[j] * here, 0.0), 1.0)
        total += out[j]
    return total


@kernel()
def spread(x: Array, g: Array, lam: float, c: float, band: Array, before: float, step: float, sigma2: float, out: Array) -> None:
    """Posterior variance of the curve at positions before + step * i into out[i]; k >= 2."""
    k = len(x)
    b = np.zeros(4)
    j = 0
    for i in range(len(out)):
        p = before + step * i
        while j < k - 2 and p >= x[j + 1]:
            j += 1
        h, s = x[j + 1] - x[j], p - x[j]
        d = h - s
        p0 = p1 = 0.0
        if s >= 0.0 and d >= 0.0:
            v = s * d * (2.0 * s * d + c) / (6.0 * h)
            p0, p1 = -s * d * (h + d) / (6.0 * h), -s * d * (h + s) / (6.0 * h)
        else:
            e = -s if s < 0.0 else -d
            v = e * (e + h) * (2.0 * e * h + c) / (6.0 * h)
            if s < 0.0:
                p1 = e * (h * h - c) / (6.0 * h)
            else:
                p0 = e * (h * h - c) / (6.0 * h)
        l0, l1 = d / h, s / h
        v0, v1 = l0 * g[j], l1 * g[j + 1]
        before_r = 1.0 / (x[j] - x[j - 1]) if j > 0 else 0.0
        after_r = 1.0 / (x[j + 2] - x[j + 1]) if j < k - 2 else 0.0
        r = 1.0 / h
        b[0] = -v0 * before_r if j >= 2 else 0.0
        b[1] = p0 + v0 * (before_r + r) - v1 * r if j >= 1 else 0.0
        b[2] = p1 - v0 * r + v1 * (r + after_r) if j < k - 2 else 0.0
        b[3] = -v1 * after_r if j < k - 3 else 0.0
        quad = 0.0
        for row in range(4):
            quad += b[row] * b[row] * band[j + row, 0]
            for gap in range(1, 4 - row):
                quad += 2.0 * b[row] * b[row + gap] * band[j + row, gap]
        out[i] = sigma2 * max((v + l0 * v0 + l1 * v1 - quad) / lam, 0.0)


@kernel()
def fit_one(levels: Ints, values: Array, n: int, lam: float, out: Array) -> tuple[int, float]:
    """One line on the unit grid, weights 1: (argmin, minimum); the curve at the first len(out) levels into out."""
    k = len(levels)
    work = np.empty(10 * k)
    x, y, g, f, m = work[:k], work[k : 2 * k], work[2 * k : 3 * k], work[3 * k : 4 * k], work[4 * k : 5 * k]
    total = 0.0
    for j in range(k):
        total += values[j]
    mean = total / k
    for j in range(k):
        x[j], y[j], g[j] = levels[j], values[j] - mean, lam
    solve(x, y, g, 1.0, work[5 * k :].reshape(k, 5), f, m)
    place, low = lowest(x, f, m, 1.0, n - 1.0)
    if len(out) > 0:
        fill(x, f, m, 1.0, mean, 0.0, 1.0, out)
    return int(place), mean + low


@kernel()
def score_lams(x: Array, y: Array, w: Array, c: float, lams: Array, out: Array) -> None:
    """REML, GCV and leave-one-out mean square of each lam into out, shape (len(lams), 3); k >= 3, no repeats."""
    k = len(x)
    rows, band = np.empty((k, 5)), np.empty((k + 5, 4))
    g, e, m, om = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    mean, heavy = 0.0, 0.0
    for j in range(k):
        mean += y[j] / k
        heavy += w[j]
    v = y - mean
    for i in range(len(lams)):
        for j in range(k):
            g[j] = lams[i] / w[j]
        factor(x, v, g, c, rows)
        backward(rows, x, g, e, m)
        inverse_band(rows, k - 2, band)
        spare = freedom(band, x, g, om)
        rss = loo = 0.0
        for j in range(k):
            rss += w[j] * e[j] * e[j]
            away = e[j] / om[j] if om[j] > 0.0 else math.inf
            loo += w[j] * away * away
        out[i, 0] = reml(rows, k, lams[i], k, 0.0)
        out[i, 1] = k * rss / (spare * spare)
        out[i, 2] = loo / heavy


@kernel()
def fit_lines(
    begin: int,
    end: int,
    offsets: Ints,
    levels: Ints,
    values: Array,
    weights: Array,
    repeats: Array,
    sizes: Ints,
    starts: Ints,
    lam: float,
    grid: Array,
    argmin: Ints,
    stats: Array,
    curves: Array,
    bands: Array,
) -> None:
    """Lines begin to end of a batch, line i with knots offsets[i] to offsets[i + 1] and n = sizes[i] levels.

    repeats[i]: number of measurements, sum of squares within repeats, mean weight of a measurement. lam: 0 for REML.
    grid: before, step, after. Results: argmin[i]; stats[i]: minimum, lam, sigma2, dof; curves and bands (the posterior
    variances) at starts[i] to starts[i + 1], each left out when empty (dof with the bands).
    """
    most = 0
    for i in range(begin, end):
        most = max(most, offsets[i + 1] - offsets[i])
    work, table, band = np.empty((7, most)), np.empty((most, 5)), np.empty((most + 5, 4))
    before, step, after = grid[0], grid[1], grid[2]
    for i in range(begin, end):
        at, k, n = offsets[i], offsets[i + 1] - offsets[i], sizes[i]
        x, y, g, f, m = work[0, :k], work[1, :k], work[2, :k], work[3, :k], work[4, :k]
        iw, om, rows = work[5, :k], work[6, :k], table[:k]
        measured, within, unit = int(repeats[i, 0]), repeats[i, 1], repeats[i, 2] * step * step * step
        mean = 0.0
        for j in range(k):
            mean += values[at + j]
        mean /= k
        size = 0.0
        for j in range(k):
            x[j], y[j], iw[j] = before + step * levels[at + j], values[at + j] - mean, 1.0 / weights[at + j]
            size = max(size, abs(y[j]))
        used = lam if lam > 0.0 else choose_lam(x, y, iw, 1.0, unit, measured, within, size + abs(mean), g, rows)
        for j in range(k):
            g[j] = used * iw[j]
        solve(x, y, g, 1.0, rows, f, m)
        place, low = lowest(x, f, m, 1.0, before + step * (n - 1) + after)
        argmin[i] = int(place)
        if step > 1.0:
            argmin[i] = min(max(int((place - before + 1.0) // step), 0), n - 1)
            low = value_at(x, f, m, 1.0, before + step * argmin[i])
        stats[i, 0], stats[i, 1] = mean + low, used
        spare = measured - min(k, 2)
        stats[i, 2] = (used * quadratic(rows, k - 2) + within) / spare if spare > 0 else math.inf
        if len(curves) > 0:
            fill(x, f, m, 1.0, mean, before, step, curves[starts[i] : starts[i + 1]])
        if len(bands) > 0:
            stats[i, 3] = band_of(x, g, used, rows, om, band, before, step, stats[i, 2], bands[starts[i] : starts[i + 1]])


@kernel()
def band_of(
    x: Array, g: Array, lam: float, rows: Array, om: Array, band: Array, before: float, step: float, sigma2: float, out: Array
) -> float:
    """Posterior variances of a line at all levels into out; returns its effective degrees of freedom."""
    k = len(x)
    dof = float(k)
    if k > 2:
        inverse_band(rows, k - 2, band)
        dof = k - freedom(band, x, g, om)
    if k == 1 or sigma2 == math.inf:
        out[:] = math.inf
        if k == 1 and sigma2 < math.inf:
            out[int((x[0] - before) / step)] = sigma2 * g[0] / lam
    else:
        if k == 2:
            band[:] = 0.0
        spread(x, g, lam, 1.0, band, before, step, sigma2, out)
    return dof


@kernel(parallel=True)
def fit_lines_parallel(
    cuts: Ints,
    offsets: Ints,
    levels: Ints,
    values: Array,
    weights: Array,
    repeats: Array,
    sizes: Ints,
    starts: Ints,
    lam: float,
    grid: Array,
    argmin: Ints,
    stats: Array,
    curves: Array,
    bands: Array,
) -> None:
    """The same over all lines, on all threads: block b is lines cuts[b] to cuts[b + 1]."""
    for b in prange(len(cuts) - 1):
        fit_lines(
            cuts[b],
            cuts[b + 1],
            offsets,
            levels,
            values,
            weights,
            repeats,
            sizes,
            starts,
            lam,
            grid,
            argmin,
            stats,
            curves,
            bands,
        )
