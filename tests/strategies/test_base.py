"""The hooks of a strategy: all there with a default, whoever wrote the class."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceError, Goal, Proposal, Space, Tuner
from dsice.errors import OptionError
from dsice.history import History
from dsice.strategies import Grid, Stream, as_strategy, strategy_dict

SPACE = {"x": range(5)}


@dataclass(frozen=True)
class Plain:
    """A strategy that knows nothing of dsice but how to ask."""

    start: int = 0

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        return Grid().ask(n, space, history, stream)


class Full(Plain):
    """One with all hooks, but not derived from Strategy."""

    last_stage = 2
    foreign = True

    def check(self, space: Space) -> None:
        if space.ndim > 1:
            raise OptionError("one axis, please")

    def recommend(self, space: Space, history: History) -> tuple[int, ...] | None:
        return (3,)


def test_an_object_with_ask_alone_gets_every_other_hook() -> None:
    hooks, tuner = as_strategy(Plain()), Tuner(SPACE, Plain())
    hooks.check(tuner.space)
    assert hooks.recommend(tuner.space, tuner.history) is None
    assert (hooks.last_stage, hooks.foreign) == (None, False)
    assert [trial.point for trial in tuner.ask(2)] == [(0,), (1,)]


def test_the_tuner_keeps_the_object_that_it_was_given(tmp_path: Path) -> None:
    mine = Plain(start=4)
    with Tuner(SPACE, mine, journal=tmp_path / "j.jsonl") as tuner:
        assert tuner.strategy is mine
    assert strategy_dict(mine) == {"name": "Plain", "start": 4}
    assert '"strategy":{"name":"Plain","start":4}' in (tmp_path / "j.jsonl").read_text().replace(
        " ", ""
    )


@dataclass(frozen=True)
class Newer(Plain):
    """One with an option that 0.1.0 did not have."""

    depth: int = field(default=2, metadata={"since": "0.2.0"})


def test_a_new_option_is_written_only_where_it_is_not_at_its_default() -> None:
    assert strategy_dict(Newer()) == {"name": "Newer", "start": 0}
    assert strategy_dict(Newer(depth=3)) == {"name": "Newer", "start": 0, "depth": 3}


def test_hooks_that_an_object_has_are_used() -> None:
    hooks = as_strategy(Full())
    assert (hooks.last_stage, hooks.foreign) == (2, True)
    tuner = Tuner(SPACE, Full())
    assert tuner.history.goal == Goal(stage=2)
    with pytest.raises(
        OptionError, match=r"Goal\(stage=1\): Full trains in stages and its last one is 2"
    ):
        Tuner(SPACE, Full(), goal=Goal(stage=1))
    with pytest.raises(OptionError, match="one axis, please"):
        Tuner({"x": range(3), "y": range(3)}, Full())
    asked = Tuner(SPACE, Full(), goal=Goal(stage=2))
    for trial in asked.ask(5):
        asked.tell(trial, trial.params["x"])
    assert hooks.recommend(asked.space, asked.history) == (3,)


def test_a_strategy_of_dsice_is_taken_as_it_is() -> None:
    grid = Grid()
    assert as_strategy(grid) is grid


@pytest.mark.parametrize("given", [Plain, Grid, object(), "dsice", None, 3])
def test_what_cannot_be_asked_is_no_strategy(given: Any) -> None:
    with pytest.raises(DsiceError, match="expected a strategy object such as"):
        as_strategy(given)
