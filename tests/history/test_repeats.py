"""Points measured several times: what the goal makes of all values, against plain statistics."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from dsice import Goal, History, State, Trial, Tuner
from dsice.errors import OptionError
from dsice.strategies import Random
from dsice.trial import median, spread
from tests.conftest import bowl

PLAIN: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
}


def told(
    trials: list[Trial],
    point: tuple[int, ...],
    values: Sequence[float],
    *,
    metric: str = "ms",
    member: int = 0,
    memory: float = 0.0,
    state: State = State.DONE,
    seconds: float | None = None,
) -> None:
    """Add one more trial, as `Tuner.tell` would make it."""
    repeat = sum(t.point == point and t.member == member for t in trials)
    mean = statistics.fmean(values) if values else None
    metrics = {"memory": memory} | ({} if mean is None else {metric: mean})
    several = {metric: tuple(values)} if len(values) > 1 else {}
    trials.append(
        Trial(
            len(trials),
            0,
            {"x": point[0]},
            point,
            repeat=repeat,
            member=member,
            state=state,
            values=tuple(values),
            value=mean,
            metrics=metrics,
            seconds=seconds,
            repeats=several,
        )
    )


def many(seed: int) -> list[Trial]:
    """Trials at few points and members, with one value or several, some failed."""
    rng = random.Random(seed)
    trials: list[Trial] = []
    for _ in range(60):
        values = [rng.lognormvariate(0.0, 1.0) for _ in range(rng.choice([1, 1, 2, 3, 5]))]
        state = State.FAILED if rng.random() < 0.1 else State.DONE
        told(
            trials,
            (rng.randrange(9),),
            values if state is State.DONE else (),
            member=rng.randrange(2),
            memory=rng.random(),
            state=state,
        )
    return trials


@pytest.mark.parametrize("of", ["mean", "median", "min"])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_point_counts_with_what_the_goal_makes_of_all_its_values(
    of: str, maximize: bool, seed: int
) -> None:
    trials = many(seed)
    goal = Goal("ms", of=of, maximize=maximize, at_most={"memory": 0.8})  # type: ignore[arg-type]
    history = History(goal, trials=trials)
    sign = -1.0 if maximize else 1.0
    ranks = []
    for key in {(t.point, t.member) for t in trials if t.state is State.DONE}:
        here = [t for t in trials if (t.point, t.member) == key and t.state is State.DONE]
        values = [v for t in here for v in t.values]
        value = PLAIN[of](values)
        # 0.1.0 weighs the mean of a trial by its values, and so does the mean of a metric told once
        memory = statistics.fmean(t.metrics["memory"] for t in here)
        over = max(0.0, memory - 0.8) / 0.8
        ranks.append((over, sign * value, here[0].id, tuple(values)))
        scores = history.point_scores()[[t.id for t in here]]
        assert scores.tolist() == pytest.approx([sign * value] * len(here))
        for t in here:
            own = sign * PLAIN[of](t.values)
            assert history.scores()[t.id] == pytest.approx(own)
        found = history.at(here[0].point, member=here[0].member)
        assert found is not None and found.value == pytest.approx(value)
    ranks.sort()
    leading = history.leading(5)
    assert [t.id for t in leading] == [id for _, _, id, _ in ranks[:5]]
    best = history.best
    assert best == leading[0] and best is not None and best.values == ranks[0][3]
    assert best.value == best.metrics["ms"] == pytest.approx(sign * ranks[0][1])
    several = len(best.values) > 1
    assert best.spread == (pytest.approx(statistics.stdev(best.values)) if several else None)


@pytest.mark.parametrize("of", ["mean", "median", "min"])
def test_the_best_so_far_is_the_best_of_the_history_until_then(of: str) -> None:
    trials = many(3)
    goal = Goal("ms", of=of)  # type: ignore[arg-type]
    changes = dict(History(goal, trials=trials).leaders())
    now = None
    for n in range(1, len(trials) + 1):
        now = changes.get(n - 1, now)
        assert now == History(goal, trials=trials[:n]).best


def test_trial_value_stays_the_mean_and_run_time_counts_with_its_mean() -> None:
    trials: list[Trial] = []
    told(trials, (0,), [1.0, 1.0, 10.0], seconds=2.0)
    told(trials, (0,), [2.0], seconds=4.0)
    told(trials, (1,), [1.6], seconds=0.0)
    history = History(Goal("ms", of="median", time_weight=0.1), trials=trials)
    assert [t.value for t in history] == [4.0, 2.0, 1.6]
    assert history.scores().tolist() == pytest.approx([1.2, 2.4, 1.6])
    # the median of 1, 1, 10, 2 and the mean run time, weighted by the number of values
    assert history.point_scores().tolist() == pytest.approx([1.5 + 0.25] * 2 + [1.6])
    assert history.best == history[2]


def test_other_metrics_and_the_run_time_of_a_point_are_means() -> None:
    trials: list[Trial] = []
    told(trials, (0,), [3.0, 5.0], memory=1.0, seconds=2.0)
    told(trials, (0,), [4.5], memory=4.0, seconds=3.0)
    first = trials[0]
    trials[0] = replace(first, repeats={**first.repeats, "memory": (0.5, 1.5)})
    best = History(Goal("ms", of="min"), trials=trials).best
    assert best is not None and best.values == (3.0, 5.0, 4.5)
    assert best.metrics == {"ms": 3.0, "memory": 2.0} and best.seconds == 2.5
    assert best.repeats == {"ms": (3.0, 5.0, 4.5), "memory": (0.5, 1.5, 4.0)}


def test_a_bound_on_the_goals_own_metric_is_about_what_counts() -> None:
    trials: list[Trial] = []
    told(trials, (0,), [1.0, 9.0])  # their mean, 5, would break the bound
    told(trials, (1,), [2.0])
    told(trials, (2,), [4.0])
    history = History(Goal("ms", of="min", at_most={"ms": 3.0}), trials=trials)
    assert history.feasible().tolist() == [True, True, False]
    assert history.distances(np.arange(3))[:, 0].tolist() == pytest.approx([-2 / 3, -1 / 3, 1 / 3])
    assert history.best is not None and history.best.value == 1.0


def test_frame_says_what_is_known_of_the_point_of_each_trial() -> None:
    tuner = Tuner({"n": range(3)}, Random(), goal=Goal("ms", of="median"))
    tuner.add({"n": 1}, [4.0, 1.0])
    tuner.add({"n": 1}, 2.0)
    tuner.add({"n": 2}, 3.0)
    tuner.add({"n": 0}, error="crash")
    frame = tuner.history.frame()
    assert frame["n"].tolist() == [1, 1, 2, 0]  # the parameter keeps its column
    assert frame["value"].tolist()[:3] == [2.5, 2.0, 3.0]
    assert frame["point.value"].tolist()[:3] == [2.0, 2.0, 3.0]
    assert frame["point.n"].tolist() == [3, 3, 1, 0]
    assert frame["point.spread"].tolist()[0] == pytest.approx(statistics.stdev([4.0, 1.0, 2.0]))
    assert frame["point.spread"].isna().tolist() == [False, False, True, True]


def test_the_front_is_one_of_points_not_of_lucky_trials() -> None:
    trials: list[Trial] = []
    told(trials, (0,), [1.0], memory=1.0)
    told(trials, (0,), [9.0], memory=1.0)
    told(trials, (1,), [3.0], memory=2.0)
    front = History(Goal("ms"), trials=trials).front("ms", "memory")
    assert front[["id", "ms", "memory"]].to_numpy().tolist() == [[2, 3.0, 2.0], [0, 5.0, 1.0]]
    front = History(Goal("ms", of="min"), trials=trials).front("ms", "memory")
    assert front[["id", "ms", "memory"]].to_numpy().tolist() == [[0, 1.0, 1.0]]


def test_a_goal_says_only_what_is_not_the_mean_in_a_journal() -> None:
    assert "of" not in Goal("ms").to_dict()
    goal = Goal("ms", of="median")
    assert goal.to_dict()["of"] == "median" and Goal.from_dict(goal.to_dict()) == goal
    with pytest.raises(OptionError, match=r"Goal\(of='max'\): expected 'mean', 'median' or 'min'"):
        Goal(of="max")  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 50])
def test_the_noise_of_an_aggregate_is_that_of_many_draws(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(20_000, n))
    assert Goal().information(np.array([n])) == [n]
    assert Goal(of="min").information(np.array([n])) == [1.0]
    # asymptotically pi/2: medians of few values are a little less noisy than that
    found = np.median(values, axis=1).var() * Goal(of="median").information(np.array([n]))[0]
    assert 0.75 < found < 1.05 and (n < 7 or found > 0.88)


def test_median_and_spread_are_those_of_python_also_of_huge_values() -> None:
    rng = random.Random(0)
    for n in range(1, 12):
        values = [rng.gauss(0.0, 3.0) for _ in range(n)]
        assert median(values) == pytest.approx(statistics.median(values))
        assert spread(values) == (pytest.approx(statistics.stdev(values)) if n > 1 else None)
    assert median(()) is None and spread(()) is None
    assert median((1e308, 1.7e308)) == 1.35e308
    assert spread((-1e308, 1e308)) == pytest.approx(math.sqrt(2.0) * 1e308)
    assert spread((4.0, 4.0, 4.0)) == 0.0


def test_a_search_goes_on_under_every_goal() -> None:
    for of in ("mean", "median", "min"):
        tuner = Tuner({"x": range(9), "y": range(9)}, goal=Goal(of=of))
        noise = random.Random(1)
        for _ in range(3):
            for trial in tuner.ask(12):
                value = bowl(dict(trial.params))
                tuner.tell(trial, [value * (1.0 + noise.expovariate(20.0)) for _ in range(5)])
        best = tuner.best
        assert best is not None and len(best.values) == 5
        assert best.value == pytest.approx(PLAIN[of](best.values))
        assert bowl(dict(best.params)) < 1.0
