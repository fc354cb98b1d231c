"""Many lines packed one after the other in flat arrays: reading, checking and merging them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsice.errors import FitError
from dsice.spline.knots import Knots, merge_line
from dsice.typing import Floats, Ints


@dataclass(frozen=True)
class PackedData:
    """Measurements of L lines, packed one after the other (CSR).

    Attributes
    ----------
    offsets
        Line i has measurements ``offsets[i]`` to ``offsets[i + 1]``, shape (L + 1,).
    levels, values, weights
        Shape (K,); no weights: all 1.
    sizes
        Levels on each line, shape (L,).
    starts
        Where the levels of each line begin when the curves of all lines are packed, shape (L + 1,).
    repeats
        Number of measurements of each line, weighted sum of squares within repeats and mean weight,
        shape (L, 3).
    units
        Scale of the values of each line, shape (L,); None: all 1.
    """

    offsets: Ints
    levels: Ints
    values: Floats
    weights: Floats
    sizes: Ints
    starts: Ints
    repeats: Floats
    units: Floats | None = None


def read_batch(
    offsets: ArrayLike,
    levels: ArrayLike,
    values: ArrayLike,
    n: ArrayLike,
    weights: ArrayLike | None,
) -> PackedData:
    """Convert the arguments of :func:`dsice.spline.fit_many` and check the batch as a whole."""
    ends, packed_levels = _whole_numbers(offsets, "offsets"), _whole_numbers(levels, "levels")
    y = _floats(values, "values")
    w = np.empty(0) if weights is None else _floats(weights, "weights")
    if not len(packed_levels) == len(y) == (len(y) if weights is None else len(w)):
        raise FitError(
            "levels, values, weights: expected equal lengths, "
            f"got {len(packed_levels)}, {len(y)} and {len(w)}"
        )
    if len(ends) < 1 or ends[0] != 0 or ends[-1] != len(packed_levels):
        raise FitError(
            "offsets: expected them to run from 0 to the number of measurements, "
            f"{len(packed_levels)}, got {ends}"
        )
    counts = np.diff(ends)
    if (counts < 1).any():
        raise FitError(
            "offsets: expected at least one measurement on each line, "
            f"but line {int(np.argmax(counts < 1))} has none"
        )
    sizes = _whole_numbers(n, "n")
    if len(sizes) not in (1, len(counts)):
        raise FitError(
            f"n: expected one number of levels or one for each of the {len(counts)} lines, "
            f"got {len(sizes)}"
        )
    repeats = np.zeros((len(counts), 3))
    repeats[:, 0], repeats[:, 2] = counts, 1.0
    if weights is not None and len(counts):
        repeats[:, 2] = np.add.reduceat(w, ends[:-1]) / counts
    sizes = np.broadcast_to(sizes, counts.shape).copy()
    return PackedData(ends, packed_levels, y, w, sizes, _cumulated(sizes), repeats)


def _cumulated(counts: Ints) -> Ints:
    """Cumulative sums, from 0."""
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def merge_flagged(batch: PackedData, irregular: NDArray[np.bool_]) -> PackedData:
    """The batch with the flagged lines sorted, merged and scaled.

    Raises the error of the first line that cannot be read.
    """
    pieces: list[tuple[NDArray[np.generic], ...]] = []
    if not len(batch.weights):
        batch = replace(batch, weights=np.ones(len(batch.values)))
    counts, repeats, units = np.diff(batch.offsets), batch.repeats.copy(), np.ones(len(batch.sizes))
    done = 0
    for i in np.flatnonzero(irregular).tolist():
        begin, end = batch.offsets[i], batch.offsets[i + 1]
        knots = read_line(batch, i)
        pieces.append(
            (batch.levels[done:begin], batch.values[done:begin], batch.weights[done:begin])
        )
        pieces.append(
            (np.array(knots.levels, np.int64), np.array(knots.y) + knots.mean, np.array(knots.w))
        )
        counts[i], units[i] = len(knots.levels), knots.unit
        repeats[i] = knots.n_measured, knots.within, knots.weight
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


def read_line(batch: PackedData, i: int) -> Knots:
    """Line i checked and merged on its own."""
    part = slice(batch.offsets[i], batch.offsets[i + 1])
    levels, values = batch.levels[part].tolist(), batch.values[part].tolist()
    weights = batch.weights[part].tolist() if len(batch.weights) else None
    try:
        return merge_line(levels, values, int(batch.sizes[i]), weights)
    except FitError as error:
        raise FitError(f"line {i}: {error}") from None


def _whole_numbers(data: ArrayLike, name: str) -> Ints:
    """Whole numbers in one dimension as kernels take them.

    int64, C-contiguous and writeable: other arrays would be another signature.
    """
    array = np.atleast_1d(np.asarray(data))
    if array.size == 0:
        array = array.astype(np.int64)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iuf"
        or (array.dtype.kind == "f" and not (array == np.rint(array)).all())
    ):
        raise FitError(
            f"{name}: expected whole numbers in one dimension, "
            f"got shape {array.shape} of {array.dtype}"
        )
    return np.require(array, np.int64, ["C", "A", "W"])


def _floats(data: ArrayLike, name: str) -> Floats:
    try:
        array = np.require(data, np.float64, ["C", "A", "W"])
    except (TypeError, ValueError):
        raise FitError(f"{name}: expected numbers, got {data!r}") from None
    if array.ndim != 1:
        raise FitError(f"{name}: expected one dimension, got shape {array.shape}")
    return array
