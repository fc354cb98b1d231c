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

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsice.errors import LaunchError
from dsice.launchers.placeholder import Placeholder, joined, placeholders_in
from dsice.launchers.shell import ESCAPED, EXPANSION, QUOTED, contexts

_FORMAT = re.compile(r"(?P<spec>[+#]?0?\d*,?(?P<digits>\.\d+)?[bdeEfFgGoxX%])(?::(?P<default>.*))?")
_WORD = re.compile(r"\*?(?P<name>\w[\w.-]*)(?P<rest>$|[:?].*)", re.DOTALL)
_OPERATED = re.compile(r"[^\s\"';$\\]*")  # what no awk or C is, nor a group of commands
_LIKENESS = 0.6  # of a misspelt name, from 0 to 1


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
            parser.check_others(unused)
        return found

    def placeholders(self) -> Iterator[Placeholder]:
        """All of them, also those inside others."""
        yield from placeholders_in(self.parts)

    def check_conditional(self, conditional: Collection[str]) -> None:
        """Raise LaunchError for a placeholder without a value where its parameter is not active."""
        _check_conditional(self.parts, set(conditional))

    def unused(self, params: Mapping[str, Any]) -> list[str]:
        """Names in `params` that the command has no placeholder for."""
        used = {part.name for part in self.placeholders()}
        return [name for name in params if name not in used]

    def render(self, params: Mapping[str, Any]) -> str:
        """Fill `params` in; LaunchError as in `Placeholder.render`."""
        return joined(self.parts, params)


def _check_conditional(parts: Sequence[str | Placeholder], conditional: set[str]) -> None:
    for part in parts:
        if isinstance(part, Placeholder):
            if part.needs_value and part.name in conditional:
                raise LaunchError(part.without_default())
            # its text stands only where the parameter is active
            _check_conditional(part.body or (), conditional - {part.name})


class _Parser:
    """Finds the placeholders of one command."""

    def __init__(self, text: str, names: Collection[str], *, partial: bool) -> None:
        self._text = text
        self._names = sorted(names, key=len, reverse=True)
        self._partial = partial
        self._contexts = contexts(text)
        self._ends, closing = self._matched()
        self._doubled = _doubled(self._ends, closing)
        self._others: list[str] = []  # braces around a word that is no parameter

    def check_others(self, unused: list[str]) -> None:
        """Raise LaunchError for braces around a word, where parameters have no placeholder."""
        if self._others:
            hint = f"did you mean {{{unused[0]}}}, which is not in the command?"
            raise self._wrong(self._others[0], hint)

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
            self._check_closed(i, quoted=quoted)
            return None
        content = self._text[i + 1 : end]
        nested = any(i < other < end for other in self._ends)
        found = self._named(content, quoted=quoted)
        if found is None:
            if not nested or content.lstrip("*").partition("?")[0].isidentifier():
                self._check_spelling(content, quoted=quoted)
            return None
        name, rest = found
        if nested and not rest.startswith("?"):
            if quoted:
                return None
            raise self._wrong(content, "a default cannot hold braces.")
        if quoted:
            raise LaunchError(
                f"command has the placeholder {{{content}}} inside {context}...{context}, where "
                "the shell would run what a value holds; end the quotes before it and begin them "
                f"again behind it, as in {context}a {context}{{{name}}}{context} b{context}, or "
                f"double the braces if it is none. Command: {self._text!r}"
            )
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
                raise self._wrong(content, f"for a flag write {{{name}?--{name}}}.")
            body = tuple(self.parts(place[0] + 1, place[1]))
            return Placeholder(text, name, body=body, context=context)
        default = rest[1:]
        spec = None if is_words else _FORMAT.fullmatch(default)
        if spec is None:
            return Placeholder(text, name, default, is_words=is_words, context=context)
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
        found = _WORD.fullmatch(inside)
        if self._partial and found and found["rest"][:1] in ("", ":") and not quoted:
            return found["name"], found["rest"]
        return None

    def _check_spelling(self, content: str, *, quoted: bool) -> None:
        """Raise LaunchError for braces that look like a misspelt placeholder."""
        stripped = content.strip()
        if stripped != content and stripped.removeprefix("*") in self._names:
            raise self._wrong(content, f"write {{{stripped}}} for the parameter.")
        found = _WORD.fullmatch(content)
        if found is None:
            for name in self._names:
                begins = re.match(re.escape(name) + r"\W", content)
                if not quoted and begins and _OPERATED.fullmatch(content):
                    raise self._wrong(content, f"write {{{name}}} for the parameter.")
            return
        if quoted and re.match(r":(\s|$)", found["rest"]):
            return
        if found["name"].startswith("DSICE_"):
            raise self._wrong(content, f"write ${found['name']} for the variable.")
        near = nearest(found["name"], self._names)
        if near is not None:
            correct = content.replace(found["name"], near, 1)
            raise self._wrong(content, f"did you mean {{{correct}}}?")
        if not quoted:
            self._others.append(content)

    def _check_closed(self, i: int, *, quoted: bool) -> None:
        """Raise LaunchError for a parameter behind a brace that has no other end."""
        behind = re.match(r"\*?\w[\w.-]*", self._text[i + 1 :])
        if behind and not quoted and behind[0].removeprefix("*") in self._names:
            raise LaunchError(
                f"command has {{{behind[0]} without a closing brace; write {{{behind[0]}}} for the "
                f"parameter, or double the brace if it is none of dsice's. Command: {self._text!r}"
            )

    def _wrong(self, content: str, advice: str) -> LaunchError:
        return LaunchError(
            f"command has {{{content}}}, and {content!r} is no placeholder: {advice} The "
            "parameters are "
            f"{', '.join(sorted(self._names)) or 'none'}. For braces that are none of dsice's "
            f"write {{{{{content}}}}}. Command: {self._text!r}"
        )


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


def nearest(word: str, names: Collection[str]) -> str | None:
    """The name that a word looks like a misspelling of; None: it looks like none."""

    def bare(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).casefold()

    given = bare(word)
    known = {bare(name): name for name in reversed(list(names))}
    if given in known:
        return known[given]
    close = difflib.get_close_matches(given, known, n=1, cutoff=_LIKENESS)
    if close:
        return known[close[0]]
    for plain, name in known.items():
        shorter, longer = sorted((plain, given), key=len)
        same = given.rstrip("0123456789") == plain.rstrip("0123456789")
        if same or (len(shorter) > 1 and longer.startswith(shorter)):
            return name
    return None
