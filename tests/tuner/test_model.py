"""Random sequences of calls against a plain model in memory.

Compared are what the tuner knows, and what its journal gives back.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dsice import State, Tuner
from dsice.errors import DsiceError, DsiceWarning, TellError, UnknownTrialError
from dsice.strategies import Grid, Random
from tests.conftest import holes

POINTS = [tuple(point) for point in holes().points().tolist()]
VALUES = st.floats(-1e3, 1e3) | st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=3)


class Model(RuleBasedStateMachine):
    """Lists and dicts that say what must be in the history."""

    @initialize(
        strategy=st.sampled_from([Random(), Grid()]),
        budget=st.none() | st.integers(1, 20),
        seed=st.integers(0, 2),
    )
    def start(self, strategy: Any, budget: int | None, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "run.jsonl"
        self.options = {"strategy": strategy, "max_trials": budget, "seed": seed}
        self.budget = budget
        self.points: list[tuple[int, ...]] = []
        self.told: dict[int, tuple[str, tuple[float, ...]]] = {}
        self.curves: dict[int, list[tuple[int, float]]] = {}
        self.queue: list[tuple[int, ...]] = []
        self.orphans: list[int] = []
        self.asked = 0
        self.tuner = Tuner(holes(), journal=self.path, **self.options)

    def teardown(self) -> None:
        if hasattr(self, "tuner"):
            self.tuner.close()
            self.folder.cleanup()

    @rule(n=st.integers(1, 6))
    def ask(self, n: int) -> None:
        trials = self.tuner.ask(n)
        if self.orphans:
            assert [t.id for t in trials] == self.orphans[:n]
            self.orphans = self.orphans[n:]
            return
        left = len(POINTS) - len(set(self.points))
        wanted = min(n, left, n if self.budget is None else self.budget - self.asked)
        assert [t.id for t in trials] == list(range(len(self.points), len(self.points) + wanted))
        queued = self.queue[:wanted]
        assert [t.point for t in trials][: len(queued)] == queued
        self.queue = self.queue[wanted:]
        assert not {t.point for t in trials} & set(self.points)
        self.points += [t.point for t in trials]
        self.asked += wanted

    @precondition(lambda self: bool(getattr(self, "points", None)))
    @rule(
        data=st.data(),
        value=VALUES,
        state=st.sampled_from([None, None, "failed", "lost", "stopped"]),
    )
    def tell(self, data: Any, value: Any, state: str | None) -> None:
        id = data.draw(st.integers(0, len(self.points)))
        if id == len(self.points) or self.told.get(id, ("lost",))[0] != "lost":
            with pytest.raises(UnknownTrialError if id == len(self.points) else TellError):
                self.tuner.tell(id, value)
            return
        self.tuner.tell(id, value, state=state)
        self.told[id] = (state or "done", tuple(value) if isinstance(value, list) else (value,))
        self.orphans = [other for other in self.orphans if other != id]

    @rule(point=st.sampled_from(POINTS), value=VALUES)
    def add(self, point: tuple[int, ...], value: Any) -> None:
        told = ("done", tuple(value) if isinstance(value, list) else (value,))
        known = [
            id
            for id, other in enumerate(self.points)
            if other == point and repr(self.told.get(id)) == repr(told)
        ]
        if known:
            with pytest.warns(DsiceWarning, match=f"trial {known[0]} "):
                assert self.tuner.add(holes().params(point), value).id == known[0]
            return
        trial = self.tuner.add(holes().params(point), value)
        assert trial.repeat == self.points.count(point)
        self.told[len(self.points)] = told
        self.points.append(point)
        self.queue = [other for other in self.queue if other != point]

    @rule(point=st.sampled_from(POINTS))
    def enqueue(self, point: tuple[int, ...]) -> None:
        if point in self.points or point in self.queue:
            with pytest.warns(DsiceWarning, match="nothing was recorded"):
                self.tuner.enqueue(holes().params(point))
        else:
            self.tuner.enqueue(holes().params(point))
            self.queue.append(point)

    @precondition(lambda self: bool(getattr(self, "points", None)))
    @rule(data=st.data(), step=st.integers(0, 9), value=st.floats(-9, 9))
    def step(self, data: Any, step: int, value: float) -> None:
        id = data.draw(st.integers(0, len(self.points) - 1))
        if id in self.told:
            with pytest.raises(TellError):
                self.tuner.step(id, step, value)
        else:
            self.tuner.step(id, step, value)
            curve = self.curves.get(id, [])
            # a step at or before an earlier one starts the curve anew from there
            if (step, value) not in curve:
                self.curves[id] = [point for point in curve if point[0] < step] + [(step, value)]

    @rule(bad=st.sampled_from([None, "x", [], {}, True, 1j]))
    def tell_nonsense(self, bad: Any) -> None:
        with pytest.raises(DsiceError):
            self.tuner.tell(0, bad)
        with pytest.raises(DsiceError):
            self.tuner.add({"x": 99}, 1.0)

    @rule(tail=st.binary(max_size=20), again=st.booleans())
    def reopen(self, tail: bytes, again: bool) -> None:
        self.tuner.close()
        with self.path.open("ab") as file:  # a write that a kill cut short
            file.write(tail.replace(b"\n", b""))
        orphans: Any = "again" if again else "keep"
        self.tuner = Tuner(holes(), journal=self.path, orphans=orphans, **self.options)
        pending = [id for id in range(len(self.points)) if id not in self.told]
        self.orphans = pending if again else []

    @invariant()
    def the_history_is_what_the_model_says(self) -> None:
        if not hasattr(self, "tuner"):
            return
        for tuner in (self.tuner, Tuner.read(self.path)):
            history = tuner.history
            assert [t.point for t in history] == self.points
            assert {
                t.id: (str(t.state), t.values) for t in history if t.state is not State.PENDING
            } == self.told
            assert {t.id: list(t.curve) for t in history if t.curve} == self.curves
            assert history.asked == self.asked and [t.id for t in tuner.pending] == [
                id for id in range(len(self.points)) if id not in self.told
            ]
            assert history.best == (tuner.best) and (history.best is None) == (
                "done" not in {s for s, _ in self.told.values()}
            )
        assert [t.id for t in self.tuner.orphans] == self.orphans


Model.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestModel = Model.TestCase
