"""The command line: ``dsice run study.toml`` and its siblings."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence

from dsice import worker
from dsice.cli import ask_tell, insight, output
from dsice.cli import cancel as cancelling
from dsice.cli import doctor as doctoring
from dsice.cli import extend as extending
from dsice.cli import journal as journals
from dsice.cli import replay as replaying
from dsice.cli import run as studies
from dsice.cli import status as looking
from dsice.errors import DsiceError, OptionError
from dsice.strategies import strategy_names

BAD_INPUT, STOP, INTERRUPTED, BROKEN_PIPE = 2, 3, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        Exit code: 0; 1 nothing to show or a damaged journal; 2 wrong input, with a message on stderr; 3 a trial
        is asked to stop; 130 after Ctrl-C.
    """
    args = _parser().parse_args(argv)
    act: Callable[[argparse.Namespace], int] = args.act
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: output.warn(message)
            code = act(args)
            sys.stdout.flush()
            return code
    except DsiceError as error:
        print(f"dsice: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(
            studies.go_on(args.study, args.again) if "study" in args else "interrupted",
            file=sys.stderr,
        )
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe left: `dsice status ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dsice", description="Tune slow programs over grids of discrete values."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="start a study, or go on with it")
    resume = commands.add_parser("resume", help="go on with a study; an error if there is none")
    for command, must_exist in ((run, False), (resume, True)):
        command.add_argument("study", help="the study file, in TOML")
        command.add_argument("--no-progress", action="store_true", help="show no progress")
        command.set_defaults(act=_tune, must_exist=must_exist, again="resume")

    _add_advance(
        commands.add_parser(
            "advance", help="collect, tell, submit and leave: a coordinator that need not stay"
        )
    )
    cancel = commands.add_parser("cancel", help="end trials that wait or run")
    cancel.add_argument("path", metavar="STUDY.toml")
    cancel.add_argument(
        "ids", type=int, nargs="*", metavar="ID", help="the trials; all of them without one"
    )
    cancel.set_defaults(act=lambda args: cancelling.cancel(args.path, args.ids))
    doctor = commands.add_parser(
        "doctor", help="send one job and check every step from submit to result"
    )
    doctor.add_argument("path", metavar="STUDY.toml")
    text = "for the job to start and end (default: %(default)g s)"
    doctor.add_argument("--wait", type=float, default=doctoring.WAIT, metavar="S", help=text)
    doctor.set_defaults(act=lambda args: doctoring.examine(args.path, wait=args.wait))
    step = commands.add_parser(
        "step", help="in a trial's program: report a point of its learning curve"
    )
    step.add_argument("step", type=int, metavar="STEP", help="number of the epoch or iteration")
    step.add_argument("value", type=float, metavar="VALUE", help="the metric there")
    step.set_defaults(act=lambda args: STOP if worker.step(args.step, args.value) else 0)

    _add_ask(commands.add_parser("ask", help="print trials to measure elsewhere"))
    _add_tell(commands.add_parser("tell", help="record what was measured elsewhere"))

    extend = commands.add_parser(
        "extend", help="go on with the old measurements after the space of a study file has grown"
    )
    extend.add_argument("path", metavar="STUDY.toml")
    text = "what the old trials were measured with, for each new parameter"
    extend.add_argument("--value", action="append", default=[], metavar="NAME=VALUE", help=text)
    extend.set_defaults(act=lambda args: extending.widen(args.path, values=args.value))

    best = commands.add_parser("best", help="print the best trial")
    best.add_argument("path", metavar="JOURNAL|STUDY.toml")
    best.add_argument("--json", action="store_true", help="as one line of JSON")
    best.set_defaults(act=lambda args: looking.best(args.path, as_json=args.json))

    status = commands.add_parser("status", help="print how far a study is, also while it runs")
    status.add_argument("path", metavar="JOURNAL|STUDY.toml")
    status.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=looking.WATCH,
        metavar="S",
        help="again every S seconds (%(const)g), until Ctrl-C",
    )
    status.set_defaults(
        act=lambda args: (
            looking.status(args.path)
            if args.watch is None
            else looking.watch(args.path, args.watch)
        )
    )

    answers: tuple[tuple[str, str, Callable[..., int]], ...] = (
        ("importance", "print which parameters matter", insight.importance),
        ("effects", "print how the score depends on each parameter", insight.effects),
    )
    for name, text, tell in answers:
        answer = commands.add_parser(name, help=text)
        answer.add_argument("path", metavar="JOURNAL|STUDY.toml")
        answer.add_argument("--plot", metavar="FILE", help="draw it too: .png, .svg or .pdf")
        answer.set_defaults(act=lambda args, tell=tell: tell(args.path, plot=args.plot))

    _add_replay(commands.add_parser("replay", help="let a strategy search a log of measurements"))

    journal = commands.add_parser("journal", help="check or repair a journal").add_subparsers(
        required=True, metavar="ACTION"
    )
    actions: tuple[tuple[str, str, Callable[[str], int]], ...] = (
        ("check", "say whether it is whole", journals.check),
        ("repair", "take unreadable lines out; a copy is kept", journals.mend),
    )
    for name, text, do in actions:
        action = journal.add_parser(name, help=text)
        action.add_argument("path", metavar="JOURNAL")
        action.set_defaults(act=lambda args, do=do: do(args.path))
    return parser


def _add_ask(ask: argparse.ArgumentParser) -> None:
    ask.add_argument(
        "path",
        metavar="JOURNAL|STUDY.toml",
        help="a study file starts the study where there is none",
    )
    ask.add_argument("-n", type=int, default=1, metavar="N", help="how many (default: 1)")
    ask.add_argument(
        "--again",
        type=int,
        action="append",
        default=[],
        metavar="ID",
        help="hand this one out anew; may be repeated",
    )
    ask.add_argument("--json", action="store_true", help="one line of JSON for each trial")
    ask.add_argument(
        "--wait",
        type=float,
        default=ask_tell.WAIT,
        metavar="S",
        help="for another writer (default: %(default)g s)",
    )
    ask.set_defaults(
        act=lambda args: ask_tell.ask(
            args.path, args.n, again=args.again, as_json=args.json, wait=args.wait
        ),
    )


def _add_advance(advance: argparse.ArgumentParser) -> None:
    advance.add_argument(
        "study",
        metavar="STUDY.toml",
        help="its jobs go on without a coordinator: [launcher] kind = 'batch'",
    )
    advance.add_argument(
        "--for",
        dest="seconds",
        type=float,
        default=0.0,
        metavar="S",
        help="stay S seconds (default: one look)",
    )
    advance.add_argument(
        "--wait",
        type=float,
        default=ask_tell.WAIT,
        metavar="S",
        help="for another writer (default: %(default)g s)",
    )
    advance.set_defaults(
        act=lambda args: studies.advance(args.study, seconds=args.seconds, wait=args.wait),
        again="advance",
    )


def _add_tell(tell: argparse.ArgumentParser) -> None:
    tell.add_argument("path", metavar="JOURNAL|STUDY.toml")
    tell.add_argument("id", type=int, nargs="?", metavar="ID", help="the trial")
    tell.add_argument(
        "values", nargs="*", metavar="VALUE", help="what was measured; several: repeats"
    )
    tell.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another metric; may be repeated",
    )
    tell.add_argument("--seconds", type=float, metavar="S", help="run time")
    tell.add_argument("--error", metavar="TEXT", help="what went wrong: the trial failed")
    tell.add_argument("--state", metavar="STATE", help="timed_out, invalid, stopped or lost")
    tell.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="results as lines of JSON; - is the standard input",
    )
    tell.add_argument(
        "--wait",
        type=float,
        default=ask_tell.WAIT,
        metavar="S",
        help="for another writer (default: %(default)g s)",
    )
    tell.set_defaults(act=_tell)


def _tell(args: argparse.Namespace) -> int:
    if (args.id is None) == (args.file is None):
        raise OptionError(
            "dsice tell: give either the id of a trial and what was measured, or --from FILE"
        )
    if args.file is not None:
        return ask_tell.tell_from(args.path, args.file, wait=args.wait)
    return ask_tell.tell(
        args.path,
        args.id,
        args.values,
        metrics=args.metric,
        seconds=args.seconds,
        error=args.error,
        state=args.state,
        wait=args.wait,
    )


def _add_replay(replay: argparse.ArgumentParser) -> None:
    replay.add_argument(
        "table", help="a .csv, .csv.gz, .tsv or .parquet file, or a journal (.jsonl)"
    )
    replay.add_argument(
        "--objective",
        metavar="COLUMN",
        help="what to optimise (default: objective; a journal's own metric)",
    )
    replay.add_argument(
        "--batch", type=int, metavar="N", help=f"trials in a round (default: {replaying.BATCH})"
    )
    replay.add_argument(
        "--params",
        metavar="A,B,C",
        help="columns of the parameters (default: those left of the objective)",
    )
    replay.add_argument(
        "--seconds",
        metavar="COLUMN",
        help="column of the run times (default: seconds, if it is there)",
    )
    replay.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="run on a virtual clock with so many workers, a round for all",
    )
    replay.add_argument(
        "--mode",
        choices=("rounds", "async"),
        help="with --workers: rounds (default), or a trial for each free worker",
    )
    replay.add_argument(
        "--missing",
        choices=("exclude", "fail", "error"),
        default="exclude",
        help="points that are not in the log",
    )
    replay.add_argument("--strategy", choices=sorted(strategy_names()), default="dsice")
    replay.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help=f"most trials of a search (default: {replaying.ROUNDS} rounds)",
    )
    replay.add_argument("--seed", type=int, default=0, metavar="N")
    replay.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="medians over so many seeds, beside random search",
    )
    replay.add_argument("--maximize", action="store_true", help="more is better")
    replay.set_defaults(act=_replay)


def _tune(args: argparse.Namespace) -> int:
    return studies.tune(args.study, must_exist=args.must_exist, progress=not args.no_progress)


def _replay(args: argparse.Namespace) -> int:
    return replaying.replay(
        args.table,
        objective=args.objective,
        batch=args.batch,
        params=args.params.split(",") if args.params else None,
        seconds=args.seconds,
        missing=args.missing,
        maximize=args.maximize,
        workers=args.workers,
        mode=args.mode,
        strategy=args.strategy,
        trials=args.trials,
        seed=args.seed,
        seeds=args.seeds,
    )


class _Version(argparse.Action):
    """Looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"dsice {version('dsice')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
