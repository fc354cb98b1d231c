"""SIGTERM and SIGHUP as exceptions, so that a coordinator ends as after Ctrl-C.

Without handlers these signals end a process at once. As exceptions they unwind it: launchers are
closed, trials are ended or left running as their launcher does it, and the command line says how
to go on.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import NoReturn

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _restore_in_child() -> None:
    """Give a forked process the default handlers.

    A worker of a pool would take the exception for one of its trial, and live on.
    """
    for number in _NUMBERS:
        if signal.getsignal(number) is _exit:
            signal.signal(number, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restore_in_child)


class Interrupts:
    """While installed, SIGTERM and SIGHUP raise SystemExit, as Ctrl-C raises KeyboardInterrupt.

    Handlers of the program's own, and signals that it ignores (nohup), are left as they are.
    """

    def __init__(self) -> None:
        self._installed: list[int] = []

    def install(self) -> None:
        """Install the handlers; does nothing outside the main thread, which alone can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _NUMBERS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _exit)
                self._installed.append(number)

    def restore(self) -> None:
        """Restore the default handlers; a second call does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in self._installed:
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)
        self._installed = []
