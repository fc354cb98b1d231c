"""What a prompt and a notebook show of the objects that people hold."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Goal, Tuner, run
from dsice.launchers import Local
from dsice.space.summary import Summarised
from dsice.spline import fit
from dsice.strategies import Grid
from tests.cli.test_terminal import EVIL, orders
from tests.conftest import small

SCRIPT = "<script>alert(1)</script>"


def study(journal: Path | None = None) -> Tuner:
    tuner = Tuner({"x": range(6), "kind": ["a", "b"]}, Grid(), journal=journal, max_trials=10)
    trials = tuner.ask(5)
    tuner.tell(trials[0], [2.0, 4.0])
    tuner.tell(trials[1], 2.5)
    tuner.tell(trials[2], error="ValueError: x is 1\nTraceback")
    return tuner


def lines(shown: object) -> dict[str, str]:
    """Names and values of a summary of several lines."""
    found = re.findall(r"^  (\S+) +(.*)$", repr(shown), re.M)
    return dict(found)


def test_a_tuner_says_how_far_it_is_the_best_and_what_comes_next(tmp_path: Path) -> None:
    tuner = study()
    shown = lines(tuner)
    assert repr(tuner).startswith("Tuner of 2 parameters\n")
    assert shown["asked"] == "5 of 10 trials"
    assert shown["trials"] == "2 pending, 2 done, 1 failed"
    assert shown["best"] == "2.5, trial 1" and shown["settings"] == "x = 0, kind = b"
    assert shown["next"] == "tell what came out of the pending trials: 3, 4"
    for trial in [*tuner.pending, *tuner.ask(5)]:
        tuner.tell(trial, 9.0)
    assert lines(tuner)["next"].startswith("the budget is used up")
    assert lines(Tuner(small()))["next"].startswith("ask(n)")
    ended = run(Tuner({"x": range(3)}, Grid()), Local(lambda x: x), progress=False)
    assert "all 3 points of the grid were asked" in lines(ended)["next"]
    assert lines(Tuner(small()))["best"] == "none yet"
    journal = tmp_path / "run.jsonl"
    study(journal).close()
    looked_at = lines(Tuner.read(journal))
    assert looked_at["journal"] == str(journal) and "only looked at" in looked_at["next"]


def test_a_history_has_its_counts_and_its_best() -> None:
    shown = lines(study().history)
    assert shown["trials"] == "2 pending, 2 done, 1 failed"
    assert (shown["goal"], shown["best"]) == ("least value", "2.5, trial 1")


def test_a_trial_is_one_line() -> None:
    history = study().history
    assert repr(history[0]) == "<Trial 0, done: value = 3, sd 1.41 of 2; x = 0, kind = a>"
    assert repr(history[2]) == "<Trial 2, failed: ValueError: x is 1; x = 1, kind = a>"
    assert repr(history[3]) == "<Trial 3, pending; x = 1, kind = b>"


def test_a_goal_shows_what_is_not_at_its_default() -> None:
    goal = Goal("accuracy", maximize=True, at_most={"memory": 8})
    assert repr(goal) == "Goal(metric='accuracy', maximize=True, at_most={'memory': 8.0})"
    assert repr(Goal()) == "Goal()"
    assert eval(repr(goal)) == goal  # noqa: S307
    # the search of the last ask is known by it: no two goals look alike
    bounds = {f"metric {i}": float(i) for i in range(200)}
    other = bounds | {"metric 199": 0.5}
    assert repr(Goal(at_most=bounds)) != repr(Goal(at_most=other))


def wild() -> list[Any]:
    """Objects with many, long and hostile names and texts."""
    evil = EVIL.replace("\udc80", "") + SCRIPT
    axes: dict[str, Any] = {f"p{i}": range(50) for i in range(200)}
    axes |= {evil: Choice([evil, "b" * 10_000]), "q": range(10**5)}
    tuner = Tuner(axes, Grid(), goal=Goal(f"loss {evil}"))
    trials = tuner.ask(2)
    tuner.tell(trials[0], metrics={f"loss {evil}": 1.0, evil: 1e300})
    tuner.tell(trials[1], error=evil * 1000)
    best = tuner.best
    return [tuner, tuner.history, tuner.space, tuner.history.goal, best, *tuner.history]


@pytest.mark.parametrize("shown", wild(), ids=lambda shown: type(shown).__name__)
def test_everything_fits_on_a_screen_and_gives_no_orders(shown: Summarised) -> None:
    text, page = repr(shown), shown._repr_html_()
    assert orders(text) == [] and len(text) < 6000 and text.count("\n") < 24
    assert SCRIPT not in page and orders(page) == [] and page.count("<tr>") < 24
    assert html.unescape(page).count("<script>") == page.count("&lt;script&gt;")


def test_a_fit_is_drawn_whatever_its_values() -> None:
    page = fit([0, 3, 8], [1.0, 2.0, 0.5], 10)._repr_html_()
    assert "SplineFit(k=3, n=10" in page and page.count("<circle") == 3
    for values in ([0.0, 0.0], [1e308, -1.7e308], [5e-324, 0.0]):
        assert "nan" not in fit([0, 3], values, 4)._repr_html_()
    assert "<circle" in fit([0], [1.0], 1)._repr_html_()
    assert (
        len(fit(range(5000), [float(i % 7) for i in range(5000)], 100_000)._repr_html_()) < 20_000
    )
