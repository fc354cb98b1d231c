"""Names of parameters in the text of a rule, also those that are no names in Python.

``model.lr`` is one name. ``batch-size`` is one where the space has an axis of that name and not one
for each part; else it is a difference. Any name may stand in backticks: ```class weight```. Such
names are exchanged for names that Python can parse, as long as they are, so that places in the text
stay where they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from keyword import iskeyword
from typing import Final

_PIECES: Final = re.compile(
    r"""(?P<text>[bBrRuUfF]{0,2}(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))
    |(?P<comment>\#.*)
    |`(?P<quoted>[^`]+)`
    |(?P<number>\d[\w.]*)
    |(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)""",
    re.VERBOSE,
)


def as_parsed(name: str) -> str:
    """A name as Python's parser spells it (NFKC) in an expression."""
    return unicodedata.normalize("NFKC", name)


def parsable(source: str, known: Collection[str] = ()) -> tuple[str, dict[str, str]]:
    """Return the text of a rule that Python can parse, and the names that were exchanged in it.

    Parameters
    ----------
    known
        The names of all parameters, where they are known.
    """
    dashed = [name for name in with_dashes(known) if name in source]
    found: dict[str, str] = {}
    parts: list[str] = []
    end = 0
    while match := _PIECES.search(source, end):
        parts.append(source[end : match.start()])
        piece, name = match[0], match["quoted"]
        if match["name"]:
            piece = next((n for n in dashed if _is_at(n, source, match.start())), piece)
            # what begins with __ is no parameter: such attributes were always refused
            if "-" in piece or ("." in piece and ".__" not in piece):
                name = piece
        end = match.start() + len(piece)
        parts.append(piece if name is None else _stand_in(name, len(piece), source, found))
    parts.append(source[end:])
    return "".join(parts), {stand_in: name for name, stand_in in found.items()}


def with_dashes(known: Collection[str]) -> list[str]:
    """Those of the names of a space that are one name although a minus is in them, longest first.

    A text in which each part is a name too has always been a difference.
    """
    names = set(known)

    def is_difference(name: str) -> bool:
        parts = filter(None, name.split("-"))
        return all(part in names or part[0].isdigit() for part in parts)

    dashed = [name for name in names if "-" in name and not is_difference(name)]
    return sorted(dashed, key=lambda name: (-len(name), name))


def spelled(name: str) -> str:
    """A name as it can stand in a rule."""
    parts = name.split(".")
    plain = all(part.isidentifier() and not iskeyword(part) for part in parts)
    return name if plain else f"`{name}`"


def _is_at(name: str, source: str, start: int) -> bool:
    """Whether a name stands there, and not only the beginning of a longer one."""
    return source.startswith(name, start) and not re.match(r"[\w.]", source[start + len(name) :])


def _stand_in(name: str, length: int, source: str, found: dict[str, str]) -> str:
    """A name of about that length that is nowhere in the text, the same for the same name."""
    name = as_parsed(name)
    number = len(found)
    while name not in found:
        candidate = f"_{number}".ljust(length, "_")
        if candidate not in source and candidate not in found.values():
            found[name] = candidate
        number += 1
    return found[name]
