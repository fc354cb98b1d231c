"""What the measurements say about the parameters: main effects, and which of them matter.

A search leaves measurements that are dense near the best points and sparse elsewhere, so that plain
averages over them mislead. Insight therefore fits one d-spline surface to all scores of a history
and asks the surface: its main effects and interactions are the functional analysis of variance
(Sobol indices are the best known form of it), here in closed form, with the uncertainty that the
measurements leave. Both functions take a tuner, or a history and its space.

- `frames`: `effects` and `importance`, as DataFrames;
- `model`: the surface that both are read from;
- `resampling`: how sure the shares are.
"""

from dsice.insight.frames import effects, importance

__all__ = ["effects", "importance"]
