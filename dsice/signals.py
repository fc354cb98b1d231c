"""SIGTERM and SIGHUP as exceptions, so that a coordinator ends as after Ctrl-C.

Without handlers these signals end a process at once. As exceptions they unwind it: launchers are
closed, trials are ended or left running as their launcher does it, and the command line says how
to go on. A signal that comes again while the process unwinds changes nothing: some schedulers send
it to each process of a job and once more to the job.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


class Ended(SystemExit):
    """A signal that ends this process, as an exception."""


def _exit(number: int, frame: FrameType | None) -> None:
    if not _unwinding(sys.exc_info()[1]):
        raise Ended(128 + number)


def _unwinding(error: BaseException | None) -> bool:
    """Whether `error`, which is being handled, came of such a signal."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Ended):
            return True
        seen.add(id(error))
        error = error.__context__
    return False


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

    def install(self) -> None:
        """Install the handlers; does nothing outside the main thread, which alone can."""
        if threading.current_thread() is not threading.main_thread():
            return
        _installed.add(self)
        for number in _NUMBERS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _exit)

    def restore(self) -> None:
        """Restore the default handlers, unless others need them; a second call does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        _installed.discard(self)
        for number in () if _installed else _NUMBERS:
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)


_installed: weakref.WeakSet[Interrupts] = weakref.WeakSet()
