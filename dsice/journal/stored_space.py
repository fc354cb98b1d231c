"""The space in the header of a journal, whether or not the functions of its rules are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsice.space import Among, Space
from dsice.space.rules import NamedRules, Predicate


def stored_space(
    record: Mapping[str, Any],
    rules: NamedRules | None = None,
    *,
    to_measure: bool = True,
    to_ask: bool = True,
) -> Space:
    """The space in the header of a journal.

    Parameters
    ----------
    record
        The header's `space`.
    rules
        Functions of the space's rules, by name.
    to_measure
        False: only trials that were measured are looked at. What a `Require` forbade was never
        measured, so a function of one need not be among `rules`.
    to_ask
        False: trials are only looked at, and no function need be among `rules`. A parameter whose
        condition is missing counts as active everywhere.

    Raises
    ------
    SpaceError
        A function is missing, or the space is damaged.
    """
    kinds = (() if to_measure else ("require",)) if to_ask else ("require", "when")
    stored = record.get("where") or () if kinds else ()
    functions: dict[str, Predicate | Among] = {
        rule["function"]: _allow
        for rule in stored
        if isinstance(rule, dict) and rule.get("kind") in kinds and "function" in rule
    }
    return Space.from_dict(record, rules=functions | dict(rules or {}))


def absent_rules(record: Mapping[str, Any], rules: NamedRules | None) -> list[Mapping[str, Any]]:
    """The rules of a stored space that are functions and not among `rules`."""
    stored = record.get("where") or ()
    found = [rule for rule in stored if isinstance(rule, dict) and "function" in rule]
    return [rule for rule in found if rule["function"] not in (rules or {})]


def _allow(params: Mapping[str, Any]) -> bool:
    return True
