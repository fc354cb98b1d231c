"""Ragged batches of lines in packed form (CSR): checked at array speed, untidy lines merged one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsice.errors import FitError
from dsice.spline.knots import Knots, merge_line

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Line i has measurements offsets[i] to offsets[i + 1] of levels, values and weights, on sizes[i] levels.

    No weights: all 1. starts: where the levels of each line begin when the grids of all lines are packed, shape (L + 1,).
    Tidied, the levels of each line rise strictly; ``repeats[i]`` then holds the number of measurements, their weighted
    sum of squares within repeats and their mean weight, and the real values are ``values * units[i]`` (None: all 1).
    """

    offsets: Ints
    levels: Ints
    values: Array
    weights: Array
    sizes: Ints
    starts: Ints
    repeats: Array
    units: Array | None = None


def read_batch(
    offsets: ArrayLike,
    levels: ArrayLike,
    values: ArrayLike,
    n: ArrayLike,
    weights: ArrayLike | None,
) -> Batch:
    """Convert and check what concerns the batch as a whole; see :func:`dsice.spline.fit_many` for what is accepted."""
    ends, places = whole(offsets, "offsets"), whole(levels, "levels")
    y = _floats(values, "values")
    w = np.empty(0) if weights is None else _floats(weights, "weights")
    if not len(places) == len(y) == (len(y) if weights is None else len(w)):
        raise FitError(
            f"levels, values, weights: expected equal lengths, got {len(places)}, {len(y)} and {len(w)}"
        )
    if len(ends) < 1 or ends[0] != 0 or ends[-1] != len(places):
        raise FitError(
            f"offsets: expected them to run from 0 to the number of measurements, {len(places)}, got {ends}"
        )
    counts = np.diff(ends)
    if (counts < 1).any():
        raise FitError(
            f"offsets: expected at least one measurement on each line, but line {int(np.argmax(counts < 1))} has none"
        )
    sizes = whole(n, "n")
    if len(sizes) not in (1, len(counts)):
        raise FitError(
            f"n: expected one number of levels or one for each of the {len(counts)} lines, got {len(sizes)}"
        )
    repeats = np.zeros((len(counts), 3))
    repeats[:, 0], repeats[:, 2] = counts, 1.0
    if weights is not None and len(counts):
        repeats[:, 2] = np.add.reduceat(w, ends[:-1]) / counts
    sizes = np.broadcast_to(sizes, counts.shape).copy()
    return Batch(ends, places, y, w, sizes, _cumulated(sizes), repeats)


def _cumulated(counts: Ints) -> Ints:
    """0 and the running sums."""
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def tidied(batch: Batch, untidy: NDArray[np.bool_]) -> Batch:
    """The batch with flagged lines sorted, merged and scaled (or the error of the first that cannot be)."""
    pieces: list[tuple[NDArray[np.generic], ...]] = []
    if not len(batch.weights):
        batch = replace(batch, weights=np.ones(len(batch.values)))
    counts, repeats, units = np.diff(batch.offsets), batch.repeats.copy(), np.ones(len(batch.sizes))
    done = 0
    for i in np.flatnonzero(untidy).tolist():
        begin, end = batch.offsets[i], batch.offsets[i + 1]
        knots = read_line(batch, i)
        pieces.append(
            (batch.levels[done:begin], batch.values[done:begin], batch.weights[done:begin])
        )
        pieces.append(
            (np.array(knots.levels, np.int64), np.array(knots.y) + knots.mean, np.array(knots.w))
        )
        counts[i], units[i] = len(knots.levels), knots.unit
        repeats[i] = knots.rows, knots.within, knots.weight
        done = end
    pieces.append((batch.levels[done:], batch.values[done:], batch.weights[done:]))
    levels, values, weights = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return replace(
        batch,
        offsets=_cumulated(counts),
        levels=levels,
        values=values,
        weights=weights,
        repeats=repeats,
        units=units,
    )


def read_line(batch: Batch, i: int) -> Knots:
    """Line i checked and merged on its own."""
    part = slice(batch.offsets[i], batch.offsets[i + 1])
    levels, values = batch.levels[part].tolist(), batch.values[part].tolist()
    weights = batch.weights[part].tolist() if len(batch.weights) else None
    try:
        return merge_line(levels, values, int(batch.sizes[i]), weights)
    except FitError as error:
        raise FitError(f"line {i}: {error}") from None


def whole(data: ArrayLike, name: str) -> Ints:
    """Whole numbers as kernels take them: int64, C-contiguous, writeable (or of another signature), one dimension."""
    array = np.atleast_1d(np.asarray(data))
    if array.size == 0:
        array = array.astype(np.int64)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iuf"
        or (array.dtype.kind == "f" and not (array == np.rint(array)).all())
    ):
        raise FitError(
            f"{name}: expected whole numbers in one dimension, got shape {array.shape} of {array.dtype}"
        )
    return np.require(array, np.int64, ["C", "A", "W"])


def _floats(data: ArrayLike, name: str) -> Array:
    try:
        array = np.require(data, np.float64, ["C", "A", "W"])
    except (TypeError, ValueError):
        raise FitError(f"{name}: expected numbers, got {data!r}") from None
    if array.ndim != 1:
        raise FitError(f"{name}: expected one dimension, got shape {array.shape}")
    return array
