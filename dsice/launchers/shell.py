"""What a shell makes of each character of a command: quotes, comments, here-documents, ``${...}``.

It follows the grammar of POSIX shells as far as a placeholder needs it: to know where its value
would be read as one word, and where not. Where shells do not agree, it says so.
"""

from __future__ import annotations

import re

from dsice.errors import LaunchError

BARE, SINGLE, DOUBLE, COMMENT, HERE, EXPANSION, ESCAPED = "", "'", '"', "#", "<", "$", "\\"
UNCLEAR = "?"
"""Contexts of a character: outside quotes, inside ``'...'`` or ``"..."``, in a comment, in a
here-document, in ``${...}``, behind a backslash; or behind something that shells read differently:
a here-document without an end, or a backslash before a quote in ``$'...'``."""

QUOTED = (SINGLE, DOUBLE)
_HERE = re.compile(r"<<(-?)[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s|&;<>()'\"\\])+)")
_ANSI = re.compile(r"'(?:[^'\\]|\\.)*'?", re.DOTALL)
_BEFORE_COMMENT = " \t\n;|&("


def contexts(text: str) -> list[str]:
    """The context of each character of a command."""
    return _Scanner(text).scan()


def check_documents(command: str, filled: str) -> None:
    """Raise LaunchError where a value ends a here-document of a command.

    Parameters
    ----------
    command, filled
        The command as its user wrote it, and with the values of a trial.
    """
    scanner = _Scanner(command)
    scanner.scan()
    before, now = ([line.lstrip("\t") for line in text.split("\n")] for text in (command, filled))
    for word in scanner.ends:
        if now.count(word) > before.count(word):
            raise LaunchError(
                f"a value would be the line {word!r}, which ends the here-document of the command; "
                "let the program read it from $DSICE_DIR/params.json"
            )


class _Scanner:
    """One pass over a command.

    ``_frames`` holds what is open, the innermost last: ``"`` a quoted string, a parenthesis what
    stands in ``$(...)`` or ``(...)``, two what stands in ``((...))``, a backtick what stands
    between two of them.

    Attributes
    ----------
    ends
        The lines that end here-documents.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = [BARE] * len(text)
        self.ends: list[str] = []
        self._frames: list[str] = []
        self._waiting: list[tuple[str, bool]] = []  # here-documents that begin with the next line

    def scan(self) -> list[str]:
        i = 0
        while i < len(self._text):
            i = self._take(i)
        return self._found

    def _take(self, i: int) -> int:
        """Mark what begins at `i`; where the next one begins."""
        text, char = self._text, self._text[i]
        top = self._frames[-1] if self._frames else ""
        if char == "\\":
            return self._mark(i, i + 2, ESCAPED)
        if text.startswith("${", i):
            return self._expansion(i)
        if text.startswith("$(", i):
            context = DOUBLE if top == '"' else BARE
            return self._mark(i, self._open(i + 1), context)
        if char == "`":
            self._toggle("`")
            return self._mark(i, i + 1, BARE)
        if char == '"':
            self._toggle('"')
            return self._mark(i, i + 1, DOUBLE)
        if top == '"':
            return self._mark(i, i + 1, DOUBLE)
        return self._bare(i, char)

    def _bare(self, i: int, char: str) -> int:
        text = self._text
        if char == "'":
            return self._single(i)
        if char == "#" and (i == 0 or text[i - 1] in _BEFORE_COMMENT):
            end = text.find("\n", i)
            return self._mark(i, len(text) if end < 0 else end, COMMENT)
        if text.startswith("<<<", i):
            return i + 3
        if char == "<" and "((" not in self._frames and (found := _HERE.match(text, i)):
            word = re.sub(r"\\(.)|['\"]", r"\1", found[2])
            self._waiting.append((word, bool(found[1])))
            return found.start(2)  # what the word is quoted with is quotes
        if char == "\n" and self._waiting:
            return self._documents(i + 1)
        if char == "(":
            return self._open(i)
        return self._close(i) if char == ")" else i + 1

    def _single(self, i: int) -> int:
        """``'...'``, and ``$'...'``, where some shells see a quote behind a backslash."""
        text = self._text
        end = text.find("'", i + 1)
        end = len(text) if end < 0 else end + 1
        if i and text[i - 1] == "$" and self._found[i - 1] != ESCAPED:
            other = _ANSI.match(text, i)
            if other and other.end() != end:
                return self._mark(i, len(text), UNCLEAR)
        return self._mark(i, end, SINGLE)

    def _open(self, i: int) -> int:
        """A parenthesis, or two of arithmetic, in which ``<<`` is an operator."""
        frame = "((" if self._text.startswith("((", i) else "("
        self._frames.append(frame)
        return i + len(frame)

    def _close(self, i: int) -> int:
        top = self._frames[-1] if self._frames else ""
        if top == "((" and not self._text.startswith("))", i):
            self._frames[-1] = "("  # two groups of commands, and no arithmetic
            return i + 1
        if top not in ("(", "(("):
            return i + 1
        self._frames.pop()
        return i + len(top)

    def _toggle(self, kind: str) -> None:
        if self._frames and self._frames[-1] == kind:
            self._frames.pop()
        else:
            self._frames.append(kind)

    def _expansion(self, i: int) -> int:
        """``${...}``, and ``${{...}}``, which becomes it; both up to the first end."""
        doubled = self._text.startswith("${{", i)
        first, closing = (i + 3, "}}") if doubled else (i + 2, "}")
        end, depth = first, 1
        while end < len(self._text):
            if self._text.startswith("${", end):
                depth, end = depth + 1, end + 2
            elif self._text.startswith(closing, end):
                depth, end = depth - 1, end + len(closing)
            else:
                end += 2 if self._text[end] == "\\" else 1
            if not depth:
                break
        end = min(end, len(self._text))
        if depth or not doubled:
            return self._mark(i, end, EXPANSION)
        if "}" in self._text[first : end - 2].replace("}}", ""):  # where it ends is not certain
            return self._mark(i, len(self._text), UNCLEAR)
        self._mark(first, end - 2, EXPANSION)  # its braces are doubled ones like any others
        return end

    def _documents(self, i: int) -> int:
        """The here-documents that were announced, one after the other."""
        text, begin = self._text, i
        for word, indented in self._waiting:
            self.ends.append(word)
            while True:
                if i >= len(text):
                    return self._mark(begin, len(text), UNCLEAR)
                end = text.find("\n", i)
                end = len(text) if end < 0 else end + 1
                line = text[i:end].rstrip("\n")
                self._mark(i, end, HERE)
                i = end
                if (line.lstrip("\t") if indented else line) == word:
                    break
        self._waiting = []
        return i

    def _mark(self, start: int, end: int, context: str) -> int:
        end = min(end, len(self._text))
        self._found[start:end] = [context] * (end - start)
        return end
