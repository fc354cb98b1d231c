"""The ladder of directions: axes first, then oblique ones through 2, 3, ... axes.

A direction is a vector of -1, 0 and +1; its *width* is the number of axes it changes. A direction
and its opposite span the same line, so only the one whose first changed axis ascends is listed:
comb(n, w) * 2**(w - 1) directions of width w, (3**n - 1) / 2 in all.

The order is that of the authors' library (Mochizuki et al., iWAPT 2017, and its successors): by
width; within a width by the set of axes, read as a binary number whose lowest bit is the first
axis; within a set the signs count in binary, the lowest changed axis as bit 0 and 1 meaning minus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import comb

import numpy as np

from dsice.typing import Ints

Direction = tuple[int, ...]
"""Change of each axis in one step: -1, 0 or +1."""


def directions(ndim: int, width: int, axes: Sequence[int] | None = None) -> Iterator[Direction]:
    """Directions of one width, lazily and in the fixed order.

    Parameters
    ----------
    ndim
        Number of axes of the grid: length of every direction.
    width
        Number of axes that a direction changes, >= 1.
    axes
        Axes that may change, ascending; all by default.

    Yields
    ------
    tuple of int
        -1, 0 or +1 per axis; the first changed axis has +1.

    Examples
    --------
    >>> list(directions(3, 2))
    [(1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
    """
    free = range(ndim) if axes is None else axes
    for chosen in _sets(tuple(free), width):
        for minus in range(1 << (width - 1)):
            direction = [0] * ndim
            direction[chosen[0]] = 1
            for bit, axis in enumerate(chosen[1:]):
                direction[axis] = -1 if minus >> bit & 1 else 1
            yield tuple(direction)


def rung(ndim: int, width: int, axes: tuple[int, ...], most: int, rng: np.random.Generator) -> Ints:
    """Directions of one width as an array, at most `most` of them.

    All of them in the fixed order; where there are more, `most` random ones, of which some may be
    the same.

    Parameters
    ----------
    ndim, width, axes
        As in `directions`.
    most
        Largest number of directions, >= 1.
    rng
        For that choice.

    Returns
    -------
    numpy.ndarray
        int64 of shape (k, ndim).
    """
    if width > len(axes):
        return np.empty((0, ndim), dtype=np.int64)
    if comb(len(axes), width) << (width - 1) <= most:
        return _listed(ndim, width, axes)
    order = np.argsort(rng.random((most, len(axes))), axis=1)
    changed = np.array(axes)[np.sort(order[:, :width], axis=1)]
    signs = 1 - 2 * rng.integers(0, 2, size=(most, width))
    signs[:, 0] = 1
    found = np.zeros((most, ndim), dtype=np.int64)
    np.put_along_axis(found, changed, signs, axis=1)
    return found


@lru_cache(maxsize=64)
def _listed(ndim: int, width: int, axes: tuple[int, ...]) -> Ints:
    """All directions of a width, in the order of the ladder, shape (k, ndim); read-only."""
    found = np.array(list(directions(ndim, width, axes)), dtype=np.int64).reshape(-1, ndim)
    found.flags.writeable = False
    return found


def _sets(axes: tuple[int, ...], width: int) -> Iterator[tuple[int, ...]]:
    """Sets of `width` axes in ascending order of their bit masks (colexicographic order)."""
    if width == 0:
        yield ()
        return
    for last in range(width - 1, len(axes)):
        for rest in _sets(axes[:last], width - 1):
            yield (*rest, axes[last])
