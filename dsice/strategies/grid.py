"""Every valid point in lexicographic order: the plain sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from weakref import WeakKeyDictionary

from dsice.checks import whole
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream
from dsice.trial import Proposal
from dsice.typing import Point

# How many of the first positions of the sweep are taken or break a rule, which stays so: a sweep
# asked point by point would else look at all of them each time. Without it the answer is the same.
_BEHIND: WeakKeyDictionary[History, tuple[Grid, Space, int]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Grid(Strategy):
    """Full sweep over the grid, last axis fastest.

    Parameters
    ----------
    stride
        Take every `stride`-th level of each axis, from the first (1: all of them). A sweep may be
        made finer later: with a smaller stride and the same journal only what was not asked before
        is asked.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Grid
    >>> tuner = Tuner({"batch": range(1, 701)}, Grid(stride=200))
    >>> [trial.params["batch"] for trial in tuner.ask(10)]
    [1, 201, 401, 601]
    """

    stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "stride", whole("Grid", "stride", self.stride, 1))

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The next `n` points of the sweep that were not asked or added."""
        levels = [range(0, m, self.stride) for m in space.shape]
        taken = history.taken()
        found = list[Point]()
        behind = self._behind(space, history)
        for position in range(behind, prod(map(len, levels))):
            if len(found) == n:
                break
            point = _point(position, levels)
            if point not in taken and space.is_valid(point):
                found.append(point)
            elif not found:
                behind = position + 1
        _BEHIND[history] = (self, space, behind)
        return [Proposal(point, {"phase": "grid"}) for point in found]

    def _behind(self, space: Space, history: History) -> int:
        """How many of the first positions of the sweep are known to give nothing more."""
        known = _BEHIND.get(history)
        if known is None or known[0] != self or known[1] is not space:
            return 0
        return known[2]


def _point(position: int, levels: Sequence[range]) -> Point:
    """The point at a position of the sweep."""
    point = []
    for axis in reversed(levels):
        position, index = divmod(position, len(axis))
        point.append(axis[index])
    return tuple(reversed(point))
