"""Samplers of Optuna: what they are told, generations, constraints, pending points, journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Goal, Space, Tuner
from dsice.errors import OptionError
from dsice.strategies import OptunaSampler
from tests.conftest import Objective, fill

optuna = pytest.importorskip(
    "optuna", reason="Optuna is not installed: pip install 'dsice[optuna]'"
)

GRID = {"x": range(30), "y": range(30)}
SAMPLERS = {
    "tpe": OptunaSampler("TPESampler"),
    "cmaes": OptunaSampler("CmaEsSampler"),
    "nsga2": OptunaSampler("NSGAIISampler", options={"population_size": 8}),
    "random": OptunaSampler(optuna.samplers.RandomSampler),
}


def bowl(params: dict[str, Any]) -> float:
    return float((params["x"] - 13) ** 2 + (params["y"] - 17) ** 2)


def asked(tuner: Tuner) -> list[tuple[int, ...]]:
    return [t.point for t in tuner.history]


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_cut_journal_goes_on_with_the_same_points_and_parts_are_the_batch(
    name: str, tmp_path: Path
) -> None:
    pytest.importorskip("cmaes", reason="CmaEsSampler needs cmaes") if name == "cmaes" else None
    strategy = SAMPLERS[name]
    whole = fill(Tuner(GRID, strategy, seed=2), 40)
    path = tmp_path / "j.jsonl"
    fill(Tuner(GRID, strategy, seed=2, journal=path), 16).close()
    with Tuner(GRID, strategy, seed=2, journal=path) as tuner:
        while len(tuner.history) < 40:
            for trial in [*tuner.ask(3), *tuner.ask(5)]:
                tuner.tell(trial, bowl_of_conftest(trial.params))
    assert asked(tuner) == asked(whole) and len(set(asked(whole))) == 40
    assert Tuner.read(path).strategy == strategy


def bowl_of_conftest(params: Any) -> float:
    from tests.conftest import bowl as shared

    return shared(dict(params))


def test_gaussian_processes_go_on_from_a_journal_in_parts_and_know_the_bounds(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch", reason="GPSampler needs torch: pip install 'dsice[bench-gp]'")
    strategy, goal = (
        OptunaSampler("GPSampler", options={"n_startup_trials": 8}),
        Goal(at_most={"m": 8.0}),
    )

    def tell(tuner: Tuner, *parts: int) -> None:
        for t in [trial for n in parts for trial in tuner.ask(n)]:
            tuner.tell(t, bowl(dict(t.params)), metrics={"m": float(t.params["x"])})

    with Tuner(GRID, strategy, goal=goal, seed=2, journal=tmp_path / "j.jsonl") as whole:
        tell(whole, 10)
        tell(whole, 4)
    # the header, the first ask and its results
    cut = (tmp_path / "j.jsonl").read_bytes().splitlines(keepends=True)[:12]
    (tmp_path / "cut.jsonl").write_bytes(b"".join(cut))
    with Tuner(GRID, strategy, goal=goal, seed=2, journal=tmp_path / "cut.jsonl") as again:
        tell(again, 3, 1)
    assert asked(again) == asked(whole) and len(set(asked(whole))) == 14
    assert sum(t.params["x"] <= 8 for t in whole.history[10:]) >= 3


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_they_search(name: str) -> None:
    pytest.importorskip("cmaes", reason="CmaEsSampler needs cmaes") if name == "cmaes" else None
    objective: Objective = bowl
    found = [fill(Tuner(GRID, SAMPLERS[name], seed=s), 60, objective=objective) for s in range(3)]
    late = sorted(t.value for tuner in found for t in tuner.history[40:] if t.value is not None)
    early = sorted(t.value for tuner in found for t in tuner.history[:20] if t.value is not None)
    assert late[len(late) // 2] < 0.5 * early[len(early) // 2]


def test_cma_es_goes_through_its_generations_and_no_pickle_is_written(tmp_path: Path) -> None:
    pytest.importorskip("cmaes", reason="CmaEsSampler needs cmaes")
    path = tmp_path / "j.jsonl"
    objective: Objective = bowl
    with Tuner(GRID, OptunaSampler("CmaEsSampler"), journal=path) as tuner:
        fill(tuner, 48, objective=objective)
    generations = [
        t.note["optuna.cma:generation"] for t in tuner.history if "optuna.cma:generation" in t.note
    ]
    assert generations == sorted(generations) and max(generations) >= 4
    assert "optimizer" not in path.read_text()


def test_ignored_pending_points_change_nothing_and_a_liar_spreads() -> None:
    def after(pending: Any, busy: int) -> tuple[int, ...]:
        tuner = fill(Tuner(GRID, OptunaSampler(pending=pending), seed=1), 24, objective=bowl)
        tuner.ask(busy + 1)
        return tuner.history[24 + busy].point

    told = fill(Tuner(GRID, OptunaSampler(pending="ignore"), seed=1), 24, objective=bowl)
    strategy = OptunaSampler(pending="ignore")
    alone = strategy.ask(1, told.space, told.history, told._stream)[0].point
    told.ask(6)
    beside = strategy.ask(1, told.space, told.history, lambda *key: told._stream(24, *key[1:]))[0]
    # the same answer, or a free point near it
    assert beside.note["phase"] == "near" or beside.point == alone
    assert after("ignore", 12) != after("liar", 12)


def test_the_first_candidates_are_random_one_for_each_worker() -> None:
    strategy = OptunaSampler(options={"n_startup_trials": 1}, pending="ignore")
    first = [t.point for t in Tuner(GRID, strategy, seed=5).ask(12)]
    random = [t.point for t in Tuner(GRID, OptunaSampler("RandomSampler"), seed=5).ask(12)]
    assert len(set(first)) == 12 and len(set(random)) == 12


@pytest.mark.parametrize(
    "name", ["cmaes", *(pytest.param(name, marks=pytest.mark.long) for name in ("tpe", "nsga2"))]
)
def test_infeasible_trials_keep_the_search_away(name: str) -> None:
    pytest.importorskip("cmaes", reason="CmaEsSampler needs cmaes") if name == "cmaes" else None

    def infeasible(strategy: OptunaSampler, seed: int) -> int:
        tuner = Tuner(GRID, strategy, goal=Goal(at_most={"m": 8.0}), seed=seed)
        for _ in range(6):
            for t in tuner.ask(10):
                tuner.tell(t, bowl(dict(t.params)), metrics={"m": float(t.params["x"])})
        assert tuner.best is not None and tuner.best.params["x"] <= 8
        return sum(t.params["x"] > 8 for t in tuner.history[30:])

    seeds = (3, 4, 5)
    assert sum(infeasible(SAMPLERS[name], s) for s in seeds) < sum(
        infeasible(SAMPLERS["random"], s) for s in seeds
    )


def test_optuna_is_told_every_bound_by_its_signed_distance() -> None:
    from optuna.samplers import TPESampler

    seen: list[Any] = []

    class Spy(TPESampler):  # type: ignore[misc,unused-ignore]
        def sample_relative(self, study: Any, trial: Any, space: Any) -> Any:
            told = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
            seen.append([(t.value, t.system_attrs["constraints"]) for t in told])
            return super().sample_relative(study, trial, space)

    spies = globals()
    spies["Spy"], Spy.__qualname__, Spy.__module__ = Spy, "Spy", __name__
    tuner = Tuner(
        {"x": range(9)},
        OptunaSampler(f"{__name__}:Spy"),
        goal=Goal(at_most={"m": 4.0}, at_least={"n": -2.0}),
    )
    tuner.add({"x": 0}, 1.0, metrics={"m": 6.0, "n": -1.0})
    tuner.add({"x": 1}, 3.0, metrics={"m": 2.0, "n": -3.0})
    tuner.ask(2)
    first, second = seen[-2:]
    assert first == [(1.0, [0.5, -0.5]), (3.0, [-0.5, 0.5])]
    assert second == [*first, (2.0, [0.0, 0.0])]  # a pending point has the middle of all


def test_conditional_parameters_and_choices() -> None:
    from tests.conftest import conditional

    space = conditional()
    tuner = fill(Tuner(space, OptunaSampler()), 10_000)
    assert len(tuner.history) == space.count and tuner.finished
    assert isinstance(Space({"k": Choice(["a", "b"])}).axes["k"], Choice)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptunaSampler(optuna.samplers.TPESampler()), "random state of a sampler object"),
        (lambda: OptunaSampler(lambda seed: None), "importable"),
        (lambda: OptunaSampler(options={"seed": 1}), "other than seed"),
        (lambda: OptunaSampler(pending="model"), "'liar' or 'ignore'"),  # type: ignore[arg-type]
        (
            lambda: Tuner(GRID, OptunaSampler("PTESampler")),
            "there is no 'PTESampler' in optuna.samplers",
        ),
        (lambda: Tuner(GRID, OptunaSampler(options={"startups": 1})), "startups"),
        (
            lambda: OptunaSampler(options={"gamma": lambda n: n // 4}),
            "a journal could not hold that .*a function of your own",
        ),
    ],
)
def test_what_cannot_work_is_named(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


# ---------------------------------------------------------------------- Gaussian process: torch
SMALL = {"x": range(12), "y": range(9)}
NEEDS_TORCH = "GPSampler needs torch: pip install 'dsice[bench-gp]'"


def no_sampler(seed: int) -> int:
    return seed


def breaking(seed: int) -> Any:
    raise RuntimeError("no licence")


@pytest.mark.parametrize(
    ("sampler", "options", "message"),
    [
        (no_sampler, {}, "expected a sampler of Optuna from it, got 0"),
        (breaking, {}, "RuntimeError: no licence"),
        ("TPESampler", {"n_startup_trials": "ten"}, "TypeError: .*nothing was asked"),
        ("NSGAIISampler", {"population_size": 1}, "population_size"),
        ("CmaEsSampler", {"popsize": -1}, "AssertionError: popsize .*nothing was asked"),
    ],
)
def test_what_a_sampler_raises_names_it_also_when_it_is_asked(
    sampler: Any, options: dict[str, Any], message: str
) -> None:
    pytest.importorskip(
        "cmaes", reason="CmaEsSampler needs cmaes"
    ) if sampler == "CmaEsSampler" else None
    with pytest.raises(OptionError, match=message):
        fill(Tuner(GRID, OptunaSampler(sampler, options=options)), 16)


def gaussian(pending: Any = "ignore") -> OptunaSampler:
    """One random first candidate per worker: nothing is told when the first ones are asked for."""
    return OptunaSampler("GPSampler", options={"n_startup_trials": 1}, pending=pending)


def small_bowl(params: dict[str, Any]) -> float:
    return float((params["x"] - 8) ** 2 + 2 * (params["y"] - 2) ** 2)


def stream(tuner: Tuner, trials: int, workers: int) -> Tuner:
    """Asynchronous: whoever is told frees a worker, which gets the next candidate at once."""
    running = list(tuner.pending) or tuner.ask(workers)
    while running:
        first = running.pop(0)
        tuner.tell(first, small_bowl(dict(first.params)))
        if len(tuner.history) < trials:
            running += tuner.ask(1)
    return tuner


def test_a_gaussian_process_finds_the_bottom_without_predicting_pending_points() -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    gaps: list[Any] = []
    for seed in range(3):
        tuner = stream(Tuner(SMALL, gaussian(), seed=seed), 20, workers=4)
        assert len(set(asked(tuner))) == 20 and tuner.best is not None
        gaps.append(tuner.best.value)
    # the bottom, one of 108 points; 20 random points find it with a chance of 19 %
    assert sorted(gaps)[1] == 0.0


def test_a_gaussian_process_goes_on_from_a_cut_journal_and_parts_are_the_batch(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    whole = stream(Tuner(SMALL, gaussian("liar"), seed=2), 14, workers=3)
    path = tmp_path / "j.jsonl"
    with Tuner(SMALL, gaussian("liar"), seed=2, journal=path) as tuner:
        running = tuner.ask(3)
        for _ in range(5):
            first = running.pop(0)
            tuner.tell(first, small_bowl(dict(first.params)))
            running += tuner.ask(1)
    with Tuner(SMALL, gaussian("liar"), seed=2, journal=path) as tuner:
        assert [t.id for t in tuner.ask(3)] == [t.id for t in running]  # what was out comes first
        assert asked(stream(tuner, 14, workers=3)) == asked(whole)
    one, two = Tuner(SMALL, gaussian("liar"), seed=1), Tuner(SMALL, gaussian("liar"), seed=1)
    for tuner in (one, two):
        stream(tuner, 5, workers=5)
    assert [t.point for t in one.ask(4)] == [t.point for t in [*two.ask(1), *two.ask(3)]]


def test_a_gaussian_process_starts_at_random_and_then_follows_what_is_told() -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)

    def after(value: float) -> list[tuple[int, ...]]:
        tuner = Tuner(SMALL, gaussian(), seed=5)
        first = tuner.ask(4)
        for trial in first[:3]:
            tuner.tell(trial, small_bowl(dict(trial.params)) if trial.id else value)
        return [*(t.point for t in first), tuner.ask(1)[0].point]

    low, high = after(-50.0), after(500.0)
    assert low[:4] == high[:4] and len(set(low[:4])) == 4 and low[4] != high[4]
