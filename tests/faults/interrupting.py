"""A public call that an exception interrupts at one of the lines of dsice that it passes.

The exception comes from a signal whose handler raises, or is set from outside in a thread. A
second one comes a few calls later, while the first unwinds.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import dsice
from dsice.signals import Interrupts

_ROOM = str(Path(dsice.__file__).parent)


class OwnError(Exception):
    """What a user's handler raises."""


def _raise_own(number: int, frame: FrameType | None) -> None:
    raise OwnError(number)


def _time_out(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(number)  # an OSError, which a file may raise, too


RAISED: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: SystemExit,
    signal.SIGHUP: SystemExit,
    signal.SIGALRM: TimeoutError,
    signal.SIGUSR1: OwnError,
}


def _was_raised(error: BaseException | None) -> bool:
    """Whether it is what a handler raised, or what dsice made of that."""
    while error is not None:
        if isinstance(error, tuple(RAISED.values())):
            return True
        error = error.__cause__ or error.__context__
    return False


class Handlers:
    """The handlers of a user's program and those that dsice installs; restored on leaving."""

    def __enter__(self) -> Handlers:
        self._before = {number: signal.getsignal(number) for number in RAISED}
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, _time_out)
        signal.signal(signal.SIGUSR1, _raise_own)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self._interrupts = Interrupts()
        self._interrupts.install()
        self._installed = {number: signal.getsignal(number) for number in RAISED}
        return self

    def dead(self) -> int:
        """How many signals do no longer what they did; afterwards they do again."""
        found = 0
        for number, handler in self._installed.items():
            alive = signal.getsignal(number) is handler
            if alive:
                try:
                    signal.raise_signal(number)
                    alive = False
                except RAISED[number]:
                    pass
            found += not alive
            signal.signal(number, handler)
        return found

    def __exit__(self, *_: object) -> None:
        self._interrupts.restore()
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Interruption:
    """An exception at one place of a call.

    Parameters
    ----------
    at
        Which of the places, from 0; past the last: none comes.
    signal
        The signal that raises it; None: KeyboardInterrupt is set in this thread from outside.
    again
        How many function calls later the same comes once more; None: it does not.
    opcodes
        Whether places are instructions of the bytecode rather than lines.

    Attributes
    ----------
    came
        Whether the first came.
    """

    def __init__(
        self, at: int, signal: int | None, again: int | None = None, *, opcodes: bool = False
    ) -> None:
        self.at = at
        self.signal = signal
        self.again = again
        self.opcodes = opcodes
        self.came = False
        self.passed = 0

    def call(self, function: Callable[[], Any]) -> Any:
        """Call it; what it raises of its own comes out, what was raised in it does not."""
        sys.settrace(self._enter)
        try:
            return function()
        except BaseException as error:
            if not self.came or not _was_raised(error):
                raise
            return None
        finally:
            sys.settrace(None)
            sys.setprofile(None)

    def _enter(self, frame: FrameType, event: str, what: object) -> Any:
        if not frame.f_code.co_filename.startswith(_ROOM):
            return None
        if self.opcodes:
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return self._step

    def _step(self, frame: FrameType, event: str, what: object) -> Any:
        if event == ("opcode" if self.opcodes else "line"):
            self.passed += 1
            if self.passed == self.at + 1 and not self.came:
                self.came = True
                if self.again is not None:
                    sys.setprofile(self._once_more)
                self._raise()
        return self._step

    def _once_more(self, frame: FrameType, event: str, what: object) -> None:
        if self.again is not None and frame.f_code.co_filename.startswith(_ROOM):
            self.again -= 1
            if self.again < 0:
                self.again = None
                sys.setprofile(None)
                self._raise()

    def _raise(self) -> None:
        if self.signal is not None:
            signal.raise_signal(self.signal)
        else:
            own = ctypes.c_ulong(threading.get_ident())
            ctypes.pythonapi.PyThreadState_SetAsyncExc(own, ctypes.py_object(KeyboardInterrupt))
        for _ in range(1000):  # it comes when the interpreter looks next
            pass


def in_thread(function: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What a function returns in a thread of its own; TimeoutError where it hangs."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()), daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError("it hangs")
    with suppress(IndexError):
        return found[0]
    return None
