"""Directions of the lattice and the lines they span: integers and arrays only.

A grid of n axes is a lattice: a point is its levels, one whole number per axis. A *direction* is a
vector of -1, 0 and +1, and a *line* is all grid points that one reaches from a point by steps along
a direction. Axis lines are what coordinate descent searches; the oblique ones follow two and more
parameters at once, which is what "collinear" means in the authors' papers (Mochizuki et al.,
iWAPT 2017).

- `ladder`: all directions in the fixed order, axes first.
- `lines`: the points of a line, and of many lines packed one after the other.
"""

from dsice.directions.ladder import directions
from dsice.directions.lines import Line, line

__all__ = ["Line", "directions", "line"]
