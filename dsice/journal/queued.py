"""Points that a journal says were enqueued."""

from __future__ import annotations

from collections import deque

from dsice.typing import Point


class Queue:
    """Points that were enqueued, of which the first of some point is removed in no time."""

    def __init__(self) -> None:
        self._places: dict[Point, deque[int]] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    def append(self, point: Point) -> None:
        """Add a point at the end."""
        self._places.setdefault(point, deque()).append(self._count)
        self._count += 1

    def remove(self, point: Point) -> None:
        """Take out the first of these points, if there is one."""
        places = self._places.get(point)
        if places is not None:
            places.popleft()
            if not places:
                del self._places[point]

    def points(self) -> list[Point]:
        """The points in the order in which they were added."""
        left = [(place, point) for point, places in self._places.items() for place in places]
        return [point for _, point in sorted(left)]
