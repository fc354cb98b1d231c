"""The promises of the search hold with sources, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsice import Goal, Space, Trial, Tuner
from dsice.strategies import DSICE, Random, Strategy

SPACE = Space({"x": range(9), "y": range(9), "z": [1, 2, 3]})
EVERY = {"dsice": DSICE(tolerance=None), "random": Random()}


def value(trial: Trial) -> float:
    return float((trial.params["x"] - 4) ** 2 + (trial.params["y"] - 4) ** 2 + trial.params["z"])


def begin(old: Path, strategy: Strategy, journal: Path | None = None) -> Tuner:
    return Tuner(SPACE, strategy, goal=Goal("time"), journal=journal, reuse=[old], seed=3)


def points(tuner: Tuner) -> list[tuple[int, ...]]:
    return [trial.point for trial in tuner.history]


def searched(tuner: Tuner, rounds: int = 3, batch: int = 6) -> Tuner:
    for _ in range(rounds):
        for trial in tuner.ask(batch):
            tuner.tell(trial, value(trial))
    return tuner


@pytest.fixture(params=EVERY)
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return EVERY[request.param]


def test_a_batch_in_parts_is_the_batch(old: Path, strategy: Strategy) -> None:
    for rounds in (0, 2):
        whole, parts = (searched(begin(old, strategy), rounds) for _ in range(2))
        asked = [trial.point for trial in whole.ask(7)]
        assert [trial.point for n in (1, 2, 4) for trial in parts.ask(n)] == asked


def test_the_order_of_tells_within_a_batch_does_not_matter(old: Path, strategy: Strategy) -> None:
    forth, back = begin(old, strategy), begin(old, strategy)
    for _ in range(3):
        for tuner, step in ((forth, 1), (back, -1)):
            for trial in tuner.ask(6)[::step]:
                tuner.tell(trial, value(trial))
    assert points(forth) == points(back)


def test_no_pending_point_is_asked_again(old: Path, strategy: Strategy) -> None:
    tuner = searched(begin(old, strategy), 1)
    asked = [trial.point for _ in range(5) for trial in tuner.ask(5)]
    assert len({*asked, *points(tuner)}) == len(asked) + 6


def test_a_study_cut_at_any_line_or_inside_one_goes_on_as_if_nothing_had_been(
    old: Path, tmp_path: Path, strategy: Strategy
) -> None:
    journal = tmp_path / "new.jsonl"
    with begin(old, strategy, journal) as tuner:
        expected = points(searched(tuner))
    content = journal.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    cuts = [ends[0], ends[0] + 50, *(end + step for end in ends[1::3] for step in (-9, 0))]
    for number, cut in enumerate(cuts):
        path = tmp_path / f"cut-{number}.jsonl"
        path.write_bytes(content[:cut])
        with begin(old, strategy, path) as tuner:
            for trial in tuner.ask(6) if tuner.orphans else ():
                tuner.tell(trial, value(trial))
            while len(tuner.history) < len(expected):
                searched(tuner, 1, batch=6)
        assert points(tuner) == expected, cut
    assert points(searched(begin(old, strategy))) == expected  # and without a journal


def test_other_sources_make_another_search_and_none_the_one_without(old: Path) -> None:
    search = DSICE(tolerance=None)
    cold = Tuner(SPACE, search, goal=Goal("time"), seed=3)
    empty = Tuner(SPACE, search, goal=Goal("time"), seed=3, reuse=[])
    assert points(searched(cold)) == points(searched(empty))
    assert points(searched(begin(old, search))) != points(cold)
