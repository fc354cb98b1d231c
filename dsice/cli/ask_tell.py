"""`dsice ask` and `dsice tell`: a tuning in which other programs start the trials.

The exit code of `ask` says whether to wait: 1 where the search has finished, 4 where nothing is to
be asked until something is told.

Each is a process of its own that waits for the journal, writes its line and ends. Trials that
were handed out are not handed out twice: only ``--again`` does that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsice.cli import output
from dsice.errors import VISIBLE, OptionError
from dsice.journal import Journal
from dsice.trial import State, Trial
from dsice.tuner import Tuner

FINISHED, WAIT_FOR_TELL = 1, 4  # exit codes of `ask`


def add_ask(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice ask``."""
    text = "a study file starts the study where there is none"
    command.add_argument("path", metavar="JOURNAL|STUDY.toml", help=text)
    command.add_argument("-n", type=int, default=1, metavar="N", help="how many (default: 1)")
    text = "hand this one out anew; may be repeated"
    command.add_argument("--again", type=int, action="append", default=[], metavar="ID", help=text)
    command.add_argument("--json", action="store_true", help="one line of JSON for each trial")
    text = "print the command of the study file that measures each trial"
    command.add_argument("--command", action="store_true", help=text)
    output.add_wait(command)
    command.set_defaults(
        act=lambda args: ask(
            args.path,
            args.n,
            again=args.again,
            as_json=args.json,
            as_command=args.command,
            wait=args.wait,
        )
    )


def add_tell(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice tell``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    command.add_argument("id", type=int, nargs="?", metavar="ID", help="the trial")
    text = "what was measured; several: repeats"
    command.add_argument("values", nargs="*", metavar="VALUE", help=text)
    text = "another metric; of one name several times: repeats"
    command.add_argument("--metric", action="append", default=[], metavar="NAME=VALUE", help=text)
    command.add_argument("--seconds", type=float, metavar="S", help="run time")
    command.add_argument("--error", metavar="TEXT", help="what went wrong: the trial failed")
    command.add_argument("--state", metavar="STATE", help="timed_out, invalid, stopped or lost")
    text = "results as lines of JSON; - is the standard input"
    command.add_argument("--from", dest="file", metavar="FILE", help=text)
    output.add_wait(command)
    command.set_defaults(act=_tell_or_tell_from)


def _tell_or_tell_from(args: argparse.Namespace) -> int:
    if (args.id is None) == (args.file is None):
        raise OptionError(
            "dsice tell: give either the id of a trial and what was measured, or --from FILE"
        )
    if args.file is not None:
        return tell_from(args.path, args.file, wait=args.wait)
    return tell(
        args.path,
        args.id,
        args.values,
        metrics=args.metric,
        seconds=args.seconds,
        error=args.error,
        state=args.state,
        wait=args.wait,
    )


def ask(
    path: str,
    n: int = 1,
    *,
    again: Sequence[int] = (),
    as_json: bool = False,
    as_command: bool = False,
    wait: float = output.WAIT,
) -> int:
    """Print trials to measure.

    Exit code 1 where the search has finished, 4 where there is none until something is told.

    Parameters
    ----------
    path
        A journal, or a study file, which also starts a study.
    n
        How many new ones.
    again
        Ids of pending or lost trials that are to be measured anew; then nothing new is asked.
    as_json
        As lines of JSON instead of a table.
    as_command
        As commands, each below a comment with the trial; with `as_json`, as a field of each line.
    wait
        Seconds to wait for another writer.

    Raises
    ------
    OptionError
        `n` is less than 1, a trial of `again` has its result, or there is no command to print.
    DsiceError
        The study file or the journal cannot be used.
    """
    fill = _command(path) if as_command else None
    with _open(path, wait, start=True) as tuner:
        trials = [_asked_before(tuner, id) for id in again] if again else tuner.ask(n)
        if not trials:
            return _nothing_to_ask(tuner)
    for trial in trials if as_json else ():
        command = {} if fill is None else {"command": fill(trial.params)}
        print(json.dumps(_as_record(trial) | command))
    if not as_json and fill is not None:
        for trial in trials:
            print(f"# trial {trial.id}: {output.cell(output.params(trial.params))}")
            print(_printable(fill(trial.params)))
    elif not as_json:
        rows = [(trial.id, output.params(trial.params)) for trial in trials]
        output.table(("trial", "params"), rows)
    return 0


def _nothing_to_ask(tuner: Tuner) -> int:
    """Say why nothing is asked; the exit code says whether to wait."""
    n = len(tuner.pending)
    pending = f"{n} trial is pending" if n == 1 else f"{n} trials are pending"
    end = tuner.end
    if end is None and n:
        ids = ", ".join(str(trial.id) for trial in tuner.pending[:5]) + (", ..." if n > 5 else "")
        lost = f"one that will never end is told with `dsice tell STUDY ID --state lost` ({ids})"
        output.say(f"nothing to ask before a pending trial is told: {pending}; {lost}", error=True)
        return WAIT_FOR_TELL
    still = f"; {pending}" if n else ""
    why = "" if end is None else f": {end.with_advice}"
    output.say(f"finished{why}{still}", error=True)
    return FINISHED


def _command(path: str) -> Callable[[Mapping[str, Any]], str]:
    """From params to the command of a study file that measures them.

    Raises
    ------
    OptionError
        It is none of a study file, or that has no command.
    """
    from dsice.launchers.command import Command
    from dsice.study.file import read_study

    if not path.endswith(".toml"):
        raise OptionError(f"--command: the command stands in a study file, and {path} is a journal")
    study = read_study(path)
    if study.is_function or not study.program:
        raise OptionError(f"--command: {study.path.name} has no command in [study]")
    return Command.parse(study.program, study.space.names).render


def _printable(command: str) -> str:
    """A command as it is; OptionError where a terminal would obey something in it."""
    if command != command.translate(VISIBLE):
        raise OptionError(
            f"--command: {command!r} has control characters; --json prints it in a safe form"
        )
    return command


def _asked_before(tuner: Tuner, id: int) -> Trial:
    """A trial that was handed out and may be handed out again."""
    if not 0 <= id < len(tuner.history):
        raise OptionError(f"--again {id}: no such trial; there are {len(tuner.history)}")
    trial = tuner.history[id]
    if trial.state not in (State.PENDING, State.LOST):
        raise OptionError(
            f"--again {id}: this trial was told already ({trial.state}, value {trial.value})"
        )
    if id in tuner.history.forbidden:
        raise OptionError(f"--again {id}: this trial breaks a rule that was learnt later")
    return trial


def _as_record(trial: Trial) -> dict[str, Any]:
    """A trial as JSON, without what is at its default."""
    record: dict[str, Any] = {"id": trial.id, "params": dict(trial.params)}
    for name in ("stage", "repeat", "member"):
        if getattr(trial, name):
            record[name] = getattr(trial, name)
    if trial.parent is not None:
        record["parent"] = trial.parent
    return record


def tell(
    path: str,
    id: int,
    values: Sequence[str] = (),
    *,
    metrics: Sequence[str] = (),
    seconds: float | None = None,
    error: str | None = None,
    state: str | None = None,
    wait: float = output.WAIT,
) -> int:
    """Record how a trial ended, and print it.

    Parameters
    ----------
    path
        A journal or a study file.
    id
        The trial.
    values, metrics
        Numbers as text; ``NAME=NUMBER``.
    seconds, error, state
        As in `Tuner.tell`.
    wait
        Seconds to wait for another writer.
    """
    numbers = [_number(text, "VALUE") for text in values]
    named: dict[str, list[float]] = {}
    for text in metrics:
        name, equals, number = text.partition("=")
        if not name or not equals:
            raise OptionError(f"--metric {text}: expected NAME=VALUE")
        named.setdefault(name, []).append(_number(number, f"--metric {name}"))
    value: float | list[float] | None = numbers or None
    if len(numbers) == 1:
        value = numbers[0]
    with _open(path, wait) as tuner:
        trial = tuner.tell(id, value, metrics=named, seconds=seconds, error=error, state=state)
        text = "" if trial.value is None else f", {output.cell(trial.value)}"
        output.say(f"trial {trial.id}: {trial.state}{text}")
    return 0


def tell_from(path: str, file: str, *, wait: float = output.WAIT) -> int:
    """Record results from lines of JSON; those that are in the journal already are passed over.

    A line has the arguments of `Tuner.tell`: id, value, metrics, seconds, error, state, tags,
    times, where. Lines that dsice saved when it could not write the journal are taken too.

    Parameters
    ----------
    path
        A journal or a study file.
    file
        The file with the lines; ``-`` is the standard input.
    wait
        Seconds to wait for another writer.

    Raises
    ------
    OptionError
        The file cannot be read or is the journal of another study; or some lines are no result or
        contradict what was told. All other lines are recorded.
    """
    from dsice.cli.tell_from import record_lines

    with _open(path, wait) as tuner:
        said = record_lines(tuner, file)
    output.say(said)
    return 0


def _open(path: str, wait: float, *, start: bool = False) -> Tuner:
    """The tuner of a study, for one short look or line.

    Parameters
    ----------
    start
        Whether a study file may start the study; only then its options come into force.
    """
    if not path.endswith(".toml"):
        journal = Journal(path, wait=wait, create=False)
        return Tuner.resume(journal, orphans="keep") if start else Tuner.to_record(journal)
    from dsice.study.file import read_study  # imports the launchers

    study = read_study(path)
    if start:
        return study.tuner(orphans="keep", wait=wait)
    return Tuner.to_record(Journal(study.journal, lock=study.lock, wait=wait, create=False))


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{what} {text!r}: expected a number") from None
