"""The d-spline on one line in plain Python: no array library, 10 microseconds for a small line.

The minimiser of ``sum w (y - f)^2 + lam |D f|^2`` (D: second differences over all grid positions) is found
from the ``k - 2`` second differences ``m`` at the inner measured positions (knots) alone, however far apart
they lie: the discrete form of Reinsch's smoothing spline. With gaps ``h``, ``r = 1 / h`` and ``c = 1``
(``c = 0``: the natural cubic smoothing spline over real positions)::

    B m = z,    B = R + lam Q' W^-1 Q    (pentadiagonal),    z = Q' y
    R[j, j] = (h[j] + h[j+1]) / 3 + c (r[j] + r[j+1]) / 6,   R[j, j+1] = (h[j+1] - c r[j+1]) / 6
    column j of Q = (r[j], -(r[j] + r[j+1]), r[j+1]),        f = y - lam W^-1 Q m

B is factored as ``L diag(d) L'``. When lam is so large that forming ``Q' W^-1 Q`` has lost digits, one step of
iterative refinement on the equations ``W e = lam Q m``, ``Q' (y - e) = R m`` brings them back.

The functions here and the kernels in ``kernels.py`` do the same arithmetic in the same order.
Everything is a list of floats; nothing is checked. C. Reinsch, Smoothing by spline functions, Numer. Math. 10, 1967.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import floor, sqrt
from typing import NamedTuple

Floats = list[float]
LOSSY = 1e4  # refine when lam's part of B may exceed R's by more than this: 1e-16 * 1e4 is what plain elimination may lose


class Factor(NamedTuple):
    """``B = L diag(d) L'`` with unit lower triangular L: ``a[j] = L[j, j-1]``, ``b[j] = L[j, j-2]``; ``u = L^-1 z``."""

    d: Floats
    a: Floats
    b: Floats
    u: Floats


def gaps(x: Sequence[float], y: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """Gaps between knots, their inverses and the slopes between the values: three lists of length k - 1."""
    h = [q - p for p, q in pairwise(x)]
    r = [1.0 / p for p in h]
    return h, r, [p * (v - u) for p, (u, v) in zip(r, pairwise(y), strict=True)]


def factor(h: Floats, r: Floats, s: Floats, g: Floats, c: float) -> Factor:
    """Factor B and eliminate z forward; ``g = lam / w`` per knot, at least three knots."""
    sixth = c / 6.0
    h0, r0, s0, g0, g1, g2 = h[0], r[0], s[0], g[0], g[1], g[2]
    h1, r1, s1 = h[1], r[1], s[1]
    rs = r0 + r1
    gr = g1 * rs
    d1 = (h0 + h1) / 3.0 + sixth * rs + (g0 * r0 * r0 + gr * rs + g2 * r1 * r1)
    u1 = s1 - s0
    d2, u2, a = 1.0, 0.0, 0.0
    ds, us, las, lbs = [d1], [u1], [0.0], [0.0]
    for h2, r2, s2, g3 in zip(h[2:], r[2:], s[2:], g[3:], strict=True):
        rs2 = r1 + r2
        gr2 = g2 * rs2
        t2 = g1 * r0 * r1
        t1 = h1 / 6.0 - sixth * r1 - r1 * (gr + gr2)
        b = t2 / d2
        t1 -= t2 * a
        a = t1 / d1
        d = (h1 + h2) / 3.0 + sixth * rs2 + (g1 * r1 * r1 + gr2 * rs2 + g3 * r2 * r2) - t1 * a - t2 * b
        u = s2 - s1 - a * u1 - b * u2
        ds.append(d)
        us.append(u)
        las.append(a)
        lbs.append(b)
        d2, d1, u2, u1 = d1, d, u1, u
        h1, r0, r1, s1, gr, g1, g2 = h2, r1, r2, s2, gr2, g2, g3
    return Factor(ds, las, lbs, us)
