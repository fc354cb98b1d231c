"""`dsice import`: the measurements of a log, or of another tuner's file, become trials.

They come into the journal of a study, or into a new one whose axes are the values that the log
has. All rows are checked, then all are written, or none; the same log adds nothing a second time.
Where a coordinator has the journal, it is asked to add them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsice.cli import output
from dsice.cli.in_use import StudyInUse, Wish
from dsice.errors import OptionError, TableError
from dsice.goal import Goal
from dsice.journal import Journal, requests
from dsice.journal.format import Kind
from dsice.journal.reader import resolved
from dsice.reuse.results import Results, is_results, read_results
from dsice.reuse.tables.axes import guessed_space
from dsice.reuse.tables.columns import METRIC, USUAL, LogColumns
from dsice.reuse.tables.delimited import Spelling
from dsice.reuse.tables.files import is_journal, read_frame
from dsice.reuse.tables.measurements import Log
from dsice.reuse.tables.writing import frame_of
from dsice.tuner import Tuner
from dsice.tuner.importing import Added

if TYPE_CHECKING:
    import pandas as pd

    from dsice.study.file import Study


def add_import(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice import``."""
    text = "a .csv, .csv.gz, .tsv, .parquet, .jsonl or .json file, or a journal"
    command.add_argument("log", metavar="LOG", help=text)
    text = "the study that gets the measurements; default: a new journal beside the log"
    command.add_argument("path", metavar="JOURNAL|STUDY.toml", nargs="?", help=text)
    command.add_argument("-o", dest="journal", metavar="JOURNAL", help="the same")
    text = "column of the goal's metric (default: the one of its name)"
    command.add_argument("--objective", metavar="COLUMN", help=text)
    command.add_argument("--maximize", action="store_true", help="new journal: more is better")
    text = "new journal: columns of the parameters (default: what looks like one)"
    command.add_argument("--params", metavar="A,B,C", help=text)
    text = "columns of further metrics (default: all other numbers)"
    command.add_argument("--metrics", metavar="A,B,C", help=text)
    text = "column of run times, numbers or durations (default: seconds)"
    command.add_argument("--seconds", metavar="COLUMN", help=text)
    text = "column of words such as ok, failed, timeout (default: state, status)"
    command.add_argument("--state", metavar="COLUMN", help=text)
    text = "column by which a measurement is known again"
    command.add_argument("--key", metavar="COLUMN", help=text)
    text = "a parameter that the log has no column for"
    command.add_argument("--fixed", action="append", default=[], metavar="NAME=VALUE", help=text)
    text = "numbers beside the grid stand for the nearest value"
    command.add_argument("--nearest", action="store_true", help=text)
    text = "pass over rows that are no points of the space"
    command.add_argument("--skip", action="store_true", help=text)
    command.add_argument("--separator", metavar="C", help="between cells (default: as it seems)")
    command.add_argument("--decimal", default=".", metavar="C", help="decimal point (default: .)")
    command.add_argument("--thousands", metavar="C", help="between groups of digits")
    text = "of a text file (default: utf-8)"
    command.add_argument("--encoding", metavar="NAME", help=text)
    text = "word for an empty cell; may be repeated"
    command.add_argument("--na", action="append", default=[], metavar="WORD", help=text)
    command.set_defaults(act=_import)


def _import(args: argparse.Namespace) -> int:
    if args.path is not None and args.journal is not None:
        raise OptionError("dsice import: give the journal once, as JOURNAL or with -o")
    separator = {"\\t": "\t", "tab": "\t"}.get(args.separator, args.separator)
    spelling = Spelling(separator, args.decimal, args.thousands, args.encoding, tuple(args.na))
    said = LogColumns(
        args.objective,
        _names(args.params),
        _names(args.metrics),
        args.seconds,
        args.state,
        args.key,
        _fixed(args.fixed),
    )
    options = Options(said, spelling, args.maximize, nearest=args.nearest, skip=args.skip)
    return import_log(args.log, args.path or args.journal, options)


@dataclass(frozen=True)
class Options:
    """How a log is read.

    Attributes
    ----------
    said, spelling
        What its columns are, and how its cells are written.
    maximize
        Of a new journal: whether more is better.
    nearest, skip
        As in `Tuner.add_all`.
    """

    said: LogColumns = field(default_factory=LogColumns)
    spelling: Spelling = field(default_factory=Spelling)
    maximize: bool = False
    nearest: bool = False
    skip: bool = False


def import_log(log: str, path: str | None = None, options: Options | None = None) -> int:
    """Add the measurements of a log to a study, and print what became of them.

    Parameters
    ----------
    log
        The file.
    path
        A journal or a study file, which is started where there is none; None: the journal that has
        the name of the log.

    Raises
    ------
    DsiceError
        A row cannot be taken, or the journal cannot be used; nothing was recorded.
    """
    options = options or Options()
    results = None
    if is_results(Path(log)):
        results = read_results(log, options.said.objective)
    frame = _frame(Path(log), options.spelling) if results is None else results.frame
    target = path or str(_beside(Path(log)))
    study = None
    if target.endswith(".toml"):
        from dsice.study.file import read_study  # imports the launchers

        study = read_study(target)
    journal = resolved(study.journal if study else target)
    if journal.exists() and journal.stat().st_size:
        return _into_existing(log, frame, target, options)
    if results is not None and study is None:
        options = _said_by(results, options)
    begun = _into_new(log, frame, study, journal, options)
    _say(log, *begun, target)
    return 0


def _said_by(results: Results, options: Options) -> Options:
    """What the file of another tuner says where the user does not."""
    said = options.said
    said = replace(said, objective=results.objective, params=said.params or results.params)
    return replace(options, said=said, maximize=options.maximize or bool(results.maximize))


def _frame(path: Path, spelling: Spelling) -> pd.DataFrame:
    try:
        if is_journal(path):
            tuner = Tuner.read(path)
            return frame_of(tuner.history, tuner.space.names)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"log {path} cannot be read: {reason}") from error
    return read_frame(path, spelling)


def _beside(log: Path) -> Path:
    """The journal that has the name of a log, in the folder of that."""
    name = log.name.removesuffix(".gz")
    found = log.with_name(f"{Path(name).stem}.jsonl")
    if found == log:
        raise OptionError(
            f"dsice import {log}: give the journal, JOURNAL or -o JOURNAL, or a study file"
        )
    return found


def _into_existing(log: str, frame: pd.DataFrame, target: str, options: Options) -> int:
    """Add the rows to a study that has begun, or let its coordinator do so."""

    def read(tuner: Tuner) -> Log:
        _require_agreement(tuner, options)
        goal, names = tuner.history.goal, tuner.space.names
        return Log(frame, options.said, log, goal=goal, names=names)

    def act(tuner: Tuner) -> None:
        found = tuner.add_all(read(tuner), nearest=options.nearest, skip=options.skip)
        _say(log, found, len(tuner.history), target)

    def look(tuner: Tuner) -> Wish | None:
        checked = tuner.checked_rows(read(tuner), nearest=options.nearest, skip=options.skip)
        if not checked.added.ids:
            _say(log, checked.added, len(tuner.history), target)
            return None
        for text in checked.added.remarks:
            output.say(text)
        rows, about = tuner.requested_rows(checked)
        leave = partial(requests.leave, kind=Kind.ADD, rows=rows, log=about)
        return Wish(f"{log}, {checked.added}", "recorded", leave)

    return StudyInUse(target).change(act, look)


def _into_new(
    log: str, frame: pd.DataFrame, study: Study | None, path: Path, options: Options
) -> tuple[Added, int]:
    """Begin a study with the rows; it is begun when all of them are checked."""
    if study is not None:
        if options.said.params is not None or options.maximize:
            raise OptionError("dsice import: the study file says what --params and --maximize say")
        goal, space = study.goal, study.space
        read = Log(frame, options.said, log, goal=goal, names=space.names)
    else:
        goal = _new_goal(options)
        read = Log(frame, options.said, log, goal=goal, names=None)
        if options.said.fixed:
            raise OptionError("dsice import: --fixed is about the parameters of a study file")
        space = guessed_space(read)
        _say_axes(read, goal)
    draft = Tuner(space, goal=goal)
    checked = draft.checked_rows(read, nearest=options.nearest, skip=options.skip)
    if study is not None:
        tuner = study.tuner(orphans="keep")
    else:
        tuner = Tuner(space, goal=goal, journal=Journal(path), orphans="keep")
    with tuner:
        return tuner.add_all(checked), len(tuner.history)


def _new_goal(options: Options) -> Goal:
    """The goal of a study that a log begins."""
    objective = options.said.objective or USUAL
    return Goal(objective.removeprefix(METRIC), maximize=options.maximize)


def _say_axes(log: Log, goal: Goal) -> None:
    """Say what the parameters of a new study are."""
    counts = [f"{name} ({log.frame[name].nunique()})" for name in log.roles.params]
    way = "maximising" if goal.maximize else "minimising"
    output.say(f"parameters, with how many values: {', '.join(counts)}; {way} {goal.metric}")


def _require_agreement(tuner: Tuner, options: Options) -> None:
    """Raise OptionError where a command says something else than the study that it adds to."""
    params, names = options.said.params, tuner.space.names
    if params is not None and set(params) != set(names):
        raise OptionError(
            f"dsice import --params {','.join(params)}: this study has the parameters "
            f"{', '.join(names)}; leave --params out, or give another journal with -o"
        )
    if options.maximize and not tuner.history.goal.maximize:
        raise OptionError(
            f"dsice import --maximize: this study minimises {tuner.history.goal.metric!r}; leave "
            "it out, or give another journal with -o"
        )


def _say(log: str, added: Added, trials: int, target: str) -> None:
    for text in added.remarks:
        output.say(text)
    output.say(f"{log}: {added}; {trials} trials")
    output.say(f"go on with: dsice ask {target}, or dsice best, importance, effects")


def _names(text: str | None) -> Sequence[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _fixed(texts: Sequence[str]) -> dict[str, Any]:
    """The values that ``--fixed`` states."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise OptionError(f"--fixed {text}: expected NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = {"True": True, "False": False, "None": None}.get(value, value)
    return found
