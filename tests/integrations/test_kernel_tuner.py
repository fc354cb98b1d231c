"""dsice as a strategy of Kernel Tuner, in its simulation mode on a cache file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice.errors import MissingPackageError, OptionError, SpaceError
from dsice.integrations import kernel_tuner as ours
from dsice.integrations.kernel_tuner import DsiceStrategy, SolvedSpace
from dsice.strategies import DSICE, Random
from tests.integrations.conftest import LEVELS, cache, cache_text, key, measured

theirs = pytest.importorskip("kernel_tuner")


def tune(path: Path, strategy: Any, evaluations: int = 30, **options: Any) -> list[dict[str, Any]]:
    """Tune in simulation mode; the results, one for each evaluation."""
    strategy_options = {"max_fevals": evaluations, **options.pop("strategy_options", {})}
    arguments: dict[str, Any] = {
        "restrictions": ["block_size_x * tile <= 512"],
        "objective": "time",
        "quiet": True,
        **options,
    }
    results, _ = theirs.tune_kernel(
        "k",
        "",
        64,
        [],
        LEVELS,
        cache=str(path),
        simulation_mode=True,
        strategy=strategy,
        strategy_options=strategy_options,
        **arguments,
    )
    found: list[dict[str, Any]] = results
    return found


def asked(results: list[dict[str, Any]]) -> list[str]:
    return [key({name: result[name] for name in LEVELS}) for result in results]


def test_it_finds_the_best_of_the_cache_and_measures_nothing_twice(cache_file: Path) -> None:
    results = tune(cache_file, DsiceStrategy(), 14)
    names = asked(results)
    assert len(names) == len(set(names)) == 14
    assert set(names) <= set(cache()["cache"])  # what the restrictions leave
    best = min(result["time"] for result in results if "__error__" not in result)
    assert best == min(time for _, time in measured() if time is not None)


def test_it_goes_on_until_all_are_measured_and_failures_are_no_values(cache_file: Path) -> None:
    results = tune(cache_file, DsiceStrategy(), 1000)
    assert sorted(asked(results)) == sorted(cache()["cache"])
    failed = [time for _, time in measured() if time is None]
    assert sum("__error__" in result for result in results) == len(failed) > 0


def test_it_ends_when_the_time_is_up(cache_file: Path) -> None:
    """Simulated: each result takes 2.1 s to compile and measure."""
    limit = {"time_limit": 5.0, "max_fevals": 1000}
    full = json.loads(cache_file.read_text())
    for entry in full["cache"].values():
        entry["benchmark_time"] = 2000.0
    cache_file.write_text(cache_text(full))
    assert len(tune(cache_file, DsiceStrategy(), strategy_options=limit)) in (1, 2, 3)


def test_the_same_seed_asks_the_same_and_another_one_something_else(cache_file: Path) -> None:
    one, same, other = (asked(tune(cache_file, DsiceStrategy(seed=s), 9)) for s in (1, 1, 2))
    assert one == same != other
    assert one == asked(tune(cache_file, DsiceStrategy(), 9, seed=1))


def test_more_may_be_better(cache_file: Path) -> None:
    results = tune(cache_file, DsiceStrategy(), 14, objective="GFLOP/s")
    best = max(result["GFLOP/s"] for result in results if "__error__" not in result)
    assert best == max(10 / time for _, time in measured() if time is not None)


def test_x0_is_measured_first(cache_file: Path) -> None:
    first = (32, 4, "direct", 7)
    results = tune(cache_file, DsiceStrategy(), 5, strategy_options={"x0": first})
    assert asked(results)[0] == "32,4,direct,7"


@pytest.mark.parametrize(
    ("strategy", "options", "reason"),
    [
        ({}, {"strategy_options": {"x0": [256, 4, "direct", 7]}}, "x0.*restrictions allow"),
        ({}, {"strategy_options": {"x0": [32, 4]}}, "x0.*restrictions allow"),
        ({}, {"strategy_options": {"popsize": 20}}, "unknown strategy_options 'popsize'"),
        ({"search": DSICE()}, {"strategy_options": {"x0": [32, 4, "direct", 7]}}, "start="),
        ({"unordered": ["tyle"]}, {}, "unordered.*tyle.*tile"),
        (
            {},
            {"objective": ["time", "GFLOP/s"], "objective_higher_is_better": [False, True]},
            "2 objectives",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_measured(
    cache_file: Path, strategy: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(OptionError, match=reason):
        tune(cache_file, DsiceStrategy(**strategy), **options)


def test_options_of_the_wrong_kind_are_refused() -> None:
    for wrong in ({"seed": -1}, {"seed": 1.5}, {"unordered": "tile"}, {"unordered": [1]}):
        with pytest.raises(OptionError, match="DsiceStrategy"):
            DsiceStrategy(**wrong)


def test_an_old_cache_of_another_gpu_says_where_to_begin(tmp_path: Path, cache_file: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(cache_text(cache(old=True, device="an older GPU")))
    results = tune(cache_file, DsiceStrategy(reuse=[old]), 1)
    assert asked(results) == ["64,2,shared,7"]  # the best there, and here


def test_any_strategy_of_dsice_will_do(cache_file: Path) -> None:
    assert len(tune(cache_file, DsiceStrategy(Random()), 7)) == 7


# ---------------------------------------------------------------- the space


def searchspace(params: dict[str, list[Any]], restrictions: Any = None) -> Any:
    from kernel_tuner.searchspace import Searchspace

    return Searchspace(params, restrictions, 1024)


@pytest.mark.parametrize(
    ("params", "restrictions"),
    [
        (LEVELS, ["block_size_x * tile <= 512"]),
        ({"a": [3, 1, 2], "b": [0.5, 0.25]}, None),
        ({"a": [True, False], "b": ["x", "y", "z"]}, ["a or b == 'x'"]),
        ({"a": ["test", 1, 2.45], "b": [1]}, None),
        ({"a": [1], "b": [2]}, None),
        ({"a": [np.int64(4), np.int64(2)], "b": [1, 2]}, ["a * b <= 4"]),
        ({"a": list(range(300)), "b": list(range(-150, 150))}, ["a + b <= 3"]),
    ],
)
@pytest.mark.parametrize("most", [10**6, 3])
def test_the_space_has_the_configurations_that_were_solved(
    params: dict[str, list[Any]],
    restrictions: Any,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ours, "MAX_POINTS", most)
    solved = searchspace(params, restrictions)
    grid = SolvedSpace(solved)
    points = grid.space.points().tolist()

    class At:
        def __init__(self, point: list[int]) -> None:
            self.point = tuple(point)

    found = [grid.configuration(At(point)) for point in points]  # type: ignore[arg-type]
    assert sorted(map(str, found)) == sorted(map(str, solved.list))
    some = found[len(found) // 2]
    assert grid.space.point(grid.params(some, solved)) == tuple(points[len(found) // 2])


def test_numbers_are_in_order_unless_they_are_said_to_have_none() -> None:
    solved = searchspace({"a": [3, 1, 2], "b": ["x", "y"]})
    assert SolvedSpace(solved).space.ordered == (True, False)
    assert SolvedSpace(solved, ["a"]).space.ordered == (False, False)
    assert SolvedSpace(solved).space.axes["a"].values == (1, 2, 3)


def test_constants_and_values_that_no_configuration_has_are_no_part_of_the_search() -> None:
    solved = searchspace(LEVELS, ["block_size_x <= 64"])
    space = SolvedSpace(solved).space
    assert space.names == ("block_size_x", "tile", "method")
    assert space.axes["block_size_x"].values == (32, 64)


def test_restrictions_that_leave_nothing_are_named() -> None:
    class Nothing:
        size = 0

    with pytest.raises(SpaceError, match="no configuration"):
        SolvedSpace(Nothing())


# ---------------------------------------------------------------- its runner


class Workers:
    """A runner of four workers, with the budget of Kernel Tuner."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def add_strategy_time(self, seconds: float) -> None: ...

    def available_parallelism(self) -> int:
        return 4

    def run(self, configurations: Any, options: Any) -> list[Any]:
        self.batches.append(len(configurations))
        found: list[Any] = []
        for configuration in configurations:
            if options.budget.is_done():
                found.append(None)
                continue
            options.budget.add_evaluations(1)
            found.append(
                {**dict(zip("ab", configuration, strict=True)), "time": sum(configuration)}
            )
        return found


@pytest.mark.parametrize(("evaluations", "batches"), [(12, [4, 4, 4]), (10, [4, 4, 4])])
def test_a_batch_is_as_many_as_there_are_workers(evaluations: int, batches: list[int]) -> None:
    from kernel_tuner.interface import Options
    from kernel_tuner.util import TuningBudget

    runner = Workers()
    options = Options(
        objective=["time"],
        objective_higher_is_better=[False],
        strategy_options=Options(),
        budget=TuningBudget(None, evaluations),
        verbose=False,
    )
    solved = searchspace({"a": list(range(6)), "b": list(range(6))})
    results = DsiceStrategy().tune(solved, runner, options)
    assert runner.batches == batches and len(results) == evaluations


def test_kernel_tuner_gives_it_more_than_one_worker() -> None:
    from kernel_tuner import interface

    strategy = DsiceStrategy()
    assert strategy in interface._STRATEGY_PARALLEL


def test_without_kernel_tuner_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kernel_tuner", None)
    with pytest.raises(MissingPackageError, match=r"dsice\[kernel-tuner\]"):
        DsiceStrategy()


def test_the_files_of_these_tests_are_those_of_kernel_tuner(cache_file: Path) -> None:
    from kernel_tuner.util import read_cache

    own = cache()["cache"]
    read = read_cache(str(cache_file), open_cache=False)["cache"]
    for entry in read.values():  # it makes objects of the names of errors
        entry |= {"__error__": str(entry["__error__"])} if "__error__" in entry else {}
    assert read == own
