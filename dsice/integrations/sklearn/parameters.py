"""Lists and distributions of parameters, as scikit-learn has them, as a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dsice.checks import is_number, is_whole, plain, shown
from dsice.errors import OptionError, SpaceError
from dsice.integrations.grids import usual_levels
from dsice.space import Axis, Choice, Ordinal, Require, Space, When
from dsice.typing import Params, Point

EXACT: Final = 128
"""A distribution of whole numbers has each of them as a level, up to so many."""
OWNER: Final = "DsiceSearchCV"


@dataclass(frozen=True)
class ListedAxis:
    """The values of one parameter.

    Attributes
    ----------
    axis
        In dsice; where they are no values of an axis, their texts.
    values
        As scikit-learn takes them, by level.
    """

    axis: Axis
    values: tuple[Any, ...]

    @classmethod
    def of(cls, name: str, given: object, levels: int, seed: int) -> ListedAxis:
        """What a user gives for one parameter: a list, a distribution or an axis of dsice."""
        if isinstance(given, Axis):
            return cls(given, tuple(given.values))
        if hasattr(given, "rvs"):
            return cls.of_numbers(_quantiles(name, given, levels, seed))
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
            raise OptionError(
                f"{OWNER}(param_distributions={{{name!r}: {shown(given)}}}): expected a list of "
                "values, a distribution with rvs(), or an axis of dsice"
            )
        values = list(given)
        if not values:
            raise OptionError(
                f"{OWNER}(param_distributions={{{name!r}: []}}): expected at least one value"
            )
        if all(is_number(value) for value in values):
            return cls.of_numbers(values)
        return cls.of_choices(values)

    @classmethod
    def of_numbers(cls, values: Sequence[Any]) -> ListedAxis:
        """Numbers in any order: they are neighbours by their size."""
        ascending = {float(value): value for value in sorted(values)}
        kept = tuple(ascending.values())
        numbers: Any = [plain(value) for value in kept]
        return cls(Ordinal(numbers), kept)

    @classmethod
    def of_choices(cls, values: Sequence[Any]) -> ListedAxis:
        """Alternatives without order, each once."""
        texts = [repr(value) for value in values]
        first = [i for i, text in enumerate(texts) if text not in texts[:i]]
        kept = [values[i] for i in first]
        try:
            return cls(Choice(kept), tuple(kept))
        except SpaceError:  # objects, such as estimators
            return cls(Choice([texts[i] for i in first]), tuple(kept))

    def level(self, value: object) -> int | None:
        """The level of a value; None: it has none."""
        for own in (value, repr(value)):
            try:
                return self.axis.level(own)
            except SpaceError:
                continue
        return None


def _quantiles(name: str, given: Any, levels: int, seed: int) -> list[Any]:
    """Values of a distribution, as many in each of its parts as it is likely to be there."""
    if not hasattr(given, "ppf"):
        rng = np.random.RandomState(seed % 2**32)
        drawn = [plain(given.rvs(random_state=rng)) for _ in range(levels)]
        if not all(map(is_number, drawn)):
            raise OptionError(
                f"{OWNER}(param_distributions={{{name!r}: {shown(given)}}}): a distribution of "
                "something else than numbers; give a list of its values"
            )
        return sorted(drawn)
    low, high = given.support()
    whole = all(
        is_whole(plain(given.ppf(part))) or float(given.ppf(part)).is_integer()
        for part in (0.21, 0.37, 0.5, 0.71)
    ) and hasattr(given, "pmf")
    if whole and np.isfinite([low, high]).all() and high - low < EXACT:
        return list(range(int(low), int(high) + 1))
    part = np.linspace(0.0, 1.0, levels)
    part[0] = 0.0 if np.isfinite(low) else 0.5 / levels
    part[-1] = 1.0 if np.isfinite(high) else 1.0 - 0.5 / levels
    values = np.clip(given.ppf(part), low, high)
    if whole:
        return [int(value) for value in np.unique(np.round(values)).tolist()]
    return [
        float(f"{value:.12g}") if low < value < high else value
        for value in np.unique(values).tolist()
    ]


class ParameterGrid:
    """What is searched: one dict of parameters or several, as one grid.

    Parameters
    ----------
    given
        Names and values, or a list of such dicts, of which each setting takes one.
    where
        Rules, for a single dict.
    levels
        Of continuous distributions; None: by their number.
    seed
        For distributions that can only be drawn from.

    Attributes
    ----------
    space
        The grid. A parameter of several dicts, with other values in each, is an axis for each.

    Raises
    ------
    OptionError, SpaceError
        Something cannot be taken.
    """

    def __init__(
        self,
        given: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        where: Sequence[Require | When],
        levels: int | None,
        seed: int,
    ) -> None:
        self._dicts = [given] if isinstance(given, Mapping) else list(given)
        if not self._dicts or not all(isinstance(one, Mapping) for one in self._dicts):
            raise OptionError(
                f"{OWNER}(param_distributions={shown(given)}): expected a dict of names and "
                "values, or a list of such dicts"
            )
        if where and len(self._dicts) > 1:
            raise OptionError(
                f"{OWNER}(where=...): rules go with a single dict of parameters; use When(...) in "
                "the place of several dicts"
            )
        count = levels or usual_levels(max(map(_continuous, self._dicts)))
        self._axes: dict[str, ListedAxis] = {}
        self._names: list[dict[str, str]] = []  # of each dict: parameter -> axis
        self._which = self._free_name()
        rules: list[Require | When] = list(where)
        for k, one in enumerate(self._dicts):
            self._names.append(self._enter(k, one, count, seed))
        for axis in self._axes:
            parts = [k for k, names in enumerate(self._names) if axis in names.values()]
            if len(parts) < len(self._dicts):
                rules.append(When(self._in_parts(parts), axis))
        which = {self._which: Choice(range(len(self._dicts)))}
        several = len(self._dicts) > 1 or not self._axes
        axes = {name: axis.axis for name, axis in self._axes.items()}
        self.space = Space({**which, **axes} if several else axes, where=rules)

    def _free_name(self) -> str:
        name = "part"
        while any(name in one for one in self._dicts):
            name += "_"
        return name

    def _in_parts(self, parts: Sequence[int]) -> str:
        return " or ".join(f"{self._which} == {k}" for k in parts)

    def _enter(self, k: int, one: Mapping[str, Any], levels: int, seed: int) -> dict[str, str]:
        """Make the axes of a dict, or find those that another has, too."""
        found = {}
        for name, values in one.items():
            axis = ListedAxis.of(name, values, levels, seed)
            own = name
            while own in self._axes and repr(self._axes[own]) != repr(axis):
                own = f"{name} of part {k}" if own == name else own + "_"
            self._axes[own] = axis
            found[name] = own
        return found

    def params(self, point: Point) -> dict[str, Any]:
        """The setting of a point, as scikit-learn takes it."""
        levels = dict(zip(self.space.names, point, strict=True))
        names = self._names[levels.get(self._which, 0)]
        active = dict(zip(self.space.names, self.space.active(point), strict=True))
        return {
            name: self._axes[axis].values[levels[axis]]
            for name, axis in names.items()
            if active[axis]
        }

    def row(self, params: Params) -> dict[str, Any]:
        """A setting of another fit as values of axes, as far as this grid has it."""
        for k, names in enumerate(self._names):
            levels = {
                name: self._axes[own].level(params[name])
                for name, own in names.items()
                if name in params
            }
            if len(self._dicts) > 1 and (names.keys() != params.keys() or None in levels.values()):
                continue
            row: dict[str, Any] = {
                own: self._axes[own].axis.values[level]
                if (level := levels[name]) is not None
                else plain(params[name])
                for name, own in names.items()
                if name in params
            }
            return {**row, self._which: k} if self._which in self.space.names else row
        return {}


def _continuous(one: Mapping[str, Any]) -> int:
    """How many of the parameters have a distribution of numbers without steps."""
    return sum(hasattr(given, "rvs") and not hasattr(given, "pmf") for given in one.values())
