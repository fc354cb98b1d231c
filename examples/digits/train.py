"""Train a small neural network on scikit-learn's digits: the program that the demo tunes.

    python train.py --lr 0.01 --batch 64 --momentum 0.9 --dropout 0.4 --l2 0.0001

It knows nothing about dsice. The last line on stdout is one JSON object of metrics:

- `loss`: log loss on the validation images, the figure to minimise; null if the training diverged
- `test_error`: share of the test images that are classified wrongly
- `seconds`: processor time of the training

The network has two hidden layers of rectified units with dropout. It is trained by stochastic
gradient descent with Nesterov momentum (Sutskever et al. 2013), weight decay and a learning rate
that falls linearly to 0, in plain numpy: at this size a framework would spend its time on calls.
The images keep the order of the data set, whose parts come from different writers. The seed changes
only the initial weights, the order of the images in training and the units dropped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from functools import cache
from itertools import pairwise
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    # numpy reads this when it is first imported, below: a trial keeps to one core
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # noqa: E402

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

TRAIN, VALIDATION = 600, 1200  # images [0, 600) train, [600, 1200) validate, the last 597 test
CLASSES = 10


@cache
def data() -> tuple[tuple[Array, Labels], tuple[Array, Labels], tuple[Array, Labels]]:
    """Training, validation and test images (n, 64), scaled to [0, 1], with their labels (n,)."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    parts = (slice(0, TRAIN), slice(TRAIN, VALIDATION), slice(VALIDATION, None))
    train_part, validation, test = ((images[part], labels[part]) for part in parts)
    return train_part, validation, test


class Network:
    """Fully connected layers; rectified units and dropout between them, softmax at the end."""

    def __init__(self, sizes: list[int], dropout: float, rng: np.random.Generator) -> None:
        self.dropout = dropout
        self.rng = rng
        shapes = list(pairwise(sizes))
        # He et al. 2015: keeps the spread of the activations from layer to layer
        self.weights = [
            (rng.standard_normal(s) * math.sqrt(2 / s[0])).astype(np.float32) for s in shapes
        ]
        self.biases = [np.zeros(s[1], dtype=np.float32) for s in shapes]
        self.speeds = [np.zeros_like(p) for p in self.weights + self.biases]

    def predict(self, x: Array) -> NDArray[np.float64]:
        """Class probabilities (n, 10) of images (n, 64)."""
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ w + b, np.float32(0))
        return softmax((x @ self.weights[-1] + self.biases[-1]).astype(np.float64))

    def gradients(self, x: Array, targets: Array) -> list[Array]:
        """Gradients of the mean log loss of a batch (n, 64): of the weights, then of the biases."""
        keep = np.float32(1 - self.dropout)
        inputs, masks = [x], []
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = x @ w
            z += b
            mask = np.divide(z > 0, keep, dtype=np.float32)
            if self.dropout:
                mask *= self.rng.random(z.shape, dtype=np.float32) < keep
            x = z * mask
            inputs.append(x)
            masks.append(mask)
        delta = (softmax(x @ self.weights[-1] + self.biases[-1]) - targets) / np.float32(len(x))
        by_weight: list[Array] = []
        by_bias: list[Array] = []
        for i in reversed(range(len(self.weights))):
            by_weight.append(inputs[i].T @ delta)
            by_bias.append(delta.sum(axis=0))
            if i:
                delta = (delta @ self.weights[i].T) * masks[i - 1]
        return by_weight[::-1] + by_bias[::-1]

    def step(self, x: Array, targets: Array, lr: float, momentum: float, l2: float) -> None:
        """One step of gradient descent with Nesterov momentum.

        The penalty is `l2` / 2 times the sum of the squared weights.
        """
        for p, v, g in zip(
            self.weights + self.biases, self.speeds, self.gradients(x, targets), strict=True
        ):
            if p.ndim == 2:
                g += l2 * p
            g *= lr
            v *= momentum
            v -= g
            p += momentum * v
            p -= g


def softmax(z: NDArray[Any]) -> NDArray[Any]:
    z = np.exp(z - z.max(axis=1, keepdims=True))
    z /= z.sum(axis=1, keepdims=True)
    return z


def log_loss(probabilities: NDArray[np.float64], labels: Labels) -> float:
    """Mean log loss.

    Probabilities are clipped at 1e-7, so only a network of NaNs has no finite loss.
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(chosen, 1e-7, 1.0)).mean())


def train(
    lr: float,
    batch: int,
    momentum: float,
    dropout: float,
    l2: float,
    *,
    hidden: int = 96,
    epochs: int = 40,
    seed: int = 0,
    verbose: bool = False,
) -> dict[str, Any]:
    """Train once.

    Parameters
    ----------
    lr, batch, momentum, dropout, l2, hidden, epochs, seed
        As in the help of the command line.
    verbose
        Whether to print the validation loss of every epoch.

    Returns
    -------
    dict
        `loss`, `test_error` and `seconds` as described at the top of this file, and `curve`: the
        validation loss after every epoch. A diverging training stops early, with NaN for `loss`.
    """
    (x, y), (x_validation, y_validation), (x_test, y_test) = data()
    start = time.process_time()
    rng = np.random.default_rng(seed)
    network = Network([x.shape[1], hidden, hidden, CLASSES], dropout, rng)
    targets = np.eye(CLASSES, dtype=np.float32)[y]
    curve: list[float] = []
    steps, done = epochs * math.ceil(len(x) / batch), 0
    with np.errstate(all="ignore"):  # a diverging training overflows; the NaN at its end says so
        for epoch in range(epochs):
            order = rng.permutation(len(x))
            for i in range(0, len(x), batch):
                rows = order[i : i + batch]
                network.step(x[rows], targets[rows], lr * (1 - done / steps), momentum, l2)
                done += 1
            curve.append(log_loss(network.predict(x_validation), y_validation))
            if verbose:
                print(f"epoch {epoch + 1:3d}  validation loss {curve[-1]:.4f}", flush=True)
            if not math.isfinite(curve[-1]):
                break
        seconds = time.process_time() - start
        wrong = network.predict(x_test).argmax(axis=1) != y_test
    return {
        "loss": curve[-1],
        "test_error": float(wrong.mean()),
        "seconds": seconds,
        "curve": curve,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train a small neural network on handwritten digits."
    )
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate of the first step")
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--momentum", type=float, default=0.9, help="Nesterov momentum, in [0, 1)")
    parser.add_argument(
        "--dropout", type=float, default=0.4, help="share of the hidden units dropped, in [0, 1)"
    )
    parser.add_argument("--l2", type=float, default=0.0001, help="weight decay")
    parser.add_argument(
        "--hidden", type=int, default=96, help="units in each of the two hidden layers"
    )
    parser.add_argument("--epochs", type=int, default=40, help="passes over the training images")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the initial weights, the order of the images and the dropout",
    )
    result = train(**vars(parser.parse_args()), verbose=True)
    del result["curve"]
    if not math.isfinite(result["loss"]):
        result["loss"] = None
    print(json.dumps(result))


if __name__ == "__main__":
    main()
