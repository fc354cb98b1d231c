"""Random search, early stopping, population-based training and decaying rates on digits.

Published, on MNIST with MagmaDNN under the workflow engine OpenDIEL (Betancourt et al., PEARC 2019,
10.1145/3332186.3333051): random search with early stopping by learning-curve matching is slightly
better and steadier than random search alone, and dynamic learning rates (population-based training,
decay) beat static ones. A grid of three parameters is searched by distributed jobs.

Here: two small networks on scikit-learn's digits (1797 images of 8 x 8) with 10 seeds, where every
search has the same budget of epochs; the three published graphs redrawn; a grid of three axes on a
pool of processes; one population through `Local`, whose members hand on checkpoints.
The networks are trained with numpy alone; torch is not needed.
"""
