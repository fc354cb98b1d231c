"""When to look again: soon at first, then at a share of the time that passed, at last at a steady pace."""

from __future__ import annotations

import time

_GROWTH = 1.05  # so that a look comes at most a twentieth of the waiting time late


class Pace:
    """A growing interval between looks.

    Parameters
    ----------
    first, longest
        Seconds between two looks, at the beginning and in the end.
    """

    def __init__(self, first: float, longest: float, growth: float = _GROWTH) -> None:
        self._first, self._longest, self._growth = first, max(first, longest), growth
        self._interval, self._next = first, time.monotonic() + first

    def restart(self) -> None:
        """Begin with short intervals again: something new runs."""
        self._interval = self._first
        self._next = min(self._next, time.monotonic() + self._first)

    def hasten(self) -> None:
        """Look at the next occasion."""
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for a look; if so, the next one is set."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        self._interval = min(self._interval * self._growth, self._longest)
        return True

    def left(self) -> float:
        """Seconds to the next look."""
        return max(0.0, self._next - time.monotonic())
