"""The smoothness of a line by restricted maximum likelihood (REML), and the posterior variance.

With ``q = z' B^-1 z`` (see `plain`), N measurements at k levels and S the sum of squares within
repeats, method.md, eq. (14) reads, as -2 log likelihood up to a constant::

    REML(lam) = (N - 2) log(lam q + S) - (k - 2) log lam + log|B|

This is ``(k - 2) log q + log|B|`` without repeats, equal to the ABIC of the d-spline papers up to a
constant. `choose_lam` minimises it together with a weak prior on lam (eq. (15)); `residual_dof` and
`variances` (eq. (17)) come from the inverse of B near its diagonal.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, exp, floor, inf, log, log10, nan
from typing import NamedTuple

import numpy as np

from dsice.errors import FitError
from dsice.spline.knots import Knots, MarkerGrid
from dsice.spline.plain import FloatList, Row, factor
from dsice.typing import Floats

MIN_ALPHA = 1e-8
MAX_ALPHA = 1e8
"""Bounds of alpha; beyond them the curve interpolates or is straight to every digit."""
REML_KNOTS = 6
"""Fewest knots that REML is used for; below, a fixed alpha serves better."""
DEFAULT_LAM = 0.25
"""lam, alpha squared, for few knots and straight lines, per mean weight and unit distance."""
PRIOR_MEAN = -0.5
"""Mean of the prior on log10 lam, a normal with standard deviation 1."""
STEPS_PER_DECADE = 32
"""Steps per decade of the grid of lam: a fixed grid makes the choice reproducible."""
MAX_RATIO = 1e13
"""Largest ratio of lam's share of B to R's in the search; beyond it the curve is straight."""


class LineData(NamedTuple):
    """A line to choose lam for.

    Attributes
    ----------
    x, y, iw
        Grid positions, values and inverse weights at the k knots.
    discrete
        c of `plain`.
    n_measured
        Number of measurements.
    within
        Sum of squares of repeated measurements around their means.
    """

    x: FloatList
    y: FloatList
    iw: FloatList
    discrete: float
    n_measured: int
    within: float


def lam_of(alpha: float | str, knots: Knots, grid: MarkerGrid, x: FloatList) -> float:
    """lam, alpha squared: fixed, or chosen by REML for the knots at grid positions x."""
    if isinstance(alpha, str) and alpha == "reml":
        line = LineData(
            x, knots.y, [1.0 / w for w in knots.w], grid.discrete, knots.n_measured, knots.within
        )
        size = max(max(knots.y), -min(knots.y)) + abs(knots.mean)
        return choose_lam(line, knots.weight * float(grid.step) ** 3, size)
    return fixed_lam(alpha)


def fixed_lam(alpha: object) -> float:
    """lam, alpha squared, of a checked alpha."""
    try:
        is_number = not isinstance(alpha, str | bool)
        number = float(alpha) if is_number else nan  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = nan
    if not MIN_ALPHA <= number <= MAX_ALPHA:
        raise FitError(
            f'alpha: expected "reml" or a number from {MIN_ALPHA} to {MAX_ALPHA}, got {alpha!r}; '
            "small interpolates"
        )
    return number * number


def choose_lam(data: LineData, scale: float, size: float) -> float:
    """The lam with the lowest REML plus prior on a grid of 32 steps a decade.

    Whole decades come first; then the step is halved around the best so far.

    Parameters
    ----------
    data
        The line.
    scale
        The lam that counts as 1: mean weight times distance of levels cubed.
    size
        Largest magnitude among the values, against which rounding is judged.
    """
    if len(data.x) < REML_KNOTS or _straight(data, size):
        return DEFAULT_LAM * scale
    low, high = search_range(data, scale)
    best, at = penalised_reml(low, data, scale), low
    for i in range(low + STEPS_PER_DECADE, high + 1, STEPS_PER_DECADE):
        v = penalised_reml(i, data, scale)
        if v < best:
            best, at = v, i
    step = STEPS_PER_DECADE // 2
    while step:
        centre = at
        for i in (centre - step, centre + step):
            v = penalised_reml(i, data, scale)
            if v < best:
                best, at = v, i
        step //= 2
    return lam_at(at, scale)


def _straight(data: LineData, size: float) -> bool:
    """Whether the values lie on a straight line, so that REML would fit their rounding errors."""
    r = [1.0 / (q - p) for p, q in pairwise(data.x)]
    slopes = [p * (v - u) for p, (u, v) in zip(r, pairwise(data.y), strict=True)]
    return max(abs(v - u) for u, v in pairwise(slopes)) <= 1e-13 * size * max(r)


def lam_at(i: int, scale: float) -> float:
    """Step i of the logarithmic grid of lam."""
    return scale * exp((PRIOR_MEAN + i / STEPS_PER_DECADE) * 2.302585092994046)


def search_range(data: LineData, scale: float) -> tuple[int, int]:
    """First and last step of the grid of lam, whole decades apart.

    They lie four decades beyond the mean of the prior and beyond trace R / trace Q'W^-1Q.
    """
    x, iw = data.x, data.iw
    tr = tq = steepest = 0.0
    for j in range(len(x) - 2):
        h0, h1 = x[j + 1] - x[j], x[j + 2] - x[j + 1]
        r0, r1 = 1.0 / h0, 1.0 / h1
        rs = r0 + r1
        tr += (h0 + h1) / 3.0
        tq += iw[j] * r0 * r0 + iw[j + 1] * rs * rs + iw[j + 2] * r1 * r1
        steepest = max(steepest, r0, r1)
    middle = log10(tr / tq / scale) - PRIOR_MEAN
    most = floor(
        log10(MAX_RATIO / (9.0 * max(iw) * steepest * steepest * steepest) / scale) - PRIOR_MEAN
    )
    low, high = ceil(min(middle, 0.0) - 4.0), ceil(max(middle, 0.0) + 4.0)
    return STEPS_PER_DECADE * min(low, most - 1), STEPS_PER_DECADE * max(min(high, most), low + 1)


def penalised_reml(i: int, data: LineData, scale: float) -> float:
    """REML plus prior at step i: method.md, eqs. (14) and (15)."""
    lam = lam_at(i, scale)
    rows = factor(data.x, data.y, [lam * v for v in data.iw], data.discrete)
    prior = i / STEPS_PER_DECADE
    return reml(rows, lam, data.n_measured, data.within) + prior * prior


def reml(rows: list[Row], lam: float, count: int, within: float) -> float:
    """REML(lam) from the rows of B, method.md, eq. (14); infinite on a straight line."""
    k = len(rows) + 2
    q = quadratic_form(rows)
    if count == k:
        return (k - 2) * log(q) + log_det(rows) if q > 0.0 else inf
    rest = lam * q + within
    return (count - 2) * log(rest) - (k - 2) * log(lam) + log_det(rows) if rest > 0.0 else inf


def quadratic_form(rows: list[Row]) -> float:
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


def inverse_band(rows: list[Row]) -> list[FloatList]:
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


def residual_dof(band: list[FloatList], x: FloatList, g: FloatList) -> FloatList:
    """Residual degrees of freedom at each of k >= 3 knots: ``1 - leverage``.

    Computed directly, without the cancellation of that difference.
    """
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
    position: Floats, x: Floats, w: Floats, lam: float, c: float, band: list[FloatList] | None
) -> Floats:
    """Posterior variance over sigma^2 at grid positions, for two knots or more; never negative.

    sigma^2 is the noise variance of a measurement of weight 1: method.md, eqs. (16) and (17).
    ``band`` is None where there are no inner knots.
    """
    k = len(x)
    i = np.clip(np.searchsorted(x, position, side="right") - 1, 0, k - 2)
    h = x[i + 1] - x[i]
    s = position - x[i]
    g, p0, p1 = _gap_prior(s, h, c)
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


def _gap_prior(s: Floats, h: Floats, c: float) -> tuple[Floats, Floats, Floats]:
    """Prior variance g of the curve less the chord at distance s into a gap h, and two covariances.

    They are g and the covariances with the second differences at both ends of the gap, for
    method.md, eq. (17). Outside the knots (s < 0 or s > h) the chord of the outermost two is
    extended.
    """
    d = h - s
    inside = (s >= 0.0) & (d >= 0.0)
    e = np.where(s < 0.0, -s, -d)
    g = np.where(inside, s * d * (2.0 * s * d + c), e * (e + h) * (2.0 * e * h + c)) / (6.0 * h)
    outer = e * (h * h - c) / (6.0 * h)
    p0 = np.where(inside, -s * d * (h + d) / (6.0 * h), np.where(d < 0.0, outer, 0.0))
    p1 = np.where(inside, -s * d * (h + s) / (6.0 * h), np.where(s < 0.0, outer, 0.0))
    return g, p0, p1
