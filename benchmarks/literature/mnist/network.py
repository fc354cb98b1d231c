"""A small fully connected network in plain numpy.

At this size a framework would spend its time on calls and imports.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Labels = NDArray[np.int64]


class Network:
    """Rectified units with a softmax at the end.

    Trained by stochastic gradient descent with momentum on the mean log loss.

    Parameters
    ----------
    sizes
        Units of each layer, inputs first and classes last.
    rng
        Draws the initial weights: normal with variance 2 / inputs (He et al. 2015).
    """

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator) -> None:
        shapes = list(pairwise(sizes))
        self.weights: list[Array] = [
            (rng.standard_normal(s) * math.sqrt(2 / s[0])).astype(np.float32) for s in shapes
        ]
        self.biases: list[Array] = [np.zeros(s[1], dtype=np.float32) for s in shapes]
        self.speeds: list[Array] = [np.zeros_like(p) for p in self.weights + self.biases]

    @property
    def state(self) -> list[Array]:
        """Everything that training changes: weights, biases and their velocities."""
        return [*self.weights, *self.biases, *self.speeds]

    def predict(self, x: Array) -> Array:
        """Class probabilities (n, classes) of inputs (n, inputs)."""
        return self._forward(x)[-1]

    def _forward(self, x: Array) -> list[Array]:
        """The inputs of every layer, and the probabilities."""
        values = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values.append(np.maximum(values[-1] @ w + b, np.float32(0)))
        return [*values, softmax(values[-1] @ self.weights[-1] + self.biases[-1])]

    def gradients(self, x: Array, targets: Array) -> list[Array]:
        """Gradients of the mean log loss of a batch with targets (n, classes).

        Those of the weights come first, then those of the biases.
        """
        *inputs, guess = self._forward(x)
        delta = (guess - targets) / np.float32(len(x))
        by_weight: list[Array] = []
        by_bias: list[Array] = []
        for i in reversed(range(len(self.weights))):
            by_weight.append(inputs[i].T @ delta)
            by_bias.append(delta.sum(axis=0))
            if i:
                delta = (delta @ self.weights[i].T) * (inputs[i] > 0)
        return by_weight[::-1] + by_bias[::-1]

    def step(self, x: Array, targets: Array, lr: float, momentum: float) -> None:
        """One step down the gradient of a batch."""
        for p, v, g in zip(
            self.weights + self.biases, self.speeds, self.gradients(x, targets), strict=True
        ):
            v *= np.float32(momentum)
            v -= np.float32(lr) * g
            p += v


def softmax(z: Array) -> Array:
    """Softmax over the last axis."""
    found: Array = np.exp(z - z.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def log_loss(guess: Array, labels: Labels) -> float:
    """Mean log loss.

    Probabilities are clipped at 1e-7, so only a network of NaNs has no finite loss.
    """
    chosen = guess[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(chosen, 1e-7, 1.0)).mean())
