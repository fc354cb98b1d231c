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


def _sets(axes: tuple[int, ...], width: int) -> Iterator[tuple[int, ...]]:
    """Sets of `width` axes in ascending order of their bit masks (colexicographic order)."""
    if width == 0:
        yield ()
        return
    for last in range(width - 1, len(axes)):
        for rest in _sets(axes[:last], width - 1):
            yield (*rest, axes[last])
