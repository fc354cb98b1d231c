"""Shell commands with ``{param}`` placeholders."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsice.errors import LaunchError

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class Placeholder:
    """One ``{name}`` or ``{name:default}``."""

    text: str

    def find(self, params: Mapping[str, Any]) -> tuple[str, str | None]:
        """Name of the parameter, and the default where one is given (a name may hold a colon itself)."""
        if self.text in params or ":" not in self.text:
            return self.text, None
        name, _, default = self.text.partition(":")
        return name, default


@dataclass(frozen=True)
class Command:
    """A shell command that parameters are filled into.

    ``{lr}`` becomes the value of the parameter ``lr``, quoted for the shell; ``{momentum:0.9}``
    becomes ``0.9``, as it stands, in trials where ``momentum`` is not active; ``{{`` and ``}}`` are braces.
    A bool or None is written as in Python (``True``, ``None``).

    Attributes
    ----------
    text
        The command as the user wrote it.
    parts
        Literal text and placeholders, in order.
    """

    text: str
    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: str) -> Command:
        """Split `text` at its placeholders.

        Raises
        ------
        LaunchError
            If a brace is neither part of a placeholder nor doubled.
        """
        parts: list[str | Placeholder] = []
        end = 0
        for match in _BRACES.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match[0] in ("{{", "}}"):
                parts.append(match[0][0])
            elif match[1]:
                parts.append(Placeholder(match[1]))
            else:
                raise LaunchError(
                    f"command has a lone {match[0]!r} at character {match.start()}: {text!r}; "
                    "write {name} for a parameter, and {{ or }} for a brace"
                )
        parts.append(text[end:])
        return cls(text, tuple(part for part in parts if part))

    def unused(self, params: Mapping[str, Any]) -> list[str]:
        """Names in `params` that the command has no placeholder for."""
        used = {part.find(params)[0] for part in self.parts if isinstance(part, Placeholder)}
        return [name for name in params if name not in used]

    def render(self, params: Mapping[str, Any]) -> str:
        """Fill `params` in.

        Raises
        ------
        LaunchError
            If a placeholder without a default is not in `params`.
        """
        return "".join(
            part if isinstance(part, str) else self._fill(part, params) for part in self.parts
        )

    def _fill(self, part: Placeholder, params: Mapping[str, Any]) -> str:
        name, default = part.find(params)
        if name in params:
            return shlex.quote(str(params[name]))
        if default is not None:
            return default
        raise LaunchError(
            f"command has the placeholder {{{name}}}, and the trial's parameters are {', '.join(params) or 'none'}; "
            f"correct the name, write {{{name}:default}} if the parameter is not active in every trial, "
            f"or double the braces if it is none of dsice's. Command: {self.text!r}"
        )
