"""What a program printed: its last line, its last words, and the line that tells why it failed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from dsice.errors import VISIBLE
from dsice.journal.files import as_missing, open_regular

BLOCK = 64 * 1024  # bytes read at a time; outputs may have hundreds of megabytes
LONGEST_LINE = 4 * 1024 * 1024
_LAST_LINES = 10
_LAST_CHARACTERS = 2000
_TOLD = 4000  # characters of a line that tells why: some errors show whole arrays
# colours, titles of windows, NULs: noise in a message and a journal, and orders to a terminal
_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings
    rf"|\x1b[ -/]*[0-~]|[{''.join(map(chr, VISIBLE))}]"  # other escapes, and what is left
)
_NOISE = bytes(code for code in range(0x20) if code not in b"\n\t\x07\x1b")
_TRACEBACK = re.compile(r"\s*(?:\+ (?:Exception Group )?)?Traceback \(most recent call last\):\s*")
# what compilers, linkers, test runners and languages say once, before much that follows from it
_FIRST = re.compile(
    r"\S.*?[:(]\d+(?:[:,]\d+)*\)?: *(?:fatal |internal compiler |catastrophic )?error\b.*"
    r"|(?:fatal )?error(?: ?\[?[A-Z]{1,3}\d+\]?)?: .+|Error: .+|CMake Error.*"
    r"|.*\bundefined reference to .*|.*\bmultiple definition of .*|.*: cannot find -l.*"
    r"|E  +\S.*|.*\bAssertion .* failed.*|\s*what\(\): .*|thread '.*' panicked at .*"
    r"|.*\bERROR: \w+Sanitizer: .*|.*\bruntime error: .*"
)
_USELESS = re.compile(
    r"g?make(?:\[\d+\])?: .*|collect2: error: ld returned.*|.*\bwarning\b.*", re.I
)
_SOME_ERROR = re.compile(
    r".*(?:\b(?:fatal|error|exception|abort(?:ed)?|denied|killed|segmentation fault)\b|\w+Error\b"
    r"|not found\b|No such file).*",
    re.IGNORECASE,
)


def tail(path: Path, size: int = BLOCK) -> str:
    """Last `size` bytes of a text file; empty if there is none, or something that is no file."""
    return _end(path, size).decode("utf-8", errors="replace")


def _end(path: Path, size: int) -> bytes:
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError as error:
        as_missing(error)
        return b""


def plain_tail(path: Path, size: int = BLOCK) -> tuple[str, bool]:
    """Last `size` bytes without what only a terminal understands, and whether that is all.

    A progress bar becomes lines.
    """
    end = _end(path, size)
    lines = end.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    text = lines.translate(None, _NOISE).decode("utf-8", errors="replace")
    return _CONTROL.sub("", text), len(end) < size


def last_line(path: Path) -> str:
    """Last line that is not blank; empty if there is none."""
    size = BLOCK
    while True:
        text = tail(path, size)
        lines = text.rstrip().splitlines()
        whole = len(text.encode("utf-8", errors="replace")) < size
        if len(lines) > 1 or whole or size >= LONGEST_LINE:
            return lines[-1].strip() if lines else ""
        size *= 4


def plain(text: str) -> str:
    """A line without what only a terminal understands."""
    return _CONTROL.sub("", text)


def last_words(directory: Path) -> str:
    """Last lines of stderr and stdout, for an error message; none of them is cut at its end."""
    parts = []
    for name in ("stderr", "stdout"):
        text, _ = plain_tail(directory / name, 4 * _LAST_CHARACTERS)
        lines = text.rstrip().split("\n")
        shown = lines[-_LAST_LINES:]
        while len(shown) > 1 and sum(map(len, shown)) > _LAST_CHARACTERS:
            del shown[0]
        if any(shown):
            shown[0] = shown[0][-4 * _LAST_CHARACTERS :]
            parts.append(f"last lines of {name}:\n" + "\n".join(shown))
    return "\n".join(parts) if parts else "it printed nothing"


def telling_line(directory: Path) -> str:
    """What of a program's output says why it failed, whole; empty if nothing does.

    The exception of a traceback, the first error of a compiler or a test, else the last line that
    speaks of an error; of stderr before stdout.
    """
    outputs = [plain_tail(directory / name)[0].split("\n") for name in ("stderr", "stdout")]
    for find in (_exception, _first_error, _last_error):
        for lines in outputs:
            if found := find(lines):
                return _shortened(found)
    return ""


def _exception(lines: list[str]) -> str:
    """The exception of the last traceback, with the indented lines of its text."""
    begins = [i for i, line in enumerate(lines) if _TRACEBACK.fullmatch(line)]
    rest = iter(lines[begins[-1] + 1 :]) if begins else iter(())
    told = next((line for line in rest if line.strip(" +|") and not _is_frame(line)), "")
    return " ".join([told.strip(" +|"), *_indented(rest)]) if told else ""


def _is_frame(line: str) -> bool:
    return line.startswith((" ", "\t"))


def _indented(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip() or not _is_frame(line):
            return
        yield line.strip()


def _first_error(lines: list[str]) -> str:
    good = (line for line in lines if _FIRST.fullmatch(line) and not _USELESS.fullmatch(line))
    return next(good, "").strip()


def _last_error(lines: list[str]) -> str:
    found = (
        line
        for line in reversed(lines)
        if _SOME_ERROR.fullmatch(line) and not _USELESS.fullmatch(line)
    )
    return next(found, "").strip()


def _shortened(text: str) -> str:
    half = _TOLD // 2
    return text if len(text) <= _TOLD else f"{text[:half]} ... {text[-half:]}"
