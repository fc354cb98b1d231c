"""Every valid point in lexicographic order: the plain sweep."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from weakref import WeakKeyDictionary

from dsice.checks import whole
from dsice.history import History
from dsice.space import Among, Space
from dsice.strategies.base import Strategy, Stream
from dsice.trial import Proposal
from dsice.typing import Ints, Point

# The sweep of a history, and how many of its first positions are taken or break a rule, which stays
# so: a sweep asked point by point would else look at all of them each time. Without it the answer
# is the same.
_BEHIND: WeakKeyDictionary[History, tuple[Grid, Space, Sweep, int]] = WeakKeyDictionary()


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
        taken = history.taken()
        found = list[Point]()
        sweep, behind = self._behind(space, history)
        for position in range(behind, sweep.count):
            if len(found) == n:
                break
            point = sweep.point(position)
            if point not in taken and space.is_valid(point):
                found.append(point)
            elif not found:
                behind = position + 1
        _BEHIND[history] = (self, space, sweep, behind)
        return [Proposal(point, {"phase": "grid"}) for point in found]

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether the sweep is at its end; no result changes that."""
        return not self.ask(1, space, history, stream)

    def _behind(self, space: Space, history: History) -> tuple[Sweep, int]:
        """The sweep, and how many of its first positions are known to give nothing more."""
        known = _BEHIND.get(history)
        if known is None or known[0] != self or known[1] is not space:
            return Sweep(space, self.stride), 0
        return known[2:]


class Sweep:
    """The positions of a sweep over a grid, or over the explicit set of its valid points.

    Attributes
    ----------
    count
        How many positions there are.
    """

    def __init__(self, space: Space, stride: int) -> None:
        self._levels = [range(0, m, stride) for m in space.shape]
        self._listed: Ints | None = None
        self.count = prod(map(len, self._levels))
        if any(isinstance(rule, Among) for rule in space.where):
            points = space.points()
            self._listed = points[(points % stride == 0).all(axis=1)]
            self.count = len(self._listed)

    def point(self, position: int) -> Point:
        """The point at a position."""
        if self._listed is not None:
            return tuple(self._listed[position].tolist())
        point = []
        for axis in reversed(self._levels):
            position, index = divmod(position, len(axis))
            point.append(axis[index])
        return tuple(reversed(point))
