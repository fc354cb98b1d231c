"""Any sequence of calls, with kills and resumes in between, beside a plain model in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dsice import Goal, Require, Space, Tuner
from dsice.errors import DsiceWarning, SpaceError, TellError, UnknownTrialError
from dsice.strategies import Grid, Random
from tests.faults.bench import FULL, scaled
from tests.faults.conftest import Note

BAR = "5 random ask, tell, add, step, enqueue, kill, resume"
EXAMPLES, SHARES = scaled(40, 250), scaled(1, 8)
SPACE = Space({"a": [1, 2, 4], "b": range(3), "c": [0.5, 1.5]}, where=[Require("a * b != 4")])
VALID = [tuple(map(int, point)) for point in SPACE.points()]
FINITE = st.floats(-1e3, 1e3).map(lambda v: round(v, 3))
NUMBERS = FINITE | st.sampled_from([float("nan"), float("inf"), 1e308, -0.0, 5e-324])
ENDS: list[dict[str, Any]] = [
    {},
    {"error": "crash"},
    {"state": "timed_out", "error": "slow"},
    {"state": "stopped"},
    {"state": "lost"},
]
EXTRAS: list[dict[str, Any]] = [
    {},
    {"seconds": 1.5},
    {"metrics": {"m": 2.0}},
    {"tags": {"t": [1, "x"]}},
    {"where": {"host": "h"}},
]
WORDS = (
    "id",
    "round",
    "point",
    "repeat",
    "state",
    "values",
    "metrics",
    "seconds",
    "curve",
    "error",
    "tags",
    "where",
)
kills = 0


class Machine(RuleBasedStateMachine):
    """The tuner does what the model, a list of dicts, says."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.lives = 0
        self.trials: list[dict[str, Any]] = []
        self.queue: list[tuple[int, ...]] = []
        self.orphans: list[int] = []
        self.rounds = 0
        self.tuner: Tuner | None = None

    @initialize(
        strategy=st.sampled_from([Random(), Grid()]),
        budget=st.sampled_from([None, 7, 12]),
        seed=st.integers(0, 3),
    )
    def begin(self, strategy: Any, budget: int | None, seed: int) -> None:
        self.options: dict[str, Any] = {"max_trials": budget, "seed": seed}
        self.strategy, self.maximize = strategy, False
        self.open("again")

    @property
    def path(self) -> Path:
        return self.folder / f"{self.lives}.jsonl"

    def open(self, orphans: Any) -> None:
        goal = Goal(maximize=self.maximize)
        self.tuner = Tuner(
            SPACE, self.strategy, goal=goal, journal=self.path, orphans=orphans, **self.options
        )
        self.orphans = (
            [t["id"] for t in self.trials if t["state"] == "pending"] if orphans == "again" else []
        )

    # ------------------------------------------------------------------ what the model does
    def write(self, point: tuple[int, ...], round: int | None, repeat: int = 0) -> dict[str, Any]:
        blank: dict[str, Any] = {
            "values": (),
            "metrics": {},
            "seconds": None,
            "curve": (),
            "error": None,
            "tags": {},
            "where": {},
            "before": [],
        }
        trial = {
            "id": len(self.trials),
            "round": round,
            "point": point,
            "repeat": repeat,
            "state": "pending",
        } | blank
        self.trials.append(trial)
        if point in self.queue and repeat == 0:
            self.queue.remove(point)
        return trial

    def asked(self) -> int:
        return sum(t["round"] is not None for t in self.trials)

    def end(
        self,
        trial: dict[str, Any],
        values: tuple[float, ...],
        how: dict[str, Any],
        extra: dict[str, Any],
    ) -> None:
        told = {"metrics": {}, "seconds": None, "tags": {}, "where": {}, "error": None} | extra
        bad = [v for v in values if v - v != 0]
        state = how.get("state", "failed" if how else "failed" if bad else "done")
        trial.update(told, values=values, state=state, error=how.get("error"))
        if bad and not how:
            trial["error"] = "not a finite number"

    def one(self, which: int) -> int:
        """Mostly a pending trial, sometimes a told one, or an id that does not exist."""
        pending = [t["id"] for t in self.trials if t["state"] in ("pending", "lost")]
        return (
            pending[which % len(pending)]
            if pending and which < 24
            else which % (len(self.trials) + 1)
        )

    # ------------------------------------------------------------------ the calls
    @rule(n=st.integers(1, 4))
    def ask(self, n: int) -> None:
        assert self.tuner is not None
        got = [t.id for t in self.tuner.ask(n)]
        if self.orphans:
            assert got == self.orphans[:n]
            del self.orphans[:n]
            return
        free = [p for p in VALID if p not in [t["point"] for t in self.trials]]
        budget = self.options["max_trials"]
        n = min(n, len(free), n if budget is None else max(0, budget - self.asked()))
        assert got == list(range(len(self.trials), len(self.trials) + n))
        queued = list(self.queue)
        for place, id in enumerate(got):
            point = self.tuner.history[id].point
            assert point in free and (place >= len(queued) or point == queued[place])
            free.remove(point)
            self.write(point, self.rounds)
        self.rounds += n > 0

    @rule(
        which=st.integers(0, 30),
        values=st.lists(NUMBERS, min_size=1, max_size=3),
        how=st.sampled_from(ENDS),
        extra=st.sampled_from(EXTRAS),
    )
    def tell(
        self, which: int, values: list[float], how: dict[str, Any], extra: dict[str, Any]
    ) -> None:
        assert self.tuner is not None
        told, which = {**how, **extra}, self.one(which)
        if which >= len(self.trials):
            with pytest.raises(UnknownTrialError):
                self.tuner.tell(which, values, **told)
            return
        trial = self.trials[which]
        if trial["state"] not in ("pending", "lost"):
            with pytest.raises(TellError, match=r"told already|was withdrawn"):
                self.tuner.tell(which, values, **told)
            return
        self.tuner.tell(which, values, **told)
        self.end(trial, tuple(values), how, extra)
        if which in self.orphans:
            self.orphans.remove(which)

    @rule(
        point=st.sampled_from(VALID),
        value=NUMBERS,
        how=st.sampled_from(ENDS),
        extra=st.sampled_from(EXTRAS),
    )
    def add(
        self, point: tuple[int, ...], value: float, how: dict[str, Any], extra: dict[str, Any]
    ) -> None:
        assert self.tuner is not None
        known = [t["id"] for t in self.trials if self.is_known(t, point, (value,), how, extra)]
        added = self.tuner.add(SPACE.params(point), value, **how, **extra)
        repeat = sum(t["point"] == point for t in self.trials)
        if known:
            assert added.id == known[0]
        else:
            self.end(self.write(point, None, repeat), (value,), how, extra)

    def is_known(
        self,
        trial: dict[str, Any],
        point: tuple[int, ...],
        values: tuple[float, ...],
        how: dict[str, Any],
        extra: dict[str, Any],
    ) -> bool:
        """Whether a trial has, or had before it was retried, that measurement."""
        new = dict(trial)
        self.end(new, values, how, extra)
        words = ("values", "metrics", "seconds")
        return trial["point"] == point and any(
            told["state"] in (new["state"], "withdrawn")
            and all(repr(told[word]) == repr(new[word]) for word in words)
            for told in (*trial["before"], trial)
            if told["state"] != "pending"
        )

    # ------------------------------------------------------------------ changing one's mind
    @rule(which=st.integers(0, 30), reason=st.sampled_from(["a typo", "a broken node"]))
    def withdraw(self, which: int, reason: str) -> None:
        assert self.tuner is not None
        which %= len(self.trials) + 1
        if which == len(self.trials):
            with pytest.raises(UnknownTrialError):
                self.tuner.withdraw(which, reason)
            return
        trial = self.trials[which]
        if trial["state"] == "pending":
            with pytest.raises(TellError, match="pending"):
                self.tuner.withdraw(which, reason)
            return
        self.tuner.withdraw(which, reason)
        if trial["state"] != "withdrawn":
            trial.update(state="withdrawn", error=reason)

    @rule(ids=st.lists(st.integers(0, 30), min_size=1, max_size=3, unique=True))
    def retry(self, ids: list[int]) -> None:
        assert self.tuner is not None
        ids = list(dict.fromkeys(id % (len(self.trials) + 1) for id in ids))
        trials = [self.trials[id] for id in ids if id < len(self.trials)]
        again = [t for t in trials if t["state"] == "pending" and t["before"]]
        ended = [t for t in trials if t["state"] not in ("pending", "done")]
        if len(again) + len(ended) < len(ids):
            with pytest.raises((TellError, UnknownTrialError)):
                self.tuner.retry(ids)
            return
        assert [t.id for t in self.tuner.retry(ids)] == [t["id"] for t in ended]
        for t in ended:
            t["before"] = [*t["before"], dict(t)]
            t.update(state="pending", values=(), metrics={}, seconds=None, curve=(), error=None)
            t.update(tags={}, where={})
            self.orphans.append(t["id"])

    @rule(which=st.integers(0, 30), step=st.integers(0, 5), value=NUMBERS.filter(lambda v: v == v))
    def step(self, which: int, step: int, value: float) -> None:
        assert self.tuner is not None
        which = self.one(which)
        if which >= len(self.trials):
            with pytest.raises(UnknownTrialError):
                self.tuner.step(which, step, value)
        elif self.trials[which]["state"] != "pending":
            with pytest.raises(TellError, match="told already"):
                self.tuner.step(which, step, value)
        else:
            assert self.tuner.step(which, step, value) is False
            trial = self.trials[which]
            # else a reattached job sends steps that are known already
            if (step, value) not in trial["curve"]:
                trial["curve"] = (*(p for p in trial["curve"] if p[0] < step), (step, value))

    @rule(point=st.sampled_from(VALID))
    def enqueue(self, point: tuple[int, ...]) -> None:
        assert self.tuner is not None
        self.tuner.enqueue(SPACE.params(point))
        if point not in self.queue and point not in [t["point"] for t in self.trials]:
            self.queue.append(point)

    @rule(
        params=st.sampled_from(
            [
                {},
                {"a": 1},
                {"a": 3, "b": 0, "c": 0.5},
                {"a": 2, "b": 2, "c": 0.5},
                {"a": 1, "b": 0, "c": None},
            ]
        )
    )
    def add_what_is_no_point(self, params: dict[str, Any]) -> None:
        assert self.tuner is not None
        for call in (lambda p: self.tuner.add(p, 1.0), lambda p: self.tuner.enqueue(p)):
            with pytest.raises(SpaceError):
                call(params)

    # ------------------------------------------------------------------ kills and resumes
    @rule(
        orphans=st.sampled_from(["again", "keep"]),
        torn=st.binary(max_size=20),
        nuls=st.sampled_from([0, 0, 64]),
    )
    def kill_and_resume(self, orphans: str, torn: bytes, nuls: int) -> None:
        """The next tuner gets only the file as it is now, perhaps with the beginning of a line."""
        global kills
        kills += 1
        data = self.path.read_bytes() + torn.replace(b"\n", b"").replace(b"{", b"") + b"\0" * nuls
        assert self.tuner is not None
        self.tuner.close()
        assert self.path.read_bytes() == data[: self.path.stat().st_size]
        self.lives += 1
        self.path.write_bytes(data)
        self.open(orphans)

    @rule(
        budget=st.sampled_from([None, 9, 14]),
        strategy=st.sampled_from([Random(), Grid()]),
        maximize=st.booleans(),
    )
    def change_ones_mind(self, budget: int | None, strategy: Any, maximize: bool) -> None:
        assert self.tuner is not None
        self.tuner.close()
        self.options["max_trials"], self.strategy, self.maximize = budget, strategy, maximize
        self.open("again")

    # ------------------------------------------------------------------ what must hold
    @precondition(lambda self: self.tuner is not None)
    @invariant()
    def the_history_is_the_models(self) -> None:
        assert self.tuner is not None
        for tuner in (self.tuner, Tuner.read(self.path)):
            assert len(tuner.history) == len(self.trials)
            for trial, model in zip(tuner.history, self.trials, strict=True):
                for word in WORDS:
                    seen = getattr(trial, word)
                    if word == "error" and model["error"] == "not a finite number":
                        assert "not a finite number" in seen
                    else:
                        assert repr(seen if word != "state" else str(seen)) == repr(model[word]), (
                            word,
                            trial,
                            model,
                        )
            assert [t.id for t in tuner.pending] == [
                t["id"] for t in self.trials if t["state"] == "pending"
            ]
            assert tuner.asked == self.asked()
        assert [t.id for t in self.tuner.orphans] == self.orphans

    @precondition(lambda self: self.tuner is not None)
    @invariant()
    def the_best_is_the_models(self) -> None:
        assert self.tuner is not None
        means: dict[tuple[int, ...], list[float]] = {}
        for t in self.trials:
            if t["state"] == "done":
                means.setdefault(t["point"], []).extend(t["values"])
        best = self.tuner.best
        assert (best is None) == (not means)
        if best is not None and all(abs(v) < 1e9 for values in means.values() for v in values):
            scores = [sum(values) / len(values) for values in means.values()]
            assert best.value == pytest.approx(
                max(scores) if self.maximize else min(scores), abs=1e-9
            )

    def teardown(self) -> None:
        if self.tuner is not None:
            self.tuner.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("share", range(SHARES))
def test_the_history_equals_a_plain_model(
    note: Note, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    before = kills
    checks = list(HealthCheck)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DsiceWarning)
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=checks,
                derandomize=not FULL,
            ),
        )
    note(BAR, "sequences of up to 25 calls", EXAMPLES, "2000" if FULL else "")
    note(BAR, "   kills in them", kills - before)
    note(BAR, "histories unlike the model", 0, "0")
