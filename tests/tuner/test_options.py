"""What a Tuner can be made of: options, strategies that keep their contract, and rank 0 alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dsice import Goal, History, Proposal, Share, Space, Tuner
from dsice.errors import OptionError, RankError, TellError
from dsice.strategies import Random
from tests.conftest import small


@dataclass(frozen=True)
class Fixed:
    """Proposes what it is given."""

    proposals: tuple[Proposal, ...]

    def ask(self, n: int, space: Space, history: History, stream: Any) -> list[Proposal]:
        return list(self.proposals)


@pytest.mark.parametrize(
    ("proposals", "message"),
    [
        ([Proposal((0, 0, 0)), Proposal((0, 0, 0))], "is in the history already"),
        ([Proposal((9, 0, 0))], "leaves the space"),
        ([Proposal((0, 0, i)) for i in range(3)], "proposed 3 points where 2 were wanted"),
        ([Proposal((0, 0, 0), {"sd": float("nan")})], "note.*cannot be written as JSON"),
        ([Proposal((0, 0, 0), overrides={"a": object()})], "overrides.*cannot be written as JSON"),
    ],
)
def test_a_strategy_that_breaks_its_contract_asks_nothing(
    proposals: list[Proposal], message: str
) -> None:
    tuner = Tuner(small(), Fixed(tuple(proposals)))
    with pytest.raises((OptionError, TellError), match=message):
        tuner.ask(2)
    assert len(tuner.history) == 0


def test_an_exception_of_a_signal_handler_is_not_taken_for_a_fault_of_the_strategy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Preempted(Exception):
        pass

    def interrupted(*_: object, **__: object) -> str:
        raise Preempted

    tuner = Tuner(small(), Random())
    with monkeypatch.context() as patch:
        patch.setattr("dsice.journal.format.json.dumps", interrupted)
        with pytest.raises(Preempted):
            tuner.ask(2)
    assert len(tuner.history) == 0 and len(tuner.ask(2)) == 2


def test_stage_repeat_member_parent_and_overrides_are_carried() -> None:
    proposals = (
        Proposal((1, 0, 0), stage=1, repeat=2, member=3, parent=0, overrides={"b": 0.123}),
        Proposal((1, 0, 0)),
    )
    trial = Tuner(small(), Fixed(proposals)).ask(2)[0]
    assert (trial.stage, trial.repeat, trial.member, trial.parent) == (1, 2, 3, 0)
    assert (
        trial.params == {"a": 2, "b": 0.123, "c": 0}
        and trial.overrides == {"b": 0.123}
        and trial.point == (1, 0, 0)
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"orphans": "drop"}, "'again' or 'keep'"),
    ({"max_trials": 0}, "max_trials=0"),
    ({"max_trials": 2.5}, "max_trials=2.5"),
    ({"seed": -1}, "seed=-1"),
    ({"seed": None}, "seed=None"),
    ({"goal": "loss"}, r"expected a Goal, such as Goal\('loss'\)"),
    ({"strategy": Random}, "strategy object"),
    ({"strategy": "random"}, "strategy object"),
    ({"goal": Goal(time_weight=1.0, until=Share(0.5))}, "give Tuner"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Tuner(small(), **options)


RANKS = [
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
]


@pytest.mark.parametrize(("rank", "size"), RANKS)
def test_under_a_multi_process_trainer_rank_zero_alone_tunes(
    rank: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(rank, "3")
    monkeypatch.setenv(size, "8")
    with pytest.raises(
        RankError, match=f"this is rank 3 of 8 \\({rank}=3\\), and only rank 0 may own the tuner"
    ):
        Tuner(small(), Random())
    for own, of in (("0", "8"), ("0", "1"), ("3", "1"), ("3", "")):
        monkeypatch.setenv(rank, own)
        monkeypatch.setenv(size, of)
        Tuner(small(), Random())
