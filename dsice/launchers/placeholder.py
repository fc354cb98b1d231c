"""One placeholder of a command, and what stands there in a trial."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsice.checks import shown
from dsice.errors import LaunchError
from dsice.launchers.shell import COMMENT, HERE

_UNSAFE = re.compile(r"[$`\\\n]")  # what a shell obeys in a here-document


@dataclass(frozen=True)
class Placeholder:
    """One pair of braces that depends on a parameter.

    Attributes
    ----------
    text
        It, as the user wrote it.
    name
        The parameter.
    default
        What stands there in trials in which it is not active; None: nothing is known.
    spec
        Format of a number.
    is_either
        Whether `spec` may be meant as a default as well, such as ``{mode:3d}``.
    body
        What stands there if the parameter is neither False nor None; None: its value.
    is_words
        Whether a string makes several words.
    context
        What the shell makes of its place.
    """

    text: str
    name: str
    default: str | None = None
    spec: str = ""
    is_either: bool = False
    body: tuple[str | Placeholder, ...] | None = None
    is_words: bool = False
    context: str = ""

    @property
    def needs_value(self) -> bool:
        """Whether it has nothing to say where its parameter is not active."""
        return self.body is None and self.default is None

    def without_default(self) -> str:
        """Why it cannot be filled in trials in which its parameter is not active."""
        known = f"{self.name}:{self.spec}" if self.spec else self.name
        return (
            f"the placeholder {self.text} of the command has no value in trials where {self.name} "
            f"is not active; write {{{known}:DEFAULT}}"
        )

    def render(self, params: Mapping[str, Any]) -> str:
        """What stands there in a trial with these parameters.

        Raises
        ------
        LaunchError
            The parameter is not among them and there is no default, or its value does not fit.
        """
        if self.body is not None:
            return self._conditional(self.body, params)
        if self.name not in params:
            if self.default is None:
                raise LaunchError(
                    f"command has the placeholder {self.text}, and the trial's parameters are "
                    f"{', '.join(params) or 'none'}; {self.without_default()}"
                )
            return self.default
        return self._filled(params[self.name])

    def check(self, value: object) -> None:
        """Raise LaunchError where a value of the parameter does not fit."""
        if self.body is None:
            self._filled(value)
            return
        of_value = any(part.name == self.name for part in placeholders_in(self.body or ()))
        if value is not None and not isinstance(value, bool) and not of_value:
            raise LaunchError(
                f"{self.text} in the command is for a parameter that is True, False or None, and "
                f"{self.name} is {shown(value)}; to leave a value out where it is None, write "
                f"{{{self.name}?--option {{{self.name}}}}}"
            )

    def _filled(self, value: object) -> str:
        if self.is_words and isinstance(value, (str, list, tuple)):
            return " ".join(map(self._placed, self._words(value)))
        text = _text(value) if not self.spec or value is None else self._formatted(value)
        return self._placed(text)

    def _conditional(self, body: Sequence[str | Placeholder], params: Mapping[str, Any]) -> str:
        value = params.get(self.name)
        if value is None or value is False:
            return ""
        self.check(value)
        return joined(body, params)

    def _words(self, value: str | Sequence[object]) -> list[str]:
        if not isinstance(value, str):
            return [_text(part) for part in value]
        try:
            return shlex.split(value)
        except ValueError as error:
            raise LaunchError(
                f"{self.text} in the command is for the words of a string, and {self.name} is "
                f"{shown(value)}: {error}"
            ) from None

    def _formatted(self, value: object) -> str:
        """A number in the format; the value as it is where the format was meant as a default."""
        kind = self.spec[-1]
        number: object = value
        if isinstance(value, bool):
            number = int(value) if kind == "d" else None
        elif isinstance(value, float) and kind in "bdoxX":
            number = int(value) if value.is_integer() else None
        if isinstance(number, (int, float)):
            return format(number, self.spec)
        if self.is_either and not isinstance(value, (int, float)):
            return _text(value)
        raise LaunchError(
            f"{self.text} in the command has the format {self.spec!r}, and {self.name} is "
            f"{shown(value)}"
        )

    def _placed(self, text: str) -> str:
        """The text of a value as one word, or as it is in a here-document."""
        if self.context == COMMENT and "\n" in text:
            raise LaunchError(
                f"{self.text} is in a comment of the command, which {shown(text)} would end"
            )
        if self.context != HERE:
            return shlex.quote(text)
        if _UNSAFE.search(text):
            raise LaunchError(
                f"{self.text} is in a here-document of the command, where the shell would not "
                f"leave {shown(text)} as it is; let the program read it from "
                "$DSICE_DIR/params.json"
            )
        return text


def _text(value: object) -> str:
    """A value as text."""
    return str(value)


def joined(parts: Sequence[str | Placeholder], params: Mapping[str, Any]) -> str:
    """Literal text and placeholders, filled in."""
    return "".join(part if isinstance(part, str) else part.render(params) for part in parts)


def placeholders_in(parts: Sequence[str | Placeholder]) -> Iterator[Placeholder]:
    """All placeholders, also those inside others."""
    for part in parts:
        if isinstance(part, Placeholder):
            yield part
            yield from placeholders_in(part.body or ())
