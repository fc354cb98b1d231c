"""The d-spline on one line in plain Python, without numpy: some 10 microseconds for a small line.

The minimiser of ``sum w (y - f)^2 + lam |D f|^2`` (method.md, eq. (11); D: second differences over
all grid positions) is found from the ``k - 2`` second differences ``m`` at the inner knots
(measured positions) alone, however far apart they lie: the discrete form of Reinsch's smoothing
spline. With gaps ``h``, ``r = 1 / h`` and ``c = 1`` (``c = 0``: the natural cubic smoothing spline
over real positions), method.md, eqs. (12) and (13) read::

    B m = z,    B = R + lam Q' W^-1 Q    (pentadiagonal, k - 2 by k - 2),    z = Q' y
    f = y - lam W^-1 Q m
    R[j, j] = (h[j] + h[j+1]) / 3 + c (r[j] + r[j+1]) / 6
    R[j, j+1] = (h[j+1] - c r[j+1]) / 6
    column j of Q = (r[j], -(r[j] + r[j+1]), r[j+1])

B is factored as ``L diag(d) L'``. Where lam is so large that forming ``Q' W^-1 Q`` loses digits,
one step of iterative refinement on the pair ``W e = lam Q m``, ``Q' (y - e) = R m`` (e = y - f)
restores them.

These functions and the kernels in `kernels` do the same arithmetic in the same order. All arguments
are lists of floats, and nothing is checked here.

References
----------
C. H. Reinsch, Smoothing by spline functions, Numerische Mathematik 10 (1967) and 16 (1971).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import floor, inf, sqrt

FloatList = list[float]
"""One number per knot; plain lists are faster than arrays for small lines."""

THIRD = 1.0 / 3.0
SIXTH = 1.0 / 6.0

REFINE_RATIO = 1e4
"""Ratio of lam's share of B to R's beyond which plain elimination may lose more than 1e-12."""
REFINE_FROM = REFINE_RATIO / 9.0
"""The ``lam / w`` from which the solution is refined: that ratio where all gaps are 1 or more."""

Row = tuple[float, float, float, float, float]
"""Row j of ``B = L diag(d) L'`` (L unit lower triangular) and of ``u = L^-1 z``.

Its entries are u, d, L[j, j-1], L[j, j-2] and r[j].
"""


def factor(x: FloatList, y: FloatList, g: FloatList, c: float) -> list[Row]:
    """The k - 2 rows of the factored system, for k >= 3 knots; ``g = lam / w`` at each knot."""
    sixth = c * SIXTH
    x2, y2, g1, g2 = x[2], y[2], g[1], g[2]
    h0, h1 = x[1] - x[0], x2 - x[1]
    r0, r1 = 1.0 / h0, 1.0 / h1
    s1 = r1 * (y2 - y[1])
    rs = r0 + r1
    gr = g1 * rs
    d1 = (h0 + h1) * THIRD + (sixth + gr) * rs + g[0] * r0 * r0 + g2 * r1 * r1
    u1 = s1 - r0 * (y[1] - y[0])
    d2, u2, a = inf, 0.0, 0.0  # an infinite pivot before the first row switches its coupling off
    rows = [(u1, d1, 0.0, 0.0, r0)]
    for x3, y3, g3 in zip(x[3:], y[3:], g[3:]):  # noqa: B905 - equal lengths, also below
        h2 = x3 - x2
        r2 = 1.0 / h2
        s2 = r2 * (y3 - y2)
        rs = r1 + r2
        gs = g2 * rs
        p = sixth + gs
        q = g1 * r1
        t2 = q * r0
        t1 = h1 * SIXTH - r1 * (gr + p) - t2 * a
        b = t2 / d2
        a = t1 / d1
        d = (h1 + h2) * THIRD + p * rs + q * r1 + g3 * r2 * r2 - t1 * a - t2 * b
        if d <= 0.0:
            # every digit lost, only beyond what fit accepts: keep what cannot become negative
            d = (h1 + h2) * THIRD + p * rs
        u = s2 - s1 - a * u1 - b * u2
        rows.append((u, d, a, b, r1))
        d2 = d1  # one by one: a long tuple assignment costs as much as all the arithmetic
        d1 = d
        u2 = u1
        u1 = u
        x2 = x3
        y2 = y3
        h1 = h2
        r0 = r1
        r1 = r2
        s1 = s2
        gr = gs
        g1 = g2
        g2 = g3
    return rows


def solve(
    x: FloatList, y: FloatList, g: FloatList, c: float, stiffest: float
) -> tuple[FloatList, FloatList]:
    """Curve f and second differences m, zero at both ends, at the k knots; stiffest: largest g."""
    if len(y) < 3:
        return y, [0.0] * len(y)
    rows = factor(x, y, g, c)
    if c == 0.0 or stiffest > REFINE_FROM:  # gaps of discrete grids are 1 or more
        return solve_refined(rows, x, y, g, c)
    return back_substitute(rows, x, g, y)


def back_substitute(
    rows: list[Row], x: FloatList, g: FloatList, y: FloatList
) -> tuple[FloatList, FloatList]:
    """``f = y - lam W^-1 Q m`` and m at the k knots, by back substitution."""
    f, m = [], [0.0]
    m1 = m2 = a1 = b1 = b2 = pull = 0.0
    r1 = 1.0 / (x[-1] - x[-2])
    for (u, d, a, b, r), gj, yj in zip(reversed(rows), reversed(g), reversed(y)):  # noqa: B905
        mj = u / d - a1 * m1 - b2 * m2
        m.append(mj)
        v = r1 * (m1 - mj)
        f.append(yj - gj * (pull - v))
        m2 = m1
        m1 = mj
        a1 = a
        b2 = b1
        b1 = b
        pull = v
        r1 = r
    v = r1 * m1
    f.append(y[1] - g[1] * (pull - v))
    f.append(y[0] - g[0] * v)
    m.append(0.0)
    m.reverse()
    f.reverse()
    return f, m


def solve_refined(
    rows: list[Row], x: FloatList, y: FloatList, g: FloatList, c: float
) -> tuple[FloatList, FloatList]:
    """Curve f and m with one step of iterative refinement on ``e = y - f`` and m together.

    The step, A. Bjorck's for augmented least-squares systems, is on the equations ``W e = lam Q m``
    and ``Q' (y - e) = R m``. It keeps e apart from y and reduces an error of 1e-8 to 1e-12.
    """
    sixth = c * SIXTH
    zero = [0.0] * len(y)
    e, m = back_substitute(rows, x, g, zero)  # minus e, to be exact
    h1 = x[1] - x[0]
    r1 = 1.0 / h1
    s1 = r1 * ((y[1] + e[1]) - (y[0] + e[0]))
    u1 = u2 = 0.0
    steps = []
    for j, (_, d, a, b, _) in enumerate(rows):
        h0, r0, s0 = h1, r1, s1
        h1 = x[j + 2] - x[j + 1]
        r1 = 1.0 / h1
        s1 = r1 * ((y[j + 2] + e[j + 2]) - (y[j + 1] + e[j + 1]))
        rm = ((h0 + h1) * THIRD + sixth * (r0 + r1)) * m[j + 1]
        rm += (h0 * SIXTH - sixth * r0) * m[j] + (h1 * SIXTH - sixth * r1) * m[j + 2]
        u = s1 - s0 - rm - a * u1 - b * u2
        steps.append((u, d, a, b, r0))
        u2, u1 = u1, u
    de, dm = back_substitute(steps, x, g, zero)
    f = [v + (p + q) for v, p, q in zip(y, e, de)]  # noqa: B905
    return f, [p + q for p, q in zip(m, dm)]  # noqa: B905


def lowest(x: FloatList, f: FloatList, m: FloatList, c: float, last: float) -> tuple[float, float]:
    """Lowest of the grid positions 0, 1, .., last, the first of equal ones, and the curve there.

    Inside a gap the curve stays above ``min(f0, f1) - h^2 max(m0, m1) / 8``, so that most gaps
    need no root. The cost is O(k).
    """
    best = min(f)
    best_x = x[f.index(best)]
    if len(x) == 1:
        return 0.0, best
    if x[0] > 0.0:
        edge = extrapolate_left(x, f, m, c, 0.0)
        if edge <= best:
            best_x, best = 0.0, edge
    knots = zip(x, f, m)  # noqa: B905
    x0, f0, m0 = next(knots)
    for x1, f1, m1 in knots:
        h = x1 - x0
        if h > 1.0 and (f0 if f0 < f1 else f1) - 0.125 * h * h * (m0 if m0 > m1 else m1) <= best:
            c3 = (m1 - m0) / (6.0 * h)
            c1 = (f1 - f0) / h - h * (2.0 * m0 + m1) / 6.0
            s = floor(turning(h, c1, m0, c3))
            for t in (s, s + 1.0):
                if 0.0 < t < h:
                    v = f0 + t * (c1 + t * (0.5 * m0 + t * c3))
                    if v < best or (v == best and x0 + t < best_x):
                        best_x, best = x0 + t, v
        x0, f0, m0 = x1, f1, m1
    if last > x0:
        edge = extrapolate_right(x, f, m, c, last)
        if edge < best:
            best_x, best = last, edge
    return best_x, best


def lowest_of_positions(
    places: Sequence[float], x: FloatList, f: FloatList, m: FloatList
) -> tuple[int, float]:
    """Lowest level on the natural cubic spline over rising real positions, and the curve there."""
    if len(x) == 1:
        return 0, f[0]
    ends = (
        (extrapolate_left(x, f, m, 0.0, places[0]), 0),
        (extrapolate_right(x, f, m, 0.0, places[-1]), len(places) - 1),
    )
    found = [*ends, *((v, bisect_left(places, p)) for v, p in zip(f, x))]  # noqa: B905
    for j in range(len(x) - 1):
        h = x[j + 1] - x[j]
        c3 = (m[j + 1] - m[j]) / (6.0 * h)
        c1 = (f[j + 1] - f[j]) / h - h * (2.0 * m[j] + m[j + 1]) / 6.0
        s = turning(h, c1, m[j], c3)
        right = bisect_left(places, x[j] + s)
        for i in (right - 1, right):
            if s > 0.0 and x[j] < places[i] < x[j + 1]:
                t = places[i] - x[j]
                found.append((f[j] + t * (c1 + t * (0.5 * m[j] + t * c3)), i))
    value, level = min(found)
    return level, value


def extrapolate_left(x: FloatList, f: FloatList, m: FloatList, c: float, p: float) -> float:
    """The curve at p <= x[0]: a straight line outside the knots (two knots or more)."""
    h = x[1] - x[0]
    return f[0] + (p - x[0]) * ((f[1] - f[0]) / h - (h - c / h) * m[1] / 6.0)


def extrapolate_right(x: FloatList, f: FloatList, m: FloatList, c: float, p: float) -> float:
    """The curve at p >= x[-1]: a straight line."""
    h = x[-1] - x[-2]
    return f[-1] + (p - x[-1]) * ((f[-1] - f[-2]) / h + (h - c / h) * m[-2] / 6.0)


def turning(h: float, c1: float, m0: float, c3: float) -> float:
    """Local minimum of ``c1 s + m0 s^2 / 2 + c3 s^3`` for s in (0, h); -2 if there is none."""
    disc = m0 * m0 - 12.0 * c3 * c1
    if disc <= 0.0:
        return -2.0
    root = sqrt(disc)
    if m0 > 0.0:
        s = -2.0 * c1 / (m0 + root)
    elif c3 > 0.0:
        s = (root - m0) / (6.0 * c3)
    else:
        return -2.0
    return s if 0.0 < s < h else -2.0
