"""A search space of Optuna as a grid: distributions become axes, params become points."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dsice.checks import is_number, plain
from dsice.errors import DsiceWarning, SpaceError
from dsice.integrations.grids import levels_between, usual_levels
from dsice.space import Axis, Choice, Ordinal, Require, Space, When
from dsice.typing import Floats, Point

EXACT: Final = 128
"""A range of whole numbers or of steps has every value as a level, up to so many; one with
``log=True`` has those nearest to `levels` places that are evenly spaced in the logarithm."""
Rules = Sequence[Require | When]


class GridAxis:
    """The values of one parameter that are proposed.

    Parameters
    ----------
    distribution
        Of Optuna.
    levels
        How many values a range has that is continuous, or longer than `EXACT`.
    ordered
        Whether numbers in order are neighbours where they are the choices of a category.
    fixed
        The only value, in Optuna's numbers, which all others count as; None: it is free.

    Attributes
    ----------
    distribution
        As given.
    axis
        The same values in dsice; places of choices where these are no values of an axis.
    coarse
        Whether the range has values between the levels.
    """

    def __init__(
        self,
        distribution: BaseDistribution,
        levels: int,
        ordered: bool,
        fixed: float | None = None,
    ) -> None:
        self.distribution = distribution
        self.fixed = fixed
        self.coarse = False
        self._log = bool(getattr(distribution, "log", False))
        self.low: float = -math.inf
        self.high: float = math.inf
        self._ends: Floats = np.empty(0)
        if isinstance(distribution, CategoricalDistribution):
            choices = distribution.choices
            if fixed is not None:
                choices = (distribution.to_external_repr(fixed),)
            self.axis = _of_choices(choices, ordered)
            return
        assert isinstance(distribution, (IntDistribution, FloatDistribution))
        self.low, self.high = distribution.low, distribution.high
        values, self.coarse = _values(distribution, levels)
        if fixed is not None:
            values, self.coarse = [distribution.to_external_repr(fixed)], False
        with warnings.catch_warnings():  # neighbours that differ by rounding: the user's range
            warnings.simplefilter("ignore", DsiceWarning)
            self.axis = Ordinal(values)
        scaled = self._scaled(np.array(values, dtype=float))
        self._ends = (scaled[1:] + scaled[:-1]) / 2

    def level(self, internal: float) -> int | None:
        """The level of a value in Optuna's representation as a number; None: it is off the range.

        One between two levels stands for the nearer one.
        """
        if self.fixed is not None:
            return 0
        if isinstance(self.distribution, CategoricalDistribution):
            return int(internal) if 0 <= internal < len(self.axis) else None
        low, high = self.low, self.high
        slack = 1e-9 * (abs(low) + abs(high))
        if not low - slack <= internal <= high + slack:
            return None
        internal = min(max(internal, low), high)
        return int(np.searchsorted(self._ends, self._scaled(np.array([internal]))[0]))

    def value(self, level: int) -> Any:
        """The value of a level, as Optuna takes it."""
        if self.fixed is not None:
            return self.distribution.to_external_repr(self.fixed)
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices[level]
        if isinstance(self.distribution, IntDistribution):
            return int(self.axis.values[level])
        return float(self.axis.values[level])

    def _scaled(self, values: Floats) -> Floats:
        return np.log(values) if self._log else values


def _of_choices(choices: Sequence[Any], ordered: bool) -> Axis:
    """The axis of a category."""
    numbers = [plain(choice) for choice in choices]
    if ordered and len(numbers) > 1 and all(map(is_number, numbers)):
        try:
            return Ordinal(numbers)  # type: ignore[arg-type]
        except SpaceError:  # in no order
            pass
    try:
        return Choice(choices)
    except SpaceError:  # objects, or equal ones
        return Choice(range(len(choices)))


def _values(
    distribution: IntDistribution | FloatDistribution, levels: int
) -> tuple[list[int] | list[float], bool]:
    """The values of a range that are proposed, ascending, and whether it has others between."""
    low, high = distribution.low, distribution.high
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        between = levels_between(low, high, levels, log=distribution.log)
        return between, len(between) > 1
    step = distribution.step
    assert step is not None
    last = round((high - low) / step)
    if distribution.log and last >= 1:
        places = np.geomspace(low, high, levels) - low
    else:
        places = np.linspace(0, last, last + 1 if last < max(levels, EXACT) else levels)
    kept = [min(int(place), last) for place in np.unique(np.round(places)).tolist()]
    if isinstance(distribution, IntDistribution):
        return [int(low + place * step) for place in kept], len(kept) <= last
    values = [min(float(f"{low + place * step:.12g}"), high) for place in kept]
    if len(set(values)) < len(kept):
        values = [min(low + place * step, high) for place in kept]
    return values, len(kept) <= last


def default_levels(distributions: Mapping[str, BaseDistribution]) -> int:
    """How many levels each continuous one has by default."""
    return usual_levels(sum(GridAxis(one, 2, False).coarse for one in distributions.values()))


class Grid:
    """A search space of Optuna, on which dsice searches.

    Parameters
    ----------
    distributions
        By name.
    where
        The rules; those that mention other parameters than these are left out.
    levels, ordered
        As in `GridAxis`.
    fixed
        Parameters that have one value, in Optuna's numbers.

    Attributes
    ----------
    space
        The grid.
    coarse
        Whether a finer grid of the same ranges has more points.

    Raises
    ------
    SpaceError
        The rules forbid all points.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        where: Rules,
        levels: int,
        ordered: bool,
        fixed: Mapping[str, float] | None = None,
    ) -> None:
        self.distributions = dict(distributions)
        self.fixed = dict(fixed or {})
        self.axes = {
            name: GridAxis(one, levels, ordered, self.fixed.get(name))
            for name, one in distributions.items()
        }
        self.coarse = any(axis.coarse for axis in self.axes.values())
        self.space = Space(
            {name: axis.axis for name, axis in self.axes.items()},
            where=[rule for rule in where if applies(rule, self.axes)],
        )

    def point(self, internal: Mapping[str, float]) -> Point | None:
        """The point of values in Optuna's representation as numbers.

        None where one is off its range, or one is missing that means something there.
        """
        levels = [0] * len(self.axes)
        missing = []
        for j, (name, axis) in enumerate(self.axes.items()):
            if name not in internal:
                missing.append(j)
                continue
            level = axis.level(internal[name])
            if level is None:
                return None
            levels[j] = level
        if not self.space.conditional:
            return None if missing else tuple(levels)
        active = self.space.active(levels)
        if any(active[j] for j in missing):
            return None
        return tuple(level if on else 0 for level, on in zip(levels, active, strict=True))

    def params(self, point: Point) -> dict[str, Any]:
        """The params of a point, without those that mean nothing there."""
        active = self.space.active(point) if self.space.conditional else (True,) * len(point)
        return {
            name: axis.value(level)
            for (name, axis), level, on in zip(self.axes.items(), point, active, strict=True)
            if on
        }

    def holds(self, internal: Mapping[str, float], point: Point) -> bool:
        """Whether these values in Optuna's numbers are those of a point, not only near them."""
        own = self.internal(self.params(point))
        return all(math.isclose(internal[name], value) for name, value in own.items())

    def has_fixed(self, internal: Mapping[str, float]) -> bool:
        """Whether values in Optuna's numbers have those of the parameters that are fixed."""
        return all(
            name in internal and math.isclose(internal[name], value)
            for name, value in self.fixed.items()
        )

    def internal(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Params in Optuna's representation as numbers; values that are none are left out."""
        found = {}
        for name, value in params.items():
            if name not in self.axes:
                continue
            try:
                number = float(self.distributions[name].to_internal_repr(value))
            except (TypeError, ValueError):  # another choice, or no number
                continue
            if math.isfinite(number):
                found[name] = number
        return found


def applies(rule: Require | When, names: Mapping[str, object]) -> bool:
    """Whether a rule can be evaluated where only these parameters are known.

    Of a function it is not known which ones it looks at; `When` also needs those that it names.
    """
    mentioned = set() if rule.expression is None else set(rule.expression.names)
    if isinstance(rule, When):
        mentioned |= set(rule.names)
    return mentioned <= names.keys()


def allowed_levels(
    name: str, axis: GridAxis, known: Mapping[str, Any], where: Rules
) -> Sequence[int]:
    """Levels of a parameter that the rules allow beside known values; all, where none is."""
    everything = range(len(axis.axis))
    rules: list[Require] = []
    beside: dict[str, Any] = {}
    for rule in where:
        names = () if rule.expression is None else rule.expression.names
        if isinstance(rule, Require) and name in names and applies(rule, {**known, name: None}):
            rules.append(rule)
            beside |= {own: [known[own]] for own in names if own != name}
    if not rules:
        return everything
    try:
        points = Space({**beside, name: axis.axis}, where=rules).points()
    except SpaceError:
        return everything
    return [int(level) for level in points[:, -1]]
