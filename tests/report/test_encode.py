"""What goes into the page can be read back, and cannot be anything but data."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks.report.journals import HOSTILE
from dsice.report.encode import number, numbers, places, text, to_json, value


@pytest.mark.parametrize("given", HOSTILE.values())
def test_no_text_ends_or_begins_an_element(given: str) -> None:
    written = to_json({given: given})
    assert not {"<", ">", "&"} & set(written)
    assert json.loads(written) == {given: given}


def test_texts_are_visible_and_cut() -> None:
    assert text("\u202eab\x1b[31m") == "\\u202eab\\x1b[31m"
    long = text("x" * 10_000, 100)
    assert len(long) < 150 and "(9900 characters)" in long


@pytest.mark.parametrize("whole", [2**53 + 1, -(2**60), 10**30])
def test_whole_numbers_beyond_floats_are_texts(whole: int) -> None:
    assert value(whole) == number(whole) == str(whole)
    assert value(2**53) == 2**53


def test_numbers_that_json_lacks() -> None:
    assert number(math.nan) is None
    assert number(-math.inf) == "-Infinity"
    assert numbers([None, math.nan]) is None
    assert numbers([0.1 + 0.2, 3.0]) == [0.3, 3]
    assert json.loads(to_json(numbers([1e308, -1e-308]))) == [1e308, -1e-308]


@pytest.mark.parametrize(
    ("column", "written"), [([0, 35, None, 9], "0z.9"), ([36, None], [36, None]), ([], "")]
)
def test_small_whole_numbers_are_digits(column: list[int | None], written: Any) -> None:
    assert places(column) == written
