"""Parallel Bayesian optimisation of a CNN whose objective counts run time at first (Zhang).

Published
---------
A CNN on CIFAR-10 is tuned by asynchronous parallel Bayesian optimisation: a worker that finishes
gets the next candidate from the known results, pending results are not predicted, and each worker
starts from one random candidate. The objective is Z = L + b*T (loss and run time) at first and
Z = L later. At equal final loss the total time was about 5 % less with the time term than without.

Here
----
A small CNN on scikit-learn's digits. All 288 settings of its grid are trained once for real. The
searches then replay that table on a virtual clock, with 10 seeds each: with and without the time
term (paired tests), asynchronous, synchronous and sequential. Bayesian optimisation is Optuna's
Gaussian process as a strategy of dsice; dsice's own strategy stands beside it.

``python -m benchmarks.literature.time_penalty [--quick] [--workers N]``

The results stand in README.md beside this file.

- `training`: the network, its grid, the table of all trainings.
- `study`: one search replayed on the virtual clock, and its figures.
- `design`: which searches are compared, and all of them carried out.
- `compare`: paired tests.
- `pictures`: the figures.
"""
