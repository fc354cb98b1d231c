"""Callbacks of `run`: what users have called when something happens, such as MLflow's.

An event is a method of the user's object: ``asked(tuner, trials)``, ``started(tuner, trial)``,
``stepped(tuner, trial, step, value)``, ``told(tuner, trial)`` and ``finished(tuner)``. It may have
some of them; a plain function is ``told``.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from dsice.errors import DsiceWarning
from dsice.tuner import Tuner

EVENTS = ("asked", "started", "stepped", "told", "finished")


def is_callback(given: object) -> bool:
    """Whether `run` can call this: a function, or an object with a method of `EVENTS`."""
    has_events = any(callable(getattr(given, event, None)) for event in EVENTS)
    return not isinstance(given, type) if has_events else callable(given)


class Listeners:
    """The callbacks of one call of `run`.

    What a plain function raises ends the run, as it always did. What an object with events raises,
    such as one that writes to a server which is away, is said, once, and goes by; only what is no
    `Exception`, such as KeyboardInterrupt, ends the run.

    Parameters
    ----------
    tuner
        The first argument of every event.
    callbacks
        As users gave them.

    Attributes
    ----------
    active
        Whether one was called and has not returned.
    """

    def __init__(self, tuner: Tuner, callbacks: Sequence[object]) -> None:
        self.active = False
        self._tuner = tuner
        self._said: set[int] = set()
        self._methods: dict[str, list[tuple[object, Callable[..., object]]]] = {
            event: [] for event in EVENTS
        }
        for callback in callbacks:
            for event, method in _methods(callback).items():
                self._methods[event].append((callback, method))

    def notify(self, event: str, *what: Any) -> None:
        """Call all that want to know of an event."""
        for callback, method in self._methods[event]:
            self.active = True
            try:
                method(self._tuner, *what)
            except Exception as error:
                if method is callback:
                    raise
                if id(callback) not in self._said:
                    self._said.add(id(callback))
                    warnings.warn(_complaint(callback, event, error), DsiceWarning)
            self.active = False


def _methods(callback: object) -> dict[str, Callable[..., object]]:
    """What of a callback is called, by event."""
    found = {event: getattr(callback, event, None) for event in EVENTS}
    methods = {event: method for event, method in found.items() if callable(method)}
    if methods or not callable(callback):
        return methods
    return {"told": callback}


def _complaint(callback: object, event: str, error: Exception) -> str:
    name = getattr(callback, "__qualname__", type(callback).__name__)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return (
        f"the callback {name} raised {type(error).__name__}: {error} (in {event}{place}). The run "
        "goes on; what else it raises is not said"
    )
