"""A slow, plain twin of Space: all grid points and all rules in turn, with Python's own eval.

It shares no code with the package except the axes' values.
"""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import CodeType
from typing import Any

from dsice.space import Require, Space, When

_SCOPE = {
    name: getattr(math, name, None) or getattr(builtins, name)
    for name in ("sqrt", "log2", "exp", "ceil", "floor", "min", "max", "abs")
}


def params_of(space: Space, point: tuple[int, ...]) -> dict[str, Any] | None:
    """The params of a point, None if an inactive parameter is off level 0."""
    full = {
        name: axis.values[level]
        for (name, axis), level in zip(space.axes.items(), point, strict=True)
    }
    conditions: dict[str, list[When]] = {}
    for rule in space.where:
        if isinstance(rule, When):
            for name in rule.names:
                conditions.setdefault(name, []).append(rule)

    def active(name: str) -> bool:
        return all(holds(rule, full, active, False) for rule in conditions.get(name, []))

    if any(level and not active(name) for name, level in zip(space.names, point, strict=True)):
        return None
    return {name: value for name, value in full.items() if active(name)}


@cache
def compiled(rule: str) -> CodeType:
    return compile(rule, "", "eval")


def holds(
    rule: Require | When, full: Mapping[str, Any], active: Callable[[str], bool], vacuous: bool
) -> bool:
    """Whether a string rule holds; `vacuous` if it mentions something inactive."""
    assert isinstance(rule.rule, str)
    mentioned = [name for name in full if name in compiled(rule.rule).co_names]
    if not all(active(name) for name in mentioned):
        return vacuous
    return bool(eval(compiled(rule.rule), dict(_SCOPE), dict(full)))  # noqa: S307


def valid_points(space: Space) -> list[tuple[int, ...]]:
    """All valid points in lexicographic order."""
    found = []
    for point in itertools.product(*map(range, space.shape)):
        params = params_of(space, point)
        if params is None:
            continue
        full = {
            name: axis.values[level]
            for (name, axis), level in zip(space.axes.items(), point, strict=True)
        }
        rules = [rule for rule in space.where if isinstance(rule, Require)]
        if all(
            rule.rule(params)
            if callable(rule.rule)
            else holds(rule, full, lambda n, p=params: n in p, True)  # type: ignore[misc]
            for rule in rules
        ):
            found.append(point)
    return found
