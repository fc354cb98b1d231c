"""Every valid point in lexicographic order: the plain sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.trial import Point, Proposal


@dataclass(frozen=True)
class Grid:
    """Full sweep over the grid, last axis fastest.

    Parameters
    ----------
    stride
        Take every `stride`-th level of each axis (1: all of them).
    """

    stride: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.stride, bool) or not isinstance(self.stride, int) or self.stride < 1:
            raise OptionError(f"Grid(stride={self.stride!r}): expected a whole number >= 1")

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The next `n` points of the sweep that were not asked or added."""
        taken = history.taken()
        fresh = (point for point in self._sweep(space) if point not in taken)
        return [Proposal(point, {"phase": "grid"}) for point in islice(fresh, n)]

    def _sweep(self, space: Space) -> Iterator[Point]:
        levels = (range(0, m, self.stride) for m in space.shape)
        return (point for point in product(*levels) if space.is_valid(point))
