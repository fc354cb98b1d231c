"""Formats of numbers in the placeholders of a command, such as ``{lr:.3f}``.

They are those of Python that end with a type, since a text without one, such as 0.5 or 16, is the
default of a parameter that is not active.
"""

from __future__ import annotations

import re

from dsice.checks import shown
from dsice.space.values import as_text

FORMAT = re.compile(
    r"(?P<spec>(?:[ 0*_.#-]?[<>^=])?[-+ ]?#?0?\d*[,_]?(?P<digits>\.\d+)?[bdeEfFgGoxX%])"
    r"(?::(?P<default>.*))?",
    re.DOTALL,
)
"""A format, and a default behind it."""
_UNTYPED = re.compile(r"(?:[ 0*_.#-]?[<>^=])?[-+ ]?#?0?\d*[,_]?(?:\.\d+)?")
_LONGEST = 1000  # characters of a number on a command line


class Unformatted(Exception):
    """A value or a format that does not fit; the message says why."""


def check_format(spec: str) -> None:
    """Raise Unformatted for a format that Python has not, or of a number that is too long."""
    number = 1 if spec[-1] in "bdoxX" else 1.0
    try:
        long = len(format(number, spec)) > _LONGEST if _widths(spec) else True
    except ValueError as error:
        raise Unformatted(str(error)) from None
    if long:
        raise Unformatted(f"more than {_LONGEST} characters")


def _widths(spec: str) -> bool:
    """Whether its width and digits are such that it can be tried."""
    return all(len(digits) <= len(str(_LONGEST)) for digits in re.findall(r"\d+", spec))


def seems_format(default: str) -> bool:
    """Whether a default is rather meant as a format, whose type is missing: ``.3``, ``>8``."""
    return bool(re.match(r".?[<>^=]|[ +,_.]", default)) and bool(_UNTYPED.fullmatch(default))


def formatted(value: object, spec: str, *, is_either: bool) -> str:
    """A number in the format.

    Parameters
    ----------
    is_either
        Whether the format may be meant as a default, so that values that are no numbers stay as
        they are.

    Raises
    ------
    Unformatted
        The value is no number, or not one of that format.
    """
    kind = spec[-1]
    number: object = value
    if isinstance(value, bool):
        number = int(value) if kind == "d" else None
    elif isinstance(value, float) and kind in "bdoxX":
        number = int(value) if value.is_integer() else None
    if isinstance(number, (int, float)):
        try:
            return format(number, spec)
        except (ValueError, OverflowError) as error:
            raise Unformatted(f"{shown(value)}: {error}") from None
    if is_either and not isinstance(value, (int, float)):
        return as_text(value)
    raise Unformatted(shown(value))
