"""Tuner: ask for points, tell what was measured. The only writer of history and journal."""

from dsice.journal.extend import Extension, extend
from dsice.stopping import Stopper
from dsice.tuner.opening import Axes
from dsice.tuner.tuner import Tuner

__all__ = ["Axes", "Extension", "Stopper", "Tuner", "extend"]
