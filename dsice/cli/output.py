"""What several commands print: tables and facts, and what a study has found.

Tables are drawn on a terminal, and are plain columns in a pipe. Whatever a command prints for a
person goes through `say`, `table` or `facts`: names, values and errors of a journal may be
somebody else's, and give no orders to the terminal.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsice.errors import VISIBLE, VISIBLE_IN_LINE
from dsice.space.values import as_text

if TYPE_CHECKING:
    from dsice.trial import Trial
    from dsice.tuner import Tuner

_DETAILS = ("last lines of ", "logs: ", "log: ", "it printed nothing", "Traceback (", 'File "')
"""How the lines begin with which the details of an error begin."""
_BARE = r"exit code \d+|killed by signal \d+ \(\w+\)(?:; out of memory, perhaps)?"
WAIT = 60.0  # seconds to wait for another writer: many may tell at the same moment


def add_wait(command: argparse.ArgumentParser) -> None:
    """The argument ``--wait`` of the commands that write a journal."""
    text = "for another writer (default: %(default)g s)"
    command.add_argument("--wait", type=float, default=WAIT, metavar="S", help=text)


def say(text: object = "", *, error: bool = False) -> None:
    """Print a text for a person, on stderr with `error`."""
    print(str(text).translate(VISIBLE), file=sys.stderr if error else sys.stdout, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print rows under a header; numbers to the right."""
    header = [cell(name) for name in header]
    texts = [[cell(value) for value in row] for row in rows]
    right = [
        all(isinstance(row[j], (int, float)) or row[j] in (None, "") for row in rows)
        for j in range(len(header))
    ]
    if sys.stdout.isatty():
        _draw(header, texts, right, title.translate(VISIBLE))
        return
    if title:
        say(title)
    widths = [max(len(text) for text in column) for column in zip(header, *texts, strict=True)]
    for line in (header, *texts):
        cells = [
            text.rjust(width) if numbers else text.ljust(width)
            for text, width, numbers in zip(line, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _draw(
    header: Sequence[str], texts: Sequence[Sequence[str]], right: Sequence[bool], title: str
) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading = Text(title, style="table.title") if title else None  # no markup either
    grid = Table(title=heading, title_justify="left", box=SIMPLE)
    for name, numbers in zip(header, right, strict=True):
        grid.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for line in texts:
        grid.add_row(*map(Text, line))  # Text: a value in square brackets is no markup
    Console(highlight=False).print(grid)


def facts(pairs: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    texts = [(cell(name), cell(value)) for name, value in pairs.items()]
    width = max((len(name) for name, _ in texts), default=0)
    for name, text in texts:
        print(f"{name.ljust(width)}  {text}")


def cell(value: object) -> str:
    """Text of a value, on one line: floats with 6 digits, nothing for None."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.translate(VISIBLE_IN_LINE)


def params(named: Mapping[str, Any]) -> str:
    """Params on one line."""
    return ", ".join(f"{name} = {as_text(value)}" for name, value in named.items())


def warn(message: object) -> None:
    """Print a warning as one line on stderr."""
    say(f"dsice: warning: {message}", error=True)


def best(tuner: Tuner, other: Trial | None = None) -> int:
    """Print the best trial of a tuner, or another in its place; exit code 1 when there is none."""
    trial = tuner.best if other is None else other
    if trial is None:
        text = "no trial has a value yet"
        missing = " and ".join(map(repr, tuner.history.unreported()))
        if missing:
            text += f": none reported {missing}, which the goal needs"
        say(text)
        return 1
    goal = tuner.history.goal
    found: dict[str, object] = {f"best {goal.metric}": goal.describe(trial)}
    found |= {f"  {name}": as_text(value) for name, value in trial.params.items()}
    found |= {name: value for name, value in trial.metrics.items() if name != goal.metric}
    if goal.violation(trial):
        found["not feasible"] = (
            "no trial keeps the goal's bounds "
            f"(at most {dict(goal.at_most)}, at least {dict(goal.at_least)})"
        )
    if trial.id in tuner.history.forbidden:
        found["forbidden"] = "it breaks a rule that was learnt later"
    facts(found | {"trial": trial.id, "seconds": trial.seconds})
    return 0


def end(tuner: Tuner) -> None:
    """Print why the search has ended, and what to try next, where it has."""
    from dsice.tuner.ending import end_to_show

    if (found := end_to_show(tuner)) is not None:
        say(f"ended: {found.with_advice}".translate(VISIBLE_IN_LINE))


def failures(history: Iterable[Trial]) -> None:
    """Print why trials have no value, where there are such."""
    failed = [trial for trial in history if trial.error]
    if failed:
        print()
        rows = [(trial.id, str(trial.state), _brief(trial.error or "")) for trial in failed[-5:]]
        title = f"the last of {len(failed)} without a value:"
        table(("trial", "state", "error"), rows, title=title)


def _brief(error: str) -> str:
    """Why a trial failed, whole, and the last line of its stderr where that is all that says it."""
    reason, last = [], ""
    lines = [line.strip() for line in error.split("\n")]
    for i, line in enumerate(lines):
        if line.startswith(_DETAILS):
            shown = itertools.takewhile(lambda text: not text.startswith(_DETAILS), lines[i + 1 :])
            last = next((text for text in reversed(list(shown)) if text), "")
            break
        reason.append(line)
    text = " | ".join(filter(None, reason))
    return f"{text}: {last}" if last and re.fullmatch(_BARE, text) else text


def confirmation(tuner: Tuner) -> None:
    """Print the points that were confirmed, where there are such."""
    history = tuner.history
    if not history.of_stage(history.goal.stage + 1).any():
        return
    found = tuner.confirmation
    if found.pairs:
        print()
        several = any(len(full.values) > 1 for _, full in found.pairs)
        rows = [
            (full.id, short.id, cell(short.value), cell(full.value) or str(full.state))
            + ((len(full.values), full.spread) if several else ())
            for short, full in found.pairs
        ]
        header = ("trial", "of", "short", "full", *(("n", "sd") if several else ()))
        table(header, rows, title=f"trained in full, best first ({found.said_of_ranks}):")
