"""The collinear search: walks along lines, and the choice of points that they came across.

This is the idea that the design is named after. Like coordinate descent it moves along lines to
their lowest point; unlike it, the lines may change several parameters at once (an *oblique*
direction). The walks are on a model, from many points at the same time, and of what they saw a
whole batch of points is chosen before any is measured, as batch Bayesian optimisation does
(GP-BUCB; Desautels, Krause and Burdick, JMLR 2014).

- `exploration`: the walks, and when lines get wider.
- `picker`: which of the points to measure, one after the other.

The search around it - where walks begin, what is minimised - is `dsice.strategies.dsice`.
"""
