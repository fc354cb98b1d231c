"""How good an enlarged image is: its distance to the true one, and how natural it looks by itself.

The challenge behind the published experiment measures a *perceptual index*: (10 - Ma + NIQE) / 2,
where both measures look at the enlarged image alone. Ma's is a model fitted to human ratings, which
no installed package has. `Naturalness` is a **stand-in** for the index: the other half, NIQE
(Mittal, Soundararajan, Bovik, 2013), fitted anew to the training photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PATCH, STRIDE = 48, 24
BORDER = 4  # pixels at the edge of a crop that are not judged
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


def rmse(found: Array, true: Array) -> float:
    """Root of the mean squared difference, scale 0 to 255.

    The images have the shape (images, height, width); their borders are left out.
    """
    inner = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return float(np.sqrt(np.mean((found[inner] - true[inner]) ** 2)))


@dataclass(frozen=True)
class Naturalness:
    """Statistics of patches of true photographs, to which those of an enlarged image are compared.

    Attributes
    ----------
    mean, covariance
        Mean and covariance of 36 features of a patch, at two scales; shapes (36,), (36, 36).
    """

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, images: tuple[Array, ...]) -> Naturalness:
        """Fit to true photographs, 0 to 255.

        The sharper three quarters of their patches count, as in NIQE.
        """
        rows, sharpness = zip(
            *(features(image[BORDER:-BORDER, BORDER:-BORDER]) for image in images), strict=True
        )
        sharp = np.concatenate(sharpness)
        kept = np.concatenate(rows)[sharp > np.quantile(sharp, 0.25)]
        return cls(kept.mean(axis=0), np.cov(kept, rowvar=False))

    def __call__(self, images: Array) -> float:
        """The distance of images (images, height, width), 0 to 255; less is more natural."""
        inner = images[:, BORDER:-BORDER, BORDER:-BORDER]
        rows = np.concatenate([features(image)[0] for image in inner])
        pooled = (self.covariance + np.cov(rows, rowvar=False)) / 2
        apart = self.mean - rows.mean(axis=0)
        return float(np.sqrt(apart @ np.linalg.pinv(pooled) @ apart))


def features(image: Array) -> tuple[Array, Array]:
    """Features (patches, 36) of each patch of an image, and its sharpness (patches,)."""
    whole, contrast = _normalised(image)
    half, _ = _normalised(_halved(image))
    fine = _patches(whole, PATCH, STRIDE)
    coarse = _patches(half, PATCH // 2, STRIDE // 2)
    sharpness = _patches(contrast, PATCH, STRIDE).mean(axis=(1, 2))
    return np.concatenate([_described(fine), _described(coarse)], axis=1), sharpness


def _normalised(image: Array) -> tuple[Array, Array]:
    """Each pixel less the mean around it, over the spread around it; and that spread."""
    from scipy.ndimage import gaussian_filter

    mean = gaussian_filter(image, 7 / 6, truncate=2.6)
    spread = np.sqrt(np.abs(gaussian_filter(image * image, 7 / 6, truncate=2.6) - mean * mean))
    return (image - mean) / (spread + 1.0), spread


def _halved(image: Array) -> Array:
    height, width = (side // 2 * 2 for side in image.shape)
    blocks: Array = image[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return blocks


def _patches(image: Array, side: int, stride: int) -> Array:
    """Shape (patches, side, side)."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))[::stride, ::stride]
    return windows.reshape(-1, side, side)


def _described(patches: Array) -> Array:
    """18 numbers of each patch: shape and spread of its pixels and of products of neighbours."""
    columns = [*_asymmetric(patches.reshape(len(patches), -1))[:1], patches.std(axis=(1, 2))]
    for shift in _SHIFTS:
        shape, left, right = _asymmetric(
            (patches * np.roll(patches, shift, axis=(1, 2))).reshape(len(patches), -1)
        )
        columns += [shape, (right - left) * _gamma_ratio(shape), left, right]
    return np.stack(columns, axis=1)


def _asymmetric(values: Array) -> tuple[Array, Array, Array]:
    """Shape and both scales of an asymmetric generalised normal distribution, for each row.

    They are estimated by moments.
    """
    below, above = np.minimum(values, 0), np.maximum(values, 0)
    left = np.sqrt(np.sum(below**2, axis=1) / np.maximum(np.sum(values < 0, axis=1), 1)) + 1e-9
    right = np.sqrt(np.sum(above**2, axis=1) / np.maximum(np.sum(values > 0, axis=1), 1)) + 1e-9
    ratio = left / right
    seen = np.mean(np.abs(values), axis=1) ** 2 / (np.mean(values**2, axis=1) + 1e-12)
    wanted = seen * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, ratios = _table()
    shape = np.interp(wanted, ratios, shapes)
    return shape, left, right


@cache
def _table() -> tuple[Array, Array]:
    """Shapes of the distribution and the ratio of moments that belongs to each, ascending."""
    from scipy.special import gamma

    shapes = np.linspace(0.2, 10.0, 981)
    return shapes, gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))


def _gamma_ratio(shape: Array) -> Array:
    from scipy.special import gamma

    # mean of the distribution: (right - left) * gamma(2/a) / gamma(1/a),
    # with scales sigma * sqrt(gamma(1/a) / gamma(3/a))
    ratio: Array = gamma(2 / shape) / np.sqrt(gamma(1 / shape) * gamma(3 / shape))
    return ratio
