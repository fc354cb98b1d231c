"""Rules of a space: `Require` (which points are allowed), `When` (where a parameter is active).

`Among`, the third, is the list of the points that are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space.among import Among
from dsice.space.expression import MAX_LENGTH, Expression

MOST_RULES: Final = 2000
"""More rules than these take minutes to look at."""

Predicate: TypeAlias = Callable[[Mapping[str, Any]], object]
"""A function of the params mapping; what it returns counts as true or false."""


@dataclass(frozen=True, repr=False)
class Require:
    """A rule that every point must satisfy.

    Parameters
    ----------
    rule
        A string (a safe subset of Python over the names of the axes; it survives the journal and
        is evaluated once for each combination of the axes that it mentions) or a function of the
        params mapping that returns true or false. A function must give the same answer for the
        same params: answers are remembered.
    name
        What the rule is called in errors and in the journal; a function defined with `def` has a
        name already.

    Notes
    -----
    A rule that mentions an inactive parameter (see `When`) holds. A function gets the active
    parameters only; if it looks up an inactive one with ``params["name"]``, the rule holds too.

    Raises
    ------
    SpaceError
        The string is not an expression of the subset.

    Examples
    --------
    >>> Require("tile_x * tile_y <= 1024")
    Require('tile_x * tile_y <= 1024')
    """

    rule: str | Predicate
    name: str | None
    expression: Expression | None = field(compare=False)

    def __init__(self, rule: str | Predicate, *, name: str | None = None) -> None:
        expression, name = _accept(rule, name, "Require")
        object.__setattr__(self, "rule", rule)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "expression", expression)

    def __repr__(self) -> str:
        return f"Require({_shown(self.rule, self.name)})"


@dataclass(frozen=True, repr=False)
class When:
    """Parameters that are active only where a condition holds.

    Where it does not, they are absent from params and at level 0 in the point: all their values
    collapse into one point. A parameter named by several When is active where all of them hold. A
    condition that mentions an inactive parameter does not hold.

    Parameters
    ----------
    condition
        A string or a function of the params mapping, as for `Require`. A function sees the
        parameters that are decided before its own: the unconditional ones, then those with a
        string, then those with a function, as listed.
    *names
        The parameters that depend on it, at least one.
    name
        What a function is called in errors and in the journal.

    Raises
    ------
    SpaceError
        The string is not an expression of the subset, or no parameter is named.

    Examples
    --------
    >>> When("optimizer == 'sgd'", "momentum", "nesterov")
    When("optimizer == 'sgd'", 'momentum', 'nesterov')
    """

    condition: str | Predicate
    names: tuple[str, ...]
    name: str | None
    expression: Expression | None = field(compare=False)

    def __init__(self, condition: str | Predicate, *names: str, name: str | None = None) -> None:
        expression, name = _accept(condition, name, "When")
        if not names or not all(isinstance(own, str) and own for own in names):
            raise SpaceError(
                f"When({_shown(condition, name)}, ...) needs the names of the parameters "
                f"that depend on it, got {names!r}; for example "
                "When(\"optimizer == 'sgd'\", 'momentum')"
            )
        object.__setattr__(self, "condition", condition)
        object.__setattr__(self, "names", tuple(dict.fromkeys(names)))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "expression", expression)

    @property
    def rule(self) -> str | Predicate:
        """The condition, under the name that Require has for it."""
        return self.condition

    def __repr__(self) -> str:
        return f"When({', '.join([_shown(self.condition, self.name), *map(repr, self.names)])})"


EvaluatedRule: TypeAlias = Require | When
"""A rule that gives its answer for one point after the other."""
Rule: TypeAlias = EvaluatedRule | Among
NamedRules: TypeAlias = Mapping[str, Predicate | Among]
"""What a stored space has by name only: functions; and sets of points that stand for functions."""


def check_number_of_rules(count: int) -> None:
    """Raise SpaceError for more rules than a space takes."""
    if count > MOST_RULES:
        raise SpaceError(
            f"a space takes at most {MOST_RULES:,} rules, got {count:,}; join some with `and`, or "
            "use a function instead"
        )


def _accept(rule: object, name: str | None, kind: str) -> tuple[Expression | None, str | None]:
    """Parse a string, find the name of a function; SpaceError for anything else."""
    if name is not None and not (isinstance(name, str) and name):
        raise SpaceError(f"name of a {kind} must be a non-empty string, got {name!r}")
    if isinstance(rule, str):
        try:
            return Expression(rule), name
        except SpaceError as error:
            what = repr(rule) if len(rule) <= MAX_LENGTH else shown(rule)
            raise SpaceError(f"{kind}({what}): {error}") from None
    if callable(rule):
        own = getattr(rule, "__name__", None)
        return None, name or (own if isinstance(own, str) and own != "<lambda>" else None)
    raise SpaceError(
        f"{kind} takes a string expression or a function of the params mapping, "
        f"got {rule!r} ({type(rule).__name__})"
    )


def _shown(rule: object, name: str | None) -> str:
    if isinstance(rule, str):
        return repr(rule)
    return name or "<nameless function>"
