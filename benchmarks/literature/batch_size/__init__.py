"""The batch-size sweep: all sizes from 1 to 700 as jobs, with one metric and the time of each.

Published: one job per batch size 1, 2, ..., 700 of a ResNet50, launched by a script for the
job-level parallel language Xcrypt. Every job writes one metric and its time.

Shown here: the same sweep of a small convolutional network with batch normalisation on
scikit-learn's digits, measured once through `dsice.strategies.Grid`. Then `DSICE` searches the
measured table with 5 % of the trainings (35) and 30 seeds, beside random search, a strided sweep
and the published one-parameter search IPPE with as many trainings.

What "as good" means was fixed before anything was measured:

- The *noise* is how far one training lies from the median of its batch size, as a robust standard
  deviation, over the 10 best batch sizes of the sweep, each trained 8 more times with fresh seeds.
- A search found a point *as good* if the median loss of 8 fresh trainings of its batch size is at
  most one noise above that of the best batch size of the full sweep.
  Neither is judged by the value for which it was chosen.
- *In the table*: the value that the search found is at most two noises above the lowest of all 700.
  This is the only judgement of the searches for the shortest time.

``python -m benchmarks.literature.batch_size [--quick] [--workers N]``
"""
