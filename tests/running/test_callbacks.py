"""Callbacks of `run`: the events, in their order, and what becomes of one that raises."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest

import dsice
from dsice import DsiceWarning, Trial, Tuner, run
from dsice.errors import OptionError
from dsice.launchers import Futures, Table
from dsice.running.callbacks import EVENTS
from dsice.strategies import Grid


class Diary:
    """Writes down all events."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def asked(self, tuner: Tuner, trials: list[Trial]) -> None:
        self.lines.append(("asked", *(trial.id for trial in trials)))

    def started(self, tuner: Tuner, trial: Trial) -> None:
        self.lines.append(("started", trial.id))

    def stepped(self, tuner: Tuner, trial: Trial, step: int, value: float) -> None:
        self.lines.append(("stepped", trial.id, step, value))

    def told(self, tuner: Tuner, trial: Trial) -> None:
        self.lines.append(("told", trial.id, trial.state))

    def finished(self, tuner: Tuner) -> None:
        self.lines.append(("finished", len(tuner.history)))


def log(**options: Any) -> Table:
    import pandas as pd

    frame = pd.DataFrame({"x": [1, 2, 3], "objective": [3.0, 2.0, None], "one": 4.0, "two": 3.5})
    return Table(frame, params=["x"], curves={1: "one", 2: "two"}, **options)


def test_every_event_comes_once_and_in_order() -> None:
    diary, table = Diary(), log(slots=1)
    run(Tuner(table.space, Grid()), table, callbacks=[diary], progress=False)
    ends = ["done", "done", "failed"]
    expected: list[tuple[Any, ...]] = []
    for id, end in enumerate(ends):
        expected += [("asked", id), ("started", id)]
        expected += [("stepped", id, 1, 4.0), ("stepped", id, 2, 3.5), ("told", id, end)]
    assert diary.lines == [*expected, ("finished", 3)]


def test_a_batch_is_asked_at_once() -> None:
    diary, table = Diary(), log(slots=3)
    run(Tuner(table.space, Grid()), table, callbacks=[diary], progress=False)
    assert diary.lines[:4] == [("asked", 0, 1, 2), ("started", 0), ("started", 1), ("started", 2)]


@pytest.mark.parametrize("event", EVENTS)
def test_an_object_may_hear_one_event_only(event: str) -> None:
    heard: list[Any] = []

    class Ear:
        pass

    setattr(Ear, event, lambda self, *what: heard.append(what))
    table = log()
    run(Tuner(table.space, Grid()), table, callbacks=[Ear()], progress=False)
    assert len(heard) == {"asked": 1, "started": 3, "stepped": 6, "told": 3, "finished": 1}[event]
    assert all(isinstance(what[0], Tuner) for what in heard)


@pytest.mark.parametrize("event", EVENTS)
def test_one_that_raises_is_named_once_and_the_run_goes_on(event: str) -> None:
    class Broken(Diary):
        pass

    def broken(*_: object) -> None:
        raise ValueError("no such page")

    setattr(Broken, event, broken)
    diary, table = Diary(), log()
    with pytest.warns(DsiceWarning, match=rf"Broken raised ValueError.*{event}") as said:
        tuner = run(Tuner(table.space, Grid()), table, callbacks=[Broken(), diary], progress=False)
    assert len(said) == 1 and len(tuner.history) == 3 and not tuner.pending
    assert len(diary.lines) == 1 + 3 + 6 + 3 + 1  # the other one misses nothing


def test_what_a_function_raises_ends_the_run() -> None:
    def enough(tuner: Tuner, trial: Trial) -> None:
        raise ConnectionError(f"trial {trial.id}")

    table = log()
    tuner = Tuner(table.space, Grid())
    with pytest.raises(ConnectionError, match="trial 0"):
        run(tuner, table, callbacks=[enough], progress=False)
    assert tuner.history[0].state == "done"


def test_an_interruption_in_a_callback_ends_the_run_and_is_told_as_the_end(tmp_path: Path) -> None:
    diary, table = Diary(), log(slots=1)

    def enough(tuner: Tuner, trial: Trial) -> None:
        if trial.id == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Tuner(table.space, Grid()), table, callbacks=[enough, diary], progress=False)
    assert diary.lines[-1] == ("finished", 2)


def test_the_end_is_told_after_the_last_trial_where_a_run_is_interrupted() -> None:
    diary = Diary()
    begun = threading.Event()

    def measure(x: int) -> float:
        if x == 1:
            begun.set()
            return 1.0
        begun.wait(10)
        return float(x)

    def enough(tuner: Tuner, trial: Trial) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit), catch_warnings():
        simplefilter("ignore")
        with Futures(measure, lambda: ThreadPoolExecutor(1)) as launcher:
            run(Tuner({"x": [1, 2]}, Grid()), launcher, callbacks=[diary, enough], progress=False)
    assert [line[0] for line in diary.lines].count("finished") == 1
    assert diary.lines[-1][0] == "finished"


@pytest.fixture
def classes() -> Iterator[list[Any]]:
    yield [Diary, object(), 3, "told"]


def test_what_is_no_callback_is_refused(classes: list[Any]) -> None:
    table = log()
    for wrong in classes:
        with pytest.raises(OptionError, match=r"callbacks=.*list of functions"):
            run(Tuner(table.space), table, callbacks=[wrong], progress=False)


def test_what_a_callback_enqueues_is_measured() -> None:
    table = log(slots=1)

    def more(tuner: dsice.Tuner, trial: Trial) -> None:
        if trial.id == 0:
            tuner.enqueue({"x": 3})

    tuner = run(Tuner(table.space, Grid()), table, callbacks=[more], max_trials=2, progress=False)
    assert [trial.params["x"] for trial in tuner.history] == [1, 3]
