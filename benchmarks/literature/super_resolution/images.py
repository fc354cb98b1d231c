"""Photographs of scikit-learn and scikit-image: those for training, and those held out."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
SIDE = 128
"""Side of a held-out crop in pixels, a multiple of the enlargement."""
# ITU-R BT.601, as in the evaluation of super-resolution
_LUMA = np.array([65.481, 128.553, 24.966]) / 255.0


def luminance(colours: NDArray[np.uint8]) -> Image:
    """The luminance of an image of shape (height, width, 3), 16 to 235."""
    return 16.0 + colours.astype(float) @ _LUMA


@cache
def training() -> tuple[Image, ...]:
    """The training images, 0 to 255: astronaut, coffee (scikit-image), flower (scikit-learn)."""
    return tuple(
        map(luminance, (_skimage("astronaut"), _skimage("coffee"), _sklearn("flower.jpg")))
    )


@cache
def _held_out() -> tuple[Image, ...]:
    return tuple(map(luminance, (_sklearn("china.jpg"), _skimage("chelsea"))))


def _skimage(name: str) -> NDArray[np.uint8]:
    """A photograph that the package itself holds; nothing is downloaded."""
    data: Any = importlib.import_module("skimage.data")
    return np.asarray(getattr(data, name)())


def _sklearn(name: str) -> NDArray[np.uint8]:
    datasets: Any = importlib.import_module("sklearn.datasets")
    return np.asarray(datasets.load_sample_image(name))


def crops(which: str) -> NDArray[np.float64]:
    """Held-out crops of china and chelsea, shape (crops, SIDE, SIDE), 0 to 255.

    Parameters
    ----------
    which
        ``"search"`` for crops of the left halves, on which trials are measured; ``"test"`` for
        crops of the right halves, which no search sees.
    """
    found = []
    for image in _held_out():
        height, width = image.shape
        half = width // 2 if which == "test" else 0
        tops = (height - 2 * SIDE - 20, height - SIDE - 4)  # the upper part of china is sky
        lefts = (half + 4, half + width // 2 - SIDE - 4)
        found += [image[top : top + SIDE, left : left + SIDE] for top in tops for left in lefts]
    return np.stack(found)
