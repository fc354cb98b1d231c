"""What every stopper promises."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest

from dsice import Goal, History, State, Trial, Tuner
from dsice.errors import OptionError
from dsice.stopping import (
    Decision,
    LearningCurveMatching,
    Median,
    ReasonedStopper,
    SuccessiveHalving,
    as_stopper,
    decide,
    stopper_dict,
    stopper_from_dict,
)

STOPPERS: dict[str, Any] = {
    "matching": LearningCurveMatching([1, 2, 4, 6], [2, 4, 6], complete=6),
    "strict": LearningCurveMatching(range(10), [3], complete=4, stop_rank=0.1),
    "median": Median(complete=6),
    "late": Median([2, 4, 6], complete=4, warmup=3),
    "halving": SuccessiveHalving([2, 4, 6]),
    "one rung": SuccessiveHalving([3], 0.6),
}

by_complete = pytest.mark.parametrize(
    "stopper", [name for name in STOPPERS if hasattr(STOPPERS[name], "complete")], indirect=True
)
"""Runs a test over the stoppers that compare with complete trainings alone."""


@pytest.fixture(params=sorted(STOPPERS))
def stopper(request: pytest.FixtureRequest) -> Any:
    return STOPPERS[request.param]


def curve(level: float, length: int = 8) -> tuple[tuple[int, float], ...]:
    """A loss that falls towards a level."""
    return tuple((step, level + 2.0 ** (1 - step)) for step in range(1, length + 1))


def trial(id: int, level: float, length: int = 8, **changes: Any) -> Trial:
    known: dict[str, Any] = {
        "state": State.DONE,
        "values": (level,),
        "value": level,
        "curve": curve(level, length),
    } | changes
    return Trial(id, 0, {"x": id}, (id,), **known)


def history(trials: list[Trial], goal: Goal | None = None) -> History:
    return History(goal, trials=trials)


TWELVE = [trial(i, float(level)) for i, level in enumerate([5, 3, 9, 1, 7, 4, 12, 2, 8, 6, 11, 10])]


def decisions(stopper: Any, running: Any, known: History) -> list[Any]:
    return [decide(stopper, running[:n], known) for n in range(1, len(running) + 1)]


def test_a_bad_one_stops_and_a_good_one_does_not(stopper: Any) -> None:
    known = history(TWELVE)
    assert any(d.stop for d in decisions(stopper, curve(11.4), known) if d)
    assert not any(d.stop for d in decisions(stopper, curve(0.9), known) if d)


def test_stop_and_decide_say_the_same(stopper: Any) -> None:
    known = history(TWELVE)
    for level in (0.5, 6.2, 20.0):
        for n in range(1, 9):
            decision = decide(stopper, curve(level)[:n], known)
            assert stopper.stop(curve(level)[:n], known) is (decision is not None and decision.stop)


@by_complete
def test_nothing_stops_before_enough_complete_curves(stopper: Any) -> None:
    for count in range(stopper.complete):
        assert not any(
            d.stop for d in decisions(stopper, curve(99.0), history(TWELVE[:count])) if d
        )
    assert any(
        d.stop for d in decisions(stopper, curve(99.0), history(TWELVE[: stopper.complete])) if d
    )


def test_without_a_curve_there_is_nothing_to_decide(stopper: Any) -> None:
    assert decide(stopper, (), history(TWELVE)) is None and not stopper.stop((), history(TWELVE))


def test_inputs_are_flat_json(stopper: Any) -> None:
    for running in (
        curve(3.3),
        ((1, math.nan), (2, math.inf), (4, math.nan), (7, math.nan)),
        ((9, 4.0),),
    ):
        for decision in decisions(stopper, running, history(TWELVE)):
            if decision:
                assert json.loads(json.dumps(decision.inputs, allow_nan=False)) == decision.inputs


@by_complete
def test_pending_failed_and_stopped_trials_teach_nothing(stopper: Any) -> None:
    others = [State.PENDING, State.FAILED, State.STOPPED, State.LOST, State.TIMED_OUT]
    more = [trial(12 + i, 0.1, state=state) for i, state in enumerate(others)]
    other_stage = [replace(trial(17, 0.1), stage=1)]
    for level in (2.5, 6.5, 30.0):
        assert decisions(stopper, curve(level), history(TWELVE)) == decisions(
            stopper, curve(level), history(TWELVE + more + other_stage)
        )


def test_curves_of_any_length_and_with_gaps_and_nan_never_fail(stopper: Any) -> None:
    rng = random.Random(3)
    for _ in range(60):
        trials = []
        for i in range(14):
            told = tuple(
                (s, rng.choice([rng.random(), math.nan, math.inf]))
                for s in sorted(rng.sample(range(12), rng.randint(0, 9)))
            )
            trials.append(trial(i, rng.random(), curve=told))
        running = tuple(
            (s, rng.choice([rng.random(), math.nan, -math.inf]))
            for s in sorted(rng.sample(range(12), 5))
        )
        for decision in decisions(stopper, running, history(trials)):
            assert decision is None or isinstance(decision.stop, bool)


@by_complete
def test_short_curves_and_such_with_nan_are_left_out_and_counted(stopper: Any) -> None:
    spoilt = [
        trial(12, 0.2, length=1),
        trial(13, 0.2, curve=((1, math.nan), *curve(0.2)[1:])),
        trial(14, 0.2, length=2),
    ]
    plain = decide(stopper, curve(6.5, 6 if stopper != STOPPERS["strict"] else 3), history(TWELVE))
    both = decide(
        stopper, curve(6.5, 6 if stopper != STOPPERS["strict"] else 3), history(TWELVE + spoilt)
    )
    assert (
        plain
        and both
        and both.inputs == {**plain.inputs, "left_out": 3}
        and both.stop == plain.stop
    )


def test_a_training_that_is_all_nan_stops(stopper: Any) -> None:
    running = tuple((s, math.nan) for s in range(1, 7))
    assert any(d.stop for d in decisions(stopper, running, history(TWELVE)) if d)


def test_maximising_is_minimising_the_negative(stopper: Any) -> None:
    negative = [
        replace(
            t, values=(-t.values[0],), value=-t.values[0], curve=tuple((s, -v) for s, v in t.curve)
        )
        for t in TWELVE
    ]
    for level in (0.5, 5.2, 6.6, 7.3, 30.0):
        low = decisions(stopper, curve(level), history(TWELVE))
        high = decisions(
            stopper, [(s, -v) for s, v in curve(level)], history(negative, Goal(maximize=True))
        )
        assert [d and d.stop for d in low] == [d and d.stop for d in high]


def test_scale_and_shift_do_not_matter(stopper: Any) -> None:
    def moved(t: Trial) -> Trial:
        value = 1000 * (t.value or 0.0) + 7
        return replace(
            t, values=(value,), value=value, curve=tuple((s, 1000 * v + 7) for s, v in t.curve)
        )

    for level in (0.5, 5.2, 7.3, 30.0):
        plain = decisions(stopper, curve(level), history(TWELVE))
        other = decisions(
            stopper,
            [(s, 1000 * v + 7) for s, v in curve(level)],
            history([moved(t) for t in TWELVE]),
        )
        assert [d and d.stop for d in plain] == [d and d.stop for d in other]


def test_a_stopper_survives_the_journal(stopper: Any) -> None:
    assert stopper_from_dict(json.loads(json.dumps(stopper_dict(stopper)))) == stopper


# ---------------------------------------------------------------------- the protocol
class StopAlone:
    def stop(self, curve: Any, history: Any) -> bool:
        return len(curve) > 2


class Reasoned(ReasonedStopper):
    def decide(self, curve: Any, history: Any) -> Decision | None:
        return Decision(len(curve) > 2, {"length": len(curve)}) if curve else None


def test_an_object_with_stop_alone_gets_the_default_of_decide() -> None:
    adapted, known = as_stopper(StopAlone()), history(TWELVE)
    assert adapted.decide(curve(1.0)[:2], known) is None and not adapted.stop(curve(1.0)[:2], known)
    assert adapted.decide(curve(1.0)[:3], known) == Decision(True, {}) and adapted.stop(
        curve(1.0)[:3], known
    )


def test_a_stopper_with_both_methods_is_used_as_it_is(stopper: Any) -> None:
    assert as_stopper(stopper) is stopper


def test_stop_of_a_reasoned_stopper_follows_from_its_decision() -> None:
    known = history(TWELVE)
    assert [Reasoned().stop(curve(1.0)[:n], known) for n in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert as_stopper(Reasoned()).decide((), known) is None


def test_the_tuner_keeps_the_users_own_object() -> None:
    mine = StopAlone()
    assert Tuner({"x": range(3)}, stopper=mine).stopper is mine


@pytest.mark.parametrize("wrong", [object(), StopAlone, "median", 3])
def test_what_is_no_stopper_is_refused(wrong: Any) -> None:
    with pytest.raises(
        OptionError,
        match=r"Tuner\(stopper=.*expected an object with a method stop\(curve, history\)",
    ):
        Tuner({"x": range(3)}, stopper=wrong)
