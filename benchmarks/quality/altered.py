"""Searches for the ablation: the default one with a part of it replaced while it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from dsice import spline
from dsice.collinear.lines import MAX_LISTED, WidthSchedule
from dsice.directions import Line, line
from dsice.directions.ladder import Direction
from dsice.directions.lines import PackedLines
from dsice.history import History
from dsice.space import Space
from dsice.spline.evidence import AxisPrior
from dsice.strategies import DSICE, Strategy, Stream
from dsice.strategies.dsice.search import (
    CENTRES,
    NEW_CENTRES,
    Centres,
    LineSearch,
    SearchModel,
)
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
            for name, other in self.parts.items():
                stack.enter_context(patch(name, other))
            return self.then.ask(n, space, history, stream)


def no_lines(centres: Sequence[Point], shape: Sequence[int], *_: Any) -> PackedLines:
    """In place of `open_lines`: none."""
    return PackedLines.empty(len(shape))


def at_once(ndim: int, probes: object, losses: object, limit: int) -> WidthSchedule:
    """In place of `WidthSchedule.of`: up to four axes from the first line on."""
    width = min(limit, 4)
    return WidthSchedule(width, width, 0, 0, limit)


def shuffled(
    ndim: int, movable: Sequence[int], width: int, rng: np.random.Generator, *_: Any
) -> Iterator[Array]:
    """In place of the ladder: directions of all open widths in random order."""
    found = []
    for _draw in range(MAX_LISTED):
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


class OneLine(LineSearch):
    """Each line is fitted by itself, a d-spline of fixed alpha through what is measured on it."""

    ALPHA = 0.1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        data, candidates = self.model.data, self.candidates
        values = dict(zip(map(tuple, data.points.tolist()), data.values.tolist(), strict=True))
        fits: dict[Direction, spline.SplineFit | None] = {}
        candidates.picker.mean[:] = 0.0
        for place, point in enumerate(candidates.points):
            if not candidates.widths[place]:
                continue
            direction = tuple(candidates.directions[place].tolist())
            through = line(point, direction, self.model.space.shape)
            key = (*through.points[0].tolist(), *direction)
            if key not in fits:
                fits[key] = self._fit(through, values)
            fit = fits[key]
            if fit is not None:
                candidates.picker.mean[place] = fit.at(through.base)

    def _fit(self, through: Line, values: Mapping[Point, float]) -> spline.SplineFit | None:
        points = map(tuple, through.points.tolist())
        known = [(k, values[p]) for k, p in enumerate(points) if p in values]
        return (
            spline.fit(*zip(*known, strict=True), len(through), alpha=self.ALPHA)
            if len(known) > 1
            else None
        )


def random_centres(model: SearchModel, scanned: Array) -> Centres:
    """In place of `choose_centres`: new centres are random."""
    order = np.argsort(model.data.values, kind="stable")[:CENTRES]
    new = list(map(tuple, scanned[:NEW_CENTRES].tolist()))
    measured = list(map(tuple, model.data.points[order].tolist()))
    return Centres(measured + new, len(order), scanned[NEW_CENTRES : NEW_CENTRES + 50])
