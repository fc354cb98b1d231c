"""Braces of a command that look like a placeholder and are none, and what was meant by them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from dsice.errors import LaunchError

WORD = re.compile(r"\*?(?P<name>\w[\w.-]*)(?P<rest>$|[:?].*)", re.DOTALL)
"""What looks like a placeholder: a name, and a default or a text for where it is true."""
_OPERATED = re.compile(r"[^\s\"';$\\]*")  # what no awk or C is, nor a group of commands
_LIKENESS = 0.6  # of a misspelt name, from 0 to 1


def check_spelling(command: str, names: Sequence[str], content: str, *, quoted: bool) -> None:
    """Raise LaunchError for braces that look like a misspelt placeholder.

    Parameters
    ----------
    names
        The parameters.
    content
        What is in the braces, which is no placeholder.
    quoted
        Whether the braces are in quotes, as those of JSON and Python mostly are.
    """
    stripped = content.strip()
    if stripped != content and stripped.removeprefix("*") in names:
        raise wrong(command, names, content, f"write {{{stripped}}} for the parameter.")
    found = WORD.fullmatch(content)
    if found is None:
        for name in names:
            begins = re.match(re.escape(name) + r"\W", content)
            if not quoted and begins and _OPERATED.fullmatch(content):
                raise wrong(command, names, content, f"write {{{name}}} for the parameter.")
        return
    if quoted and re.match(r":(\s|$)", found["rest"]):
        return
    if found["name"].startswith("DSICE_"):
        raise wrong(command, names, content, f"write ${found['name']} for the variable.")
    near = nearest(found["name"], names)
    if near is not None:
        correct = content.replace(found["name"], near, 1)
        raise wrong(command, names, content, f"did you mean {{{correct}}}?")


def check_closed(command: str, i: int, names: Sequence[str]) -> None:
    """Raise LaunchError for a parameter behind the brace at `i`, which has no other end."""
    behind = re.match(r"\*?\w[\w.-]*", command[i + 1 :])
    if behind and behind[0].removeprefix("*") in names:
        raise LaunchError(
            f"command has {{{behind[0]} without a closing brace; write {{{behind[0]}}} for the "
            f"parameter, or double the brace if it is none of dsice's. Command: {command!r}"
        )


def check_others(
    command: str, names: Collection[str], others: Sequence[str], unused: Sequence[str]
) -> None:
    """Raise LaunchError for braces around another word, where parameters have no placeholder."""
    if others:
        hint = f"did you mean {{{unused[0]}}}, which is not in the command?"
        raise wrong(command, names, others[0], hint)


def in_quotes(command: str, content: str, name: str, quote: str) -> LaunchError:
    """The error for a placeholder inside quotes of the user's."""
    return LaunchError(
        f"command has the placeholder {{{content}}} inside {quote}...{quote}, where the shell "
        "would run what a value holds; end the quotes before it and begin them again behind it, "
        f"as in {quote}a {quote}{{{name}}}{quote} b{quote}, or double the braces if it is none. "
        f"Command: {command!r}"
    )


def unclear(command: str, content: str) -> LaunchError:
    """The error for a placeholder of which nobody knows whether it is quoted."""
    return LaunchError(
        f"command has the placeholder {{{content}}} behind a here-document without an end, a \\' "
        "in $'...', or a ${{ that is not closed by }}: where it stands is not clear. Close what is "
        f"open, or write the text in another way. Command: {command!r}"
    )


def wrong(command: str, names: Collection[str], content: str, advice: str) -> LaunchError:
    """The error for braces that are no placeholder."""
    return LaunchError(
        f"command has {{{content}}}, and {content!r} is no placeholder: {advice} The parameters "
        f"are {', '.join(sorted(names)) or 'none'}. For braces that are none of dsice's write "
        f"{{{{{content}}}}}. Command: {command!r}"
    )


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
