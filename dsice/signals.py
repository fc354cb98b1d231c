"""SIGTERM and SIGHUP as exceptions, so that a coordinator ends as after Ctrl-C.

Without handlers these signals end a process at once. As exceptions they unwind it: launchers are
closed, trials are ended or left running as their launcher does it, and the command line says how
to go on. A signal that comes again while the process unwinds changes nothing: some schedulers send
it to each process of a job and once more to the job.

An exception inside the library of executors would be lost (in what runs at a fork), leave a lock
locked that a thread waits for, or a worker that nobody knows. So a signal that comes in a function
marked `whole` waits until it has returned. The stack says whether one runs, so nothing can stay
held back, and a second signal never is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_NUMBERS = (signal.SIGTERM, signal.SIGHUP)
_whole: set[CodeType] = set()
_waiting: list[int] = []  # a signal that came inside; one at most


class Ended(SystemExit):
    """A signal that ends this process, as an exception."""


def whole(function: F) -> F:
    """Mark a function that no signal cuts: the first that comes waits for `Interrupts.check`."""
    _whole.add(function.__code__)
    return function


def _exit(number: int, frame: FrameType | None) -> None:
    if _unwinding(sys.exc_info()[1]):
        return
    if not _waiting and _is_whole(frame):
        _waiting.append(number)
        return
    raise Ended(128 + number)


def _is_whole(frame: FrameType | None) -> bool:
    """Whether a function marked `whole` is running."""
    while frame is not None:
        if frame.f_code in _whole:
            return True
        frame = frame.f_back
    return False


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
    _waiting.clear()
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

    def check(self) -> None:
        """Raise what came while a function marked `whole` ran."""
        if _waiting and threading.current_thread() is threading.main_thread():
            raise Ended(128 + _waiting.pop())

    def restore(self) -> None:
        """Restore the default handlers, unless others need them; a second call does nothing.

        What came while a function marked `whole` ran is raised then, too.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        _installed.discard(self)
        for number in () if _installed else _NUMBERS:
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)
        self.check()


_installed: weakref.WeakSet[Interrupts] = weakref.WeakSet()
