"""SIGTERM and SIGHUP as exceptions, so that a coordinator says how to go on before it ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


class Interrupts:
    """While installed, SIGTERM and SIGHUP raise SystemExit, as Ctrl-C raises KeyboardInterrupt.

    Handlers of the program's own, and signals that it ignores (nohup), are left as they are.
    """

    def __init__(self) -> None:
        self._ours: list[int] = []

    def install(self) -> None:
        """Take the signals; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _NUMBERS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _leave)
                self._ours.append(number)

    def restore(self) -> None:
        """Give them back; a second call does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in self._ours:
            if signal.getsignal(number) is _leave:
                signal.signal(number, signal.SIG_DFL)
        self._ours = []
