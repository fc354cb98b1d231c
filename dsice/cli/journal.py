"""`dsice journal check` and `dsice journal repair`."""

from __future__ import annotations

import argparse

from dsice.cli import output
from dsice.errors import DsiceError
from dsice.journal import read
from dsice.journal import repair as repair_journal
from dsice.journal.emptied import no_study, was_emptied
from dsice.journal.format import Kind
from dsice.tuner import Tuner


def add_journal(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice journal``."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("check", help="say whether it is whole")
    action.add_argument("path", metavar="JOURNAL|STUDY.toml")
    action.set_defaults(act=lambda args: check(args.path))
    action = actions.add_parser("repair", help="take unreadable lines out; a copy is kept")
    action.add_argument("path", metavar="JOURNAL|STUDY.toml")
    action.set_defaults(act=lambda args: repair(args.path))


def _journal_of(path: str) -> str:
    """The journal that is meant: of a study file its own."""
    if not path.endswith(".toml"):
        return path
    from dsice.study.file import read_study  # imports the launchers

    return str(read_study(path).journal)


def check(path: str) -> int:
    """Say whether a journal is whole; exit code 1 when it is not."""
    path = _journal_of(path)
    contents = read(path)
    asked = sum(len(r["trials"]) for r in contents.records if r["kind"] == Kind.ASK)
    told = sum(r["kind"] in (Kind.TELL, Kind.ADD) for r in contents.records)
    output.say(
        f"{path}: {len(contents.records)} good lines after the header, "
        f"{asked} trials asked, {told} told or added"
    )
    for number, problem in contents.bad:
        output.say(f"line {number}: {problem}")
    if contents.bad:
        output.say(f"take the bad lines out (a copy is kept) with: dsice journal repair {path}")
        return 1
    if contents.torn:
        output.say(
            "the last line is cut short: a crash while it was written, or a writer at work; "
            "it is taken out on the next opening"
        )
    if contents.header is None:
        output.say(no_study(contents.path))
        return int(was_emptied(contents.path))
    return _check_study(path)


def _check_study(path: str) -> int:
    """Say whether the good lines make a study: they may contradict each other."""
    try:
        Tuner.read(path)
    except (DsiceError, IndexError, KeyError, TypeError, ValueError) as error:
        output.say(f"its lines are good, but they make no study: {error}")
        return 1
    output.say("whole: it can be resumed")
    return 0


def repair(path: str) -> int:
    """Take unreadable lines out; the journal as it was stays beside it."""
    path = _journal_of(path)
    done = repair_journal(path)
    for number, problem in done.removed:
        output.say(f"removed line {number}: {problem}")
    if done.restored:
        ids = _ids(done.restored)
        output.say(f"trials {ids}: their ask line was gone, their points and values are kept")
    if done.gone:
        ids = _ids(done.gone)
        output.say(f"trials {ids}: nothing but the id is known any more; they count as lost")
    copy = f"the journal as it was: {done.copy}" if done.copy else "nothing was wrong"
    output.say(f"{done.kept} good lines kept; {copy}")
    return 0


def _ids(ids: list[int]) -> str:
    text = ", ".join(map(str, ids[:20]))
    return f"{text} and {len(ids) - 20} more" if len(ids) > 20 else text
