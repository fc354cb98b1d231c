"""Axes: what they take, the values that linear and log make, and how values find their level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice.errors import DsiceWarning, OptionError, SpaceError
from dsice.space import Choice, Ordinal, Space


def test_an_ordinal_keeps_the_order_given_and_turns_numpy_scalars_into_python_numbers() -> None:
    axis = Ordinal(np.array([3, 2, 1]))
    assert axis.values == (3, 2, 1)
    assert all(type(value) is int for value in axis.values)
    assert [axis.level(value) for value in (3, 2, 1)] == [0, 1, 2]
    assert type(Ordinal(np.array([0.5, 1], dtype=np.float32)).values[0]) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one"),
        ([1, 2, 2, 4], "2 2 times"),
        ([1, 2, 1], "1 2 times"),
        ([1, 4, 2], "2 after 4"),
        ([4, 1, 2], "2 after 1"),
        ([1, float("nan")], "finite"),
        ([1, float("inf")], "finite"),
        ([1, 10**400], "finite"),
        ([True, False], "use Choice"),
        (["a", "b"], "use Choice"),
        ([1, None], "use Choice"),
        ([1, 2j], "int or float"),
        ("123", "list, tuple, range or array"),
        ({1, 2}, "list, tuple, range or array"),
        (np.ones((2, 2)), "one-dimensional"),
    ],
)
def test_an_ordinal_refuses_what_is_no_ordered_list_of_numbers(
    values: object, message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        Ordinal(values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one"),
        (["a", "a"], "'a' twice"),
        ([1, True], "1 and True"),
        ([math.nan], "finite"),
        ([{1, 2}], r"\{1, 2\} \(set\)"),
        ([b"a"], r"b'a' \(bytes\)"),
        ([(1, math.inf)], "finite"),
        ([{1: 2}], "keys of a dict must be strings"),
        ([(1, 2), [1, 2]], r"\(1, 2\) twice"),
        ("ab", "list"),
    ],
)
def test_a_choice_refuses_duplicates_and_other_types(values: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Choice(values)  # type: ignore[arg-type]


def test_a_choice_tells_bools_from_numbers() -> None:
    axis = Choice(["a", True, None, 0.1, 7])
    assert [axis.level(v) for v in ("a", np.True_, None, np.float64(0.1), 7.0)] == [0, 1, 2, 3, 4]
    for wrong in (1, "True", "7", "A", math.nan):
        with pytest.raises(SpaceError, match="expected one of"):
            axis.level(wrong)
    assert Choice([True, False]) != Choice([1, 0])
    assert hash(Choice(["a"])) == hash(Choice(("a",)))


def test_linear_and_log_give_the_values_one_writes_by_hand() -> None:
    assert Ordinal.linear(0.0, 1.0, 11).values == (
        0.0,
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
    )
    assert Ordinal.linear(-1.0, 1.0, 21).values[10] == 0.0
    assert Ordinal.log(1e-5, 1e-1, 5).values == (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    assert Ordinal.log(0.1, 1e-3, 3).values == (0.1, 0.01, 0.001)
    assert Ordinal.log(1, 1024, 11).values == tuple(2**k for k in range(11))
    assert Ordinal.linear(0, 10, 3).values == (0, 5, 10)
    assert Ordinal.linear(0, 1.0, 3).values == (0.0, 0.5, 1.0)


def test_integers_that_round_to_the_same_are_moved_apart() -> None:
    assert Ordinal.log(1, 20, 10).values == (1, 2, 3, 4, 5, 6, 7, 10, 14, 20)
    assert Ordinal.log(20, 1, 10).values == (20, 14, 10, 7, 6, 5, 4, 3, 2, 1)


def test_fewer_integers_than_were_asked_for_come_with_a_warning() -> None:
    with pytest.warns(DsiceWarning, match=r"only 2 of 11 values.*0 to 1; .*integer=False"):
        assert Ordinal.linear(0, 1, 11).values == (0, 1)
    with pytest.warns(DsiceWarning, match="only 3 of 7"):
        assert Ordinal.log(1, 3, 7).values == (1, 2, 3)
    with pytest.warns(DsiceWarning, match="only 4 of 9"):
        assert Ordinal.linear(5, 2, 9).values == (5, 4, 3, 2)


def test_integers_or_floats_can_be_asked_for() -> None:
    assert Ordinal.linear(0, 1, 5, integer=False).values == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Ordinal.log(1, 1000, 3, integer=False).values == Ordinal.log(1.0, 1000.0, 3).values
    assert all(type(v) is float for v in Ordinal.linear(0, 10, 3, integer=False).values)
    assert Ordinal.linear(0.0, 10.0, 3, integer=True).values == (0, 5, 10)
    assert all(type(v) is int for v in Ordinal.log(1.0, 64.0, 4, integer=True).values)
    with pytest.raises(SpaceError, match="two whole ends"):
        Ordinal.linear(0.5, 10, 3, integer=True)
    with pytest.raises(OptionError, match="integer='no'"):
        Ordinal.linear(0, 10, 3, integer="no")  # type: ignore[arg-type]


def test_digits_make_coarser_levels() -> None:
    assert Ordinal.log(1e-4, 1e-1, 7, digits=3).values == (
        *(1e-4, 0.000316, 1e-3, 0.00316, 1e-2, 0.0316, 1e-1),
    )
    assert Ordinal.linear(0.0, 1.0, 4, digits=2).values == (0.0, 0.33, 0.67, 1.0)
    assert Ordinal.log(1, 1000, 7, digits=1).values == (1, 3, 10, 30, 100, 300, 1000)
    assert Ordinal.log(1e-4, 1e-1, 7).values[3] == 0.00316227766017  # as in 0.1.0
    with pytest.raises(SpaceError, match=r"10 different values of 1 digits .* or more digits"):
        Ordinal.log(1.0, 20.0, 10, digits=1)
    with pytest.raises(OptionError, match="digits=0"):
        Ordinal.log(1.0, 20.0, 3, digits=0)


def test_values_that_are_one_on_a_command_line_come_with_a_warning() -> None:
    with pytest.warns(DsiceWarning, match=r"differ by rounding only: both are 0.3 on a command"):
        Ordinal([0.1, 0.3, 0.1 + 0.2])


@settings(max_examples=60, deadline=None)
@given(st.integers(-50, 5000), st.integers(-50, 5000), st.integers(2, 60))
def test_integer_ends_always_give_distinct_integers_in_order_with_both_ends(
    lo: int, hi: int, n: int
) -> None:
    if lo == hi or abs(hi - lo) + 1 < n:
        return
    for make in (Ordinal.linear, Ordinal.log) if min(lo, hi) > 0 else (Ordinal.linear,):
        values = make(lo, hi, n).values
        assert values[0] == lo
        assert values[-1] == hi
        assert all(type(value) is int for value in values)
        assert len(values) == n
        assert list(values) == sorted(set(values), reverse=lo > hi)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-12, 1e12), st.floats(1e-12, 1e12), st.integers(2, 40))
def test_log_has_a_constant_ratio(lo: float, hi: float, n: int) -> None:
    if abs(math.log(hi / lo)) < 1e-3:
        return
    values = np.array(Ordinal.log(lo, hi, n).values)
    np.testing.assert_allclose(values, np.geomspace(lo, hi, n), rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ordinal.linear(0, 1, 1), "at least 2"),
        (
            lambda: Ordinal.linear(0, 1, 2.5),  # type: ignore[arg-type]
            "integer n",
        ),
        (lambda: Ordinal.linear(1, 1, 3), "two different ends"),
        (lambda: Ordinal.log(0, 1, 3), "positive ends"),
        (lambda: Ordinal.log(-1.0, 1.0, 3), "positive ends"),
        (lambda: Ordinal.linear(0, math.inf, 3), "finite"),
        (lambda: Ordinal.linear(False, 3, 3), "numbers"),
        (lambda: Ordinal.linear(1.0, 1.0 + 1e-15, 50), "ask for fewer"),
        (lambda: Ordinal.log(1, 2, 10**12), "at most 10,000,000 values, got 1000000000000"),
        (lambda: Space({"x": range(10**30)}), "'x': an axis takes at most 10,000,000 values"),
    ],
)
def test_linear_and_log_say_what_is_wrong(make: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()  # type: ignore[operator]


def test_a_value_off_the_axis_is_shown_with_its_neighbours() -> None:
    axis = Ordinal([16, 32, 64, 128])
    with pytest.raises(
        SpaceError, match=r"50 is not on the axis; the nearest values are 32 and 64"
    ):
        axis.level(50)
    with pytest.raises(SpaceError, match=r"1000 .* 64 and 128"):
        axis.level(1000)
    with pytest.raises(SpaceError, match="value is 3"):
        Ordinal([3]).level(4)
    for wrong in ("32", True, None, math.nan, math.inf, 10**400):
        with pytest.raises(SpaceError, match="expected one of the numbers"):
            axis.level(wrong)


def test_what_an_axis_given_as_a_sequence_becomes() -> None:
    space = Space(
        {
            "a": [1, 2],
            "b": ["x", "y"],
            "c": range(3),
            "d": [True, False],
            "e": (0.5, 0.25),
            "f": np.arange(2),
            "g": [None, "z"],
            "h": [None, 5, 10],
            "i": [(16, 16), [32, 8]],
            "j": [{"name": "sgd"}, {}],
        }
    )
    assert space.ordered == (True, False, True, False, True, True, *(False,) * 4)
    assert space.shape == (2, 2, 3, 2, 2, 2, 2, 3, 2, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "axis 'x': it has no values"),
        (range(0), "axis 'x': it has no values"),
        ([1, 2, 1], "axis 'x': .*distinct, got 1 2 times"),
        (["a", "a"], "axis 'x': .*'a' twice"),
        ([1, "a"], r"axis 'x': numbers mixed with 'a': use Choice"),
        ([None, 1, "a"], r"axis 'x': numbers mixed with 'a': use Choice"),
        ([(1, 2), 1], r"axis 'x': numbers mixed with \(1, 2\): use Choice"),
        ([True, 2], r"axis 'x': numbers mixed with True: use Choice"),
        ("abc", "axis 'x': an axis takes a list"),
        (5, "axis 'x': an axis takes a list"),
        ([3, 1, 2], "axis 'x': .*2 after 1"),
    ],
)
def test_errors_name_the_axis(values: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space({"ok": [1, 2], "x": values})  # type: ignore[dict-item]


def test_axes_show_what_they_hold_and_cannot_be_changed() -> None:
    assert repr(Ordinal([1, 2])) == "Ordinal([1, 2])"
    assert repr(Choice(["a"])) == "Choice(['a'])"
    assert repr(Ordinal(range(100))) == "Ordinal([0, 1, 2, 3, ..., 99] (100 values))"
    with pytest.raises(AttributeError):
        Ordinal([1, 2]).values = (3,)  # type: ignore[misc]
    assert {Ordinal([1, 2]): 1}[Ordinal((1, 2))] == 1
