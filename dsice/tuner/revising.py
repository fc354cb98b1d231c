"""Changing one's mind about trials: what was told of one is taken back, or it is tried again.

What was told and taken back is still known, so that a script that adds it anew does not bring it
back.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from dsice.checks import shown
from dsice.errors import DsiceWarning, TellError, UnknownTrialError
from dsice.history import History
from dsice.journal import requests
from dsice.journal.format import Kind, retry_line, withdraw_line
from dsice.journal.revisions import retried_trial, withdrawn_trial
from dsice.trial import State, Trial
from dsice.tuner import telling
from dsice.tuner.adding import Addition, KnownMeasurements, content
from dsice.tuner.asking import remove_from_queue
from dsice.tuner.opening import OpenStudy

_MOST_NAMED = 10  # trials in a message


class RevisableStudy(OpenStudy):
    """A study in which what was told of a trial can be taken back, and a trial be tried again.

    It is the part of `Tuner` that does so, also on request of other processes
    (`dsice.journal.requests`).
    """

    @cached_property
    def _known(self) -> KnownMeasurements:
        """What was told, to find what is told once more; made anew when a trial is retried."""
        return KnownMeasurements(self._recorder.history, self._revisions)

    def _addition(
        self,
        params: Mapping[str, Any],
        report: telling.Report,
        key: str | int | None = None,
        *,
        nearest: bool = False,
    ) -> Addition:
        """A measurement that is to be added."""
        return Addition(
            params, report, self.space, self._recorder.history, self._known, key, nearest
        )

    def _add(self, new: Addition) -> tuple[Trial, bool]:
        """Add a measurement unless it is known; its trial, and whether it is new."""
        with self._mutex:
            self._recorder.check()
            new.make()  # what is wrong shows before anything is kept
            if new.found is None and new.is_among(self._recorder.in_hand()):
                self._recorder.flush()  # if that can be written now, it is known
            recorded: Sequence[Trial] = ()
            if new.found is None:
                then = partial(remove_from_queue, self._queue)
                recorded = self._recorder.tell(new.make, then=then)
            if new.found is not None:
                return self._recorder.history[new.found], False
            return recorded[0], True

    def additions(self) -> Additions:
        """Measurements to be added together: those that are equal are repeats of one another."""
        return Additions(self)

    def withdraw(self, trial: Trial | int, reason: str) -> Trial:
        """Take back what was told of a trial: it counts as never measured from here on.

        It is out of the model, the best, the figures and the learning curves that stoppers look
        at. Its point stays taken, and it is not asked again by itself: `retry` does that. The
        journal keeps what was told. Of a trial that is withdrawn already it says so, and does
        nothing. Trials that continue its checkpoint stay, and are named in a `DsiceWarning`.

        Parameters
        ----------
        trial
            A trial that has ended, or its id.
        reason
            Why, in words; it becomes the `error` of the trial.

        Returns
        -------
        Trial
            With the state ``withdrawn``.

        Raises
        ------
        UnknownTrialError
            No trial has that id.
        TellError
            It is pending, so there is nothing to take back; or there is no reason.
        JournalError
            It could not be written; nothing was changed.
        """
        with self._mutex:
            self._recorder.check()
            self.take_requests()
            self._recorder.flush()
            id = telling.known_id(trial, self._recorder.history)
            said = self._withdraw(id, _reason(reason), self._now(Kind.WITHDRAW, [id]))
        for text in said:
            warnings.warn(text, DsiceWarning, stacklevel=2)
        return self._recorder.history[id]

    def retry(self, trials: Trial | int | Iterable[Trial | int]) -> list[Trial]:
        """Make trials pending again that ended without a value, or were withdrawn.

        The next `ask` hands them out first, under their old ids, and each may be told once more.
        They count for max_trials as before. What a trial left in its directory is put aside before
        it starts. Of a trial that is pending since an earlier retry it says so, and does nothing.

        Parameters
        ----------
        trials
            Trials or their ids: ``failed``, ``timed_out``, ``invalid``, ``lost``, ``stopped`` or
            ``withdrawn``.

        Returns
        -------
        list of Trial
            The trials, pending now, without those that were pending.

        Raises
        ------
        UnknownTrialError
            No trial has such an id; nothing was changed.
        TellError
            One of them has its value (`withdraw` takes it back), or was never told; nothing was
            changed.
        JournalError
            It could not be written; nothing was changed.
        """
        several = trials if isinstance(trials, Iterable) else [trials]
        with self._mutex:
            self._recorder.check()
            self.take_requests()
            self._recorder.flush()
            history = self._recorder.history
            ids = list(dict.fromkeys(telling.known_id(one, history) for one in several))
            ended = [id for id in ids if not history.is_pending(id)]
            said = self._retry(ids, self._now(Kind.RETRY, ids))
        for text in said:
            warnings.warn(text, DsiceWarning, stacklevel=2)
        return [history[id] for id in ended]

    def told_before(self, trial: Trial | int) -> list[Trial]:
        """A trial as it had ended each time before `retry` made it pending, the oldest first."""
        return self._revisions.earlier(telling.known_id(trial, self._recorder.history))

    def take_requests(self) -> None:
        """Do what other processes asked for; `ask`, `withdraw` and `retry` do it first.

        What cannot be done is refused, with a `DsiceWarning`.

        Raises
        ------
        JournalError
            It could not be written; the request waits.
        """
        journal = self._recorder.journal
        if journal is None:
            return
        requests.tidy(journal.path)
        for request in requests.waiting(journal.path):
            with self._mutex:
                said = self._take(request)
            for text in said:
                warnings.warn(f"{request}: {text}", DsiceWarning, stacklevel=2)

    def _take(self, request: requests.Request) -> list[str]:
        """Do what a request says, once however often it is found; what there is to say about it."""
        self._recorder.flush()
        try:
            if not request.kind:
                raise TellError("it cannot be understood")
            said = self._do(request)
        except (TellError, UnknownTrialError) as error:
            requests.refuse(request, str(error))
            return [f"refused: {error}"]
        requests.taken(request)
        return said

    def _do(self, request: requests.Request) -> list[str]:
        """Do what a request says, once however often it is done; what there is to say about it."""
        known = self._revisions.knows
        ids = [telling.known_id(id, self._recorder.history) for id in request.ids]
        new = [id for id in ids if not known(request.kind, request.at, id)]
        if request.kind == Kind.RETRY:
            self._retry(new, request.at)
            return []
        return [
            text for id in new for text in self._withdraw(id, _reason(request.reason), request.at)
        ]

    def _now(self, kind: str, ids: Sequence[int]) -> float:
        """The time, and one at which none of these trials had such a line before."""
        at = time.time()
        while any(self._revisions.knows(kind, at, id) for id in ids):
            at = math.nextafter(at, math.inf)
        return at

    def _withdraw(self, id: int, reason: str, at: float) -> list[str]:
        """Withdraw a trial; what there is to say about it."""
        history = self._recorder.history
        if text := check_withdrawal(history, id):
            return [text]
        weighed = history.weighs_time
        line = withdraw_line(id, at, reason)
        trial = withdrawn_trial(history[id], reason)
        self._recorder.commit([line], [trial], lambda: self._revisions.withdraw(line))
        said = continued(history, id)
        if history.weighs_time and not weighed:
            said.append(
                f"trial {id} was withdrawn, so run time counts again: the goal's "
                f"until={history.goal.until!r} is not reached without it, and all are scored anew"
            )
        return said

    def _retry(self, ids: Sequence[int], at: float) -> list[str]:
        """Make trials pending again, all or none; what there is to say about it."""
        said, lines, before = [], [], []
        added = self._recorder.history.added().copy()
        for id in ids:
            if text := check_retry(self._recorder.history, id, self._revisions.tries[id]):
                said.append(text)
            else:
                lines.append(retry_line(id, at))
                before.append(self._recorder.history[id])

        def then() -> None:
            for line, trial in zip(lines, before, strict=True):
                ran = 0.0 if added[trial.id] else trial.seconds or 0.0
                self._revisions.retry(line, partial(_same, trial), ran)
                self._lost_runs.pop(trial.id, None)
                self._decided.pop(trial.id, None)
            self.__dict__.pop("_known", None)
            retried = [trial.id for trial in before]
            self._handout.remove(retried)  # one that waited before it was told is still there
            self._handout.add(retried)

        if lines:
            self._recorder.commit(lines, [retried_trial(trial) for trial in before], then)
        return said


class Additions:
    """Measurements that are added together, such as the rows of a file.

    Those of them that are equal are several measurements, and the n-th of these is known where
    there are n such trials. So a file may be added again when it has grown.
    """

    def __init__(self, study: RevisableStudy) -> None:
        self._study = study
        self._count: Counter[tuple[Any, ...]] = Counter()

    def add(
        self,
        params: Mapping[str, Any],
        report: telling.Report,
        key: str | int | None = None,
        *,
        nearest: bool = False,
    ) -> bool:
        """Add one; whether it was new. The arguments and errors are those of `Tuner.add`."""
        new = self._study._addition(params, report, key, nearest=nearest)
        trial = new.trial()
        what = (trial.point, trial.stage, trial.state, content(trial))
        new.nth = self._count[what]
        _, is_new = self._study._add(new)
        self._count[what] += 1
        return is_new


def _same(trial: Trial) -> Trial:
    return trial


def _reason(reason: object) -> str:
    if not isinstance(reason, str) or not reason.strip():
        raise TellError(
            f"withdraw(reason={shown(reason)}): expected a text that says why, such as "
            "'node 7 was broken'; nothing was recorded"
        )
    return reason


def check_withdrawal(history: History, id: int) -> str:
    """Whether a trial can be withdrawn.

    Returns
    -------
    str
        That it is withdrawn already; empty: it is not.

    Raises
    ------
    UnknownTrialError, TellError
        No trial has that id; it is pending.
    """
    trial = telling.known_trial(id, history)
    if trial.state is State.WITHDRAWN:
        return f"trial {id} is withdrawn already ({trial.error}); nothing was recorded"
    if trial.state is State.PENDING:
        raise TellError(
            f"trial {trial.id} is pending: nothing was told of it that could be withdrawn, and "
            f"nothing was recorded. `dsice cancel STUDY.toml {trial.id}` ends a trial that waits "
            "or runs"
        )
    return ""


def check_retry(history: History, id: int, tries: int) -> str:
    """Whether a trial can become pending again, as it did `tries` times before.

    Returns
    -------
    str
        That it is pending since an earlier retry; empty: it is not.

    Raises
    ------
    UnknownTrialError, TellError
        No trial has that id; it has its value, waits or runs, breaks a rule, or only its id is
        known.
    """
    trial = telling.known_trial(id, history)
    if id in history.forbidden:
        raise TellError(
            f"trial {id} cannot be tried again: it breaks a rule that was learnt later, so its "
            "point is not measured any more; nothing was recorded"
        )
    if trial.state is State.PENDING and tries:
        return f"trial {id} is pending already, since an earlier retry; nothing was recorded"
    if trial.state is State.PENDING:
        raise TellError(
            f"trial {trial.id} is pending: it waits or runs already, and nothing was recorded. "
            f"`dsice cancel STUDY.toml {trial.id}` ends it"
        )
    if trial.state is State.DONE:
        raise TellError(
            f"trial {trial.id} is done (value {trial.value}), and a told value is final; nothing "
            f"was recorded. Where it is wrong, take it back first: withdraw({trial.id}, reason), "
            f"or `dsice withdraw`"
        )
    if trial.stage < 0:
        raise TellError(
            f"trial {trial.id} cannot be tried again: a damaged line of the journal asked it, and "
            "nothing but its id is known; nothing was recorded"
        )
    return ""


def continued(history: History, parent: int) -> list[str]:
    """What there is to say of trials that continue the checkpoint of one, or of each other."""
    family = {parent}
    for id in np.flatnonzero(history.keys()[:, 0] > history[parent].stage).tolist():
        if id > parent and history[id].parent in family:
            family.add(id)
    children = sorted(family - {parent})
    if not children:
        return []
    verb = "continue" if len(children) > 1 else "continues"
    return [
        f"{_trials(children)} {verb} the checkpoint of trial {parent}, which is withdrawn, and "
        "what was told there stays; withdraw that too where it is wrong"
    ]


def _trials(ids: Sequence[int]) -> str:
    named = ", ".join(map(str, ids[:_MOST_NAMED]))
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return f"trial{'s' if len(ids) > 1 else ''} {named}{more}"
