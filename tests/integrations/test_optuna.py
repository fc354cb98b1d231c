"""`DsiceSampler` in studies of Optuna: what is proposed, and by whom else it is seen."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="pip install 'dsice[optuna]'")

from optuna import TrialPruned
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import HyperbandPruner
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from dsice import Goal, History, Require, State, When
from dsice.errors import DsiceError, DsiceWarning, OptionError
from dsice.integrations.optuna import DsiceSampler

SPACE: dict[str, BaseDistribution] = {
    "x": IntDistribution(0, 12),
    "y": IntDistribution(1, 64, log=True),
    "kind": CategoricalDistribution(["a", "b"]),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def new(sampler: DsiceSampler, name: str = "study", **options: Any) -> Any:
    return optuna.create_study(study_name=name, sampler=sampler, **options)


def bowl(trial: Any) -> float:
    x = trial.suggest_int("x", 0, 12)
    y = trial.suggest_int("y", 1, 64, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return float((x - 5) ** 2 + np.log(y / 8) ** 2 + (kind == "a"))


def params(study: Any) -> list[tuple[Any, ...]]:
    return [tuple(trial.params.values()) for trial in study.trials]


def test_it_finds_the_best_point_and_measures_none_twice() -> None:
    for direction, sign in (("minimize", 1.0), ("maximize", -1.0)):
        study = new(DsiceSampler(SPACE), direction=direction)
        study.optimize(lambda trial, sign=sign: sign * bowl(trial), n_trials=30)
        assert study.best_params == {"x": 5, "y": 8, "kind": "b"}
        assert len(set(params(study))) == 30


def test_a_study_that_is_opened_again_goes_on_as_if_it_had_never_been_closed(
    tmp_path: Path,
) -> None:
    whole = new(DsiceSampler(SPACE))
    whole.optimize(bowl, n_trials=18)
    for part in range(3):
        study = new(DsiceSampler(SPACE), storage=journal(tmp_path), load_if_exists=True)
        study.optimize(bowl, n_trials=6)
        assert params(study) == params(whole)[: 6 * (part + 1)]


def test_the_seed_is_the_name_of_the_study_or_the_one_that_is_given() -> None:
    def first(name: str, seed: int | None) -> tuple[Any, ...]:
        study = new(DsiceSampler(SPACE, seed=seed), name)
        study.optimize(bowl, n_trials=4)
        return tuple(params(study))

    assert first("one", None) == first("one", None) != first("two", None)
    assert first("one", 7) == first("two", 7) != first("one", 8)


# ------------------------------------------------------------------ others who ask
def memory(tmp_path: Path) -> BaseStorage:
    return InMemoryStorage()


def journal(tmp_path: Path) -> BaseStorage:
    return JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))


def database(tmp_path: Path) -> BaseStorage:
    return RDBStorage(f"sqlite:///{tmp_path}/study.db")


@pytest.mark.parametrize("storage", [memory, journal, database])
def test_what_one_asked_is_pending_for_all_others(
    storage: Callable[[Path], BaseStorage], tmp_path: Path
) -> None:
    kept = storage(tmp_path)
    new(DsiceSampler(SPACE), storage=kept).optimize(bowl, n_trials=10)
    asked = []
    for _ in range(6):  # each with a sampler of its own, as another process has
        study = optuna.load_study(study_name="study", storage=kept, sampler=DsiceSampler(SPACE))
        trial = study.ask()
        trial.suggest_int("x", 0, 12)  # no other value of it is in the study yet
        asked.append(trial)
    known = [tuple(t.system_attrs["dsice:proposal"]["values"].values()) for t in study.trials]
    assert len(set(known)) == 16
    for trial in asked:
        bowl(trial)
    assert len(set(params(study))) == 16


def test_who_proposes_at_the_same_moment_looks_back_and_yields(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module: Any = import_module("dsice.integrations.optuna.sampler")

    kept = journal(tmp_path)
    study = new(DsiceSampler(SPACE), storage=kept)
    study.optimize(bowl, n_trials=12)
    other = optuna.load_study(study_name="study", storage=kept, sampler=DsiceSampler(SPACE))
    mine, theirs = study.ask(), other.ask()
    propose, rounds = module.propose, Counter[int]()

    def at_once(own: Any, trial: Any, values: Any, phase: str) -> None:
        """Both have read the study before either has written."""
        rounds[trial.number] += 1
        if rounds.total() == 1:
            bowl(theirs)
        propose(own, trial, values, phase)

    monkeypatch.setattr(module, "propose", at_once)
    monkeypatch.setattr(module, "being_asked", lambda *_: 0)  # else neither is the other's
    bowl(mine)
    assert rounds[mine.number] == 2, "the first proposal was the same"
    assert len(set(params(study))) == 14


@pytest.mark.parametrize("space", [SPACE, None])
def test_threads_measure_no_point_twice(space: dict[str, BaseDistribution] | None) -> None:
    study = new(DsiceSampler(space))
    if space is None:
        study.optimize(bowl, n_trials=1)  # from then on the parameters are known
    study.optimize(bowl, n_trials=30, n_jobs=4)
    assert len(set(params(study))) == len(study.trials)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_single_asks_are_the_batch_and_cost_one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    from dsice.strategies.dsice import DSICE

    study = new(DsiceSampler(SPACE))
    study.optimize(bowl, n_trials=20)
    searches = []
    search = DSICE._search

    def counted(*arguments: Any) -> Any:
        searches.append(1)
        return search(*arguments)

    monkeypatch.setattr(DSICE, "_search", counted)
    for _ in range(12):
        bowl(study.ask())
    assert len(searches) == 1 and len(set(params(study))) == 32


# ------------------------------------------------------------------ trials of every kind
def test_failed_and_pruned_trials_and_infinite_values_count_as_bad() -> None:
    study = new(DsiceSampler(SPACE))

    def objective(trial: Any) -> float:
        value = bowl(trial)
        if trial.params["kind"] == "b":
            raise [ValueError("no"), optuna.TrialPruned][trial.number % 2]
        return float("inf") if trial.params["x"] < 3 else value

    study.optimize(objective, n_trials=40, catch=(ValueError,))
    states = Counter(trial.state for trial in study.trials)
    assert states[TrialState.FAIL] and states[TrialState.PRUNED]
    late = [trial.params["kind"] for trial in study.trials[20:]]
    assert late.count("b") <= 5, "it keeps away from where nothing works"
    assert len(set(params(study))) == 40
    assert study.best_params == {"x": 5, "y": 8, "kind": "a"}


def test_a_pruner_that_shows_other_trials_later_is_followed() -> None:
    def objective(trial: Any) -> float:
        value = bowl(trial)
        for step in range(1, 10):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise TrialPruned
        return value

    storage = InMemoryStorage()
    for _ in range(2):  # the second time Hyperband shows all trials first, then those of a bracket
        pruner = HyperbandPruner(max_resource=9)
        study = new(DsiceSampler(SPACE), storage=storage, load_if_exists=True, pruner=pruner)
        study.optimize(objective, n_trials=30)
    assert max(Counter(params(study)[30:]).values()) <= 3  # once in each bracket


def test_added_trials_inform_and_are_not_measured_again() -> None:
    study = new(DsiceSampler(SPACE))
    for x in range(13):
        for kind in ("a", "b"):
            values = {"x": x, "y": 8, "kind": kind}
            value = float((x - 5) ** 2 + (kind == "a"))
            study.add_trial(create_trial(params=values, distributions=SPACE, value=value))
    study.optimize(bowl, n_trials=6)
    assert len(set(params(study))) == 32
    assert np.median([abs(trial.params["x"] - 5) for trial in study.trials[-6:]]) <= 2


def test_an_enqueued_trial_is_pending_and_the_search_fills_in_what_it_lacks() -> None:
    study = new(DsiceSampler(SPACE))
    study.optimize(bowl, n_trials=25)
    assert study.best_params == {"x": 5, "y": 8, "kind": "b"}
    waiting = {"x": 5, "y": 10, "kind": "b"}
    study.enqueue_trial({"x": 9})
    study.enqueue_trial(waiting)
    partly = study.ask()
    bowl(partly)
    assert partly.params["x"] == 9
    assert partly.params not in [trial.params for trial in study.trials[: partly.number]]
    proposal = study.trials[partly.number].system_attrs["dsice:proposal"]
    assert proposal["values"]["x"] == 9
    ahead = [study._storage.create_new_trial(study._study_id) for _ in range(6)]
    asked = [optuna.Trial(study, id) for id in ahead]  # pass the queue
    for trial in asked:
        bowl(trial)
    assert waiting not in [trial.params for trial in asked]


def test_values_off_the_grid_count_at_their_nearest_level() -> None:
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}
    study = new(DsiceSampler(space, levels=11))
    for value in (0.49, 0.51, 0.5001):
        study.enqueue_trial({"x": value})
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.5) ** 2, n_trials=13)
    asked = [trial.params["x"] for trial in study.trials[3:]]
    assert sorted(asked) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_constraints_are_learned_from_either_way_to_state_them() -> None:
    def near_five(trial: Any) -> float:
        trial.set_constraint("x", 5.0 - trial.suggest_int("x", 0, 12))
        return bowl(trial) + 3 * trial.params["x"]

    def with_function(trial: Any) -> float:
        return bowl(trial) + 3 * trial.params["x"]

    told = DsiceSampler(SPACE, constraints_func=lambda trial: (5.0 - trial.params["x"],))
    for sampler, objective in ((DsiceSampler(SPACE), near_five), (told, with_function)):
        study = new(sampler)
        study.optimize(objective, n_trials=40)
        assert study.best_params == {"x": 5, "y": 8, "kind": "b"}
        kept = [trial.params["x"] >= 5 for trial in study.trials[20:]]
        assert sum(kept) >= 12, "most proposals keep the constraint"


def test_the_history_is_that_which_history_of_makes_of_the_same_columns() -> None:
    from dsice.integrations.optuna.distributions import Grid
    from dsice.integrations.optuna.trials import Row, history_of

    rng = np.random.default_rng(5)
    grid = Grid(SPACE, (), 11, True)
    rows = []
    for number in range(60):
        point = tuple(int(level) for level in rng.integers(0, grid.space.shape) % 4)
        state = rng.choice([State.DONE, State.DONE, State.FAILED, State.STOPPED, State.PENDING])
        done = state == State.DONE
        broken = {"a": float(rng.normal()), "b": np.inf} if done and number % 3 else {}
        rows.append(Row(number, point, State(state), rng.normal() if done else None, broken))
    made = history_of(grid, rows, maximize=True, sources=())
    metrics = {
        f"constraint {name}": [
            min(row.constraints.get(name, 0.0), 1e12) if row.state is State.DONE else None
            for row in rows
        ]
        for name in "ab"
    }
    plain = History.of(
        grid.space,
        [row.point for row in rows],
        [row.value for row in rows],
        states=[row.state for row in rows],
        metrics=metrics,
        repeats="count",
        goal=made.goal,
    )
    assert made.goal == Goal(maximize=True, at_most=dict.fromkeys(metrics, 0.0))
    assert list(made) == list(plain) and made.taken() == plain.taken()
    for numbers in ("scores", "violation", "counts", "keys", "order", "point_scores"):
        assert np.array_equal(getattr(made, numbers)(), getattr(plain, numbers)(), equal_nan=True)


# ------------------------------------------------------------------ the space
RULES = (Require("x * y <= 64"), When("kind == 'b'", "z"))
RULED: dict[str, BaseDistribution] = {**SPACE, "z": FloatDistribution(0, 1)}


def ruled(trial: Any) -> float:
    value = bowl(trial)
    z = trial.suggest_float("z", 0, 1) if trial.params["kind"] == "b" else 0.5
    return value + (z - 0.3) ** 2


@pytest.mark.parametrize("space", [RULED, None])
def test_rules_hold_for_every_proposal(space: dict[str, BaseDistribution] | None) -> None:
    study = new(DsiceSampler(space, where=RULES))
    study.optimize(ruled, n_trials=50)
    assert all(trial.params["x"] * trial.params["y"] <= 64 for trial in study.trials)
    assert study.best_params == {"x": 5, "y": 8, "kind": "b", "z": 0.3}
    assert all(("z" in trial.params) == (trial.params["kind"] == "b") for trial in study.trials)


def test_a_space_that_changes_is_sampled_at_random_where_it_does_and_said_once() -> None:
    study = new(DsiceSampler())

    def objective(trial: Any) -> float:
        value = bowl(trial)
        return value + trial.suggest_float("z", 0, 1) if trial.params["kind"] == "b" else value

    with pytest.warns(DsiceWarning, match="parameter 'z' is sampled at random") as said:
        study.optimize(objective, n_trials=30)
    assert len(said) == 1
    assert study.best_params["x"] == 5 and 6 <= study.best_params["y"] <= 10
    quiet = new(DsiceSampler(warn_independent_sampling=False))
    quiet.optimize(objective, n_trials=8)


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (IntDistribution(3, 9, step=3), [3, 6, 9]),
        (IntDistribution(1, 8, log=True), [1, 2, 3, 4, 5, 6, 7, 8]),
        (IntDistribution(0, 1000), [0, 250, 500, 750, 1000]),
        (FloatDistribution(0, 1, step=0.25), [0.0, 0.25, 0.5, 0.75, 1.0]),
        (FloatDistribution(0, 1), [0.0, 0.25, 0.5, 0.75, 1.0]),
        (FloatDistribution(1e-4, 1, log=True), [1e-4, 1e-3, 1e-2, 0.1, 1.0]),
        (CategoricalDistribution([1, 10, 100]), [1, 10, 100]),
        (CategoricalDistribution([None, True, "x", 2.5, 1]), [None, True, "x", 2.5, 1]),
    ],
)
def test_values_of_each_distribution(distribution: BaseDistribution, expected: list[Any]) -> None:
    study = new(DsiceSampler({"p": distribution}, levels=5))
    found = []
    for trial in range(len(expected)):
        found.append(study.ask({"p": distribution}).params["p"])
        study.tell(trial, float(trial))
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_numbers_as_choices_are_in_order_unless_that_is_switched_off() -> None:
    from dsice.integrations.optuna.distributions import GridAxis

    numbers = CategoricalDistribution([16, 32, 64])
    assert GridAxis(numbers, 5, ordered=True).axis.ordered
    assert not GridAxis(numbers, 5, ordered=False).axis.ordered
    assert not GridAxis(CategoricalDistribution([16, 64, 32]), 5, ordered=True).axis.ordered


def test_a_grid_that_is_used_up_becomes_finer() -> None:
    study = new(DsiceSampler(levels=3))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=20)
    found = sorted(trial.params["x"] for trial in study.trials)
    assert len(set(found)) == 20
    assert min(b - a for a, b in pairwise(found)) < 0.07
    assert abs(study.best_params["x"] - 0.3) < 0.05


def test_where_no_point_is_left_that_is_said_and_points_are_measured_again() -> None:
    study = new(DsiceSampler({"x": IntDistribution(0, 3)}))
    with pytest.warns(DsiceWarning, match="all 4 points") as said:
        study.optimize(lambda trial: float(trial.suggest_int("x", 0, 3)), n_trials=10)
    assert len(said) == 1 and len(study.trials) == 10
    assert {trial.params["x"] for trial in study.trials[:4]} == {0, 1, 2, 3}


def test_a_partly_fixed_sampler_searches_the_rest() -> None:
    study = new(DsiceSampler(SPACE))
    study.optimize(bowl, n_trials=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.sampler = optuna.samplers.PartialFixedSampler({"x": 2}, study.sampler)
    study.optimize(bowl, n_trials=20)
    best = min(study.trials[10:], key=lambda trial: trial.value)
    assert {trial.params["x"] for trial in study.trials[10:]} == {2}
    assert best.params["kind"] == "b" and 6 <= best.params["y"] <= 10


# ------------------------------------------------------------------ reuse
def test_other_studies_inform_the_first_proposals() -> None:
    old = new(DsiceSampler(SPACE), "old", direction="maximize")
    old.optimize(lambda trial: -7.0 * bowl(trial), n_trials=40)
    study = new(DsiceSampler(SPACE, reuse=[old]))
    study.optimize(bowl, n_trials=3)
    assert study.best_params == {"x": 5, "y": 8, "kind": "b"}


def test_what_cannot_be_reused_is_refused() -> None:
    several = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(OptionError, match="several objectives"):
        DsiceSampler(reuse=[several])
    with pytest.raises(OptionError, match="expected a list of sources"):
        DsiceSampler(reuse="old.db")
    other = new(DsiceSampler(), "other")
    other.optimize(lambda trial: trial.suggest_float("elsewhere", 0, 1), n_trials=3)
    study = new(DsiceSampler(SPACE, reuse=[other]))
    with pytest.raises(OptionError, match="'other'"):
        study.optimize(bowl, n_trials=1)


# ------------------------------------------------------------------ manners
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"search_space": [1]}, "search_space"),
        ({"search_space": {"x": [1, 2]}}, "search_space"),
        ({"where": "x < 3"}, "where"),
        ({"levels": 1}, "levels"),
        ({"seed": -1}, "seed"),
        ({"ordered": "yes"}, "ordered"),
        ({"constraints_func": 3}, "constraints_func"),
        ({"search_space": SPACE, "where": [Require("x > 99")]}, "x > 99"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(DsiceError, match=named):
        DsiceSampler(**options)


def test_a_constraint_that_is_nan_is_an_error() -> None:
    study = new(DsiceSampler(SPACE, constraints_func=lambda trial: (float("nan"),)))
    with pytest.raises(OptionError, match="never NaN"):
        study.optimize(bowl, n_trials=1)


def test_a_rule_of_unknown_names_waits_until_they_are_known() -> None:
    sampler = DsiceSampler(where=[Require("x * y <= 64")], warn_independent_sampling=False)
    study = new(sampler)
    study.optimize(lambda trial: trial.suggest_int("x", 0, 12), n_trials=3)
    study.optimize(bowl, n_trials=3)
    assert {len(trial.params) for trial in study.trials} == {1, 3}


def test_a_copy_proposes_the_same() -> None:
    sampler = DsiceSampler(SPACE, where=[Require("x * y <= 64")], seed=3)
    study = new(sampler)
    study.optimize(bowl, n_trials=10)
    copied = pickle.loads(pickle.dumps(sampler))  # noqa: S301
    other = new(copied)
    other.optimize(bowl, n_trials=10)
    assert params(study) == params(other)


def test_every_rank_of_a_trainer_may_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "PMI_RANK"):
        monkeypatch.setenv(name, "3")
    new(DsiceSampler(SPACE)).optimize(bowl, n_trials=2)


def test_without_optuna_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import dsice.integrations\n"
        "from dsice.errors import MissingPackageError\n"
        "try:\n    import dsice.integrations.optuna\n"
        "except MissingPackageError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'dsice[optuna]'" in done.stdout
