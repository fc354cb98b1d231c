"""`Among`: an explicit set of valid points as a rule of a space, and how it is written down.

Written are the flat indices of the points in ascending order, each as its difference to the one
before (the first as it is): whole numbers of as many bytes as the largest one needs, first the
lowest bytes of all of them, then the next, and so on, compressed by zlib and in base64. The
SHA-256 is that of these bytes before they are compressed. Random subsets of a grid of 2^b points
take about (b - 16) / 6 bytes a point for 100,000 of them, what has a structure much less.
"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Final

import numpy as np

from dsice.checks import is_whole, shown
from dsice.errors import SpaceError
from dsice.space.axes import Axis
from dsice.space.points import MAX_POINTS, PointSet, groups_of
from dsice.typing import Array, Ints

LOGGED: Final = "logged"
"""What the points of a log are called, as the function was that stood for them in 0.1.0."""
MAX_BYTES: Final = 2**28
"""Of the differences, before they are compressed: a header is read in one piece."""


class Among:
    """A rule that lists the valid points: `Space.among` makes it.

    Parameters
    ----------
    axes
        Names and axes of the space that the points belong to.
    points
        The points.
    name
        What the set is called in errors and in the journal.

    Attributes
    ----------
    axes, points, name
        As given.

    Raises
    ------
    SpaceError
        No points, or more than 1e6.
    """

    def __init__(
        self, axes: Mapping[str, Axis], points: PointSet, *, name: str | None = None
    ) -> None:
        if name is not None and not (isinstance(name, str) and name):
            raise SpaceError(f"name of a set of points must be a non-empty string, got {name!r}")
        if not 0 < len(points) <= MAX_POINTS:
            raise SpaceError(
                f"a set of points has at least 1 and at most {MAX_POINTS:,}, got "
                f"{len(points):,}; "
                + ("give some" if not len(points) else "say with a rule which points are valid")
            )
        self.axes = dict(axes)
        self.points = points
        self.name = name

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return described(len(self), self.name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Among):
            return NotImplemented
        return self.name == other.name and self.points == other.points

    def __hash__(self) -> int:
        return hash((self.points.shape, self.sha256))

    @cached_property
    def sha256(self) -> str:
        """Hash of the points, in hexadecimal digits; the same for the same points of a grid."""
        return hashlib.sha256(self._differences).hexdigest()

    @cached_property
    def _differences(self) -> bytes:
        return _differences(self.points)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain JSON data."""
        packed = base64.b64encode(zlib.compress(self._differences))
        record = {
            "kind": "among",
            "count": len(self),
            "sha256": self.sha256,
            "points": packed.decode("ascii"),
        }
        return record if self.name is None else record | {"name": self.name}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], axes: Mapping[str, Axis]) -> Among:
        """Return the rule that `to_dict` wrote for a space with these axes.

        Raises
        ------
        SpaceError
            The data are damaged.
        KeyError, TypeError
            A field is missing, or of another type.
        """
        count = record["count"]
        if not is_whole(count) or not 0 < count <= MAX_POINTS:
            raise _damaged(f"count is {shown(count)}, not 1 to {MAX_POINTS:,}")
        shape = tuple(len(axis) for axis in axes.values())
        widest = math.prod(shape).bit_length() // 8 + 1
        data = _unpacked(record["points"], min(count * widest, MAX_BYTES))
        if hashlib.sha256(data).hexdigest() != record["sha256"]:
            raise _damaged("the hash is that of others")
        points = _read(data, count, shape)
        return cls(axes, points, name=record.get("name"))

    def on(self, axes: Mapping[str, Axis]) -> Among:
        """Return the same points, by their values, on other axes of the same names.

        Raises
        ------
        SpaceError
            The names differ, or a point has a value that its axis has not.
        """
        if list(axes.items()) == list(self.axes.items()):
            return self
        strange = [name for name in axes if name not in self.axes]
        strange += [name for name in self.axes if name not in axes]
        if strange:
            which = "no value of" if strange[0] in axes else "values of"
            raise SpaceError(
                f"{self!r} has {which} {strange[0]!r}, unlike the axes of the space, "
                f"{', '.join(axes)}; list the points anew: Space(axes).among(points)"
            )
        rows = self.points.rows()
        places = {name: j for j, name in enumerate(self.axes)}
        moved = [self._moved(name, axis, rows[:, places[name]]) for name, axis in axes.items()]
        shape = tuple(len(axis) for axis in axes.values())
        return Among(axes, PointSet.of(shape, np.stack(moved, axis=1)), name=self.name)

    def _moved(self, name: str, axis: Axis, column: Ints) -> Ints:
        """Levels of one axis of this set, by their values on another axis."""
        own = self.axes[name]
        if own is axis or own == axis:
            return column
        used, place = np.unique(column, return_inverse=True)
        try:
            levels = [axis.level(own.values[level]) for level in used.tolist()]
        except SpaceError as error:
            raise SpaceError(
                f"{self!r} has points that are not on the grid of the space, parameter "
                f"{name!r}: {error}; list the points anew: Space(axes).among(points)"
            ) from None
        return np.array(levels, dtype=np.int64)[place]


def described(count: int, name: str | None) -> str:
    """Return what stands for a set of so many points in messages."""
    called = "" if name is None else f", name={name!r}"
    return f"Among({count:,} point{'s' * (count != 1)}{called})"


# ------------------------------------------------------------------ as bytes and back
def _differences(points: PointSet) -> bytes:
    """The differences of the flat indices, as the module says; SpaceError for too many bytes."""
    steps = _steps(points)
    largest = int(steps.max()) if isinstance(steps, np.ndarray) else max(steps)
    width = max(1, (largest.bit_length() + 7) // 8)
    if len(points) * width > MAX_BYTES:
        raise SpaceError(
            f"a set of {len(points):,} points of a grid as large as this one takes "
            f"{len(points) * width:,} bytes, too many for a journal (at most {MAX_BYTES:,}); list "
            "fewer points"
        )
    if isinstance(steps, np.ndarray):
        rows = steps.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
    else:
        wide = b"".join(step.to_bytes(width, "little") for step in steps)
        rows = np.frombuffer(wide, dtype=np.uint8).reshape(-1, width)
    return np.ascontiguousarray(rows.T).tobytes()


def _steps(points: PointSet) -> Ints | list[int]:
    """The first flat index, and what each of the others is more than the one before it."""
    if len(points.groups) == 1:
        return np.diff(points.keys[0], prepend=0)
    words = list(points.words())[::-1]
    flat = _joined(words, [group.size for group in points.groups]).tolist()
    return [flat[0], *(after - before for before, after in pairwise(flat))]


def _joined(words: Sequence[Ints], sizes: Sequence[int]) -> Array:
    """Flat indices as Python's integers, from those in each group; by halves, which is quicker."""
    if len(words) == 1:
        return words[0].astype(object)
    half = len(words) // 2
    right = _joined(words[half:], sizes[half:])
    return np.asarray(_joined(words[:half], sizes[:half]) * math.prod(sizes[half:]) + right)


def _split(flat: Array, sizes: Sequence[int]) -> list[Ints]:
    """The flat indices in each group; the inverse of `_joined`."""
    if len(sizes) == 1:
        return [flat.astype(np.int64)]
    half = len(sizes) // 2
    below = math.prod(sizes[half:])
    return _split(flat // below, sizes[:half]) + _split(flat % below, sizes[half:])


def _unpacked(text: object, most: int) -> bytes:
    """What was compressed, of at most so many bytes."""
    if not isinstance(text, str):
        raise _damaged(f"points is {shown(text)}, not a text")
    try:
        packed = base64.b64decode(text, validate=True)
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, most + 1)
    except (ValueError, zlib.error) as error:
        raise _damaged(str(error)) from error
    if len(data) > most or not unpacking.eof or unpacking.unused_data:
        raise _damaged("they are cut short, or too long")
    return data


def _read(data: bytes, count: int, shape: tuple[int, ...]) -> PointSet:
    """The points whose differences these are."""
    size = math.prod(shape)
    width, rest = divmod(len(data), count)
    groups = groups_of(shape)
    if rest or not width or width > (8 if len(groups) == 1 else size.bit_length() // 8 + 1):
        raise _damaged(f"they are {len(data)} bytes for {count} points")
    rows = np.frombuffer(data, dtype=np.uint8).reshape(width, count).T
    if len(groups) == 1:
        filled = np.zeros((count, 8), dtype=np.uint8)
        filled[:, :width] = rows
        flat = np.cumsum(filled.view("<u8").ravel(), dtype=np.uint64)
        if not (flat < size).all() or not (flat[1:] > flat[:-1]).all():
            raise _damaged("they are not on the grid, or not in order")
        return PointSet(shape, [flat.astype(np.int64)])
    wide = np.ascontiguousarray(rows).tobytes()
    steps = [int.from_bytes(wide[i : i + width], "little") for i in range(0, len(wide), width)]
    found = list(accumulate(steps))
    if not found[-1] < size or not all(steps[1:]):
        raise _damaged("they are not on the grid, or not in order")
    words = _split(np.array(found, dtype=object), [group.size for group in groups])
    return PointSet.of_words(shape, words)


def _damaged(reason: str) -> SpaceError:
    return SpaceError(f"the set of points of the stored space is damaged: {reason}")
