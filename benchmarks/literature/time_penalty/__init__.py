"""Parallel Bayesian optimisation of a CNN whose objective counts run time at first (Zhang).

Published --------- A CNN on CIFAR-10 is tuned by asynchronous parallel Bayesian optimisation: a
worker that finishes gets the next candidate from what is known, pending results are not predicted,
and each worker starts from one random candidate. The objective is Z = L + b*T (loss and run time)
at first and Z = L later. At equal final loss the total time was about 5 % less with the time term
than without it.

Here ---- A small CNN on scikit-learn's digits. All 288 settings of its grid are trained once for
real; the searches then replay that table on a virtual clock, 10 seeds each: with and without the
time term (paired tests), asynchronous, synchronous and sequential. Bayesian optimisation is
Optuna's Gaussian process as a strategy of dsice; dsice's own strategy stands beside it.

``python -m benchmarks.literature.time_penalty [--quick] [--workers N]``;
``docs/literature/time_penalty.md`` has what came out.

- `training`: the network, its grid, the table of all trainings.
- `study`: one search replayed on the virtual clock, and what is measured of it.
- `design`: which searches are compared, and all of them carried out.
- `compare`: paired tests.
- `pictures`: the figures.
"""
