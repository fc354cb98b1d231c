"""One training of a small network with batch normalisation on digits, with one batch size."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # only a training imports torch, not a reader of this module
    from torch import Tensor, nn

TRAINED = 1000  # images for training; the other 797 of the 1797 are for validation
EPOCHS = 5
# the usual recipe of ResNet50 (He et al., CVPR 2016), whatever the batch size
RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4


def train(
    batch: int, repeat: int = 0, epochs: int = EPOCHS, trained: int = TRAINED
) -> dict[str, float]:
    """Train with one batch size and validate.

    Parameters
    ----------
    batch
        Images per step. The last step of an epoch takes the rest.
    repeat
        Number of the measurement: it and `batch` determine the initial weights and the order of the
        images.
    epochs, trained
        Passes over the images, and how many images.

    Returns
    -------
    dict
        ``loss`` is the cross-entropy on the validation images. ``cpu_seconds`` is the processor
        time of the training alone, which other programs on the machine disturb less than the time
        by the clock.
    """
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(1000 * repeat + batch)
    images, digits = _digits()
    x, y, held_x, held_y = images[:trained], digits[:trained], images[TRAINED:], digits[TRAINED:]
    network = _network()
    descent = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    began = time.process_time()
    for _ in range(epochs):
        order = torch.randperm(trained)
        for rows in torch.split(order, batch):
            descent.zero_grad()
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
            descent.step()
    seconds = time.process_time() - began
    network.eval()
    with torch.no_grad():
        held = float(nn.functional.cross_entropy(network(held_x), held_y))
    return {"loss": held, "cpu_seconds": seconds}


def _network() -> nn.Module:
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )


@cache
def _digits() -> tuple[Tensor, Tensor]:  # once per worker process
    """Images (1797, 1, 8, 8) from 0 to 1 and digits (1797,), always in the same order."""
    import numpy as np
    import torch
    from sklearn.datasets import load_digits  # type: ignore[import-untyped,unused-ignore]

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    images = torch.tensor(found.images[order] / 16, dtype=torch.float32)
    return images[:, None], torch.tensor(found.target[order])
