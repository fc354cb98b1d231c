"""SIGTERM and SIGHUP as exceptions."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from dsice.signals import Interrupts, whole


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_that_comes_again_does_not_interrupt_the_end() -> None:
    interrupts = Interrupts()
    interrupts.install()
    ended = False
    with pytest.raises(SystemExit) as raised:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            try:
                raise OSError("something of the end fails")
            except OSError:
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            ended = True
    assert ended and raised.value.code == 128 + signal.SIGTERM
    with pytest.raises(SystemExit):  # somebody went on after the first: it is not dead
        signal.raise_signal(signal.SIGHUP)
    interrupts.restore()


def test_a_signal_waits_until_a_whole_function_has_returned() -> None:
    @whole
    def act(times: int) -> str:
        for _ in range(times):
            (lambda: signal.raise_signal(signal.SIGHUP))()
        return "all of it"

    interrupts = Interrupts()
    interrupts.install()
    assert act(1) == "all of it"
    with pytest.raises(SystemExit) as raised:
        interrupts.check()
    assert raised.value.code == 128 + signal.SIGHUP
    interrupts.check()
    with pytest.raises(SystemExit):  # it may hang: the second signal is not held back
        act(2)
    with pytest.raises(SystemExit):
        interrupts.restore()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_handlers_stay_until_the_last_launcher_is_closed() -> None:
    first, second = Interrupts(), Interrupts()
    first.install()
    second.install()
    first.restore()
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    second.restore()
    second.restore()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_of_the_program_itself_are_left_alone() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts = Interrupts()
    interrupts.install()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    interrupts.restore()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
