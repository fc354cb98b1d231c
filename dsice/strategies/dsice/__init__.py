"""DSICE, the default search: Bayesian optimisation on a grid, along lines.

Like other Bayesian optimisation it begins with an initial design, fits a Gaussian process to what
was measured and proposes where ``mean - beta * sd`` is lowest (a lower confidence bound). Two
things are its own: the prior is a d-spline over the whole grid, whose restriction to any line is
the line's d-spline, and the candidates are what collinear exploration of the model comes across.
docs/method.md has the method in full.

- `strategy`: the options, and which of the parts below an ask goes to.
- `initial_design`: where the first batch is chosen.
- `model`: normal scores of what was measured, and the d-spline through them.
- `constraints`: a model of each bound of the goal.
- `search`: one ask, from exploring the model to the batch.
- `replicates`: which points to measure again under noise.
- `convergence`: when to stop.
"""

from dsice.strategies.dsice.strategy import DSICE

__all__ = ["DSICE"]
