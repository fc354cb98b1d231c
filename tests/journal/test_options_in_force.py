"""A journal whose goal was changed: everything that reads it takes the options in force."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import Goal, Tuner
from dsice.cli.main import main
from dsice.errors import JournalError
from dsice.journal import JournalReader
from dsice.journal.loader import JournalLoader
from dsice.launchers import Table
from dsice.strategies import Grid

SPACE = {"x": [0, 1, 2, 3, 4]}
LOSS = [0.5, 0.9, 0.1, 0.7, 0.3]  # least at 2, most at 1
ACCURACY = [0.6, 0.2, 0.4, 0.95, 0.5]  # most at 3


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A study begun with the least loss as its goal, and gone on with for the most accuracy."""
    path = tmp_path / "run.jsonl"
    with Tuner(SPACE, Grid(), goal=Goal("loss"), max_trials=5, journal=path) as tuner:
        for trial in tuner.ask(5):
            x = trial.params["x"]
            tuner.tell(trial, metrics={"loss": LOSS[x], "accuracy": ACCURACY[x]}, seconds=1.0)
    goal = Goal("accuracy", maximize=True)
    Tuner(SPACE, Grid(), goal=goal, max_trials=5, journal=path).close()
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds[-1] == "options"
    return path


def test_the_loader_has_the_last_value_of_each_option(changed: Path) -> None:
    loader = JournalLoader(JournalReader(changed))
    assert loader.header is not None and loader.header["goal"]["metric"] == "loss"
    assert loader.goal() == Goal("accuracy", maximize=True)
    assert loader.options["max_trials"] == 5 and loader.options["strategy"]["name"] == "Grid"


def test_a_tuner_that_reads_it_has_the_best_under_the_goal_in_force(changed: Path) -> None:
    best = Tuner.read(changed).best
    assert best is not None and best.params == {"x": 3} and best.value == 0.95


def test_a_table_has_the_metric_in_force(changed: Path) -> None:
    table = Table(changed)
    assert table.optimum(maximize=True) == ({"x": 3}, 0.95)
    assert table.optimum() == ({"x": 1}, 0.2)
    assert Table(changed, objective="loss").optimum() == ({"x": 2}, 0.1)


@pytest.mark.parametrize(
    ("options", "best"),
    [([], "0.95 at x = 3"), (["--objective", "loss"], "0.1 at x = 2")],
    ids=["goal in force", "another metric"],
)
def test_replay_searches_for_the_best_under_the_goal_in_force(
    changed: Path, capsys: pytest.CaptureFixture[str], options: list[str], best: str
) -> None:
    code = main(["replay", str(changed), "--strategy", "grid", "--batch", "2", *options])
    out = capsys.readouterr().out
    assert code == 0
    assert best in re.findall(r"(?m)^best +(.*?) *$", out)
    rounds = out.split("best so far")[1].split("\n\n")[0].splitlines()
    last = rounds[-1].split()
    assert last[2] == best.split()[0] and last[-1] == "1"  # the rank of the best point found


@pytest.mark.parametrize("read", [Table, Tuner.read])
def test_a_goal_of_a_newer_dsice_is_refused(changed: Path, read: Callable[[Path], object]) -> None:
    lines = changed.read_text().splitlines()
    last = json.loads(lines[-1])
    last["goal"]["risk"] = 0.5
    changed.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    with pytest.raises(JournalError, match=r"options line cannot be used: .*unknown keys.*risk"):
        read(changed)
