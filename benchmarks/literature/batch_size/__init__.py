"""The batch-size sweep: all sizes from 1 to 700 as jobs, one metric and the time of each (ResNet50, Xcrypt).

Published: one job per batch size 1, 2, ..., 700 of a ResNet50, launched by a script for the
job-level parallel language Xcrypt; every job writes one metric and its time.

Shown here: the same sweep of a small convolutional network with batch normalisation on
scikit-learn's digits, measured once through `dsice.strategies.Grid`; then `DSICE` with 5 % of the
trainings (35), replayed on the measured table with 30 seeds, beside random search, a strided sweep
and the published one-parameter search IPPE with as many.

What "as good" means was fixed before anything was measured:

- The *noise* is how far one training lies from the median of its batch size, as a robust standard
  deviation, over the 10 best batch sizes of the sweep, each trained 8 times more with fresh seeds.
- A search found a point *as good* if the median loss of 8 fresh trainings of its batch size is at
  most one noise above that of the batch size which the full sweep hands out as its best. Neither is
  judged by the value it was chosen for.
- *In the table*: the value that the search found is at most two noises above the lowest of all 700.
  This is the only judgement of the searches for the shortest time.

``python -m benchmarks.literature.batch_size [--quick] [--workers N]``
"""
