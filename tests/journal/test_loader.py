"""A journal read in one pass, held against its lines applied one by one."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Goal, History, Seconds, Tuner
from dsice.errors import DsiceError, JournalError
from dsice.journal import JournalReader, read
from dsice.journal.format import told_trial
from dsice.journal.loader import JournalLoader
from dsice.strategies import Random
from tests.conftest import all_fields, conditional, small, state
from tests.journal.plainly import apply

GOALS = [
    Goal(),
    Goal("loss", maximize=True),
    Goal(
        "loss",
        at_most={"memory": 2.0},
        at_least={"value": 0.0},
        time_weight="auto",
        until=Seconds(30.0),
    ),
    Goal("loss", of="median", at_most={"memory": 5.0}),
    Goal("memory", of="min"),
    Goal(of="min", at_most={"value": 0.75}),
]


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with everything that a line can hold."""
    path, rng = tmp_path_factory.mktemp("eventful") / "run.jsonl", random.Random(3)
    nasty: list[Any] = [
        1.0,
        -2.5,
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        [1.0, 2.0],
        [0.5],
        3,
        [float("nan"), 1.0],
    ]
    with Tuner(conditional(), Random(), goal=Goal("loss"), journal=path) as tuner:
        points = list(map(tuple, conditional().points().tolist()))
        tuner.enqueue(tuner.space.params(points[3]))
        tuner.enqueue(tuner.space.params(points[7]))
        tuner.add(tuner.space.params(points[7]), 1.5, metrics={"memory": 1.0})
        while trials := tuner.ask(3):
            for t in trials:
                for step in range(rng.randrange(4)):
                    tuner.step(t, rng.randrange(5), rng.choice([0.5, float("nan"), float(step)]))
            for t in trials[:2]:
                end = rng.choice([None, None, None, "lost", "stopped", "timed_out"])
                extra: dict[str, Any] = {
                    "tags": {"a": [1]},
                    "times": (1.0, None, 3.0),
                    "where": {"job": "7"},
                }
                with warnings.catch_warnings(action="ignore"):
                    tuner.tell(
                        t,
                        rng.choice(nasty),
                        state=end,
                        seconds=rng.choice([None, 1.0, 2]),
                        metrics={"memory": float(t.id) if rng.random() < 0.5 else [t.id, 5, 1.5]},
                        **extra,
                    )
                if end == "lost" and rng.random() < 0.5:
                    tuner.tell(t, 2.0, metrics={"memory": 1.0})
            if len(trials) > 2 and rng.random() < 0.3:
                tuner.tell(trials[2], error="crash")
        tuner.add(tuner.space.params(points[3]), [4.0, 5.0], seconds=1.0)
        again = [t.params for t in tuner.history if t.state == "done"][:2]
    with Tuner(conditional(), Random(), goal=Goal("memory"), journal=path) as tuner:
        for params in again:  # the goal's measurements are those of another metric from here on
            tuner.add(params, [3.0, 0.25, 1.0], metrics={"loss": [2.0, -2.0]})
        tuner.add(again[0], 7.0, metrics={"loss": 1.0, "value": [1.0, 4.0, 1.0]})
    return path


def plainly(path: Path, goal: Goal) -> tuple[History, list[tuple[int, ...]]]:
    history, queue = History(goal), list[tuple[int, ...]]()
    found = read(path)
    metric = (found.header or {})["goal"]["metric"]
    for record in found.records:
        metric = record.get("goal", {}).get("metric", metric)
        apply(record, history, conditional(), queue, metric)
    return history, queue


@pytest.mark.parametrize(
    "goal", GOALS, ids=["plain", "maximize", "bounds", "median", "min", "value"]
)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 1.0])
def test_one_pass_says_what_the_lines_say_one_by_one(
    eventful: Path, tmp_path: Path, goal: Goal, share: float
) -> None:
    lines = eventful.read_bytes().splitlines(keepends=True)
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(lines[: int(share * len(lines))]))
    plain, queue = plainly(path, goal)
    loader, history = JournalLoader(JournalReader(path)), History(goal)
    loader.fill(history, conditional())
    assert loader.queue == queue

    def numbers(h: History) -> list[Any]:
        arrays = (
            h.points(),
            h.scores(),
            h.violation(),
            h.feasible(),
            h.failed(),
            h.order(),
            h.seconds(),
            h.taken_points(),
        )
        return [a.tolist() for a in map(np.nan_to_num, arrays)]

    def facts(h: History) -> list[Any]:
        return [
            h.asked,
            h.rounds,
            h.taken(),
            h.has_repeats,
            h.weighs_time,
            all_fields(h.best),
            list(map(all_fields, h.pending())),
            len(h),
        ]

    assert numbers(history) == numbers(plain) and facts(history) == facts(plain)
    assert [all_fields(t) for t in reversed(history)] == [all_fields(t) for t in reversed(plain)]
    for t in plain:
        assert history.id_of(t.identity) == plain.id_of(t.identity) and all_fields(
            history.at(t.point)
        ) == all_fields(plain.at(t.point))


def test_a_loaded_history_goes_on_like_any_other(eventful: Path) -> None:
    plain, _ = plainly(eventful, GOALS[2])
    history = History(GOALS[2])
    JournalLoader(JournalReader(eventful)).fill(history, conditional())
    for h in (history, plain):
        waiting = h.pending()[0]
        h.write(
            told_trial(
                waiting,
                {
                    "state": "done",
                    "values": [-9.0],
                    "metrics": {"loss": -9.0, "memory": 0.5},
                    "seconds": 1,
                },
            )
        )
    assert (
        all_fields(history.best) == all_fields(plain.best)
        and history.order().tolist() == plain.order().tolist()
    )


WRONG = [
    ("tell", "metrics", 3),
    ("tell", "metrics", {"a": [1]}),
    ("tell", "metrics", {"a": "x"}),
    ("tell", "values", "12"),
    ("tell", "values", [{}]),
    ("tell", "values", [True]),
    ("tell", "values", 3),
    ("tell", "seconds", "x"),
    ("tell", "seconds", []),
    ("tell", "seconds", 10**400),
    ("tell", "times", [1, 2]),
    ("tell", "times", 3),
    ("tell", "times", [1, 2, "x"]),
    ("tell", "error", 3),
    ("tell", "tags", []),
    ("tell", "where", "node"),
    ("tell", "state", "gone"),
    ("tell", "point", [9, 9, 9]),
    ("tell", "point", 3),
    ("ask", "round", "x"),
    ("ask", "note", []),
    ("ask", "overrides", 3),
    ("ask", "parent", "x"),
    ("ask", "stage", "x"),
    ("ask", "repeat", 1.5),
    ("ask", "member", []),
    ("ask", "point", [0, 0]),
    ("ask", "point", [0, 0, 10**30]),
    ("step", "value", "x"),
    ("step", "step", 10**30),
]


@pytest.mark.parametrize(("kind", "field", "value"), WRONG)
def test_a_field_of_the_wrong_kind_is_named_on_opening_not_later(
    tmp_path: Path, kind: str, field: str, value: object
) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner:
        tuner.ask(2)
        tuner.step(0, 1, 0.5)
        tuner.tell(0, 1.0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    number = next(i for i, line in enumerate(lines) if line["kind"] == kind)
    where = lines[number]["trials"][1] if kind == "ask" and field != "round" else lines[number]
    where[field] = value
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    for open in (lambda: Tuner.read(path), lambda: Tuner(small(), Random(), journal=path)):
        with pytest.raises(JournalError, match=f"line {number + 1}"):
            open()


def test_lines_of_any_json_open_or_are_named(eventful: Path, tmp_path: Path) -> None:
    """Fields replaced by something of another kind: opened and whole, or refused with a message."""
    lines, rng, path = eventful.read_text().splitlines(), random.Random(0), tmp_path / "run.jsonl"
    others: list[Any] = [
        None,
        True,
        -1,
        10**40,
        1e308,
        "x",
        "",
        [],
        [[]],
        {},
        {"kind": "tell"},
        [1, 2, 3],
        float("nan"),
    ]
    for _ in range(400):
        number = rng.randrange(1, len(lines))
        record = json.loads(lines[number])
        target = rng.choice(
            [
                v
                for v in [record, *record.get("trials", []), record.get("trial")]
                if isinstance(v, dict)
            ]
        )
        target[rng.choice(sorted(target))] = rng.choice(others)
        path.write_text(
            "\n".join([*lines[:number], json.dumps(record), *lines[number + 1 :]]) + "\n"
        )
        try:
            tuner = Tuner.read(path)
        except DsiceError as error:
            assert "run.jsonl" in str(error)
        else:
            assert len(state(tuner)) == len(tuner.history) and tuner.history.frame().shape[
                0
            ] == len(tuner.history)
            assert tuner.history.order().size >= 0


def test_lines_with_bytes_that_are_no_text_are_named(eventful: Path, tmp_path: Path) -> None:
    data, path = eventful.read_bytes(), tmp_path / "run.jsonl"
    path.write_bytes(data.replace(b'"job":"7"', b'"job":"\xff"', 1))
    with pytest.raises(JournalError, match=r"line \d+: not JSON: .*utf-8"):
        Tuner.read(path)
    path.write_bytes(data.replace(b'"job":"7"', '"job":"é"'.encode(), 1))
    assert len(Tuner.read(path).history) == len(Tuner.read(eventful).history)
