"""A space written down and read again, and what is said about two that differ."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from dsice.errors import SpaceError
from dsice.space import Choice, Ordinal, Require, Rule, Space, When
from tests.space.test_space import ALGORITHM


def fits(params: Mapping[str, Any]) -> bool:
    """A rule with a name of its own."""
    return bool(params["x"] < 4)


AXES: dict[str, Any] = {"x": [1, 2, 4], "y": [0.1, 0.2], "z": ["a", None, True]}
WHERE: list[Rule] = [
    Require("x * y < 1", name="area"),
    Require(fits),
    When("x > 1", "y"),
    When(lambda p: p["x"] > 1, "z", name="large"),
]
SPACE = Space(AXES, where=WHERE)


def stored(space: Space) -> dict[str, Any]:
    """What comes back from a file."""
    loaded: dict[str, Any] = json.loads(json.dumps(space.to_dict()))
    return loaded


def test_a_space_survives_json() -> None:
    again = Space.from_dict(stored(ALGORITHM))
    assert again == ALGORITHM
    assert hash(again) == hash(ALGORITHM)
    assert again.fingerprint == ALGORITHM.fingerprint
    assert again.difference(stored(ALGORITHM)) is None
    assert again.points().tolist() == ALGORITHM.points().tolist()
    assert Space.from_dict(stored(Space({"b": [True, False], "n": Choice([1, 0])}))).params(
        (0, 0)
    ) == {"b": True, "n": 1}


def test_functions_come_back_by_name() -> None:
    again = Space.from_dict(stored(SPACE), rules={"fits": fits, "large": lambda p: p["x"] > 1})
    assert again.points().tolist() == SPACE.points().tolist()
    assert again.difference(stored(SPACE)) is None
    with pytest.raises(SpaceError, match=r"function, 'fits'; pass it as rules=\{'fits'"):
        Space.from_dict(stored(SPACE))


def test_a_function_without_a_name_cannot_be_written() -> None:
    space = Space(AXES, where=Require(lambda p: p["x"] < 4))
    with pytest.raises(SpaceError, match=r"without a name.*name="):
        space.to_dict()
    assert len(space.fingerprint) == 12  # without a journal nothing needs the name
    twice = Space(
        AXES, where=[Require(lambda p: True, name="f"), Require(lambda p: p["x"] < 4, name="f")]
    )
    with pytest.raises(SpaceError, match="two different function rules are called 'f'"):
        twice.to_dict()


@pytest.mark.parametrize(
    "broken", [{}, {"axes": []}, {"axes": [{"name": "x"}], "where": []}, {"axes": [1], "where": []}]
)
def test_a_record_that_is_none_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(SpaceError):
        Space.from_dict(broken)


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "require"},
        {"rule": "x < 2"},
        {"kind": "other", "rule": "x < 2"},
        {"kind": "when", "rule": "x < 2"},
    ],
)
def test_a_stored_rule_that_is_none_is_an_error(broken: dict[str, Any]) -> None:
    record = stored(Space(AXES)) | {"where": [broken]}
    with pytest.raises(SpaceError, match="cannot be read"):
        Space.from_dict(record)


def other(axes: dict[str, Any] | None = None, where: list[Rule] | None = None) -> Space:
    """SPACE with something changed."""
    return Space(AXES | (axes or {}), where=WHERE if where is None else where)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (Space({"x": [1, 2, 4], "y": [0.1, 0.2]}), "axis 'z' of the stored space is missing here"),
        (other({"w": [1, 2]}), "axis 'w' is not in the stored space, whose axes are x, y, z"),
        (
            Space({"x": [1, 2, 4], "why": [0.1, 0.2], "z": ["a", None, True]}),
            "axis 'y' .* missing here; 'why' has the same values, was it renamed?",
        ),
        (
            other({"x": [1, 2, 3]}),
            r"axis 'x' is Ordinal\(\[1, 2, 3\]\) here and Ordinal\(\[1, 2, 4\]\) .* "
            r"\(value 2: 3 and 4\)",
        ),
        (other({"x": [1, 2]}), r"axis 'x' .* \(2 and 3 values\)"),
        (other({"x": Choice([1, 2, 4])}), r"axis 'x' is Choice.* and Ordinal"),
        (other({"z": ["a", None, False]}), "axis 'z' .*False and True"),
        (
            Space({"y": [0.1, 0.2], "x": [1, 2, 4], "z": ["a", None, True]}, where=WHERE),
            "order y, x, z here and x, y, z",
        ),
        (
            other(where=WHERE[1:]),
            r"the stored space has the rule Require\('x \* y < 1'\), which is missing here",
        ),
        (
            other(where=[*WHERE, Require("x > 1")]),
            r"the rule Require\('x > 1'\) is not in the stored space",
        ),
        (
            other(where=[*WHERE[:2], When("x > 1", "y", "z")]),
            r"has the rule When\('x > 1', 'y'\), which is missing",
        ),
        (other(where=[WHERE[0], *WHERE[2:]]), r"has the rule Require\(fits\)"),
    ],
)
def test_the_first_difference_is_a_sentence(space: Space, sentence: str) -> None:
    found = space.difference(stored(SPACE))
    assert found is not None
    assert re.search(sentence, found), found
    assert space.fingerprint != SPACE.fingerprint
    assert space != SPACE


def test_what_makes_no_difference() -> None:
    where: list[Rule] = [
        WHERE[3],
        When("x>1", "y"),
        Require("x*y  < 1"),
        Require(lambda p: p["x"] < 4, name="fits"),
    ]
    space = Space(
        {"x": Ordinal([1.0, 2.0, 4.0]), "y": [0.1 + 1e-14, 0.2], "z": Choice(["a", None, True])},
        where=where,
    )
    assert space.difference(stored(SPACE)) is None
    assert space.fingerprint == SPACE.fingerprint
    one, two = (Space(AXES, where=When("x > 1", *names)) for names in (("y", "z"), ("z", "y")))
    assert one.difference(stored(two)) is None
    assert one.fingerprint == two.fingerprint


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    space = (
        "Space({'x': [1, 2.5], 'y': ['ä', True]}, where=[Require('x<2'), When(\"y == 'ä'\", 'x')])"
    )
    code = f"from dsice.space import *; print({space}.fingerprint)"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert outputs == {"6fcf6e38506a\n"}  # changing this number makes old job names unknown


def test_spaces_can_be_pickled_and_hashed() -> None:
    again = pickle.loads(pickle.dumps(ALGORITHM))  # noqa: S301
    assert again == ALGORITHM
    assert {ALGORITHM: 1}[again] == 1
    assert ALGORITHM != "space"


def test_repr_shows_axes_rules_and_size() -> None:
    text = repr(Space({"x": [1, 2]}, where=Require("x < 2")))
    assert text == "<Space {'x': Ordinal([1, 2])}, where=[Require('x < 2')]; 2 grid points>"
