"""Tuner: ask for points, tell what was measured. The only writer of history and journal."""

from dsice.tuner.tuner import Axes, Stopper, Tuner

__all__ = ["Axes", "Stopper", "Tuner"]
