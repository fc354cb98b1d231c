"""String rules at many points at once say what they say one by one, errors included."""

from __future__ import annotations

import itertools
import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import Choice, Ordinal, Require, Space, When
from dsice.errors import SpaceError
from dsice.space import tabulated
from dsice.space.axes import Axis, as_axis
from dsice.space.calculated import Unsupported
from dsice.space.expression import Expression
from dsice.space.tabulated import ERROR, FALSE, TRUE
from dsice.space.validity import Validity
from dsice.space.vectorised import VectorRule

AXES: dict[str, Axis] = {
    "a": as_axis(list(range(-3, 5))),
    "b": Ordinal([-2.5, -1.0, -0.5, 0.0, 0.1, 0.5, 1.0, 2.0, 1e10, 1e308]),
    "c": as_axis([1, 2.5, 4, 2**40]),  # whole and not
    "d": Choice([True, False]),
    "e": Choice(["sgd", "adam", ""]),
    "f": Choice([None, "x", 3, 0.5, True]),
    "g": as_axis([0, 1, 2**31, 2**53 + 1, 2**61]),
    "h": as_axis([2**53, 2**53 + 1, 10**40]),
    "i": Ordinal([-1e-300, 1e-300, 1e200]),
}
SPACE = Validity(tuple(AXES), tuple(AXES.values()), [])

_NUMBERS = ["a", "b", "c", "d", "g", "1", "2", "0", "-1", "0.5", "3", "7", "1e3", "True", "i", "h"]
_ATOMS = st.sampled_from([*_NUMBERS, *_NUMBERS[:6], "e", "f", "'sgd'", "None", "10**30", "1e308"])
_COMPARE = ["<", "<=", "==", "!=", ">", ">="]


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def two(pattern: str, *operators: str) -> st.SearchStrategy[str]:
        return st.builds(pattern.format, inner, st.sampled_from(operators), inner)

    three = st.tuples(inner, inner, inner)
    calls = ["abs", "round", "int", "float", "len", "sqrt", "log", "log2", "exp", "ceil", "floor"]
    return st.one_of(
        two("({} {} {})", "+", "-", "*", "/", "//", "%"),
        two("({} {} {})", "+", "-", "*", "**"),
        two("({} {} {})", *_COMPARE),
        two("({} {} {})", *_COMPARE, "and", "or"),
        two("({} {} {})", "and", "or"),
        three.map("({0[0]} < {0[1]} <= {0[2]})".format),
        three.map("({0[0]} == {0[1]} != {0[2]})".format),
        three.map("({0[0]} in ({0[1]}, {0[2]}))".format),
        three.map("({0[0]} not in [{0[1]}, {0[2]}, 2])".format),
        three.map("({0[0]} if {0[1]} else {0[2]})".format),
        three.map("min({0[0]}, {0[1]}, {0[2]})".format),
        three.map("max(({0[0]}, {0[1]}, {0[2]}))".format),
        st.tuples(inner, st.sampled_from(["0", "1", "-1", "a"])).map(
            "round({0[0]}, {0[1]})".format
        ),
        inner.map("(not {})".format),
        inner.map("(-{})".format),
        inner.map("(+{})".format),
        st.builds("{}({})".format, st.sampled_from(calls), inner),
        two("log({0}, {2})", ""),
    )


RULES = st.recursive(_ATOMS, _grow, max_leaves=7)


def scalar(expression: Expression) -> list[int]:
    """The answers one by one, straight from the compiled expression."""
    found = []
    axes = [AXES[name].values for name in expression.names]
    for row in itertools.product(*axes):
        try:
            answer: Any = expression.value(*row)
            if answer is None or isinstance(answer, (str, tuple)):
                raise SpaceError
            found.append(TRUE if answer else FALSE)
        except Exception:
            found.append(ERROR)
    return found


def tabulated_rule(text: str) -> tabulated.TabulatedRule:
    return Validity(tuple(AXES), tuple(AXES.values()), [Require(text)]).requires[0]


def outcomes(text: str) -> list[int]:
    rule = tabulated_rule(text)
    sub = np.array(list(itertools.product(*map(range, rule.shape))), dtype=np.int64)
    points = np.zeros((len(sub), len(AXES)), dtype=np.int64)
    points[:, rule.columns] = sub
    answers: list[int] = rule.outcomes(points, np.ones(points.shape, dtype=np.bool_)).tolist()
    return answers


@pytest.mark.parametrize("small", [65_536, 0])
@settings(max_examples=100, deadline=None)
@given(RULES)
def test_many_points_at_once_are_each_point_alone(small: int, text: str) -> None:
    expression = Expression(text)
    if not expression.names or math.prod(len(AXES[n]) for n in expression.names) > 5000:
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tabulated, "_SMALL", small)  # as a table, and without one
        patched.setattr(tabulated, "_MANY", 1)
        assert outcomes(text) == scalar(expression)


SUPPORTED = [
    "a * b <= 64 and a % 2 == 0",
    "a // 2 + b / 3 < 10 or not d",
    "b == 0 or a / b > 1",
    "a in (1, 2, 4) and e == 'sgd'",
    "e != 'adam' and (f in (None, 'x') or a > 1)",
    "max(a, b) <= 2 * min(a, 3)",
    "sqrt(abs(a)) + log(1 + b * b) < 3",
    "2 ** abs(a) <= 16",
    "(a if d else b) > 0",
    "0 < a <= b",
    "ceil(b) % 2 == 0",
    "a * c <= 1000",
]


@pytest.mark.parametrize("text", SUPPORTED)
def test_usual_rules_are_evaluated_with_arrays(text: str) -> None:
    rule = tabulated_rule(text)
    assert rule._can_be_vector()
    assert outcomes(text) == scalar(Expression(text))


@pytest.mark.parametrize(
    "text", ["g * g * g > 1", "h + 1 > b", "f + 1 > 2", "e in 'sgd'", "d and a", "h > 1e20"]
)
def test_where_python_may_differ_python_is_asked(text: str) -> None:
    assert outcomes(text) == scalar(Expression(text))


def test_a_nest_of_and_and_or_takes_no_exponential_time() -> None:
    text = "a > 0"
    for _ in range(28):
        text = f"({text} or a > 1) == True"
    began = time.process_time()
    outcomes(text)
    assert time.process_time() - began < 5


# ------------------------------------------------------------------ a whole space
def twice(make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """What comes with and without arrays."""

    def answer() -> Any:
        try:
            return make()
        except SpaceError as error:
            return str(error)

    with_arrays = answer()
    with monkeypatch.context() as patched:

        def refuse(self: VectorRule, *_: object) -> None:
            raise Unsupported

        patched.setattr(VectorRule, "__call__", refuse)
        return with_arrays, answer()


SPACES: dict[str, list[Any]] = {
    "plain": [
        Require("x * y <= 500"),
        Require("z != 3 or x > 10"),
        Require("(x + y + z) % 3 == 0"),
    ],
    "guarded": [Require("y != 0"), Require("x / y >= 0.5"), Require("x % y < 9 or z > 2")],
    "an error": [Require("x > 1"), Require("z / (y - 7) < 3")],
    "nothing left": [Require("x < 5"), Require("x * y > 10000")],
    "conditions": [When("x > 20 and z in (1, 2)", "y"), Require("y % 2 == 0 or z == 0")],
    "text": [Require("o == 'a' or x < 20"), Require("o in ('a', 'b') and y < z * 10")],
}


@pytest.mark.parametrize("name", SPACES)
def test_points_samples_counts_and_errors_stay_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes: dict[str, Any] = {"x": range(40), "y": range(41), "z": range(8), "o": ["a", "b", "c"]}

    def everything() -> Any:
        space = Space(axes, where=SPACES[name])
        some = space.sample(np.random.default_rng(3), 50)
        return space.count, space.points().tolist(), some, space.valid(space.points()).all()

    one, other = twice(everything, monkeypatch)
    assert one == other

    def large() -> Any:
        space = Space({**axes, "w": range(1000)}, where=SPACES[name])
        return space.sample(np.random.default_rng(3), 50, tries=20_000)

    one, other = twice(large, monkeypatch)
    assert one == other


def test_one_rule_at_many_points_takes_neither_long_nor_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    axes = {"a": range(1, 301), "b": range(1, 301)}
    wide = Space(axes, where=[Require(f"max({','.join(['a * b'] * 300)}) in ({'a * b,' * 30})")])
    tracemalloc.start()
    assert wide.count == 90_000
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()
    monkeypatch.setattr(tabulated, "MAX_SECONDS", 0.1)
    long = Space(axes, where=[Require(f"max({','.join(['log(a*b)'] * 200)}) > 0")])
    began = time.thread_time()
    with pytest.raises(SpaceError, match="takes more than"):
        _ = long.count
    assert time.thread_time() - began < 1
