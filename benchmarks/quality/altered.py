"""Searches for the ablation: the default one with a part of it replaced while it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from dsice import spline
from dsice.collinear.lines import MANY, Lines
from dsice.history import History
from dsice.space import Space
from dsice.spline.evidence import AxisPrior
from dsice.strategies import DSICE, Stream
from dsice.strategies.dsice.search import CENTRES, NEW_CENTRES, LineSearch, Widening
from dsice.trial import Proposal
from dsice.typing import Point

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Altered:
    """DSICE with the named parts of its modules replaced (``{"dsice.module.name": other}``)."""

    parts: Mapping[str, Any]
    then: DSICE = field(default_factory=lambda: DSICE(tolerance=None))

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The proposals of DSICE with these parts."""
        with ExitStack() as stack:
            for name, other in self.parts.items():
                stack.enter_context(patch(name, other))
            return self.then.ask(n, space, history, stream)


def no_lines(centres: Sequence[Point], shape: Sequence[int], *_: Any) -> Lines:
    """In place of `open_lines`: none."""
    return Lines(
        np.zeros(1, np.int64),
        np.empty((0, len(shape)), np.int64),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        [],
    )


def at_once(_: History, limit: int) -> Widening:
    """In place of `Widening.of`: up to four axes from the first line on."""
    width = min(limit, 4)
    return Widening(width, width, 0, 0, limit)


def shuffled(
    ndim: int, movable: Sequence[int], width: int, rng: np.random.Generator, *_: Any
) -> Iterator[Array]:
    """In place of the ladder: directions of all open widths in random order."""
    found = []
    for _draw in range(MANY):
        w = int(rng.integers(1, width + 1))
        pool = list(range(ndim)) if w == 1 else [int(j) for j in movable]
        if len(pool) < w:
            continue
        direction = np.zeros(ndim, dtype=np.int64)
        chosen = np.sort(rng.choice(pool, size=w, replace=False))
        direction[chosen] = [1, *(1 - 2 * rng.integers(0, 2, size=w - 1))]
        found.append(tuple(direction.tolist()))
    yield np.array(list(dict.fromkeys(found)), dtype=np.int64)


class Matern(AxisPrior):
    """In place of an ordered axis' d-spline prior: Matern 5/2, with its length as smoothness."""

    def covariance(self, log_lam: float, at: Array) -> tuple[Array, Array]:
        """As `AxisPrior.covariance`, the slope by central differences."""
        if not self.ordered or self.levels < 2:
            return super().covariance(log_lam, at)
        step = 1e-4
        value, above, below = (self._matern(log_lam + s, at) for s in (0.0, step, -step))
        return value, (above - below) / (2 * step)

    def _matern(self, log_lam: float, at: Array) -> Array:
        m = self.levels
        r = (
            np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
            / (m - 1)
            * np.sqrt(5)
            / np.exp(log_lam / 4 + 0.25)
        )
        k = (1 + r + r * r / 3) * np.exp(-r)
        k = k - k.mean(axis=0)
        k = k - k.mean(axis=1, keepdims=True)
        here = (at >= 0) & (at < m)
        level = np.where(here, at, 0)
        return np.asarray(k[np.ix_(level, level)] / np.diag(k).mean() * np.outer(here, here))


class OneLine(LineSearch):
    """Each line is fitted by itself, by a d-spline of fixed alpha to the points measured on it.

    New centres are random.
    """

    ALPHA = 0.1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        values = dict(
            zip(map(tuple, self.data.points.tolist()), self.data.values.tolist(), strict=True)
        )
        fits: dict[int, tuple[Point, spline.SplineFit | None]] = {}
        for place, (point, line) in enumerate(zip(self._points, self._line.tolist(), strict=True)):
            self._picker.mean[place] = 0.0
            if not self._width[place]:
                continue
            direction = self._lines.directions[line]
            if line not in fits:
                fits[line] = self._fit(point, direction, values)
            low, fit = fits[line]
            if fit is not None:
                axis = next(j for j, step in enumerate(direction) if step)
                self._picker.mean[place] = fit.at(abs(point[axis] - low[axis]))

    def _fit(
        self, point: Point, direction: Point, values: Mapping[Point, float]
    ) -> tuple[Point, spline.SplineFit | None]:
        from dsice.directions import line

        points = list(map(tuple, line(point, direction, self._space.shape).points.tolist()))
        known = [(k, values[p]) for k, p in enumerate(points) if p in values]
        fit = (
            spline.fit(*zip(*known, strict=True), len(points), alpha=self.ALPHA)
            if len(known) > 1
            else None
        )
        return points[0], fit

    def _choose_centres(self, scan: Array) -> tuple[list[Point], Array]:
        order = np.argsort(self.data.values, kind="stable")[:CENTRES]
        self._old = len(order)
        new = list(map(tuple, scan[:NEW_CENTRES].tolist()))
        return list(map(tuple, self.data.points[order].tolist())) + new, scan[
            NEW_CENTRES : NEW_CENTRES + 50
        ]
