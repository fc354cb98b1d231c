"""Tuner in memory: ask, tell, add, enqueue, step, best, pending, finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import History, Journal, Space, State, Tuner
from dsice.errors import DsiceWarning, OptionError, SpaceError, TellError, UnknownTrialError
from dsice.strategies import Grid, Random
from tests.conftest import bowl, fill, small, state


def test_the_loop_measures_the_whole_grid_and_ends(space: Space) -> None:
    tuner = fill(Tuner(space, Random()), 10_000, batch=7)
    assert tuner.finished and tuner.ask(3) == [] and not tuner.pending
    assert {t.point for t in tuner.history} == set(map(tuple, space.points().tolist()))
    assert len(tuner.history) == space.count
    best = tuner.best
    assert best is not None and best.value == min(bowl(dict(t.params)) for t in tuner.history)


def test_ids_rounds_and_params() -> None:
    tuner = Tuner(small(), Grid())
    first, second = tuner.ask(2), tuner.ask(3)
    assert [(t.id, t.round) for t in first + second] == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1)]
    assert first[1].params == {"a": 1, "b": 0.0, "c": 1} and first[1].point == (0, 0, 1)
    assert tuner.pending == first + second == list(tuner.history)


def test_a_batch_in_two_parts_holds_the_same_points() -> None:
    whole, parts = Tuner(small(), Random(), seed=5), Tuner(small(), Random(), seed=5)
    assert [t.point for t in whole.ask(9)] == [t.point for t in parts.ask(4) + parts.ask(5)]
    assert [t.point for t in Tuner(small(), Random(), seed=6).ask(9)] != [
        t.point for t in whole.history
    ]


def test_max_trials_counts_what_was_asked_and_nothing_else() -> None:
    tuner = Tuner(small(), Random(), max_trials=5)
    for c in range(3):
        tuner.add({"a": 1, "b": 0.0, "c": c}, 1.0)
    trials = tuner.ask(40)
    assert len(trials) == 5 == tuner.asked and tuner.ask() == [] and not tuner.finished
    for t in trials:
        tuner.tell(t, state="lost")
    assert tuner.finished and tuner.ask() == []
    tuner.enqueue(
        next(
            {"a": a, "b": b, "c": c}
            for a in (8, 4)
            for b in (0.0, 0.5, 1.0)
            for c in range(3)
            if tuner.history.id_of((small().point({"a": a, "b": b, "c": c}), 0, 0, 0)) is None
        )
    )
    assert tuner.finished and tuner.ask() == []  # what waits cannot be asked any more


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
def test_ask_wants_a_whole_number(n: Any) -> None:
    with pytest.raises(OptionError, match=r"ask\(n=.*whole number >= 1"):
        Tuner(small(), Random()).ask(n)


def test_a_told_value_is_final() -> None:
    tuner = Tuner(small(), Grid())
    trial = tuner.ask()[0]
    tuner.tell(trial, 1.0)
    with pytest.raises(TellError, match=r"trial 0 was told already \(done, value 1.0\).*add\(\)"):
        tuner.tell(0, 2.0)
    assert tuner.history[0].value == 1.0


def test_only_a_lost_trial_may_be_told_once_more() -> None:
    tuner = Tuner(small(), Grid())
    tuner.ask()
    lost = tuner.tell(0, state="lost", error="node went down")
    assert (lost.state, lost.error, tuner.pending) == (State.LOST, "node went down", [])
    assert [t.point for t in tuner.ask()] != [lost.point]
    late = tuner.tell(lost, 3.0)
    assert (late.state, late.value, late.error) == (State.DONE, 3.0, None)
    with pytest.raises(TellError, match="told already"):
        tuner.tell(0, 4.0)


@pytest.mark.parametrize(
    "id", [2, -1, 10**5000, 1.0, "0", None, True, np.float64(0)], ids=lambda i: type(i).__name__
)
def test_unknown_trials_are_named(id: Any) -> None:
    tuner = Tuner(small(), Grid())
    with pytest.raises(UnknownTrialError, match="nothing was asked yet"):
        tuner.tell(id, 1.0)
    tuner.ask(2)
    with pytest.raises(UnknownTrialError, match=r"this tuner knows the ids 0 to 1"):
        tuner.tell(id, 1.0)
    assert len(tuner.pending) == 2
    assert tuner.tell(np.int64(1), 1.0).id == 1  # type: ignore[arg-type]


def test_a_trial_of_another_tuner_is_refused() -> None:
    other = Tuner(small(), Random()).ask()[0]
    tuner = Tuner(small(), Grid())
    tuner.ask()
    with pytest.raises(UnknownTrialError, match="comes from another tuner"):
        tuner.tell(other, 1.0)
    with pytest.raises(UnknownTrialError, match="comes from another tuner"):
        tuner.tell(replace(tuner.history[0], repeat=1), 1.0)


def test_added_trials_are_measured_and_repeat_a_known_point() -> None:
    tuner = Tuner(small(), Grid())
    params = {"a": 1, "b": 0.0, "c": 1}
    added = tuner.add(params, 5.0, metrics={"m": 1.0}, tags={"who": "paper"}, seconds=2.0)
    assert (added.id, added.round, added.params, added.repeat, added.tags) == (
        0,
        None,
        params,
        0,
        {"who": "paper"},
    )
    assert tuner.add(params, [3.0, 4.0]).repeat == 1
    assert tuner.best is not None and (tuner.best.id, tuner.best.value) == (0, 4.0)
    assert (
        all(t.point != added.point for t in tuner.ask(35))
        and len(tuner.history) == 37
        and tuner.asked == 35
    )
    with pytest.raises(SpaceError, match="'a'"):
        tuner.add(params | {"a": 3}, 1.0)
    with pytest.raises(TypeError):
        tuner.add(params, 1.0, secs=3)  # type: ignore[call-arg]


def test_enqueued_points_come_first_in_their_order() -> None:
    tuner = Tuner(small(), Grid())
    wanted: list[dict[str, Any]] = [
        {"a": 8, "b": 1.0, "c": 2},
        {"a": 4, "b": 0.5, "c": 1},
        {"a": 1, "b": 0.0, "c": 0},
    ]
    for params in wanted:
        tuner.enqueue(params)
    assert not tuner.finished
    first, rest = tuner.ask(2), tuner.ask(2)
    assert [t.params for t in first] == wanted[:2] and rest[0].params == wanted[2]
    assert [t.note["phase"] for t in first + rest] == ["enqueued"] * 3 + ["grid"]
    assert rest[1].point == (0, 0, 1)  # the sweep knows of the point enqueued before it


def test_a_point_is_enqueued_once() -> None:
    tuner = Tuner(small(), Grid())
    params = {"a": 8, "b": 1.0, "c": 2}
    tuner.enqueue(params)
    with pytest.warns(DsiceWarning, match="waits to be asked already"):
        tuner.enqueue(params)
    assert [trial.params for trial in tuner.ask()] == [params]
    with pytest.warns(DsiceWarning, match=r"trial 0 \(pending\) is that point"):
        tuner.enqueue(params)
    with pytest.raises(SpaceError):
        tuner.enqueue(params | {"z": 1})


def test_an_enqueued_point_that_is_added_meanwhile_is_not_asked() -> None:
    tuner = Tuner(small(), Grid())
    tuner.enqueue({"a": 8, "b": 1.0, "c": 2})
    tuner.add({"a": 8, "b": 1.0, "c": 2}, 1.0)
    assert [t.point for t in tuner.ask(2)] == [(0, 0, 0), (0, 0, 1)]


class Third:
    """Stops a trial at its third step."""

    def stop(self, curve: Sequence[tuple[int, float]], history: History) -> bool:
        return len(curve) >= 3 and len(history) == 1


def test_steps_make_a_curve_and_ask_the_stopper() -> None:
    tuner = Tuner(small(), Grid(), stopper=Third())
    tuner.ask()
    assert [tuner.step(0, i, 1.0 / (i + 1)) for i in range(3)] == [False, False, True]
    told = tuner.tell(0, state="stopped")
    assert told.curve == ((0, 1.0), (1, 0.5), (2, 1 / 3)) and tuner.best is None
    with pytest.raises(TellError, match="has no further steps"):
        tuner.step(0, 3, 0.1)
    assert Tuner(small(), Grid()).pending == []


def test_many_threads_may_tell_and_look() -> None:
    tuner = Tuner({f"x{i}": range(8) for i in range(3)}, Random())
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(8):
                for t in tuner.ask(5):
                    tuner.step(t, 0, 1.0)
                    tuner.tell(t, bowl(dict(t.params)))
                    _ = (tuner.best, tuner.pending, tuner.orphans)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        not errors
        and len(tuner.history) == 320 == len({t.point for t in tuner.history})
        and not tuner.pending
    )


def test_ctrl_c_in_the_middle_of_a_tell_loses_nothing_of_the_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tuner = Tuner(small(), Grid())
    tuner.ask(2)

    def interrupted(history: History, trial: Any) -> None:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(History, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuner.tell(0, 1.0)
    assert tuner.history[0].value == 1.0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_the_middle_of_a_tell_writes_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = Tuner(small(), Grid(), journal=tmp_path / "j.jsonl")
    tuner.ask(2)
    append = Journal.append

    def interrupted(journal: Journal, record: Any) -> None:
        append(journal, record)
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Journal, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuner.tell(0, 1.0)
    assert tuner.unwritten == 0
    tuner.tell(1, 2.0)
    tuner.close()
    assert [t.value for t in Tuner.read(tmp_path / "j.jsonl").history] == [1.0, 2.0]


def test_same_calls_same_trials() -> None:
    assert state(fill(Tuner(small(), Random(), seed=2), 20)) == state(
        fill(Tuner(small(), Random(), seed=2), 20)
    )
