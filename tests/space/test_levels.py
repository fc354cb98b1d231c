"""Which level a value has: exact first, then floats by the only one near, and the nearest one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, IntEnum, StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice.errors import SpaceError
from dsice.space import Axis, Choice, Ordinal, Space

SEEDS = [1700000001, 1700000002, 1700000003]


# ------------------------------------------------------------------ exact first
@pytest.mark.parametrize("axis", [Choice(SEEDS), Ordinal(SEEDS), Choice([*map(float, SEEDS)])])
def test_large_numbers_that_are_close_have_levels_of_their_own(axis: Axis) -> None:
    for level, seed in enumerate(SEEDS):
        assert axis.level(seed) == axis.level(float(seed)) == axis.level(np.int64(seed)) == level
    for wrong in (1700000004, 1700000000, 1700000002.5):
        with pytest.raises(SpaceError):
            axis.level(wrong)


def test_rows_of_a_frame_find_their_levels() -> None:
    space = Space({"seed": Choice(SEEDS), "lr": [0.1, 0.2]})
    frame = pd.DataFrame({"seed": SEEDS, "lr": [0.1, 0.2, 0.1]})
    rows: list[Any] = [row.to_dict() for _, row in frame.iterrows()]
    assert {type(row["seed"]) for row in rows} == {float}  # pandas makes floats of them
    assert [space.point(row) for row in rows] == [(0, 0), (1, 1), (2, 0)]


def test_integers_beyond_the_floats_are_told_apart() -> None:
    axis = Choice([2**60, 2**60 + 1, 2**60 + 2])
    assert [axis.level(value) for value in axis.values] == [0, 1, 2]
    assert axis.level(float(2**60)) == 0
    with pytest.raises(SpaceError):
        axis.level(2**60 + 3)


@pytest.mark.parametrize("make", [Ordinal, Choice])
def test_an_integer_matches_exactly_only(make: type[Axis]) -> None:
    assert make([1.0, 2.0]).level(2) == 1 and make([1, 2]).level(2.0) == 1
    for values, wrong in (
        ([1, 2], 2 + 1e-12),
        ([1.0, 2 + 1e-12], 2),
        ([1, 2], True),
        ([0, 2], False),
        ([1, 2], "2"),
    ):
        with pytest.raises(SpaceError):
            make(values).level(wrong)


# ------------------------------------------------------------------ then floats
def test_floats_find_their_level_after_a_trip_through_text() -> None:
    axis = Ordinal.log(1e-6, 1.0, 50)
    for level, value in enumerate(axis.values):
        assert axis.level(float(f"{value:.10g}")) == level
        assert axis.level(np.float64(value)) == level
    with pytest.raises(SpaceError, match="nearest"):
        axis.level(axis.values[3] * (1 + 1e-7))
    # float32 keeps only 7 digits, so this is another number
    with pytest.raises(SpaceError, match="nearest"):
        axis.level(np.float32(axis.values[3]))


def test_zero_matches_what_is_nothing_beside_the_next_value() -> None:
    axis = Ordinal([-1e-3, 0.0, 1e-3])
    assert axis.level(1e-17) == 1
    assert axis.level(-0.0) == 1
    with pytest.raises(SpaceError, match="nearest"):
        axis.level(1e-9)
    computed = Ordinal(np.arange(-1, 1.05, 0.1))
    assert computed.values[10] != 0 and computed.level(0.0) == 10


def test_a_small_value_is_not_taken_for_another_small_one_beside_a_large_one() -> None:
    for small in (0.0, 1e-9):
        with pytest.raises(SpaceError, match="nearest"):
            Ordinal([small, 1.0]).level(5e-10)


def test_a_float_near_several_levels_is_none_of_them() -> None:
    for axis in (Ordinal([1.0, 1.0 + 1e-12, 2.0]), Choice([2.0, 1.0, 1.0 + 1e-12])):
        assert [axis.level(value) for value in axis.values] == [0, 1, 2]
        with pytest.raises(SpaceError):
            axis.level(1.0 + 5e-13)
        assert axis.level(2.0 + 1e-12) == axis.values.index(2.0)


def twin(values: Sequence[Any], number: float) -> int | None:
    """The rule in words, for numbers other than 0."""
    if number in values:
        return values.index(number)
    floats = [i for i, own in enumerate(values) if type(own) is float]
    near = [i for i in floats if abs(number - values[i]) <= 1e-9 * abs(values[i])]
    return near[0] if len(near) == 1 and type(number) is float else None


NEAR = st.builds(
    lambda base, step, whole: round(base + step) if whole else base * (1 + step * 4e-10),
    st.sampled_from([1.0, 3.0, 1e-5, 1.7e9, 2.0**53]),
    st.integers(-4, 4),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NEAR.filter(bool), min_size=1, max_size=8), NEAR.filter(bool), st.booleans())
def test_both_axes_follow_the_rule(values: list[float], number: float, descending: bool) -> None:
    values = sorted(dict.fromkeys(values), reverse=descending)
    for axis in (Ordinal(values), Choice(values)):
        expected = twin(axis.values, number)
        if expected is None:
            with pytest.raises(SpaceError):
                axis.level(number)
        else:
            assert axis.level(number) == expected


# ------------------------------------------------------------------ the nearest
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.integers(-1000, 1000), min_size=1, max_size=9),
    st.floats(-2e6, 2e6) | st.integers(-2000, 2000),
    st.booleans(),
)
def test_the_nearest_value_is_the_one_at_the_least_distance(
    values: list[float], number: float, descending: bool
) -> None:
    values = sorted(dict.fromkeys(v for v in values if abs(v) > 1e-3), reverse=descending) or [1]
    values = [v for i, v in enumerate(values) if not i or abs(v - values[i - 1]) > 1e-6]
    axis = Ordinal(values)
    found = axis.nearest(number)
    assert abs(found - number) == min(abs(own - number) for own in values)
    assert found in axis.values


def test_the_nearest_point_of_a_space() -> None:
    space = Space({"lr": [1e-3, 1e-2, 1e-1], "n": [16, 32], "kind": ["a", "b"]})
    assert space.nearest({"lr": 0.012, "n": 1e9, "kind": "b"}) == {"lr": 0.01, "n": 32, "kind": "b"}
    for wrong, message in (
        ({"lr": math.nan, "n": 16, "kind": "a"}, "'lr': expected one of the numbers"),
        ({"lr": "0.01", "n": 16, "kind": "a"}, "'lr': expected one of the numbers"),
        ({"lr": 0.01, "n": 16, "kind": "c"}, "'kind': expected one of"),
        ({"lr": 0.01, "n": 16}, "'kind' is missing"),
        ({"lr": 0.01, "m": 16}, "did you mean 'n'|unknown parameter 'm'"),
    ):
        with pytest.raises(SpaceError, match=message):
            space.nearest(wrong)
    with pytest.raises(SpaceError, match="'n': 20 is not on the axis; the nearest values are 16"):
        space.point({"lr": 0.01, "n": 20, "kind": "a"})


# ------------------------------------------------------------------ subclasses
class Optimizer(str, Enum):  # noqa: UP042 (a StrEnum writes itself otherwise)
    SGD = "sgd"
    ADAM = "adam"


class Kind(StrEnum):
    SGD = "sgd"


class Size(IntEnum):
    SMALL = 16
    LARGE = 32


class Path(str):
    __slots__ = ()


class Plain(Enum):
    SGD = "sgd"


def test_members_of_subclasses_become_the_plain_value() -> None:
    space = Space({"kind": list(Optimizer), "size": list(Size), "path": [Path("a"), np.str_("b")]})
    params = space.params((0, 1, 0))
    assert params == {"kind": "sgd", "size": 32, "path": "a"}
    assert [type(value) for value in params.values()] == [str, int, str]
    assert repr(space.axes["kind"]) == "Choice(['sgd', 'adam'])"
    assert space.ordered == (False, True, False)
    for kind in (Optimizer.SGD, Kind.SGD, "sgd"):
        assert space.point({"kind": kind, "size": Size.LARGE, "path": Path("b")}) == (0, 1, 1)
    nested = Choice([{"kind": Optimizer.SGD, Kind.SGD: (Size.SMALL,)}]).values[0]
    assert repr(nested) == "{'kind': 'sgd', 'sgd': (16,)}"


def test_a_member_that_is_no_string_or_number_is_refused_with_what_it_stands_for() -> None:
    with pytest.raises(SpaceError, match=r"Plain.SGD.*use what it stands for, 'sgd'"):
        Choice([Plain.SGD])  # type: ignore[list-item]
