"""The collinear search: lines through good points, and the choice of points on them.

This is the idea that the design is named after. Like coordinate descent it searches along lines
through the points that are best so far; unlike it, the lines may change several parameters at once
(an *oblique* direction), many of them are searched at the same time, and a whole batch of points is
chosen on them before any is measured, as batch Bayesian optimisation does (GP-BUCB; Desautels,
Krause and Burdick, JMLR 2014).

- `lines`: which lines to open through given centres, and when lines get wider.
- `picker`: which of the points on them to measure, one after the other.

The search around it - which points are centres, what is minimised - is `dsice.strategies.dsice`.
"""
