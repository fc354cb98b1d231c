"""Parameters of a job as its program gets them: a Python function, or files of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dsice.errors import LaunchError
from dsice.space.values import as_given, as_json, has_tuples


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a function gets them: tuples, and dicts of its own, where they have parts.

    In files they are as JSON keeps them.

    Raises
    ------
    LaunchError
        For a value that JSON cannot keep.
    """
    checked: dict[str, Any] = {}
    for key, value in params.items():
        checked[key] = as_given(value.item() if hasattr(value, "item") else value)  # numpy scalars
        try:
            same = json.loads(json.dumps(checked[key])) == as_json(checked[key])
        except (TypeError, ValueError):
            same = False
        if not same:
            raise LaunchError(
                f"parameter {key!r} is {value!r} ({type(value).__name__}), which cannot be written "
                "to a file as JSON; use a number, string, bool or None, and look the object up in "
                "the program"
            )
    return checked


def in_tuples(params: Mapping[str, Any]) -> list[str]:
    """Names of the parameters whose lists in JSON are tuples in Python."""
    return [name for name, value in params.items() if has_tuples(value)]
