"""Every valid point in lexicographic order: the plain sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from weakref import WeakKeyDictionary

from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream
from dsice.trial import Proposal
from dsice.typing import Point

# How many of the first places of the sweep are taken or break a rule, which stays so: a sweep asked point by point would
# else look at all of them each time. Without it the answer is the same.
_BEHIND: WeakKeyDictionary[History, tuple[Grid, Space, int]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Grid(Strategy):
    """Full sweep over the grid, last axis fastest.

    Parameters
    ----------
    stride
        Take every `stride`-th level of each axis, from the first (1: all of them). A sweep may be made finer later: with a
        smaller stride and the same journal only what was not asked before is asked.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Grid
    >>> [trial.params["batch"] for trial in Tuner({"batch": range(1, 701)}, Grid(stride=200)).ask(10)]
    [1, 201, 401, 601]
    """

    stride: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.stride, bool) or not isinstance(self.stride, int) or self.stride < 1:
            raise OptionError(f"Grid(stride={self.stride!r}): expected a whole number >= 1")

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The next `n` points of the sweep that were not asked or added."""
        levels = [range(0, m, self.stride) for m in space.shape]
        taken, found, behind = history.taken(), list[Point](), self._behind(space, history)
        for place in range(behind, prod(map(len, levels))):
            if len(found) == n:
                break
            point = _point(place, levels)
            if point not in taken and space.is_valid(point):
                found.append(point)
            elif not found:
                behind = place + 1
        _BEHIND[history] = (self, space, behind)
        return [Proposal(point, {"phase": "grid"}) for point in found]

    def _behind(self, space: Space, history: History) -> int:
        known = _BEHIND.get(history)
        return known[2] if known is not None and known[0] == self and known[1] is space else 0


def _point(place: int, levels: Sequence[range]) -> Point:
    """The point at a place of the sweep."""
    point = []
    for some in reversed(levels):
        place, index = divmod(place, len(some))
        point.append(some[index])
    return tuple(reversed(point))
