"""Pedestrian route prediction tuned by parallel DSICE (Fujika et al., 2021-22), in small.

Published: five parameters of a recurrent network that predicts where pedestrians walk - rnn_size,
grad_clip, learning_rate, dropout, lambda_param - with five levels each, 3125 points. The final
displacement error fell from 0.70 m to 0.48 m, 75 % of the points asked were better than the initial
one, and with parallel jobs the tuning took 1/14 of the time (35 days to 2.4).

Here: the same grid over a small LSTM on recorded walking paths (ETH/UCY), or on simulated ones
where the recordings are missing. The results are

- the error of the initial point and of the tuned one on validation paths, and after training again
  with other seeds, also in a place that the search never saw;
- the share of asked points that beat the initial one, beside that of random search;
- the time of the same trials on 40 workers, and that of the published parallel algorithm and of its
  sequential predecessor;
- the transition figure.

The modules:

- `walks`: recorded or simulated paths, cut into windows
- `simulation`: pedestrians by the social-force model
- `training`: the network, one trial
- `study`: the grid, the start, the searches
- `clock`: the trials on 40 virtual workers
- `figures`, `pictures`: the results
"""
