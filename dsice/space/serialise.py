"""A space as JSON and back, its fingerprint, and what differs between a space and a stored one.

Stored are axis names, levels, string rules and the *names* of function rules; functions themselves
are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dsice.errors import SpaceError
from dsice.space.axes import axis_from_dict
from dsice.space.axis import Axis
from dsice.space.expression import Expression
from dsice.space.rules import Predicate, Require, Rule, When, check_number_of_rules
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
        if rule.expression is not None or rule.name is None:
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


def read_rules(record: Mapping[str, Any], functions: Mapping[str, Predicate]) -> list[Rule]:
    """Return the rules of a stored space; functions are looked up by name."""
    try:
        check_number_of_rules(len(record["where"]))
        return [_read_rule(entry, functions) for entry in record["where"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(error) from error


def _read_rule(entry: Mapping[str, Any], functions: Mapping[str, Predicate]) -> Rule:
    function = entry.get("function")
    if function is not None and function not in functions:
        raise SpaceError(
            f"the stored space has a rule that is a function, {function!r}; "
            f"pass it as rules={{{function!r}: function}}"
        )
    rule: str | Predicate = entry["rule"] if function is None else functions[function]
    name = function or entry.get("name")
    if entry["kind"] == "when":
        return When(rule, *entry["names"], name=name)
    if entry["kind"] == "require":
        return Require(rule, name=name)
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
    return _axes_differ(axes, stored) or _rules_differ(where, record)


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


def _rules_differ(where: Sequence[Rule], record: Mapping[str, Any]) -> str | None:
    try:
        theirs = {_canonical_rule(entry): entry for entry in record["where"]}
        own = {_canonical_rule(_comparable_record(rule)): rule for rule in where}
        for key, entry in theirs.items():
            if key not in own:
                return f"the stored space has the rule {_describe(entry)}, which is missing here"
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(error) from error
    for key, rule in own.items():
        if key not in theirs:
            return f"the rule {_describe(_comparable_record(rule))} is not in the stored space"
    return None


def _comparable_record(rule: Rule) -> dict[str, Any]:
    """Return a rule's record, also for a function without a name."""
    if rule.expression is None and rule.name is None:
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
    text = entry["function"] if "function" in entry else Expression(entry["rule"]).canonical
    return json.dumps([entry["kind"], "function" in entry, text, sorted(entry.get("names", ()))])


def _describe(entry: Mapping[str, Any]) -> str:
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
