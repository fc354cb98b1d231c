"""How much to smooth: alpha by restricted maximum likelihood with a weak prior, and the scores of a given alpha.

With ``q = z' B^-1 z`` (see ``plain``), N measurements at k levels and S the sum of squares within repeats::

    REML(lam) = (N - 2) log(lam q + S) - (k - 2) log lam + log|B|        [-2 log likelihood, up to a constant]

which is ``(k - 2) log q + log|B|`` without repeats (equal to the ABIC of the d-spline papers up to a constant).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, exp, floor, inf, log, log10
from typing import NamedTuple

from dsice.spline.plain import Floats, Row, factor

FEW = 6
"""Below this many knots REML has nothing to go by and the fixed alpha serves better."""
FIXED = 0.25
"""lam (= alpha squared) for few knots and for straight lines, per mean weight and unit distance of levels."""
CENTRE = -0.5
"""Mean of the prior on log10 lam, a normal with standard deviation 1."""
FINE = 32
"""Steps per decade of lam among which alpha is chosen: a fixed ladder makes the choice reproducible."""
WORST = 1e13
"""Largest ratio of lam's share of B to R's that the search looks at; beyond it the curve is a straight line."""


class Line(NamedTuple):
    """A line to choose lam for: grid positions, values and inverse weights at the knots, and what repeats tell.

    ``discrete`` is c of ``plain``; ``measured`` the number of measurements, ``within`` their sum of squares within repeats.
    """

    x: Floats
    y: Floats
    iw: Floats
    discrete: float
    measured: int
    within: float


def choose_lam(data: Line, scale: float, size: float) -> float:
    """lam with the lowest REML + prior on a ladder of 32 steps a decade.

    ``scale``: the lam that counts as 1 (mean weight times distance of levels cubed); ``size``: largest magnitude
    among the values, against which rounding is judged.
    """
    if len(data.x) < FEW or _straight(data, size):
        return FIXED * scale
    low, high = search_range(data, scale)
    best, at = score(low, data, scale), low
    for i in range(low + FINE, high + 1, FINE):
        v = score(i, data, scale)
        if v < best:
            best, at = v, i
    step = FINE // 2
    while step:
        centre = at
        for i in (centre - step, centre + step):
            v = score(i, data, scale)
            if v < best:
                best, at = v, i
        step //= 2
    return lam_at(at, scale)


def _straight(data: Line, size: float) -> bool:
    """Whether the values lie on a straight line up to rounding, so that REML would fit the rounding."""
    r = [1.0 / (q - p) for p, q in pairwise(data.x)]
    slopes = [p * (v - u) for p, (u, v) in zip(r, pairwise(data.y), strict=True)]
    return max(abs(v - u) for u, v in pairwise(slopes)) <= 1e-13 * size * max(r)


def lam_at(i: int, scale: float) -> float:
    """Rung i of the ladder."""
    return scale * exp((CENTRE + i / FINE) * 2.302585092994046)


def search_range(data: Line, scale: float) -> tuple[int, int]:
    """First and last rung, whole decades apart: four decades beyond the prior's centre and beyond trace R / trace Q'W^-1Q."""
    x, iw = data.x, data.iw
    tr = tq = steepest = 0.0
    for j in range(len(x) - 2):
        h0, h1 = x[j + 1] - x[j], x[j + 2] - x[j + 1]
        r0, r1 = 1.0 / h0, 1.0 / h1
        rs = r0 + r1
        tr += (h0 + h1) / 3.0
        tq += iw[j] * r0 * r0 + iw[j + 1] * rs * rs + iw[j + 2] * r1 * r1
        steepest = max(steepest, r0, r1)
    middle = log10(tr / tq / scale) - CENTRE
    most = floor(log10(WORST / (9.0 * max(iw) * steepest * steepest * steepest) / scale) - CENTRE)
    low, high = ceil(min(middle, 0.0) - 4.0), ceil(max(middle, 0.0) + 4.0)
    return FINE * min(low, most - 1), FINE * max(min(high, most), low + 1)


def score(i: int, data: Line, scale: float) -> float:
    """REML plus prior at rung i."""
    lam = lam_at(i, scale)
    rows = factor(data.x, data.y, [lam * v for v in data.iw], data.discrete)
    prior = i / FINE
    return reml(rows, lam, data.measured, data.within) + prior * prior


def reml(rows: list[Row], lam: float, count: int, within: float) -> float:
    """REML(lam) from the rows of B; infinite where the values lie on a straight line and on it alone."""
    k = len(rows) + 2
    q = quadratic(rows)
    if count == k:
        return (k - 2) * log(q) + log_det(rows) if q > 0.0 else inf
    rest = lam * q + within
    return (count - 2) * log(rest) - (k - 2) * log(lam) + log_det(rows) if rest > 0.0 else inf


def quadratic(rows: list[Row]) -> float:
    """``z' B^-1 z``."""
    total = 0.0
    for u, d, _, _, _ in rows:
        total += u * u / d
    return total


def log_det(rows: list[Row]) -> float:
    """``log |B|``: one logarithm for many pivots, their product kept inside double precision."""
    total, product = 0.0, 1.0
    for _, d, _, _, _ in rows:
        product *= d
        if not 1e-100 < product < 1e100:
            total += log(product)
            product = 1.0
    return total + log(product)
