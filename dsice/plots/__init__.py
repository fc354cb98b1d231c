"""Figures of a search; matplotlib is loaded on the first call."""

from dsice.plots.insight import effects, importance
from dsice.plots.lineage import lineage
from dsice.plots.progress import progress
from dsice.plots.timeline import timeline
from dsice.plots.tradeoff import tradeoff

__all__ = ["effects", "importance", "lineage", "progress", "timeline", "tradeoff"]
