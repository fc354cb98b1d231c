"""What a prompt and a notebook show of an object, within one screen.

It stands beside the texts of values, which are most of what there is to show. All texts may be
somebody else's: they give no orders to a terminal, and are escaped in HTML.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from dsice.errors import VISIBLE_IN_LINE
from dsice.space.values import as_text

ROWS: Final = 16
"""Most facts of an object."""
CHARACTERS: Final = 240
"""Most of a text."""
_CELL: Final = 'style="text-align: left"'


@dataclass(frozen=True)
class Summary:
    """What is worth knowing of an object.

    Attributes
    ----------
    heading
        What it is, in a few words.
    facts
        Names and values.
    text
        All of it for a prompt; empty: the heading, and a line for each fact.
    """

    heading: str
    facts: Mapping[str, object]
    text: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """Names and values as short texts of one line, with a last row for those left out."""
        found = [(cut(name), cut(value)) for name, value in self.facts.items()]
        if len(found) > ROWS:
            found = [*found[: ROWS - 1], ("...", f"and {len(found) - ROWS + 1} more")]
        return found

    def __str__(self) -> str:
        if self.text:
            return self.text
        rows = self.rows()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([cut(self.heading), *(f"  {n.ljust(width)}  {text}" for n, text in rows)])

    def html(self) -> str:
        """A table for a notebook."""
        import html

        rows = "".join(
            f"<tr><th {_CELL}>{html.escape(name)}</th><td {_CELL}>{html.escape(text)}</td></tr>"
            for name, text in self.rows()
        )
        heading = f"<strong>{html.escape(cut(self.heading))}</strong>"
        return f"<div>{heading}<table>{rows}</table></div>"


class Summarised:
    """Shows its summary at a prompt, and as a table in a notebook."""

    __slots__ = ()

    @abstractmethod
    def _summary(self) -> Summary: ...

    def __repr__(self) -> str:
        return str(self._summary())

    def _repr_html_(self) -> str:
        return self._summary().html()


class SummarisedOptions(Summarised):
    """The same for a dataclass of options: those that are not at their default."""

    __slots__ = ()

    def _summary(self) -> Summary:
        name = type(self).__name__
        given: dict[str, object] = {}
        for option in fields(self):  # type: ignore[arg-type]  # it is a dataclass
            value, default = getattr(self, option.name), option.default
            if default is MISSING and option.default_factory is not MISSING:
                default = option.default_factory()
            if value != default:
                given[option.name] = value
        text = ", ".join(f"{option}={value!r}" for option, value in given.items())
        shown = given or {"": "all options at their defaults"}
        return Summary(name, shown, f"{name}({text})")  # whole: equal texts are equal options


def cut(value: object, most: int = CHARACTERS) -> str:
    """The text of something on one line, without what a terminal would obey."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text[: most + 1].translate(VISIBLE_IN_LINE)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def named(params: Mapping[str, Any]) -> str:
    """Params on one line."""
    return joined(f"{name} = {as_text(value)}" for name, value in params.items())


def joined(parts: Iterable[str]) -> str:
    """Parts of a line, as many as it has room for."""
    parts = list(parts)
    found: list[str] = []
    length = 0
    for part in parts:
        length += len(part) + 2
        if length > CHARACTERS:
            return ", ".join([*found, f"... {len(parts) - len(found)} more"])
        found.append(part)
    return ", ".join(found)


def space_summary(axes: Mapping[str, object], where: Sequence[object], points: str) -> Summary:
    """Axes, rules and the number of grid points, for `Space`."""
    heading = f"Space of {len(axes)} parameter{'' if len(axes) == 1 else 's'}, {points} grid points"
    shown = list(axes.items())
    more = f", ... {len(shown) - ROWS} more" if len(shown) > ROWS else ""
    text = ", ".join(f"{name!r}: {cut(repr(axis))}" for name, axis in shown[:ROWS]) + more
    rules = ", ".join(cut(repr(rule)) for rule in where[:ROWS])
    text = f"<Space {{{text}}}{f', where=[{rules}]' if where else ''}; {points} grid points>"
    return Summary(heading, {**axes, **({"where": rules} if where else {})}, text)
