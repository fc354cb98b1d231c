"""Leverages and posterior variances from the band of ``B^-1``: exact, O(k) for all knots, O(1) per further level.

At a knot the posterior variance over sigma^2 is ``(1 - om) / w`` with ``1 - leverage = om = lam (Q B^-1 Q')[j, j] / w``.
At any other position x take the contrast ``u = f(x) - l' y``, l the straight line through the two knots beside x.
Under the prior (second differences of variance sigma^2 / lam) it has variance ``g sigma^2 / lam`` and covariance
``p sigma^2 / lam`` with ``Q' f``, so that, given ``z = Q' y``::

    v(x) = g / lam + l' W^-1 l - b' B^-1 b / lam,        b = p - lam Q' W^-1 l

where b has four entries. It equals the variance from a pseudo-measurement put at x (the tests compare the two).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dsice.spline.plain import Floats, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def inverse_band(rows: list[Row]) -> list[Floats]:
    """Diagonals 0 to 3 of ``B^-1`` from element 2 on, with zeros around for the columns outside B.

    The recurrence is M. F. Hutchinson and F. R. de Hoog's (Numerische Mathematik 47, 1985).
    """
    k = len(rows)
    s0, s1, s2, s3 = ([0.0] * (k + 7) for _ in range(4))
    p = q = q_next = 0.0
    for j in range(k - 1, -1, -1):
        i = j + 2
        s1[i] = -p * s0[i + 1] - q * s1[i + 1]
        s2[i] = -p * s1[i + 1] - q * s0[i + 2]
        s3[i] = -p * s2[i + 1] - q * s1[i + 2]
        s0[i] = 1.0 / rows[j][1] - p * s1[i] - q * s2[i]
        p, q, q_next = rows[j][2], q_next, rows[j][3]
    return [s0, s1, s2, s3]


def freedom(band: list[Floats], x: Floats, g: Floats) -> Floats:
    """``1 - leverage`` at each of k >= 3 knots, without the cancellation that the difference would bring."""
    s0, s1, s2, _ = band
    out = []
    q2 = 0.0
    for j in range(len(g)):
        q0, q2 = q2, 1.0 / (x[j + 1] - x[j]) if j < len(g) - 1 else 0.0
        q1 = -(q0 + q2)
        here = q0 * q0 * s0[j] + q1 * q1 * s0[j + 1] + q2 * q2 * s0[j + 2]
        here += 2.0 * (q0 * q1 * s1[j] + q1 * q2 * s1[j + 1] + q0 * q2 * s2[j])
        out.append(min(max(g[j] * here, 0.0), 1.0))
    return out


def variances(
    position: Array, x: Array, w: Array, lam: float, c: float, band: list[Floats] | None
) -> Array:
    """Posterior variance over sigma^2 at grid positions, for two knots or more; never negative."""
    k = len(x)
    i = np.clip(np.searchsorted(x, position, side="right") - 1, 0, k - 2)
    h = x[i + 1] - x[i]
    s = position - x[i]
    g, p0, p1 = _bridge(s, h, c)
    l0, l1 = (h - s) / h, s / h
    out = g / lam + l0 * l0 / w[i] + l1 * l1 / w[i + 1]
    if band is not None:
        r = np.concatenate([[0.0], 1.0 / np.diff(x), [0.0]])  # r[j] at j + 1
        v0, v1 = lam * l0 / w[i], lam * l1 / w[i + 1]
        before, here, after = r[i], r[i + 1], r[i + 2]
        b = np.stack(
            [
                -v0 * before,
                p0 + v0 * (before + here) - v1 * here,
                p1 - v0 * here + v1 * (here + after),
                -v1 * after,
            ]
        )
        inverse = np.array(band)
        quad = np.zeros_like(out)
        for row in range(4):
            for gap in range(4 - row):
                quad += (1.0 if gap == 0 else 2.0) * b[row] * b[row + gap] * inverse[gap, i + row]
        out -= quad / lam
    return np.maximum(out, 0.0)


def _bridge(s: Array, h: Array, c: float) -> tuple[Array, Array, Array]:
    """Prior variance g of the contrast at distance s into a gap h, and its covariances with the two contrasts beside.

    Outside the knots (s < 0 or s > h) the line through the outermost two is prolonged.
    """
    d = h - s
    inside = (s >= 0.0) & (d >= 0.0)
    e = np.where(s < 0.0, -s, -d)
    g = np.where(inside, s * d * (2.0 * s * d + c), e * (e + h) * (2.0 * e * h + c)) / (6.0 * h)
    outer = e * (h * h - c) / (6.0 * h)
    p0 = np.where(inside, -s * d * (h + d) / (6.0 * h), np.where(d < 0.0, outer, 0.0))
    p1 = np.where(inside, -s * d * (h + s) / (6.0 * h), np.where(s < 0.0, outer, 0.0))
    return g, p0, p1
