"""Lines through centres: narrow ones first, each once, as many as there is room for.

See "Lines" and "Widening" in docs/method.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np

from dsice.directions import directions
from dsice.directions.lines import PackedLines, ends, packed
from dsice.typing import Ints, Point

MAX_LISTED = 2000  # directions of one width; where there are more, as many are drawn at random


def open_lines(
    centres: Sequence[Point],
    shape: Sequence[int],
    movable: Sequence[int],
    width: int,
    max_points: int,
    rng: np.random.Generator,
) -> PackedLines:
    """Lines through the centres along all directions up to a width.

    Parameters
    ----------
    centres
        Points; a line through several of them is opened once, for the first.
    shape
        Levels per axis.
    movable
        Axes that oblique directions may change; the others (unordered ones) move alone.
    width
        Most axes that a direction changes.
    max_points
        Most points on the lines through one centre: where they hold more, a random choice of the
        lines, narrow ones first, is opened.
    rng
        For that choice.
    """
    sizes = np.array(shape, dtype=np.int64)
    opened: list[tuple[Ints, Ints, Ints, Ints]] = []
    seen: set[bytes] = set()
    for number, centre in enumerate(centres):
        left = max_points
        for steps in _ladder(len(shape), movable, width, rng, shape, max_points):
            if left <= 0:
                break
            lows, lengths = ends(np.array(centre, dtype=np.int64), steps, sizes)
            taken, left, cut = _unseen(np.hstack([lows, steps]), lengths, left, seen)
            through = np.full(len(taken), number, dtype=np.int64)
            opened.append((lows[taken], steps[taken], lengths[taken], through))
            if cut:
                break
    if not opened:
        return PackedLines.empty(len(shape))
    lows, steps, lengths, through = (np.concatenate(part) for part in zip(*opened, strict=True))
    return packed(lows, steps, lengths, through)


def _unseen(keys: Ints, lengths: Ints, left: int, seen: set[bytes]) -> tuple[Ints, int, bool]:
    """Which lines are opened: those of two points and more that were not, while there is room.

    Parameters
    ----------
    keys
        What tells one line from another, shape (k, ...).
    lengths
        Number of points of each line, shape (k,).
    left
        How many more points the lines of this centre may hold.
    seen
        Keys of all lines so far; the new ones are added.

    Returns
    -------
    taken, left, cut
        Numbers of the lines; the room that is left then; whether lines remain that did not fit.
    """
    taken: list[int] = []
    for i in np.flatnonzero(lengths > 1).tolist():
        key = keys[i].tobytes()
        if key in seen:
            continue
        seen.add(key)
        taken.append(i)
        left -= int(lengths[i]) - 1  # the centre itself takes no room
        if left <= 0:
            return np.array(taken, dtype=np.int64), left, i + 1 < len(lengths)
    return np.array(taken, dtype=np.int64), left, False


def _ladder(
    ndim: int,
    movable: Sequence[int],
    width: int,
    rng: np.random.Generator,
    shape: Sequence[int],
    max_points: int,
) -> Iterator[Ints]:
    """Directions of one width after the other, each of shape (k, axes).

    Within a width they are in random order where not all of their lines fit in.
    """
    axes = tuple(int(j) for j in movable)
    for w in range(1, width + 1):
        pool = tuple(range(ndim)) if w == 1 else axes
        if comb(len(pool), w) << (w - 1) > MAX_LISTED:  # as many directions has this width
            yield _drawn(ndim, np.array(pool), w, rng)
            continue
        found = _listed(ndim, w, pool)
        longest = np.where(found, np.array(shape), 0).max(axis=1, initial=0)
        if int(longest.sum()) > max_points:
            found = found[rng.permutation(len(found))]
        yield found


@lru_cache(maxsize=64)
def _listed(ndim: int, width: int, pool: Point) -> Ints:
    """All directions of a width, in the order of the ladder, shape (k, axes)."""
    return np.array(list(directions(ndim, width, pool)), dtype=np.int64).reshape(-1, ndim)


def _drawn(ndim: int, pool: Ints, width: int, rng: np.random.Generator) -> Ints:
    """MAX_LISTED random directions, their first changed axes ascending; some may be the same."""
    order = np.argsort(rng.random((MAX_LISTED, len(pool))), axis=1)
    axes = pool[np.sort(order[:, :width], axis=1)]
    signs = 1 - 2 * rng.integers(0, 2, size=(MAX_LISTED, width))
    signs[:, 0] = 1
    found = np.zeros((MAX_LISTED, ndim), dtype=np.int64)
    np.put_along_axis(found, axes, signs, axis=1)
    return found


@dataclass
class WidthSchedule:
    """How wide directions are, counted over the proposals.

    Width 2 opens after two proposals per axis on axis lines: one probe of each both ways. Width
    w + 1 > 2 opens after a stretch without improvement of the best at width w: 2 told trials per
    axis, at least 20. Nothing closes again.

    Attributes
    ----------
    width
        Widest directions in use now.
    widest
        Widest that this batch may come to.
    """

    width: int
    widest: int
    _probes: int
    _enough: int
    _limit: int

    @classmethod
    def of(
        cls,
        ndim: int,
        probes: Sequence[bool],
        losses: Sequence[tuple[float, float] | None],
        limit: int,
    ) -> WidthSchedule:
        """What the trials so far say.

        Parameters
        ----------
        ndim
            Number of axes.
        probes
            Which trials were proposed on lines.
        losses
            What each trial is ordered by, such as (violation, score); None: it has no score.
        limit
            Directions are never wider.
        """
        enough = 2 * ndim
        width = 1
        if sum(probes) >= enough:
            width = 2 + _stretches(probes, losses, enough)
        return cls(min(width, limit), min(max(width, 2), limit), sum(probes), enough, limit)

    def count(self) -> None:
        """Count a proposal on a line."""
        self._probes += 1
        if self.width == 1 and self._probes >= self._enough:
            self.width = min(2, self._limit)


def _stretches(
    probes: Sequence[bool], losses: Sequence[tuple[float, float] | None], enough: int
) -> int:
    """How many stretches without improvement there were since `enough` proposals on lines."""
    probed = stale = stretches = 0
    best = (np.inf, np.inf)
    for probe, loss in zip(probes, losses, strict=True):
        if loss is not None and loss < best:
            best, stale = loss, 0
        elif loss is not None and probed >= enough:
            stale += 1
        probed += probe
        if stale >= max(20, enough):
            stretches, stale = stretches + 1, 0
    return stretches
