"""The grid that is searched: axes of discrete values, and rules for which combinations are allowed."""

from dsice.space.axes import Axis, Choice, Ordinal
from dsice.space.rules import Require, Rule, When
from dsice.space.space import Space

__all__ = ["Axis", "Choice", "Ordinal", "Require", "Rule", "Space", "When"]
