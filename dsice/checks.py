"""Checks of the options that users give, with one form of message.

Every message says where the option was given, what was given, and what is expected::

    Tuner(max_trials=0): expected a whole number >= 1

`whole`, `number`, `flag` and `choice` check an option and return it; `is_whole`, `is_number` and
`is_finite` only answer; `plain` turns a scalar of numpy into one of Python; `wrong` makes the
error for any other check. A bool is an int in Python, but no number for dsice.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from dsice.errors import OptionError
from dsice.typing import PathLike

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


def wrong(owner: str, name: str, value: object, expected: str) -> OptionError:
    """The error for an option that cannot be used."""
    return OptionError(f"{owner}({name}={shown(value)}): expected {expected}")


def shown(value: object) -> str:
    """The repr of a value for a message: short, and never an error of its own."""
    try:
        text = repr(value)
    except Exception:  # a whole number of 5000 digits, or a class whose repr fails
        return f"<{type(value).__name__}>"
    text = " ".join(text.split()) if "\n" in text else text  # a table, an array
    return text if len(text) <= 200 else f"{text[:150]}... ({len(text)} characters)"


def is_whole(value: object) -> bool:
    """Whether this is a whole number, of Python or numpy; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def is_number(value: object) -> bool:
    """Whether this is a finite real number, of Python or numpy; True and False are not."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) and is_finite(value)


def is_finite(number: Real | float) -> bool:
    """Whether a number is finite as a float, which 10**400 is not."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def plain(value: object) -> object:
    """Return the plain number, bool or string that a value stands for; else the value.

    It is that of a scalar of numpy, and of a member of a subclass of int, float or str, such as
    ``class Optimizer(str, Enum)``.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, int):
        return value if type(value) in (int, bool) else int.__int__(value)
    if isinstance(value, float):
        return value if type(value) is float else float.__float__(value)
    return value


def whole(
    owner: str, name: str, value: object, least: int = 0, hint: str = "", *, most: int | None = None
) -> int:
    """Check an option that is a whole number of at least `least`, and at most `most`.

    Parameters
    ----------
    owner, name
        The function or class, and the option.
    hint
        What the number means, for the message.

    Returns
    -------
    int
        The number.

    Raises
    ------
    OptionError
        `value` is no such number.
    """
    if not isinstance(value, Integral) or not is_whole(value) or int(value) < least:
        raise wrong(owner, name, value, f"a whole number >= {least}{hint and f' ({hint})'}")
    if most is not None and int(value) > most:
        raise wrong(owner, name, value, f"a whole number from {least} to {most:,}")
    return int(value)


def number(
    owner: str,
    name: str,
    value: object,
    expected: str = "a number >= 0",
    *,
    least: float = 0.0,
    above: float = -math.inf,
    infinite: bool = False,
) -> float:
    """Check an option that is a real number.

    Parameters
    ----------
    owner, name
        The function or class, and the option.
    expected
        What the number is, for the message.
    least, above
        It must not be less than `least` and must be more than `above`.
    infinite
        Whether infinity is allowed.

    Returns
    -------
    float
        The number.

    Raises
    ------
    OptionError
        `value` is no such number.
    """
    good = is_number(value) or (infinite and isinstance(value, float) and value == math.inf)
    if not good or not float(value) >= least or not float(value) > above:  # type: ignore[arg-type]
        raise wrong(owner, name, value, expected)
    return float(value)  # type: ignore[arg-type]


def flag(owner: str, name: str, value: object, meaning: str = "True or False") -> bool:
    """Check an option that is True or False."""
    if not isinstance(value, bool):
        raise wrong(owner, name, value, meaning)
    return value


def choice(owner: str, name: str, value: object, options: Iterable[str]) -> str:
    """Check an option that is one of a few words."""
    known = list(options)
    if not isinstance(value, str) or value not in known:
        listed = ", ".join(map(repr, known[:-1]))
        raise wrong(owner, name, value, f"{listed} or {known[-1]!r}" if listed else repr(known[-1]))
    return value


def text(owner: str, name: str, value: object) -> str:
    """An option that is a string."""
    if not isinstance(value, str):
        raise wrong(owner, name, value, "a string")
    return value


def texts(owner: str, name: str, value: object) -> list[str]:
    """An option that is a list of strings; a single string would be taken for a list of letters."""
    good = isinstance(value, Sequence) and not isinstance(value, str)
    if not good or not all(isinstance(part, str) for part in value):  # type: ignore[attr-defined]
        raise wrong(owner, name, value, "a list of strings")
    return list(value)  # type: ignore[call-overload, no-any-return]


def bounds_of(owner: str, name: str, value: object) -> dict[str, float]:
    """An option that bounds metrics, as plain floats."""
    if not isinstance(value, Mapping):
        expected = "a mapping of metrics to bounds, such as {'memory': 8.0}"
        raise wrong(owner, name, value, expected)
    for metric, bound in value.items():
        if not isinstance(metric, str) or not is_number(bound):
            raise wrong(owner, name, {metric: bound}, "the name of a metric and a finite number")
    return {metric: float(bound) for metric, bound in value.items()}


def variables(owner: str, env: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """The option `env`: variables of the environment as text; None stands for one to remove."""
    expected = "a mapping of names to strings (or None, to remove a variable)"
    if env is not None and not isinstance(env, Mapping):
        raise wrong(owner, "env", env, expected)
    found: dict[str, str | None] = {}
    for name, value in ({} if env is None else env).items():
        if not isinstance(name, str) or not (value is None or isinstance(value, (str, int, float))):
            raise wrong(owner, "env", {name: value}, expected)
        text = None if value is None else str(value)
        if not name or "=" in name or not passable(name) or not passable(text or ""):
            raise wrong(owner, "env", {name: value}, f"{expected}, such as an environment can hold")
        found[name] = text
    return found


def renamed(
    **names: str,
) -> Callable[[Callable[Arguments, Returned]], Callable[Arguments, Returned]]:
    """Decorator that lets a function take some options by their old names, too, with a warning.

    ``@renamed(old="new")`` makes ``f(old=1)`` mean ``f(new=1)``.
    """

    def decorate(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
        @wraps(function)
        def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
            for old, new in names.items():
                if old in kwargs:
                    message = f"the option {old}= is called {new}= now"
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return called

    return decorate


def expanded(path: PathLike) -> Path:
    """A path that a user gave; ``~`` at its beginning is the home directory, as in a shell.

    Where nobody has that home, it is left as it is; ``./~`` is a file of that name.
    """
    found = Path(path)
    with suppress(RuntimeError):
        return found.expanduser()
    return found


def absolute(path: PathLike) -> Path:
    """A path that a user gave, from the root on.

    Raises
    ------
    OptionError
        It is relative to a folder that was deleted.
    """
    found = expanded(path)
    try:
        return found.absolute()
    except OSError as error:
        raise OptionError(f"path {found}: {NO_FOLDER}") from error


NO_FOLDER = "the folder in which this was started was deleted; start it in one that exists"


def passable(text: str) -> bool:
    """Whether a text can be a word of a command line, a variable or a path of the system."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
