"""What a program printed for a terminal, as plain text."""

from __future__ import annotations

import re

from dsice.errors import VISIBLE

# colours, titles of windows, NULs: noise in a message and a journal, and orders to a terminal
_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings
    rf"|\x1b[ -/]*[0-~]|[{''.join(map(chr, VISIBLE))}]"  # other escapes, and what is left
)
_NOISE = bytes(code for code in range(0x20) if code not in b"\n\t\x07\x1b")


def plain(printed: bytes) -> str:
    """A text without colours, titles and what else only a terminal understands.

    A progress bar, which goes back to the beginning of its line, becomes lines.
    """
    lines = printed.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return _CONTROL.sub("", lines.translate(None, _NOISE).decode("utf-8", errors="replace"))
