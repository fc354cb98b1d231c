"""Anything told, anything in place of params, anything in a journal line.

Every error is a DsiceError, and the journal stays good.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from dsice import Choice, Goal, Ordinal, Space, Tuner, When
from dsice.errors import DsiceError, DsiceWarning
from dsice.journal import read, repair
from dsice.strategies import Random
from tests.conftest import state
from tests.faults.bench import FULL, scaled
from tests.faults.conftest import Note

BAR = "6 fuzzing"
# for each of the three tests
SECONDS = 60 * float(os.environ.get("DSICE_FUZZ_MINUTES", "0")) / 3 or scaled(0.0, 60.0)
SPACE = Space(
    {
        "opt": Choice(["adam", "sgd", 2.5, None]),
        "lr": Ordinal.log(1e-4, 1e-1, 4),
        "momentum": [0.0, 0.5, 0.9],
        "n": range(40),
    },
    where=[When("opt == 'sgd'", "momentum")],
)
GOAL = Goal("loss", at_most={"memory": 10.0})


class Nasty:
    """An object that raises whatever Python asks for."""

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __iter__(self) -> Any:
        raise RuntimeError("no iteration")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


class Key:
    """A key that has no name."""

    def __str__(self) -> str:
        raise RuntimeError("no str")

    __repr__ = __str__


class Broken(list[Any]):
    """A list that breaks off."""

    def __iter__(self) -> Any:
        yield 1.0
        raise RuntimeError("broken off")


def deep(levels: int) -> Any:
    nest: Any = 1.0
    for _ in range(levels):
        nest = [nest]
    return nest


def nan(payload: int) -> float:
    """A NaN with the given payload bits."""
    found: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000001 | payload))[0]
    return found


BUILD: list[Callable[[], Any]] = [  # built anew each time: some are used up, some have no repr
    lambda: 10**400, lambda: -(10**5000), lambda: 2**63,
    lambda: [10**5000], lambda: {"a": 10**5000}, lambda: {10**5000: 1},
    lambda: 1j, lambda: complex("nan"),
    lambda: Decimal("1e999"), lambda: Decimal("sNaN"), lambda: Fraction(10**400, 3),
    lambda: np.float16(1.5), lambda: np.longdouble("1e4000"), lambda: np.float32("nan"),
    lambda: np.bool_(True), lambda: np.int64(-3), lambda: np.str_("x"),
    lambda: np.array([]), lambda: np.zeros((2, 2)), lambda: np.arange(3.0),
    lambda: np.array("x"), lambda: np.array(None), lambda: np.array([1, "a", None], dtype=object),
    lambda: np.datetime64("2020-01-01"),
    lambda: "x" * 100_000, lambda: "\ud800", lambda: "\0", lambda: [1.0] * 10_000,
    lambda: [[1.0]], lambda: {1: 2}, lambda: {"loss": 1.0}, set, lambda: {1.0, 2.0},
    lambda: range(3), lambda: iter([1.0, 2.0]), itertools.count, lambda: range(10**9),
    Nasty, lambda: Nasty, lambda: [Nasty()], lambda: {"a": Nasty()},
    lambda: {Key(): 1.0}, lambda: Broken([1.0]),
    lambda: deep(100), lambda: deep(500), lambda: deep(900), lambda: deep(960),
    lambda: deep(100_000), lambda: {"a": deep(880)},
    lambda: lambda: 1.0, lambda: Ellipsis, lambda: memoryview(b"ab"),
]  # fmt: skip
ODD = st.sampled_from([None, True, 1e308, -1e308, float("inf"), 5e-324, b"1", "", "nan", "1.0"])
ODD |= st.sampled_from(range(len(BUILD))).map(lambda i: BUILD[i]())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ANY = ODD | st.integers(0, 2**52 - 1).map(nan) | st.floats() | JSON | st.lists(ODD, max_size=3)
KEYS = st.sampled_from(
    ["loss", "memory", "value", "", "\ud800", "id", 1, None, 2.5, (1,), b"x", True]
)
MAPPINGS = st.dictionaries(KEYS, ANY, max_size=3) | st.dictionaries(
    st.text(max_size=9), JSON, max_size=3
)
GOOD: dict[str, Any] = {
    "value": st.floats(-9, 9) | st.lists(st.floats(-9, 9), min_size=1, max_size=3),
    "metrics": st.fixed_dictionaries({"memory": st.floats(0, 20)}),
}
TOLD = {
    name: st.none() | ANY | MAPPINGS
    for name in ("value", "metrics", "seconds", "error", "state", "tags", "times", "where")
} | {"state": st.sampled_from(["done", "lost", "stopped", "failed", "pending"]) | ANY}
LEVELS = {
    "opt": st.sampled_from(["adam", "sgd", 2.5, None]),
    "lr": st.sampled_from([1e-4, 1e-1]),
    "n": st.integers(-1, 40),
}
PARAMS = (
    st.fixed_dictionaries(LEVELS, optional={"momentum": st.sampled_from([0.0, 0.9])})
    | MAPPINGS
    | ANY
)
PARAMS |= st.fixed_dictionaries(
    {name: values | ANY for name, values in LEVELS.items()}, optional={"momentum": ANY}
)
CALLS = st.sampled_from(["tell", "tell", "add", "step", "enqueue", "ask"])


def until(seconds: float, attempt: Callable[[], None]) -> None:
    """Run examples by the hundred until the time is over; the short form runs the same hundred."""
    deadline = time.monotonic() + seconds
    attempt()
    while time.monotonic() < deadline:
        attempt()


def hundred(function: Any) -> Any:
    """The settings of one block of examples."""
    checks = list(HealthCheck)
    return settings(
        max_examples=100,
        deadline=None,
        database=None,
        suppress_health_check=checks,
        derandomize=not FULL,
    )(function)


def deeper(levels: int, call: Callable[[], Any]) -> Any:
    """The result of a call made far down the stack, as by a notebook or a web server."""
    return call() if levels == 0 else deeper(levels - 1, call)


class Target:
    """A tuner that takes calls of any kind, and the checks after each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tuner = Tuner(SPACE, Random(), goal=GOAL, journal=path)
        self.taken = self.refused = 0

    def call(self, what: str, params: Any, told: dict[str, Any], extra: Any) -> None:
        pending = self.tuner.pending or self.tuner.ask(1)
        before, count = self.path.read_bytes(), len(self.tuner.history)
        try:
            if what == "tell":
                self.tuner.tell(pending[0], **told)
            elif what == "add":
                self.tuner.add(params, **told)
            elif what == "step":
                self.tuner.step(pending[0], extra, told.get("value"))  # type: ignore[arg-type]
            elif what == "enqueue":
                self.tuner.enqueue(params)
            else:
                self.tuner.ask(extra)
        except DsiceError as error:
            self.refused += 1
            assert str(error)
            assert self.path.read_bytes() == before and len(self.tuner.history) == count
        else:
            self.taken += 1
        line = self.path.read_bytes()[len(before) :]
        assert len(line) < 2_000_000 and (not line or json.loads(line))

    def look(self) -> None:
        """The journal gives back what the tuner knows, and everything that looks at it works.

        Both hold at any depth of the stack.
        """
        self.tuner.history.frame()
        self.tuner.history.order()
        assert self.tuner.best is None or self.tuner.best.value is not None
        self.tuner.close()
        assert deeper(150, lambda: read(self.path)).bad == []
        with deeper(150, lambda: Tuner(SPACE, Random(), goal=GOAL, journal=self.path)) as again:
            assert state(again) == state(self.tuner)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda fd: None)
    warnings.simplefilter("ignore", DsiceWarning)
    warnings.simplefilter("ignore", np.exceptions.ComplexWarning)


@pytest.mark.parametrize("what", ["told", "params"])
def test_any_argument_of_any_call(tmp_path: Path, note: Note, what: str) -> None:
    counts = [0, 0]
    good = st.fixed_dictionaries(GOOD)
    fuzzed = st.fixed_dictionaries({}, optional=TOLD)
    told = st.builds(lambda a, b: {**a, **b}, good, fuzzed) | fuzzed
    calls = CALLS if what == "told" else st.sampled_from(["add", "enqueue"])

    def block() -> None:
        path = tmp_path / f"{sum(counts)}.jsonl"
        target = Target(path)

        @hundred
        @given(calls, PARAMS, told if what == "told" else good, st.integers(0, 3) | ANY)
        def attempt(call: str, params: Any, told: dict[str, Any], extra: Any) -> None:
            target.call(call, params, told, extra)

        attempt()
        target.look()
        counts[0] += target.taken
        counts[1] += target.refused
        path.unlink()

    until(SECONDS, block)
    note(BAR, f"{what} fuzzed: calls", sum(counts))
    note(BAR, f"   {what}: taken, the others refused by a DsiceError", counts[0])
    note(BAR, "other errors, or journals spoilt", 0, "0")
    note(BAR, "seconds", SECONDS, "180 here, 600 with DSICE_FUZZ_MINUTES=10" if FULL else "")


# ---------------------------------------------------------------------- lines of a journal
def base(path: Path) -> list[bytes]:
    """A journal with lines of every kind."""
    with Tuner(SPACE, Random(), goal=GOAL, journal=path, seed=2) as tuner:
        for round in range(3):
            trials = tuner.ask(3)
            tuner.step(trials[0], 0, float(round))
            for t in trials[round % 2 :]:
                extra: dict[str, Any] = {
                    "metrics": {"memory": 5.0},
                    "seconds": 1.0,
                    "times": (1.0, 2.0, 3.0),
                }
                tuner.tell(
                    t, float(t.id), tags={"a": 1}, where={"host": "h"}, **extra
                ) if t.id % 4 else tuner.tell(t, error="bad")
        tuner.enqueue({"opt": "adam", "lr": 1e-4, "n": 7})
        tuner.add(
            {"opt": "sgd", "lr": 1e-4, "momentum": 0.9, "n": 3}, [1.0, 2.0], metrics={"memory": 1.0}
        )
    with Tuner(SPACE, Random(), goal=GOAL, journal=path, seed=3, max_trials=40) as tuner:
        tuner.tell(tuner.ask(1)[0], state="lost")
    return path.read_bytes().splitlines(keepends=True)


def changed(value: Any, path: list[int], new: Any, how: str) -> Any:
    """A JSON value with one of its parts replaced, taken away or added to."""
    if isinstance(value, dict) and value and path:
        key = sorted(value)[path[0] % len(value)]
        if len(path) == 1 and how != "replace":
            rest = {k: v for k, v in value.items() if k != key}
            return rest if how == "remove" else {**value, str(new)[:9]: new}
        return {**value, key: changed(value[key], path[1:], new, how)}
    if isinstance(value, list) and value and path:
        place = path[0] % len(value)
        return [*value[:place], changed(value[place], path[1:], new, how), *value[place + 1 :]]
    return new


def use(tuner: Tuner) -> None:
    """Use a study in the usual ways; bad lines must not cause errors of another kind."""
    tuner.history.frame()
    assert tuner.best is None or tuner.best.value is not None
    tuner.history.order()
    for trial in tuner.ask(2):
        tuner.step(trial, 1, 0.5)
        if trial.id in [t.id for t in tuner.pending]:
            tuner.tell(trial, 1.0, metrics={"memory": 1.0}, seconds=1.0)


def test_any_line_of_a_journal(tmp_path: Path, note: Note) -> None:
    lines = base(tmp_path / "base.jsonl")
    counts = {"opened": 0, "refused": 0}
    path = tmp_path / "run.jsonl"

    def opened(data: bytes) -> None:
        """The journal is opened and used, or refused untouched; repaired where that works."""
        for file in tmp_path.glob("run.jsonl*"):
            file.unlink()
        path.write_bytes(data)
        try:
            Tuner.read(path).history.frame()
            with Tuner(SPACE, Random(), goal=GOAL, journal=path, seed=3, max_trials=40) as tuner:
                use(tuner)
                known = state(tuner)
            assert state(Tuner.read(path)) == known
            counts["opened"] += 1
        except DsiceError as error:
            assert str(error)
            counts["refused"] += 1
            try:
                repair(path)
                Tuner.read(path)
            except DsiceError:
                pass

    @hundred
    @given(
        st.integers(0, len(lines) - 1), st.lists(st.integers(0, 9), min_size=1, max_size=4), JSON,
        st.sampled_from(["replace", "replace", "remove", "extend"]),
    )  # fmt: skip
    def part(number: int, where: list[int], new: Any, how: str) -> None:
        line = (
            json.dumps(
                changed(json.loads(lines[number]), where, new, how), separators=(",", ":")
            ).encode()
            + b"\n"
        )
        opened(b"".join([*lines[:number], line, *lines[number + 1 :]]))

    @hundred
    @given(st.integers(0, sum(map(len, lines))), st.integers(0, 40), st.binary(max_size=40))
    def anything(place: int, length: int, noise: bytes) -> None:
        data = b"".join(lines)
        opened(data[:place] + noise + data[place + length :])

    @hundred
    @given(st.permutations(range(len(lines))), st.integers(2, len(lines)))
    def order(places: list[int], kept: int) -> None:
        opened(b"".join([lines[0], *(lines[i] for i in places[:kept])]))

    def block() -> None:
        part()
        anything()
        order()

    until(SECONDS, block)
    note(BAR, "journal lines fuzzed: journals", sum(counts.values()))
    note(BAR, "   journals: opened, the others refused by a DsiceError", counts["opened"])
    note(BAR, "other errors, or journals spoilt", 0, "0")
    note(BAR, "seconds", SECONDS, "180 here, 600 with DSICE_FUZZ_MINUTES=10" if FULL else "")
