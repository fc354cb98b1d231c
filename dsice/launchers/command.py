"""Shell commands with placeholders: which braces are dsice's, and what stands there in a trial.

==============================  ==================================================================
``{lr}``                        the value, as one word of the shell
``{lr:0.1}``                    0.1, as it stands, in trials where ``lr`` is not active
``{lr:.3f}``                    the number in a format of Python; ``{lr:.3f:0.1}`` has a default too
``{amp?--amp}``                 ``--amp`` where ``amp`` is true, nothing where it is false
``{limit?--limit {limit}}``     the text, with placeholders, unless ``limit`` is None or False
``{*flags}``                    the words in a string, or the values in a list, each as one word
``{{`` and ``}}``               braces
==============================  ==================================================================

Only names of parameters make placeholders. All other braces stay as they are: those of ``${...}``,
JSON, YAML, awk, Python and C. One that looks like a misspelt parameter is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsice.checks import shown
from dsice.errors import LaunchError
from dsice.launchers import spelling
from dsice.launchers.formats import FORMAT, Unformatted, check_format, formatted
from dsice.launchers.shell import (
    BARE,
    COMMENT,
    ESCAPED,
    EXPANSION,
    HERE,
    QUOTED,
    UNCLEAR,
    check_documents,
    contexts,
)
from dsice.launchers.spelling import WORD, wrong
from dsice.space.values import as_text

_UNSAFE = re.compile(r"[$`\\\n]")  # what a shell obeys in a here-document
_QUOTING = re.compile(r"[\\'\"#<$`]")  # without these a command is bare throughout


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

    @property
    def is_plain(self) -> bool:
        """Whether any value can stand there."""
        return not (self.spec or self.is_words or self.context in (COMMENT, HERE))

    def check(self, value: object) -> None:
        """Raise LaunchError where a value of the parameter cannot stand in its place."""
        self._filled(value)

    def check_condition(self, value: object) -> None:
        """Raise LaunchError where a text depends on what is neither True, False nor None."""
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
        text = as_text(value) if not self.spec or value is None else self._formatted(value)
        return self._placed(text)

    def _conditional(self, body: Sequence[str | Placeholder], params: Mapping[str, Any]) -> str:
        value = params.get(self.name)
        if value is None or value is False:
            return ""
        self.check_condition(value)
        return joined(body, params)

    def _words(self, value: str | Sequence[object]) -> list[str]:
        if not isinstance(value, str):
            return [as_text(part) for part in value]
        try:
            return shlex.split(value)
        except ValueError as error:
            raise LaunchError(
                f"{self.text} in the command is for the words of a string, and {self.name} is "
                f"{shown(value)}: {error}"
            ) from None

    def _formatted(self, value: object) -> str:
        """A number in the format; the value as it is where the format was meant as a default."""
        try:
            return formatted(value, self.spec, is_either=self.is_either)
        except Unformatted as problem:
            raise LaunchError(
                f"{self.text} in the command has the format {self.spec!r}, and {self.name} is "
                f"{problem}"
            ) from None

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


def joined(parts: Sequence[str | Placeholder], params: Mapping[str, Any]) -> str:
    """Literal text and placeholders, filled in."""
    return "".join(part if isinstance(part, str) else part.render(params) for part in parts)


def placeholders_in(parts: Sequence[str | Placeholder]) -> Iterator[Placeholder]:
    """All placeholders, also those inside others."""
    for part in parts:
        if isinstance(part, Placeholder):
            yield part
            yield from placeholders_in(part.body or ())


@dataclass(frozen=True)
class Command:
    """A shell command that parameters are filled into.

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
    def parse(cls, text: str, names: Collection[str], *, partial: bool = False) -> Command:
        """Split `text` at its placeholders.

        Parameters
        ----------
        names
            The parameters.
        partial
            Whether there may be others, so that any ``{word}`` outside quotes is a placeholder.

        Raises
        ------
        LaunchError
            A placeholder in quotes of the user's, or a brace that looks like one and is none.
        """
        parser = _Parser(text, names, partial=partial)
        found = cls(text, tuple(parser.parts(0, len(text))))
        unused = found.unused(dict.fromkeys(names))
        if unused and "DSICE_DIR" not in text:
            spelling.check_others(text, names, parser.others, unused)
        return found

    def placeholders(self) -> Iterator[Placeholder]:
        """All of them, also those inside others."""
        yield from placeholders_in(self.parts)

    def fits_all(self, conditional: Collection[str]) -> bool:
        """Whether it can be filled in with any values, since there is nothing but ``{name}``."""
        return not conditional and all(
            part.is_plain and part.default is None and part.body is None
            for part in self.placeholders()
        )

    def unused(self, params: Mapping[str, Any]) -> list[str]:
        """Names in `params` that the command has no placeholder for."""
        used = {part.name for part in self.placeholders()}
        return [name for name in params if name not in used]

    def render(self, params: Mapping[str, Any]) -> str:
        """Fill `params` in; LaunchError as in `Placeholder.render`."""
        text = joined(self.parts, params)
        if any(part.context == HERE for part in self.placeholders()):
            check_documents(self.text, text)
        return text


class _Parser:
    """Finds the placeholders of one command."""

    def __init__(self, text: str, names: Collection[str], *, partial: bool) -> None:
        self._text = text
        self._names = sorted(names, key=len, reverse=True)
        self._partial = partial
        self._contexts = contexts(text) if _QUOTING.search(text) else [BARE] * len(text)
        self._ends, closing = self._matched()
        self._doubled = _doubled(self._ends, closing)
        self.others: list[str] = []  # braces around a word that is no parameter

    def _matched(self) -> tuple[dict[int, int | None], dict[int, int | None]]:
        """The end of each opening brace and the beginning of each closing one, None without."""
        ends: dict[int, int | None] = {}
        closing: dict[int, int | None] = {}
        waiting: list[int] = []
        for i, char in enumerate(self._text):
            if char not in "{}" or self._contexts[i] in (ESCAPED, EXPANSION):
                continue
            if char == "{":
                waiting.append(i)
                ends[i] = None
            else:
                closing[i] = begin = waiting.pop() if waiting else None
                if begin is not None:
                    ends[begin] = i
        return ends, closing

    def parts(self, begin: int, end: int) -> list[str | Placeholder]:
        """Literal text and placeholders between two places."""
        found: list[str | Placeholder] = []
        literal, i = "", begin
        while i < end:
            if i in self._doubled:
                literal += self._text[i]
                i += 2
                continue
            part = self._placeholder(i)
            if part is None:
                literal += self._text[i]
                i += 1
                continue
            found += [literal, part] if literal else [part]
            literal, i = "", (self._ends[i] or i) + 1
        return [*found, literal] if literal else found

    def _placeholder(self, i: int) -> Placeholder | None:
        """The placeholder that begins at `i`; None: there is none."""
        if i not in self._ends or (i and self._text[i - 1] == "$"):
            return None
        end, context = self._ends[i], self._contexts[i]
        quoted = context in QUOTED
        if end is None:
            if not quoted:
                spelling.check_closed(self._text, i, self._names)
            return None
        content = self._text[i + 1 : end]
        nested = any(i < other < end for other in self._ends)
        found = self._named(content, quoted=quoted)
        if found is None:
            if not nested or content.lstrip("*").partition("?")[0].isidentifier():
                spelling.check_spelling(self._text, self._names, content, quoted=quoted)
                if not quoted and WORD.fullmatch(content):
                    self.others.append(content)
            return None
        name, rest = found
        if nested and not rest.startswith("?"):
            if quoted:
                return None
            raise wrong(self._text, self._names, content, "a default cannot hold braces.")
        if quoted:
            raise spelling.in_quotes(self._text, content, name, context)
        if context == UNCLEAR:
            raise spelling.unclear(self._text, content)
        begin = end - len(rest)
        return self._made(content, name, rest, (begin, end), context)

    def _made(
        self, content: str, name: str, rest: str, place: tuple[int, int], context: str
    ) -> Placeholder:
        """The placeholder of a parameter; `rest` is what follows its name, at `place`."""
        text, is_words = f"{{{content}}}", content != name + rest
        if not rest:
            return Placeholder(text, name, is_words=is_words, context=context)
        if rest[0] == "?":
            if is_words or len(rest) == 1:
                raise wrong(
                    self._text, self._names, content, f"for a flag write {{{name}?--{name}}}."
                )
            body = tuple(self.parts(place[0] + 1, place[1]))
            return Placeholder(text, name, body=body, context=context)
        default = rest[1:]
        spec = None if is_words else FORMAT.fullmatch(default)
        if spec is None:
            return Placeholder(text, name, default, is_words=is_words, context=context)
        try:
            check_format(spec["spec"])
        except Unformatted as problem:
            advice = f"{spec['spec']!r} is no format ({problem})."
            raise wrong(self._text, self._names, content, advice) from None
        is_either = spec["digits"] is None and spec["default"] is None
        known = default if is_either else spec["default"]
        return Placeholder(text, name, known, spec["spec"], is_either, context=context)

    def _named(self, content: str, *, quoted: bool) -> tuple[str, str] | None:
        """The parameter at the beginning of braces, and what follows it."""
        inside = content.removeprefix("*")
        for name in self._names:
            rest = inside.removeprefix(name) if inside.startswith(name) else " "
            # {lr: 0.1} is YAML where it is quoted
            if rest[:1] in ("", ":", "?") and not (quoted and re.match(r":(\s|$)", rest)):
                return name, rest
        found = WORD.fullmatch(inside)
        if self._partial and found and found["rest"][:1] in ("", ":") and not quoted:
            return found["name"], found["rest"]
        return None


def _doubled(ends: Mapping[int, int | None], closing: Mapping[int, int | None]) -> set[int]:
    """Where ``{{`` or ``}}`` stands for one brace: where the other ends of the two are a pair, too.

    So the ends of JSON such as ``{"a": {"b": 1}}`` are two braces.
    """
    found: set[int] = set()
    for i in ends:
        if i + 1 not in ends or i - 1 in found:
            continue
        outer, inner = ends[i], ends[i + 1]
        if outer is None and inner is None:
            found.add(i)
        elif inner is not None and outer == inner + 1:
            found |= {i, inner}
    for i, begin in closing.items():
        alone = begin is None and closing.get(i + 1, 0) is None
        if alone and i - 1 not in found:
            found.add(i)
    return found
