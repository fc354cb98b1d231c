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
# Numbers of any size are lists of arrays here, one for each 16 bits of them, the lowest first.
_BITS: Final = 16
_ONES: Final = 2**_BITS - 1


def _differences(points: PointSet) -> bytes:
    """The differences of the flat indices, as the module says; SpaceError for too many bytes."""
    parts = _steps(_flat_indices(points))
    planes = np.array([byte for part in parts for byte in (part & 255, part >> 8)], dtype=np.uint8)
    width = max(1, int(np.flatnonzero(planes.any(axis=1)).max(initial=0)) + 1)
    if len(points) * width > MAX_BYTES:
        raise SpaceError(
            f"a set of {len(points):,} points of a grid as large as this one takes "
            f"{len(points) * width:,} bytes, too many for a journal (at most {MAX_BYTES:,}); list "
            "fewer points"
        )
    return planes[:width].tobytes()


def _flat_indices(points: PointSet) -> list[Ints]:
    first, *others = list(points.words())[::-1]
    parts = [(first >> shift) & _ONES for shift in range(0, 64, _BITS)]
    for group, word in zip(points.groups[1:], others, strict=True):
        carry = word
        for j, part in enumerate(parts):
            product = part * group.size + carry
            parts[j], carry = product & _ONES, product >> _BITS
        while carry.any():
            parts.append(carry & _ONES)
            carry = carry >> _BITS
    return parts


def _steps(parts: Sequence[Ints]) -> list[Ints]:
    """The first number, and what each of the others is more than the one before it."""
    steps = []
    borrow: Ints = np.zeros(1, dtype=np.int64)
    for part in parts:
        step = np.diff(part, prepend=0) + borrow
        steps.append(step & _ONES)
        borrow = step >> _BITS  # -1 where it is negative
    return steps


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
    width, rest = divmod(len(data), count)
    if rest or not width:
        raise _damaged(f"they are {len(data)} bytes for {count} points")
    planes = np.frombuffer(data, dtype=np.uint8).reshape(width, count)
    parts = _sums(planes)
    first, *others = groups_of(shape)
    words = [_divide(parts, group.size) for group in reversed(others)]
    lowest: Ints = np.zeros(count, dtype=np.int64)
    for j, part in enumerate(parts[:4]):
        lowest |= part.astype(np.int64) << _BITS * j
    too_large = any(part.any() for part in parts[4:]) or (lowest < 0).any()
    if too_large or (lowest >= first.size).any() or not planes[:, 1:].any(axis=0).all():
        raise _damaged("they are not on the grid, or not in order")
    return PointSet.of_sorted(shape, [lowest, *words[::-1]])


def _sums(planes: Array) -> list[Array]:
    """The numbers whose differences are given, a plane for each byte of them; at least four parts.

    Two parts more than the differences have take in what the sums have more.
    """
    width, count = planes.shape
    parts = [np.zeros(count, dtype=np.uint16) for _ in range(max(4, width // 2 + 3))]
    for byte, plane in enumerate(planes):
        parts[byte // 2] |= plane.astype(np.uint16) << 8 * (byte % 2)
    carry: Ints = np.zeros(1, dtype=np.int64)
    for j, part in enumerate(parts):
        total = np.cumsum(part, dtype=np.int64) + carry
        parts[j] = (total & _ONES).astype(np.uint16)
        carry = total >> _BITS
    return parts


def _divide(parts: list[Array], divisor: int) -> Ints:
    """Divide the numbers in place; what is left over is returned."""
    left: Ints = np.zeros(1, dtype=np.int64)
    for j in reversed(range(len(parts))):
        quotient, left = np.divmod(left << _BITS | parts[j], divisor)
        parts[j] = quotient.astype(np.uint16)
    while len(parts) > 4 and not parts[-1].any():
        parts.pop()
    return left


def _damaged(reason: str) -> SpaceError:
    return SpaceError(f"the set of points of the stored space is damaged: {reason}")
