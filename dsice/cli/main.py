"""The command line: ``dsice run study.toml`` and its siblings.

The table `COMMANDS` says where each command is. Its module is imported, and adds its arguments,
only when it is the one that was typed: ``dsice --help``, and ``dsice step`` in the middle of a
trial, start at once.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from dsice import worker
from dsice.checks import NO_FOLDER
from dsice.cli import output
from dsice.errors import VISIBLE, DsiceError, OptionError

BAD_INPUT, STOP, INTERRUPTED, BROKEN_PIPE = 2, 3, 130, 141
_NEEDS_NO_FOLDER = ("step", None)

_NEGATIVE = re.compile(r"-(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:e[-+]?\d+)?$|-(?:inf|infinity|nan)$", re.I)

COMMANDS = {
    "run": ("run", "start a study, or go on with it"),
    "resume": ("run", "go on with a study; an error if there is none"),
    "advance": ("run", "collect, tell, submit and leave: a coordinator that need not stay"),
    "cancel": ("cancel", "end trials that wait or run"),
    "doctor": ("doctor", "run one trial of a study and check every step to its result"),
    "step": ("main", "in a trial's program: report a point of its learning curve"),
    "ask": ("ask_tell", "print trials to measure elsewhere"),
    "tell": ("ask_tell", "record what was measured elsewhere"),
    "withdraw": ("withdraw", "take back what was told of trials: a wrong value"),
    "retry": ("withdraw", "let trials that failed be measured once more"),
    "import": ("import_log", "add the measurements of a log: CSV, Parquet, JSON lines"),
    "export": ("export", "write all trials as CSV, Parquet or JSON lines"),
    "extend": (
        "extend",
        "go on with the old measurements after the space of a study file has grown",
    ),
    "best": ("status", "print the best trial"),
    "status": ("status", "print how far a study is, also while it runs"),
    "report": ("report", "write all that is known of a study as one HTML file"),
    "plot": ("plot", "draw a figure of a study for a paper: .png, .pdf or .svg"),
    "importance": ("insight", "print which parameters matter"),
    "effects": ("insight", "print how the score depends on each parameter"),
    "replay": ("replay", "let a strategy search a log of measurements"),
    "journal": ("journal", "check or repair a journal"),
    "completion": ("main", "print what makes bash or zsh complete dsice's commands"),
}
"""Name, module and help of each command; the module's ``add_NAME`` adds the arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        Exit code: 0; 1 nothing to show, of `ask` a search that has finished, of `journal check` a
        damaged journal; 2 wrong input, with a message on stderr; 3 a trial is asked to stop; 4
        nothing to ask until something is told; 130 after Ctrl-C.
    """
    is_program = argv is None
    argv = sys.argv[1:] if argv is None else argv
    args = argparse.Namespace()
    try:
        _require_folder(_typed(argv))
        args = _parser(argv).parse_args(argv)
        act: Callable[[argparse.Namespace], int] = args.act
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: output.warn(message)
            code = act(args)
            sys.stdout.flush()
            return code
    except DsiceError as error:
        output.say(f"dsice: {error}", error=True)
        return BAD_INPUT
    except KeyboardInterrupt:
        if is_program:
            _leave_at_once_if_interrupted()
        text = args.interrupted(args) if "interrupted" in args else "interrupted"
        output.say(text, error=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe left: `dsice status ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE


def _parser(argv: Sequence[str] | None) -> argparse.ArgumentParser:
    """The parser; of all commands only the one in `argv` has its arguments; None: each has."""
    parser = _Parser(prog="dsice", description="Tune slow programs over grids of discrete values.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    typed = None if argv is None else _typed(argv)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name == typed or argv is None:
            add = getattr(import_module(f"dsice.cli.{module}"), f"add_{name}")
            add(command)
    return parser


def _typed(argv: Sequence[str]) -> str | None:
    """The command that was typed."""
    return next((word for word in argv if not word.startswith("-")), None)


def _require_folder(command: str | None) -> None:
    """Raise OptionError where the folder in which the command was typed is deleted."""
    if command in _NEEDS_NO_FOLDER:
        return
    try:
        Path.cwd()
    except OSError as error:
        raise OptionError(NO_FOLDER) from error


def _leave_at_once_if_interrupted() -> None:
    """From now on Ctrl-C ends the process at once, with the exit code of the first.

    While the interpreter shuts down, which has no handlers any more, it does nothing.
    """
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


class _Parser(argparse.ArgumentParser):
    """Takes every negative number as a value, and shows bad arguments as `output.say` does.

    Options may stand anywhere: before, between and behind the other words.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Python before 3.14 takes -5e-05 for an option that it does not know
        self._negative_number_matcher = _NEGATIVE
        self._intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As always; words of a command that has no commands of its own may stand anywhere."""
        if self._intermixed or any(action.nargs == argparse.PARSER for action in self._actions):
            return super().parse_known_args(args, namespace)
        self._intermixed = True  # it calls this method in its turn
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False

    def error(self, message: str) -> NoReturn:
        super().error(message.translate(VISIBLE))


def add_step(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice step``."""
    command.add_argument("step", type=int, metavar="STEP", help="number of the epoch or iteration")
    command.add_argument("value", type=float, metavar="VALUE", help="the metric there")
    command.set_defaults(act=lambda args: STOP if worker.step(args.step, args.value) else 0)


def add_completion(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice completion``."""
    from dsice.cli.completion import SHELLS, script

    text = "put its output where the shell reads it: docs/command-line.md"
    command.add_argument("shell", choices=SHELLS, help=text)
    command.set_defaults(act=lambda args: script(_parser(None), args.shell))


class _Version(argparse.Action):
    """Looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"dsice {version('dsice')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
