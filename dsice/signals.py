"""SIGTERM and SIGHUP as exceptions, so that a coordinator tidies up and says how to go on before it ends."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import NoReturn

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _leave_children_alone() -> None:
    """A forked worker would take the exception for one of its trial, and live on: it ends as if nothing were installed."""
    for number in _NUMBERS:
        if signal.getsignal(number) is _leave:
            signal.signal(number, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_children_alone)


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
