"""The space of a log is the set of its points: on any grid, in journals, and in those of 0.1.0."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dsice import Space, Tuner, extend, run
from dsice.errors import OtherStudyError, SpaceError
from dsice.launchers import Table
from dsice.launchers.table import log as logs
from dsice.strategies import DSICE, Random

BY_0_1_0 = Path(__file__).with_name("logged-0.1.0.jsonl")
"""``Tuner(table().space, Random(), seed=4, max_trials=20)`` of 0.1.0: 6 asked, 4 of them told."""
NEXT_OF_0_1_0 = [(1, 2, 0), (4, 1, 0), (0, 3, 1), (0, 0, 1), (4, 1, 1)]
"""What 0.1.0 asks then."""


def frame() -> pd.DataFrame:
    rows = [
        (x, y, opt, abs(x - 3) + y * 0.5 + (opt == "b"))
        for x in range(5)
        for y in range(4)
        for opt in "ab"
        if (x * y + (opt == "b")) % 3
    ]
    return pd.DataFrame(rows, columns=["x", "y", "opt", "loss"])


def table(log: pd.DataFrame | None = None) -> Table:
    return Table(frame() if log is None else log, objective="loss")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    shutil.copy(BY_0_1_0, tmp_path / "run.jsonl")
    return tmp_path / "run.jsonl"


def random_search(n: int, axes: int, seed: int = 0) -> pd.DataFrame:
    """The log of a random search on a grid of 20^axes points."""
    drawn = np.random.default_rng(seed).integers(0, 20, size=(n, axes))
    log = pd.DataFrame(drawn / 10, columns=[f"p{i}" for i in range(axes)])
    return log.assign(loss=((log - 0.7) ** 2).sum(axis=1)).drop_duplicates()


@pytest.mark.parametrize("axes", [7, 25])
def test_the_log_of_a_random_search_on_a_huge_grid_can_be_replayed(axes: int) -> None:
    log = random_search(150, axes)
    replayed = table(log)
    assert replayed.space.size > 10**8 and replayed.space.count == len(log)
    start = {name: float(log[name][7]) for name in replayed.space.names}
    tuner = Tuner(replayed.space, DSICE(start=start, tolerance=None))
    assert tuner.ask(1)[0].params == start
    tuner = run(Tuner(replayed.space, Random()), replayed, progress=False)
    assert len(tuner.history) == len(log) and tuner.finished
    assert tuner.best is not None and tuner.best.value == log.loss.min()


def test_the_set_of_a_log_goes_into_the_journal_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(table().space, Random(), journal=path) as tuner:
        asked = [t.point for t in tuner.ask(30)]
    (rule,) = json.loads(path.read_text().partition("\n")[0])["space"]["where"]
    assert (rule["kind"], rule["count"], rule["name"]) == ("among", 23, "logged")
    with Tuner.resume(path) as tuner:  # it needs no table
        assert tuner.space == table().space and [t.point for t in tuner.ask(30)] == asked
    with pytest.raises(
        OtherStudyError, match="22 of them here and 23 in the stored space, and 1 a"
    ):
        Tuner(table(frame().drop(index=3)).space, Random(), journal=path)


def test_a_conditional_journal_is_a_set_of_its_points(tmp_path: Path) -> None:
    from tests.conftest import bowl, conditional

    path = tmp_path / "run.jsonl"
    with Tuner(conditional(), Random(), journal=path) as tuner:
        for trial in tuner.ask(7):
            tuner.tell(trial, bowl(dict(trial.params)))
        told = sorted(t.point for t in tuner.history)
    space = Table(path).space
    assert list(map(tuple, space.points().tolist())) == told
    assert space.is_valid(told[0]) and not space.is_valid((0, 0, 1))


def test_more_points_than_a_set_may_have_are_known_by_a_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = table().space.points().tolist()
    monkeypatch.setattr(logs, "MAX_POINTS", 10)
    space = table().space
    assert space.points().tolist() == whole
    (rule,) = space.to_dict()["where"]
    assert rule == {"kind": "require", "function": "logged"}


# ------------------------------------------------------------------ journals of 0.1.0
def test_a_journal_of_0_1_0_goes_on_with_the_set_of_the_same_log(journal: Path) -> None:
    before = journal.read_bytes()
    for _ in range(2):
        Tuner(table().space, Random(), journal=journal, seed=4, max_trials=20).close()
        Tuner.resume(journal, rules=table().space.named_rules).close()
        assert journal.read_bytes() == before
    for opened in (
        Tuner.read(journal, rules=table().space.named_rules),
        Tuner.resume(journal, rules=table().space.named_rules, orphans="keep"),
    ):
        assert opened.space == table().space
        assert [t.value for t in opened.history[:4]] == [2.0, 1.5, 3.5, 2.5]
        opened.close()
    with Tuner(
        table().space, Random(), journal=journal, seed=4, max_trials=20, orphans="keep"
    ) as tuner:
        assert [t.point for t in tuner.ask(5)] == NEXT_OF_0_1_0
    lines = journal.read_bytes()
    assert lines.startswith(before) and b'"options"' not in lines[len(before) :]


def test_without_the_log_a_journal_of_0_1_0_says_what_to_do(journal: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"'logged'; pass it as rules=.*Table\(\.\.\.\).space.named"
    ):
        Tuner.resume(journal)
    seen = Tuner.read(journal, rules={"logged": lambda params: True})  # to look at it
    assert seen.best is not None and seen.best.value == 1.5
    assert Table(journal).space.count == 4


def test_a_journal_of_0_1_0_is_extended_to_a_log_that_has_grown(journal: Path) -> None:
    more = pd.DataFrame([(7, 1, "c", 0.25)], columns=["x", "y", "opt", "loss"])
    grown = table(pd.concat([frame(), more], ignore_index=True))
    done = extend(journal, grown.space)
    assert done.trials == 6
    with Tuner.resume(journal, orphans="keep") as tuner:
        assert tuner.space.count == 24
        assert [t.value for t in tuner.history[:4]] == [2.0, 1.5, 3.5, 2.5]
    other = Space(grown.space.axes).among([(0, 0, 0), (5, 1, 2)], name="logged")
    assert extend(journal, other).trials == 6  # what breaks a rule learnt later stays
    found = Tuner.read(journal).history
    assert found.leading(9, forbidden=True) and len(found.leading(9)) < 4
