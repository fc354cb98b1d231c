"""`dsice best` and `dsice status`: look at a study, also while another process runs it."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np

from dsice.checks import expanded
from dsice.cli import output
from dsice.journal import requests
from dsice.journal.reader import resolved
from dsice.stopping import savings
from dsice.strategies import as_strategy
from dsice.study.file import read_study
from dsice.trial import Trial
from dsice.tuner import Tuner
from dsice.tuner.ending import end_to_show

WATCH = 5.0  # seconds between two looks
_SHOWN = 5  # requests


def add_best(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice best``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    command.add_argument("--json", action="store_true", help="as one line of JSON")
    text = "also of trials that break a rule which was learnt later"
    command.add_argument("--forbidden", action="store_true", help=text)
    command.set_defaults(
        act=lambda args: best(args.path, as_json=args.json, forbidden=args.forbidden)
    )


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

    return watch(args.path, args.watch, show)


def view(path: str) -> tuple[Tuner, Path]:
    """The study of a journal or of a study file's journal, read only, and the journal."""
    journal = read_study(path).journal if path.endswith(".toml") else expanded(path)
    return Tuner.read(journal), journal


def best(path: str, *, as_json: bool = False, forbidden: bool = False) -> int:
    """Print the best trial; exit code 1 when there is none yet.

    With `forbidden`, it is the best of all, also of trials that break a rule learnt later.
    """
    tuner, _ = view(path)
    trial = next(iter(tuner.history.leading(1, forbidden=True)), None) if forbidden else tuner.best
    if not as_json:
        code = output.best(tuner, trial)
        output.end(tuner)
        return code
    if trial is None:
        return 1
    end = end_to_show(tuner)
    record = {
        "id": trial.id,
        "value": trial.value,
        "n": len(trial.values),
        "spread": trial.spread,
        "confirmed": trial.stage > tuner.history.goal.stage,
        "params": dict(trial.params),
        "metrics": dict(trial.metrics),
        "end": None if end is None else {"reason": end.reason, "figures": dict(end.figures)},
    }
    print(json.dumps(record))
    return 0


def status(path: str) -> int:
    """Print trials by state, the budget, the best and what is not told yet."""
    show(*view(path))
    return 0


def show(tuner: Tuner, journal: Path) -> None:
    """The same of a tuner that was read already."""
    history = tuner.history
    facts: dict[str, object] = {"journal": journal, "trials": len(history)}
    facts |= _states(tuner)
    if tuner.max_trials is not None:
        share = tuner.asked / tuner.max_trials
        facts["budget"] = f"{tuner.asked} of {tuner.max_trials} asked ({share:.0%})"
    facts |= _run_times(tuner)
    saved = savings(history)
    if saved.stopped:
        text = "" if math.isnan(saved.share) else f", which saved {saved.share:.0%} of the epochs"
        facts["stopped early"] = f"{saved.stopped} trials{text}"
    if history.forbidden:
        text = "break a rule that was learnt later, and none of them is the best"
        facts["forbidden"] = f"{len(history.forbidden)} trials {text}"
    facts |= _requests(journal)
    if (end := end_to_show(tuner)) is not None:
        facts["ended"] = end.with_advice
    output.facts(facts)
    _sources(tuner)
    output.say()
    output.best(tuner)
    _pending(tuner.pending)
    output.failures(history)
    output.confirmation(tuner)


def _states(tuner: Tuner) -> dict[str, object]:
    """How many trials are in which state, of each stage where there are several."""
    history = tuner.history
    found: dict[int, Counter[str]] = {}
    for trial in history:
        found.setdefault(trial.stage, Counter())[str(trial.state)] += 1
    if len(found) < 2:
        return {f"  {state}": n for one in found.values() for state, n in one.most_common()}
    weights = as_strategy(tuner.strategy).stage_weights(tuner.space, history) or {}
    lines: dict[str, object] = {}
    for stage, states in sorted(found.items()):
        text = ", ".join(f"{n} {state}" for state, n in states.most_common())
        if stage == history.goal.stage:
            text += "; what the goal is about"
        elif stage in weights:
            text += f"; weight {weights[stage]:.2f} in the search"
        lines[f"  stage {stage}"] = text
    return lines


def _run_times(tuner: Tuner) -> dict[str, object]:
    """How long the trials ran, and apart from that those which were measured elsewhere."""
    seconds, added = tuner.history.seconds(), tuner.history.added()
    known = np.isfinite(seconds)
    own = int((known & ~added).sum())
    lines: dict[str, object] = {}
    if own:
        total = tuner.run_seconds
        lines["run time"] = f"{total:.6g} s in all, {seconds[known & ~added].mean():.3g} s a trial"
    if (known & added).any():
        told = float(seconds[known & added].sum())
        lines["added"] = f"{told:.6g} s of trials that were measured elsewhere"
    return lines


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
