"""A journal, or the history of a study, as a source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from dsice.errors import SpaceError
from dsice.goal import Goal
from dsice.history import History
from dsice.journal.emptied import no_study
from dsice.journal.loader import JournalLoader
from dsice.journal.reader import JournalReader
from dsice.journal.stored_space import stored_space
from dsice.reuse.points import SourcePoints
from dsice.space import Among, Space
from dsice.space.values import as_json
from dsice.trial import State, Trial

_WITHOUT_VALUE = (State.FAILED, State.TIMED_OUT, State.INVALID, State.STOPPED)
"""States of trials that count like the worst ones; pending, lost and withdrawn ones say nothing."""


def points_of_journal(
    path: Path, space: Space, metric: str | None, maximize: bool | None
) -> tuple[SourcePoints, str]:
    """The points of a journal under the goal in force there, and the identity of its study.

    Parameters
    ----------
    space
        The space that is searched, whose functions the rules of the journal may need.
    metric, maximize
        In the place of those of its goal.

    Raises
    ------
    JournalError
        It cannot be read, is damaged in the middle, or holds no study.
    SpaceError
        Its space cannot be rebuilt.
    """
    reader = JournalReader(path)
    loader = JournalLoader(reader)
    if loader.header is None:
        raise no_study(path)
    stored = loader.header["space"]
    # what a `Require` forbids here says nothing of the points that were measured there
    switches = {rule.get("function") for rule in stored.get("where", ()) if "names" in rule}
    functions = {
        name: rule
        for name, rule in space.named_rules.items()
        if name in switches and not isinstance(rule, Among)
    }
    try:
        own = stored_space(stored, functions, to_measure=False)
    except SpaceError as error:
        raise SpaceError(f"journal {path}: {error}") from error
    budget = loader.options.get("max_trials")
    history = History(
        _goal(loader.goal(), metric, maximize), budget=budget if type(budget) is int else None
    )
    loader.fill(history, own)
    found = points_of_history(history)
    remarks = list(found.remarks)
    if reader.torn:
        remarks.append("its last line is cut short and left out")
    content = reader.text.encode(errors="surrogateescape") + reader.torn
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(found, sha256=sha256, remarks=tuple(remarks)), loader.identity


def points_of_history(
    history: History, metric: str | None = None, maximize: bool | None = None
) -> SourcePoints:
    """The points of a history under its own goal, or one with another metric."""
    goal = _goal(history.goal, metric, maximize)
    if goal != history.goal:
        history = History(goal, budget=history.budget, trials=list(history))
    scores = history.point_scores()
    rows: dict[str, tuple[Trial, float, float]] = {}
    # best first: of several members the best counts
    for trial in history.leading(len(history), forbidden=True):
        row = (trial, float(scores[trial.id]), goal.violation(trial))
        rows.setdefault(_key(trial), row)
    ended = np.flatnonzero(history.of_stage() & history.in_state(*_WITHOUT_VALUE))
    for trial in (history[id] for id in ended.tolist()):
        rows.setdefault(_key(trial), (trial, np.nan, 0.0))
    found = sorted(rows.values(), key=lambda row: row[0].id)
    values = [None if np.isnan(s) else goal.metric_of(trial) for trial, s, _ in found]
    return SourcePoints(
        goal.metric,
        goal.maximize,
        [dict(trial.params) for trial, _, _ in found],
        values,
        [str(trial.state) for trial, _, _ in found],
        np.array([score for _, score, _ in found], dtype=float),
        np.array([violation for _, _, violation in found], dtype=float),
        remarks=tuple(_unfinished(history)),
    )


def _goal(goal: Goal, metric: str | None, maximize: bool | None) -> Goal:
    """The goal, or one about another metric alone."""
    if metric is not None and metric != goal.metric:
        goal = replace(goal, metric=metric, maximize=False, time_weight=0.0, until=None)
    return goal if maximize is None else replace(goal, maximize=maximize)


def _key(trial: Trial) -> str:
    return json.dumps(as_json(dict(trial.params)), sort_keys=True)


def _unfinished(history: History) -> Iterable[str]:
    pending = len(history.pending())
    if pending:
        trials = "trial is" if pending == 1 else "trials are"
        yield f"read as far as it goes: {pending} {trials} pending and left out"
