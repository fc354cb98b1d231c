"""The promises of the search hold with sources, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsice import Goal, Space, Trial, Tuner
from dsice.errors import DsiceWarning
from dsice.strategies import DSICE, Random, Strategy

pytestmark = pytest.mark.filterwarnings("ignore:reuse. Random takes nothing")
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


def cut_and_go_on(old: Path, folder: Path, strategy: Strategy, step: int) -> list[tuple[int, ...]]:
    """What a study asks; cut at lines, or at every so many bytes, and resumed it asks the same."""
    with begin(old, strategy, folder / "new.jsonl") as tuner:
        expected = points(searched(tuner))
    content = (folder / "new.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    cuts = [ends[0], ends[0] + 50, *(end + back for end in ends[1::3] for back in (-9, 0))]
    if step:
        cuts = [0, *range(ends[0] - 3, len(content), step)]
    for number, cut in enumerate(cuts):
        path = folder / f"cut-{number}.jsonl"
        path.write_bytes(content[:cut])
        with begin(old, strategy, path) as tuner:
            for trial in tuner.ask(6) if tuner.orphans else ():
                tuner.tell(trial, value(trial))
            while len(tuner.history) < len(expected):
                searched(tuner, 1, batch=6)
        assert points(tuner) == expected, cut
    return expected


def test_a_study_cut_at_any_line_or_inside_one_goes_on_as_if_nothing_had_been(
    old: Path, tmp_path: Path, strategy: Strategy
) -> None:
    expected = cut_and_go_on(old, tmp_path, strategy, 0)
    assert points(searched(begin(old, strategy))) == expected  # and without a journal


@pytest.mark.long
def test_a_study_cut_at_any_byte_goes_on_as_if_nothing_had_been(old: Path, tmp_path: Path) -> None:
    cut_and_go_on(old, tmp_path, DSICE(tolerance=None), 23)


def test_other_sources_make_another_search_and_none_the_one_without(old: Path) -> None:
    search = DSICE(tolerance=None)
    cold = Tuner(SPACE, search, goal=Goal("time"), seed=3)
    empty = Tuner(SPACE, search, goal=Goal("time"), seed=3, reuse=[])
    assert points(searched(cold)) == points(searched(empty))
    assert points(searched(begin(old, search))) != points(cold)


def test_a_strategy_that_takes_nothing_from_sources_says_so(old: Path) -> None:
    with pytest.warns(DsiceWarning, match="Random takes nothing from sources"):
        begin(old, Random())
