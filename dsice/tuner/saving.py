"""Saving what a journal cannot take, or has no longer, to a file of its own."""

from __future__ import annotations

import shlex
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dsice.journal.files import replace_file
from dsice.journal.format import encode
from dsice.journal.writer import Journal
from dsice.typing import Record

PRIVATE = 0o600


def save(
    journal: Journal, name: str, lines: Sequence[Record], count: int
) -> tuple[Path | None, str]:
    """Write lines to a file, wherever there is room; behind the whole journal where that is gone.

    The file is as private as the journal beside it, and private elsewhere.

    Parameters
    ----------
    journal
        The journal that could not be written.
    name
        Of the file; not to be foreseen by others who may write to the same directories.
    lines
        What is in hand.
    count
        How many results these are.

    Returns
    -------
    Path or None, str
        The file, None if it could be written nowhere; a sentence that says where what is.
    """
    whole = journal.content() if journal.gone else b""
    data = whole + "".join(encode(line) + "\n" for line in lines).encode()
    beside = journal.path.parent
    for folder in dict.fromkeys([beside, *_elsewhere()]):
        mode = _mode(journal.path) if folder == beside else PRIVATE
        try:
            replace_file(folder / name, data, mode=mode)
        except OSError:
            continue
        return folder / name, _where(journal.path, folder / name, count, whole=bool(whole))
    if whole:
        also = f" and {_results(count)} in hand" if count else ""
        return None, (
            f"The whole journal as it was{also} could be saved nowhere else; the memory of this "
            "process has all of it. Make room, then call again, and it is saved"
        )
    stay = "stays" if count == 1 else "stay"
    return None, (
        f"{_results(count).capitalize()} in hand could be saved nowhere else and {stay} in the "
        "memory of this process. Make room, and the next call writes what is in hand"
    )


def _elsewhere() -> Iterator[Path]:
    with suppress(OSError):  # none can be written to, or no file can be opened
        yield Path(tempfile.gettempdir())
    with suppress(RuntimeError):  # a user without a home
        yield Path.home()


def _where(journal: Path, file: Path, count: int, *, whole: bool) -> str:
    if whole:
        also = f", with {_results(count)} in hand," if count else ""
        return (
            f"The whole journal as it was{also} is saved in {file}. To go on with it, end this "
            f"process, move that file to {journal} (keep what is there now under another name), "
            "then start the same script again"
        )
    stay, them = ("stays", "it") if count == 1 else ("stay", "them")
    command = f"dsice tell {shlex.quote(str(journal))} --from {shlex.quote(str(file))}"
    return (
        f"{_results(count).capitalize()} in hand {stay} in this tuner, which writes {them} as soon "
        f"as the journal can be written: do not give {them} again. Until then {file} has {them} "
        f"too, and after the end of this process `{command}` takes {them}"
    )


def _results(count: int) -> str:
    return "the result" if count == 1 else f"the {count} results"


def _mode(journal: Path) -> int:
    try:
        return stat.S_IMODE(journal.stat().st_mode) & 0o666
    except OSError:
        return PRIVATE
