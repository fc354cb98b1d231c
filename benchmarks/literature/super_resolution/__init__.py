"""Super-resolution: two-step learning, 40 trainings at once, the best image within an error.

Published: DSICE tuned four parameters (15 x 16 x 16 x 16 levels) of D-DBPN, a back-projection
network that enlarges photographs. The goal was the least perceptual index with an RMSE below 12.5.
1000 epochs of pre-training once and 250 per trial took 1/8 of the time of trainings in full; 40 to
50 jobs at once took 1/27 (4905 to 182 hours, 545 jobs); both together took 1/216.

Here: a network of five convolutions on the photographs of scikit-learn and scikit-image, with the
same shape: the same grid, one pre-training (``run(prepare=)``), fine-tunings a quarter as long (320
and 80 steps), batches of 40, the best trained once more in full (``confirm=``). The results are the
time saved by each step, the best under a bound that loosens and without a bound, and the image
before and after. The perceptual index has a stand-in, see `quality`.
"""
