"""Looks that come again: in growing intervals, and where a disk or a network fails for a moment."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FINAL = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
_GROWTH = 1.05  # so that a look comes late by at most a twentieth of the time waited
_FIRST, _LONGEST, _IN_ALL = 0.02, 2.0, 30.0  # seconds between tries, and until the last one


def waiting_helps(error: OSError) -> bool:
    """Whether this may pass: a full disk, an I/O error, a lost server; not a missing permission."""
    return error.errno not in _FINAL


def insist(action: Callable[[], T], seconds: float = _IN_ALL) -> T:
    """What `action` returns, tried again for so many seconds while the files cannot be used.

    Raises
    ------
    OSError
        It still cannot be done, or trying again does not help.
    """
    until = time.monotonic() + seconds
    pause = _FIRST
    while True:
        try:
            return action()
        except OSError as error:
            if not waiting_helps(error) or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)


class Backoff:
    """A growing interval between looks.

    Parameters
    ----------
    first, longest
        Seconds between two looks, at first and at most.
    growth
        Factor of the interval from one look to the next.
    """

    def __init__(self, first: float, longest: float, growth: float = _GROWTH) -> None:
        self._first = first
        self._longest = max(first, longest)
        self._growth = growth
        self._interval = first
        self._next = time.monotonic() + first

    def restart(self) -> None:
        """Start with short intervals again, since something new runs."""
        self._interval = self._first
        self._next = min(self._next, time.monotonic() + self._first)

    def hasten(self) -> None:
        """Let the next look be due now."""
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for a look; if so, the next one is set."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        self._interval = min(self._interval * self._growth, self._longest)
        return True

    def seconds_left(self) -> float:
        """Seconds to the next look."""
        return max(0.0, self._next - time.monotonic())
