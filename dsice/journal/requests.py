"""Requests to a coordinator that is at work: one file for each, in a folder beside its journal.

A command that finds the journal locked cannot write to it. It leaves what is to be done as
``run.jsonl.requests/TIME-XXXXXXXX.json``, which the coordinator takes in before its next ask, or
whoever opens the journal next. A file that was taken in is removed; one that cannot be done is
replaced by one of the same name that ends with ``.refused`` and says why.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from dsice.checks import is_number
from dsice.errors import JournalError
from dsice.journal.files import read_json, strictly, write_json
from dsice.journal.format import Kind
from dsice.typing import Record

REQUESTS = ".requests"
"""How the folder ends that has the requests of a journal."""
_REFUSED = ".refused"
_TRIES = 20  # to make the folder, which a coordinator removes when it is empty


class Request(NamedTuple):
    """What is to be done, and the file that says it.

    Attributes
    ----------
    kind
        As of the lines that follow from it; empty: the file cannot be understood.
    at
        Unix time, which these lines have, so that they are written once.
    ids
        The trials.
    reason
        Why trials are withdrawn.
    error
        Why it was refused.
    rows
        What is to be added: trials as in `add` lines, without ids.
    log
        Where these rows are from, as in an `import` line.
    """

    file: Path
    kind: str = ""
    at: float = 0.0
    ids: tuple[int, ...] = ()
    reason: str = ""
    error: str = ""
    rows: tuple[Record, ...] = ()
    log: Record | None = None

    def __str__(self) -> str:
        what = f"{self.kind} {', '.join(map(str, self.ids))}" if self.kind else self.file.name
        if self.kind == Kind.ADD:
            what = f"add {len(self.rows)} measurements"
        return f"{what} ({self.reason})" if self.reason else what


def folder(journal: Path) -> Path:
    """Where the requests to the coordinator of a journal are."""
    return journal.with_name(f"{journal.name}{REQUESTS}")


def leave(
    journal: Path,
    kind: str,
    ids: Sequence[int] = (),
    reason: str = "",
    *,
    rows: Sequence[Record] = (),
    log: Record | None = None,
) -> Request:
    """Leave a request, whose fields are those of `Request`; on return it is on the disk.

    Raises
    ------
    JournalError
        It cannot be written.
    """
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    file = folder(journal) / name
    request = Request(file, kind, time.time(), tuple(ids), reason, "", tuple(rows), log)
    record: dict[str, Any] = {"kind": kind, "at": request.at, "ids": list(ids)}
    if reason:
        record["reason"] = reason
    if rows:
        record |= {"rows": list(rows), "log": log}
    for left in reversed(range(_TRIES)):
        try:
            request.file.parent.mkdir(exist_ok=True)
            write_json(request.file, record, fsync=True)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and left:
                continue
            raise JournalError(
                f"journal {journal}: it is in use, and a request to its coordinator cannot be left "
                f"in {request.file.parent} ({error.strerror}); nothing was done. Put that right, "
                "or try again when the coordinator has ended"
            ) from error
        break
    return request


def tidy(journal: Path) -> None:
    """Remove the folder where it is empty, as a kill leaves it."""
    with suppress(OSError):
        folder(journal).rmdir()


def waiting(journal: Path) -> list[Request]:
    """What was asked for and is not done yet, the oldest first."""
    return _requests(journal, ".json")


def refused(journal: Path) -> list[Request]:
    """What was asked for and could not be done, the oldest first."""
    return _requests(journal, _REFUSED)


def is_waiting(request: Request) -> bool:
    """Whether a request was not looked at yet."""
    return request.file.exists()


def answer(request: Request) -> str:
    """Why a request was refused, which is forgotten then; empty: it was not."""
    file = _answer_file(request)
    found = read_json(file)
    if found is None:
        return ""
    _remove(file)
    return str(found.get("error"))


def taken(request: Request) -> None:
    """Remove a request that was done; where that fails it is passed over the next time."""
    _remove(request.file)


def refuse(request: Request, error: str) -> None:
    """Leave why a request cannot be done in its place."""
    record: Record = {"kind": request.kind, "at": request.at, "ids": list(request.ids)}
    record |= {"reason": request.reason, "error": error}
    if request.log is not None:
        record["log"] = request.log
    with suppress(OSError):  # then it is refused once more
        write_json(_answer_file(request), record)
        request.file.unlink(missing_ok=True)


def _answer_file(request: Request) -> Path:
    return request.file.with_suffix(_REFUSED)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
        file.parent.rmdir()


def _requests(journal: Path, suffix: str) -> list[Request]:
    """The requests in files that end so; those that cannot be read for now are left out."""
    place = folder(journal)
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(suffix))
    except OSError:
        return []
    found = []
    for name in names:
        with suppress(OSError), strictly():
            record = read_json(place / name)
            if record is not None or (place / name).exists():
                found.append(_request(place / name, record or {}))
    return found


def _request(file: Path, record: Record) -> Request:
    """A request as its file says it."""
    kind, ids = record.get("kind"), record.get("ids")
    at: Any = record.get("at")
    reason = record.get("reason", "")
    error = str(record.get("error", ""))
    rows, log = record.get("rows", []), record.get("log")
    if (
        kind not in (Kind.WITHDRAW, Kind.RETRY, Kind.ADD)
        or not is_number(at)
        or not math.isfinite(at)
        or type(ids) is not list
        or not all(type(id) is int for id in ids)
        or type(reason) is not str
        or type(rows) is not list
        or not all(type(row) is dict for row in rows)
        or (log is not None and type(log) is not dict)
    ):
        return Request(file, error=error)
    return Request(file, kind, float(at), tuple(ids), reason, error, tuple(rows), log)
