"""What will go wrong with a command in some trial of a study, said before the first is started."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dsice.checks import shown
from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers.command import Command, Placeholder
from dsice.launchers.formats import seems_format

_TRIED = 10_000  # values of an axis


def check_command(
    command: Command, conditional: Collection[str], values: Mapping[str, Sequence[Any]]
) -> None:
    """Look at the trials that a command will start.

    Parameters
    ----------
    conditional
        Parameters that are not active in every trial.
    values
        The values of each parameter, as far as they are known.

    Raises
    ------
    LaunchError
        A placeholder has nothing to say where its parameter is not active, or a value of its
        parameter does not fit.
    """
    _check_parts(command.parts, set(conditional), _few(values))


def warn_of_formats(
    command: Command, conditional: Collection[str], values: Mapping[str, Sequence[Any]]
) -> None:
    """Warn where two values are the same text, and of defaults that look like formats.

    Parameters
    ----------
    conditional, values
        As for `check_command`.
    """
    for name, own in _few(values).items():
        _warn_of_same_texts(command, name, own)
    for part in command.placeholders() if values else ():
        default = part.default
        if part.spec or not default or part.name in conditional or not seems_format(default):
            continue
        warnings.warn(
            f"{part.text} in the command is {part.name} in full: {default!r} is its value for "
            f"trials in which it is not active, and it always is. A format ends with its type, "
            f"as in {{{part.name}:.3g}}",
            DsiceWarning,
            stacklevel=3,
        )


def _few(values: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Of each parameter as many values as can be tried."""
    return {name: own[:: -(-len(own) // _TRIED) or 1] for name, own in values.items()}


def _check_parts(
    parts: Sequence[str | Placeholder], conditional: set[str], values: Mapping[str, Sequence[Any]]
) -> None:
    for part in parts:
        if not isinstance(part, Placeholder):
            continue
        if part.needs_value and part.name in conditional:
            raise LaunchError(part.without_default())
        given = values.get(part.name, ())
        if part.body is None and not part.is_plain:
            for value in given:
                part.check(value)
        if part.body is not None:  # it stands only where the parameter is active and has a value
            there = [value for value in given if value is not None and value is not False]
            for value in there:
                part.check_condition(value)
            _check_parts(part.body, conditional - {part.name}, {**values, part.name: there})


def _warn_of_same_texts(command: Command, name: str, values: Sequence[Any]) -> None:
    """Say where a program cannot tell two values of a parameter from each other."""
    places = [part for part in command.placeholders() if part.name == name]
    formatted = [part for part in places if part.body is None]
    if not formatted or not all(part.spec for part in formatted) or "DSICE_DIR" in command.text:
        return
    seen: dict[tuple[str, ...], Any] = {}
    for value in values:
        texts = tuple(part.render({name: value}) for part in formatted)
        first = seen.setdefault(texts, value)
        if first is not value:
            warnings.warn(
                f"{formatted[0].text} in the command is {texts[0]} for both {shown(first)} and "
                f"{shown(value)}, so the program cannot tell these values of {name} apart; more "
                "digits would",
                DsiceWarning,
                stacklevel=4,
            )
            return
