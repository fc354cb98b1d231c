"""Searches for the ablation: the default one with a part of it replaced while it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from dsice import spline
from dsice.collinear.exploration import Exploration, Seen, point_keys
from dsice.directions import Line, line
from dsice.directions.ladder import Direction
from dsice.history import History
from dsice.space import Space
from dsice.spline.evidence import AxisPrior
from dsice.strategies import DSICE, Strategy, Stream
from dsice.strategies.dsice.initial_design import Noted
from dsice.strategies.dsice.search import BEST, FOUND, RANDOM, Search, SearchModel, scan
from dsice.trial import Proposal
from dsice.typing import Point

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Altered(Strategy):
    """DSICE with the named parts of its modules replaced (``{"dsice.module.name": other}``)."""

    parts: Mapping[str, Any]
    then: DSICE = field(default_factory=lambda: DSICE(tolerance=None))

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """What DSICE proposes with these parts."""
        with ExitStack() as stack:
            stack.enter_context(patch("dsice.strategies.dsice.strategy._KEPT", []))
            for name, other in self.parts.items():
                stack.enter_context(patch(name, other))
            return self.then.ask(n, space, history, stream)


def unmeasured(model: SearchModel, seen: Seen) -> Seen:
    """Those of some points that are not measured, each once."""
    shape = model.space.shape
    seen = seen.lowest(len(seen.values), shape)
    new = ~np.isin(point_keys(seen.points, shape), point_keys(model.data.points, shape))
    return seen[np.flatnonzero(new)]


def random_points(model: SearchModel, width: int, rng: np.random.Generator) -> Seen:
    """In place of `promising_points`: random points of the whole grid."""
    scanned = np.concatenate([scan(model.space, model.data.points, rng) for _ in range(2)])
    return unmeasured(model, Seen.alone(scanned, model.at(scanned)))


def whole_grid(model: SearchModel, width: int, rng: np.random.Generator) -> Seen:
    """In place of `promising_points`: the oracle, every point of the grid by its mean."""
    points = model.space.points()
    every = unmeasured(model, Seen.alone(points, model.at(points)))
    chosen = rng.choice(len(every.values), min(RANDOM, len(every.values)), replace=False)
    return every[np.unique(np.append(np.arange(min(FOUND, len(every.values))), chosen))]


def standing_lines(model: SearchModel, width: int, rng: np.random.Generator) -> Seen:
    """In place of `promising_points`: lines through good points, as 0.1.0 had them; no moves.

    They go through the 5 best measured points and the 12 best of the scan, of which the next 150
    are candidates, too.
    """
    data = model.data
    scanned = scan(model.space, data.points, rng)
    alone = Seen.alone(scanned, model.at(scanned)).lowest(162, model.space.shape)
    usable = np.flatnonzero(~data.failed)
    best = usable[np.argsort(data.values[usable], kind="stable")[:BEST]]
    centres = np.concatenate([data.points[best], alone.points[:12]])
    # below all that is seen, so that no line is lower
    exploration = Exploration(model.space, model.along, min(width, 2), 10**6, rng)
    on_lines = exploration.run(centres, np.full(len(centres), -np.inf))
    return unmeasured(model, Seen.of([on_lines, alone]))


class Quota(Search):
    """Four of five proposals lie on a line, as in 0.1.0."""

    def pick(self, id: int) -> Noted | None:
        """The next point of those that may be chosen."""
        alone = ~self.candidates.seen.directions.any(axis=1)
        blocked = self._blocked
        if id % 5 != 4 and not (blocked | alone).all():
            self._blocked = blocked | alone
        found = super().pick(id)
        self._blocked = blocked
        return found


def any_directions(
    ndim: int, width: int, axes: tuple[int, ...], most: int, rng: np.random.Generator
) -> Array:
    """In place of `rung`: as many directions, each of a random width."""
    count = min(most, len(axes) * 2 ** (width - 1))
    found = np.zeros((count, ndim), dtype=np.int64)
    for direction in found:
        w = int(rng.integers(1, len(axes) + 1))
        chosen = np.sort(rng.choice(axes, size=w, replace=False))
        direction[chosen] = [1, *(1 - 2 * rng.integers(0, 2, size=w - 1))]
    return found


def all_widths(ranks: object, ndim: int, limit: int) -> int:
    """In place of `width_reached`: directions of up to four axes from the start."""
    return min(limit, 4)


class Matern(AxisPrior):
    """Matern 5/2 in place of an ordered axis' d-spline prior, its length in place of smoothness."""

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


class OneLine(Search):
    """Each line is fitted by itself, a d-spline of fixed alpha through what is measured on it."""

    ALPHA = 0.1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        data, seen = self.model.data, self.candidates.seen
        values = dict(zip(map(tuple, data.points.tolist()), data.values.tolist(), strict=True))
        fits: dict[tuple[int, ...], spline.SplineFit | None] = {}
        mean = self.candidates.picker.mean
        mean[:] = 0.0
        for place, (point, steps) in enumerate(
            zip(seen.points.tolist(), seen.directions.tolist(), strict=True)
        ):
            if not any(steps):
                continue
            direction: Direction = tuple(steps)
            through = line(point, direction, self.model.space.shape)
            key = (*through.points[0].tolist(), *direction)
            if key not in fits:
                fits[key] = self._fit(through, values)
            fit = fits[key]
            if fit is not None:
                mean[place] = fit.at(through.base)

    def _fit(self, through: Line, values: Mapping[Point, float]) -> spline.SplineFit | None:
        points = map(tuple, through.points.tolist())
        known = [(k, values[p]) for k, p in enumerate(points) if p in values]
        return (
            spline.fit(*zip(*known, strict=True), len(through), alpha=self.ALPHA)
            if len(known) > 1
            else None
        )
