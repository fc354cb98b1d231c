"""A space as JSON and back, its fingerprint, and what differs between a space and a stored one.

Stored are axis names, levels, string rules, sets of points and the *names* of function rules;
functions themselves are not.

A named set of points stands for the function of that name: `Table.space` of 0.1.0 had a function
called ``"logged"`` that knew the points of the log.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from dsice.errors import SpaceError
from dsice.space.among import LOGGED, Among, described
from dsice.space.axes import Axis, axis_from_dict
from dsice.space.expression import Expression
from dsice.space.rules import (
    NamedRules,
    Predicate,
    Require,
    Rule,
    When,
    check_number_of_rules,
)
from dsice.space.values import as_json, has_parts


def space_record(axes: Mapping[str, Axis], where: Sequence[Rule]) -> dict[str, Any]:
    """Return a space as plain JSON data.

    Raises
    ------
    SpaceError
        A function rule has no name, or two different functions have the same one.
    """
    functions: dict[str, object] = {}
    for rule in where:
        if isinstance(rule, Among) or rule.expression is not None or rule.name is None:
            continue
        if functions.setdefault(rule.name, rule.rule) is not rule.rule:
            raise SpaceError(
                f"two different function rules are called {rule.name!r}; "
                "give one of them another name="
            )
    listed = [{"name": name, **axis.to_dict()} for name, axis in axes.items()]
    return {"axes": listed, "where": [rule_record(rule) for rule in where]}


def rule_record(rule: Rule) -> dict[str, Any]:
    """Return one rule as plain JSON data; SpaceError for a function without a name."""
    if isinstance(rule, Among):
        return rule.to_dict()
    record: dict[str, Any] = {"kind": "require" if isinstance(rule, Require) else "when"}
    if rule.expression is not None:
        record["rule"] = rule.expression.source
        if rule.name is not None:
            record["name"] = rule.name
    elif rule.name is None:
        kind = type(rule).__name__
        raise SpaceError(
            f"{rule!r} is a function without a name and cannot be written down; "
            f"give it one: {kind}(..., name='fits_memory')"
        )
    else:
        record["function"] = rule.name
    if isinstance(rule, When):
        record["names"] = list(rule.names)
    return record


def read_axes(record: Mapping[str, Any]) -> dict[str, Axis]:
    """Return the axes of a stored space."""
    try:
        return {str(entry["name"]): axis_from_dict(entry) for entry in record["axes"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(error) from error


def read_rules(
    record: Mapping[str, Any], axes: Mapping[str, Axis], functions: NamedRules
) -> list[Rule]:
    """Return the rules of a stored space with these axes; functions are looked up by name."""
    try:
        check_number_of_rules(len(record["where"]))
        return [_read_rule(entry, axes, functions) for entry in record["where"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(error) from error


def _read_rule(entry: Mapping[str, Any], axes: Mapping[str, Axis], functions: NamedRules) -> Rule:
    if entry["kind"] == "among":
        return Among.from_dict(entry, axes)
    function = entry.get("function")
    if function is not None and function not in functions:
        hint = ""
        if function == LOGGED:
            hint = "; it says which points are in a log: rules=Table(...).space.named_rules"
        raise SpaceError(
            f"the stored space has a rule that is a function, {function!r}; "
            f"pass it as rules={{{function!r}: function}}{hint}"
        )
    rule: str | Predicate | Among = entry["rule"] if function is None else functions[function]
    name = function or entry.get("name")
    if entry["kind"] == "require":
        return rule if isinstance(rule, Among) else Require(rule, name=name)
    if entry["kind"] == "when" and not isinstance(rule, Among):
        return When(rule, *entry["names"], name=name)
    raise KeyError(entry["kind"])


def fingerprint(axes: Mapping[str, Axis], where: Sequence[Rule]) -> str:
    """Return 12 hex digits of a space.

    What `difference` overlooks (spacing, order of rules, 1 or 1.0) does not count here either.
    """
    listed = [
        [name, type(axis).__name__, [_canonical_value(value) for value in axis.values]]
        for name, axis in axes.items()
    ]
    rules = sorted(_canonical_rule(_comparable_record(rule)) for rule in where)
    text = json.dumps([listed, rules], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def difference(
    axes: Mapping[str, Axis], where: Sequence[Rule], record: Mapping[str, Any]
) -> str | None:
    """Return a sentence about the first difference of this space and a stored one; None if none."""
    stored = read_axes(record)
    return _axes_differ(axes, stored) or _rules_differ(axes, where, record)


def _axes_differ(axes: Mapping[str, Axis], stored: Mapping[str, Axis]) -> str | None:
    missing = [name for name in stored if name not in axes]
    extra = [name for name in axes if name not in stored]
    for name in missing:
        said = f"axis {name!r} of the stored space is missing here"
        twin = next((own for own in extra if axes[own].same(stored[name])), None)
        return said if twin is None else f"{said}; {twin!r} has the same values, was it renamed?"
    if extra:
        return f"axis {extra[0]!r} is not in the stored space, whose axes are {', '.join(stored)}"
    for name, axis in axes.items():
        if not axis.same(stored[name]):
            return (
                f"axis {name!r} is {axis!r} here and {stored[name]!r} in the stored space"
                f"{_first_difference(axis, stored[name])}"
            )
    if list(axes) != list(stored):
        return (
            f"the axes are in the order {', '.join(axes)} here and {', '.join(stored)} "
            "in the stored space; a point depends on their order"
        )
    return None


def _first_difference(axis: Axis, stored: Axis) -> str:
    """Where two axes of the same type differ, in brackets."""
    if type(axis) is not type(stored):
        return ""
    if len(axis) != len(stored):
        return f" ({len(axis)} and {len(stored)} values)"
    level = axis.first_difference(stored)
    if level is None:
        return ""
    return f" (value {level}: {axis.values[level]!r} and {stored.values[level]!r})"


def _rules_differ(
    axes: Mapping[str, Axis], where: Sequence[Rule], record: Mapping[str, Any]
) -> str | None:
    try:
        theirs = {_canonical_rule(entry): entry for entry in record["where"]}
        own = {_key_of_rule(rule, theirs): rule for rule in where}
        missing = [entry for key, entry in theirs.items() if key not in own]
        extra = [rule for key, rule in own.items() if key not in theirs]
        stored = [entry for entry in missing if entry["kind"] == "among"]
        sets = [rule for rule in extra if isinstance(rule, Among)]
        if len(stored) == len(sets) == 1:
            return _sets_differ(sets[0], Among.from_dict(stored[0], axes))
        if missing:
            return f"the stored space has the rule {_describe(missing[0])}, which is missing here"
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(error) from error
    if extra:
        return f"the rule {_describe(_comparable_record(extra[0]))} is not in the stored space"
    return None


def _key_of_rule(rule: Rule, stored: Collection[str]) -> str:
    """What a rule has in common with its stored twin."""
    key = _canonical_rule(_comparable_record(rule))
    if isinstance(rule, Among) and rule.name is not None and key not in stored:
        function = _canonical_rule({"kind": "require", "function": rule.name})
        return function if function in stored else key
    return key


def _sets_differ(own: Among, stored: Among) -> str:
    """Say how two sets of points of the same grid differ."""
    few, where = stored, "missing here"
    places = np.flatnonzero(~own.points.holds(stored.points.rows()))
    if not len(places):
        few, where = own, "not in the stored one"
        places = np.flatnonzero(~stored.points.holds(own.points.rows()))
    levels = few.points.rows(places[:1])[0].tolist()
    point = {n: a.values[i] for (n, a), i in zip(few.axes.items(), levels, strict=True)}
    return (
        f"the set of valid points has {len(own):,} of them here and {len(stored):,} in the stored "
        f"space, and {len(places):,} are {where}, such as {point!r}"
    )


def _comparable_record(rule: Rule) -> dict[str, Any]:
    """Return a rule's record, also for a function without a name."""
    if not isinstance(rule, Among) and rule.expression is None and rule.name is None:
        record: dict[str, Any] = {
            "kind": "require" if isinstance(rule, Require) else "when",
            "function": "<nameless>",
        }
        return record | ({"names": list(rule.names)} if isinstance(rule, When) else {})
    return rule_record(rule)


def _canonical_rule(entry: Mapping[str, Any]) -> str:
    """Return one spelling for rules that say the same.

    Spacing, quotes and the order of names do not count.
    """
    if entry["kind"] == "among":
        return json.dumps(["among", entry["sha256"]])
    text = entry["function"] if "function" in entry else Expression(entry["rule"]).canonical
    return json.dumps([entry["kind"], "function" in entry, text, sorted(entry.get("names", ()))])


def _describe(entry: Mapping[str, Any]) -> str:
    if entry["kind"] == "among":
        return described(entry["count"], entry.get("name"))
    what = repr(entry["rule"]) if "rule" in entry else str(entry["function"])
    return f"{entry['kind'].capitalize()}({', '.join([what, *map(repr, entry.get('names', ()))])})"


def _canonical_value(value: object) -> object:
    """Return equal values in one spelling: 1 and 1.0, and floats to the digits that CSV keeps."""
    if has_parts(value):
        return ["json", json.dumps(as_json(value), sort_keys=True)]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return str(int(value)) if value == int(value) else f"{value:.9g}"


def _malformed(error: Exception) -> SpaceError:
    what = f"no {error}" if isinstance(error, KeyError) else str(error)
    return SpaceError(
        f"the stored space cannot be read ({what}); expected what Space.to_dict() gives"
    )


# ------------------------------------------------------------------ the part of Space
class StoredSpace:
    """The part of `Space` that is written down, read again and compared."""

    _axes: dict[str, Axis]
    _where: tuple[Rule, ...]

    @abstractmethod
    def __init__(self, axes: Mapping[str, Axis], *, where: Sequence[Rule] = ()) -> None: ...

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON data; a function rule is written as its name.

        Raises
        ------
        SpaceError
            A function rule has no name, or two different functions have the same one.
        """
        return space_record(self._axes, self._where)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, rules: NamedRules | None = None) -> Self:
        """Return the space that `to_dict` wrote.

        Parameters
        ----------
        rules
            The functions by name, such as `named_rules` of a space that has them.

        Raises
        ------
        SpaceError
            A function that `rules` lacks, or data that `to_dict` did not write.
        """
        axes = read_axes(record)
        return cls(axes, where=read_rules(record, axes, rules or {}))

    @property
    def named_rules(self) -> dict[str, Predicate | Among]:
        """What journals may hold by its name only, for ``rules=``: functions, named sets."""
        found: dict[str, Predicate | Among] = {}
        for rule in self._where:
            if isinstance(rule, Among):
                found |= {} if rule.name is None else {rule.name: rule}
            elif not isinstance(rule.rule, str) and rule.name is not None:
                found[rule.name] = rule.rule
        return found

    def without_requirements(self) -> Self:
        """Return this space with its conditions (`When`) alone: all points of the grid allowed."""
        conditions = [rule for rule in self._where if isinstance(rule, When)]
        return type(self)(self._axes, where=conditions)

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of axis names, values, string rules, sets and names of function rules.

        The order of rules does not count.
        """
        return fingerprint(self._axes, self._where)

    def difference(self, record: Mapping[str, Any]) -> str | None:
        """Return a sentence about the first difference to a stored space; None if there is none.

        Parameters
        ----------
        record
            The stored space, as `to_dict` gave it.
        """
        return difference(self._axes, self._where, record)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StoredSpace):
            return NotImplemented
        return list(self._axes.items()) == list(other._axes.items()) and self._where == other._where

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        # without tables: they are quick to make again
        return _rebuild, (type(self), dict(self._axes), self._where)


def _rebuild(kind: type[Any], axes: dict[str, Axis], where: tuple[Rule, ...]) -> Any:
    return kind(axes, where=where)
