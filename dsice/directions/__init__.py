"""Directions of the lattice and the lines they span: integers and arrays only."""

from dsice.directions.ladder import count, directions
from dsice.directions.lines import Line, axis_line, line

__all__ = ["Line", "axis_line", "count", "directions", "line"]
