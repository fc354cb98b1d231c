"""Measurements of related tasks, which inform a search: transfer from the logs of old studies.

A kernel comes to the next GPU, a network to the next data set, a solver to the next release: what
was measured then says where to begin now (transfer learning; warm starting). A `Source` is such a
log. It is matched by the names and values of parameters, never by levels, and only the order of its
points counts, never its numbers, so that it may be about another metric of another scale.

`source` has the class; `points` what every source is read into, `from_history` and `from_table` the
readers, `tables` reads logs that others wrote, `results` what other tuners wrote, `matching` what
of a source lies in a space.
"""

from dsice.reuse.matching import MatchedSource, match
from dsice.reuse.source import Source

__all__ = ["MatchedSource", "Source", "match"]
