"""The last words of a program, and the line of its output that tells why it failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dsice.launchers.measurement import last_line, plain_tail, shown
from dsice.launchers.output import STDOUT, Output

_LAST_LINES = 10
_LAST_CHARACTERS = 2000
_LOOKED_AT = 1000  # characters of a line that are compared: all that is found begins there
_TOLD = 4000  # characters of a line that tells why: some errors show whole arrays
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
    for i, line in enumerate(lines):
        if _is(_FIRST, line) and not _is(_USELESS, line):
            behind = lines[i + 1].strip() if line.endswith(":") and lines[i + 1 :] else ""
            return f"{line.strip()} {behind}".strip()
    return ""


def _is(kind: re.Pattern[str], line: str) -> bool:
    return kind.fullmatch(line[:_LOOKED_AT]) is not None


def _last_error(lines: list[str]) -> str:
    found = (line for line in reversed(lines) if _is(_SOME_ERROR, line) and not _is(_USELESS, line))
    return next(found, "").strip()


def _shortened(text: str) -> str:
    half = _TOLD // 2
    return text if len(text) <= _TOLD else f"{text[:half]} ... {text[-half:]}"


def hint(directory: Path, path: Path, output: Output, needs: Sequence[str]) -> str:
    """What to do about it, where what the program gave looks like something well known."""
    last = last_line(path)
    if re.match(r"\{\s*'", last):
        return ". This line is Python and not JSON: print(json.dumps(...)) writes JSON"
    if last in ("}", "]"):
        return ". JSON of several lines counts where nothing else is printed; print it on one line"
    metric = needs[0] if needs else ""
    for name in ((output.result or STDOUT), "stderr") if metric else ():
        text, _ = plain_tail(directory / name)
        said = rf"({re.escape(metric)}['\"]?\s{{0,9}}[:=]?\s{{0,9}})[-+]?\d"
        if match := re.search(said, text, re.IGNORECASE):
            if output.patterns and name == "stderr":
                return ". It is in stderr: add 2>&1 to the command"
            known = match[1].rstrip()
            advice = (
                f"[metrics] {metric} = '{known} *([-+0-9.eE]+)' in the study file, or metrics= "
            )
            return f". {name} has {shown(match[0])}...: {advice}of the launcher reads such a line"
    return ""
