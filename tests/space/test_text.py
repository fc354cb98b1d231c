"""Values as text: without the noise of a computation, and never one text for two values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice.space.values import as_text, labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (np.arange(0.1, 1, 0.1).tolist()[2], "0.3"),
        (1.1 * 3, "3.3"),
        (1e-5, "1e-05"),
        (100000.0, "100000.0"),
        (16.0, "16.0"),
        (-0.0, "-0.0"),
        (0.00316227766017, "0.00316227766017"),
        (1700000001.0001, "1700000001.0001"),
        (1.7976931348623157e308, "1.797693134862e+308"),
        (True, "True"),
        (None, "None"),
        (2**70, str(2**70)),
        ("a b", "a b"),
        ((16, 16), "[16,16]"),
        (
            {"lr": 0.1 + 0.2, "on": True, "no": None, "ä": ()},
            '{"lr":0.3,"on":true,"no":null,"ä":[]}',
        ),
    ],
)
def test_the_text_of_a_value(value: Any, text: str) -> None:
    assert as_text(value) == text


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_text_is_close_and_what_a_person_types_stays(value: float) -> None:
    assert abs(float(as_text(value)) - value) <= 1e-12 * abs(value)
    typed = float(f"{value:.12g}")
    assert as_text(typed) == repr(typed)
    assert json.loads(as_text((value,))) == [float(as_text(value))]


def test_labels_tell_all_levels_apart() -> None:
    assert labels([0.1, 0.1 + 0.2, 1e5]) == ["0.1", "0.3", "1e+05"]
    assert labels([0.12345, 0.12346]) == ["0.12345", "0.12346"]
    assert labels([None, (1, 2), "a", 3]) == ["None", "[1,2]", "a", "3"]
