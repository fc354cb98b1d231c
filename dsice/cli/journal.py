"""`dsice journal check` and `dsice journal repair`."""

from __future__ import annotations

from dsice.errors import DsiceError
from dsice.journal import read, repair
from dsice.journal.format import Kind
from dsice.tuner import Tuner


def check(path: str) -> int:
    """Say whether a journal is whole; exit code 1 when it is not."""
    contents = read(path)
    asked = sum(len(r["trials"]) for r in contents.records if r["kind"] == Kind.ASK)
    told = sum(r["kind"] in (Kind.TELL, Kind.ADD) for r in contents.records)
    print(
        f"{path}: {len(contents.records)} good lines after the header, {asked} trials asked, {told} told or added"
    )
    for number, problem in contents.bad:
        print(f"line {number}: {problem}")
    if contents.bad:
        print(f"take the bad lines out (a copy is kept) with: dsice journal repair {path}")
        return 1
    if contents.torn:
        print(
            "the last line is cut short: a crash while it was written, or a writer at work; it is taken out on the next opening"
        )
    if contents.header is None:
        print("no study was started in it yet")
        return 0
    return _replays(path)


def _replays(path: str) -> int:
    """Good lines can still contradict each other: a tell without its ask."""
    try:
        Tuner.read(path)
    except (DsiceError, IndexError, KeyError, TypeError, ValueError) as error:
        print(f"its lines are good, but they make no study: {error}")
        return 1
    print("whole: it can be resumed")
    return 0


def mend(path: str) -> int:
    """Take unreadable lines out; the journal as it was stays beside it."""
    done = repair(path)
    for number, problem in done.removed:
        print(f"removed line {number}: {problem}")
    if done.restored:
        print(
            f"trials {_ids(done.restored)}: their ask line was gone, their points and values are kept"
        )
    if done.gone:
        print(f"trials {_ids(done.gone)}: nothing but the id is known any more; they count as lost")
    print(
        f"{done.kept} good lines kept"
        + (f"; the journal as it was: {done.copy}" if done.copy else "; nothing was wrong")
    )
    return 0


def _ids(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:20])) + (f" and {len(ids) - 20} more" if len(ids) > 20 else "")
