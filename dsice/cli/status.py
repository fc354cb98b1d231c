"""`dsice best` and `dsice status`: look at a study, also while another process runs it."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dsice.cli import output
from dsice.errors import OptionError
from dsice.stopping import savings
from dsice.study.file import read_study
from dsice.trial import Trial
from dsice.tuner import Tuner

WATCH = 5.0  # seconds between two looks


def look(path: str) -> tuple[Tuner, Path]:
    """The study of a journal or of a study file's journal, read only."""
    journal = read_study(path).journal if path.endswith(".toml") else Path(path)
    return Tuner.read(journal), journal


def best(path: str, *, as_json: bool = False) -> int:
    """Print the best trial; exit code 1 when there is none yet."""
    tuner, _ = look(path)
    if not as_json:
        return show_best(tuner)
    trial = tuner.best
    if trial is None:
        return 1
    print(
        json.dumps(
            {
                "id": trial.id,
                "value": trial.value,
                "params": dict(trial.params),
                "metrics": dict(trial.metrics),
            }
        )
    )
    return 0


def show_best(tuner: Tuner) -> int:
    """Print the best trial of a tuner."""
    trial = tuner.best
    if trial is None:
        lacking = " and ".join(map(repr, tuner.history.unreported()))
        print(
            f"no trial has a value yet{f': none reported {lacking}, which the goal needs' if lacking else ''}"
        )
        return 1
    goal = tuner.history.goal
    facts: dict[str, object] = {f"best {goal.metric}": trial.value}
    facts |= {f"  {name}": value for name, value in trial.params.items()}
    facts |= {name: value for name, value in trial.metrics.items() if name != goal.metric}
    if goal.violation(trial):
        facts["not feasible"] = (
            f"no trial keeps the goal's bounds (at most {dict(goal.at_most)}, at least {dict(goal.at_least)})"
        )
    output.facts(facts | {"trial": trial.id, "seconds": trial.seconds})
    return 0


def status(path: str) -> int:
    """Print trials by state, the budget, the best and what is not told yet."""
    tuner, journal = look(path)
    history = tuner.history
    states = Counter(str(trial.state) for trial in history)
    facts: dict[str, object] = {"journal": journal, "trials": len(history)}
    facts |= {f"  {state}": states[state] for state in sorted(states, key=lambda s: -states[s])}
    if tuner.max_trials is not None:
        facts["budget"] = (
            f"{tuner.asked} of {tuner.max_trials} asked ({tuner.asked / tuner.max_trials:.0%})"
        )
    seconds = [trial.seconds for trial in history if trial.seconds is not None]
    if seconds:
        facts["run time"] = (
            f"{sum(seconds):.6g} s in all, {sum(seconds) / len(seconds):.3g} s a trial"
        )
    saved = savings(history)
    if saved.stopped:
        share = "" if math.isnan(saved.share) else f", which saved {saved.share:.0%} of the epochs"
        facts["stopped early"] = f"{saved.stopped} trials{share}"
    output.facts(facts)
    print()
    show_best(tuner)
    _running(tuner.pending)
    show_failures(history)
    show_confirmation(tuner)
    return 0


def watch(path: str, seconds: float) -> int:
    """`status` again and again, until Ctrl-C.

    Raises
    ------
    OptionError
        `seconds` is not above 0.
    """
    if not 0 < seconds < math.inf:
        raise OptionError(f"--watch {seconds:g}: expected a number of seconds > 0")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if sys.stdout.isatty():
                print("\033[H\033[2J", end="")
            status(path)
            print(
                f"\n{time.strftime('%H:%M:%S')}, again in {seconds:g} s; Ctrl-C ends this",
                flush=True,
            )
            time.sleep(seconds)
            print()
    return 0


def _running(pending: list[Trial]) -> None:
    if pending:
        print()
        rows = [(trial.id, output.params(trial.params)) for trial in pending]
        output.table(
            ("trial", "params"), rows, title="running, or left by a coordinator that ended:"
        )


def show_failures(history: Iterable[Trial]) -> None:
    """Print why trials have no value, where there are such."""
    failed = [trial for trial in history if trial.error]
    if failed:
        print()
        rows = [(t.id, str(t.state), _brief(t.error or "")) for t in failed[-5:]]
        output.table(
            ("trial", "state", "error"), rows, title=f"the last of {len(failed)} without a value:"
        )


def show_confirmation(tuner: Tuner) -> None:
    """Print the points that were trained in full, where there are such."""
    found = tuner.confirmation
    if found.pairs:
        print()
        rows = [
            (
                full.id,
                short.id,
                output.cell(short.value),
                output.cell(full.value) if full.value is not None else str(full.state),
            )
            for short, full in found.pairs
        ]
        known = "not known" if found.rank_correlation is None else f"{found.rank_correlation:.2f}"
        title = f"trained in full, best first (rank correlation between short and full: {known}):"
        output.table(("trial", "of", "short", "full"), rows, title=title)


def _brief(error: str) -> str:
    """First and last line of an error, without the line that says where the logs are."""
    lines = [
        line.strip()
        for line in error.splitlines()
        if line.strip() and not line.startswith("logs: ")
    ]
    return " | ".join(dict.fromkeys(line[:100] for line in (*lines[:1], *lines[-1:])))
