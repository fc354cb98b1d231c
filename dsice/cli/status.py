"""`dsice best` and `dsice status`: look at a study, also while another process runs it."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path

from dsice.cli import output
from dsice.journal import requests
from dsice.journal.reader import resolved
from dsice.stopping import savings
from dsice.study.file import read_study
from dsice.trial import Trial
from dsice.tuner import Tuner

WATCH = 5.0  # seconds between two looks
_SHOWN = 5  # requests


def add_best(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice best``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    command.add_argument("--json", action="store_true", help="as one line of JSON")
    command.set_defaults(act=lambda args: best(args.path, as_json=args.json))


def add_status(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice status``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    text = "again every S seconds (%(const)g), until Ctrl-C"
    command.add_argument("--watch", type=float, nargs="?", const=WATCH, metavar="S", help=text)
    command.set_defaults(act=_status)


def _status(args: argparse.Namespace) -> int:
    if args.watch is None:
        return status(args.path)
    from dsice.cli.watch import watch

    return watch(args.path, args.watch, status)


def view(path: str) -> tuple[Tuner, Path]:
    """The study of a journal or of a study file's journal, read only, and the journal."""
    journal = read_study(path).journal if path.endswith(".toml") else Path(path)
    return Tuner.read(journal), journal


def best(path: str, *, as_json: bool = False) -> int:
    """Print the best trial; exit code 1 when there is none yet."""
    tuner, _ = view(path)
    if not as_json:
        return output.best(tuner)
    trial = tuner.best
    if trial is None:
        return 1
    record = {
        "id": trial.id,
        "value": trial.value,
        "n": len(trial.values),
        "spread": trial.spread,
        "confirmed": trial.stage > tuner.history.goal.stage,
        "params": dict(trial.params),
        "metrics": dict(trial.metrics),
    }
    print(json.dumps(record))
    return 0


def status(path: str) -> int:
    """Print trials by state, the budget, the best and what is not told yet."""
    tuner, journal = view(path)
    history = tuner.history
    states = Counter(str(trial.state) for trial in history)
    facts: dict[str, object] = {"journal": journal, "trials": len(history)}
    facts |= {f"  {state}": states[state] for state in sorted(states, key=lambda s: -states[s])}
    if tuner.max_trials is not None:
        share = tuner.asked / tuner.max_trials
        facts["budget"] = f"{tuner.asked} of {tuner.max_trials} asked ({share:.0%})"
    seconds = [trial.seconds for trial in history if trial.seconds is not None]
    if seconds:
        total, mean = sum(seconds), sum(seconds) / len(seconds)
        facts["run time"] = f"{total:.6g} s in all, {mean:.3g} s a trial"
    saved = savings(history)
    if saved.stopped:
        text = "" if math.isnan(saved.share) else f", which saved {saved.share:.0%} of the epochs"
        facts["stopped early"] = f"{saved.stopped} trials{text}"
    facts |= _requests(journal)
    output.facts(facts)
    _sources(tuner)
    output.say()
    output.best(tuner)
    _pending(tuner.pending)
    output.failures(history)
    output.confirmation(tuner)
    return 0


def _sources(tuner: Tuner) -> None:
    """Print the sources that inform the search, where there are such."""
    if tuner.history.sources:
        output.say()
        rows = [
            (
                source.name,
                f"{source.points} of {source.of_points}",
                f"{len(source.parameters)} of {source.of_parameters}",
                f"{'maximising' if source.maximize else 'minimising'} {source.metric}",
                "" if source.weight is None else f"{source.weight:.2f}",
            )
            for source in tuner.sources
        ]
        header = ("source", "points", "parameters", "about", "weight")
        output.table(header, rows, title="the search reuses:")


def _requests(journal: Path) -> dict[str, object]:
    """What other commands asked the coordinator for, and it has not done."""
    path = resolved(journal)
    facts: dict[str, object] = {}
    if waiting := requests.waiting(path):
        text = "; ".join(map(str, waiting[:_SHOWN])) + ("; ..." if waiting[_SHOWN:] else "")
        facts["requests"] = f"{len(waiting)} wait until somebody asks or opens the journal: {text}"
    for one in requests.refused(path)[-_SHOWN:]:
        facts[f"refused {one.file.name}"] = f"{one}: {one.error}"
    return facts


def _pending(pending: list[Trial]) -> None:
    if pending:
        output.say()
        rows = [(trial.id, output.params(trial.params)) for trial in pending]
        title = "running, or left by a coordinator that ended:"
        output.table(("trial", "params"), rows, title=title)
