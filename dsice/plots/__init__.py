"""Figures of a search; matplotlib is loaded on the first call."""

from dsice.plots.insight import effects, importance
from dsice.plots.progress import progress

__all__ = ["effects", "importance", "progress"]
