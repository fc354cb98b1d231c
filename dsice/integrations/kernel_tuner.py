"""Kernel Tuner: a strategy for it.

Kernel Tuner compiles, checks and times the kernels, solves the restrictions, and keeps the budget
and the cache file; `DsiceStrategy` says which configuration comes next. Its cache files, and the
results of KTT and in the T4 format, are read by `dsice.reuse.results`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dsice.checks import is_number, plain, whole, wrong
from dsice.errors import MissingPackageError, OptionError, SpaceError
from dsice.goal import Goal
from dsice.space import Axis, Choice, Ordinal, Require, Space
from dsice.space.points import MAX_POINTS
from dsice.strategies import DSICE, SupportsAsk
from dsice.trial import Trial
from dsice.tuner import Tuner
from dsice.tuner.reusing import Reusable
from dsice.typing import Array, Params

__all__ = ["DsiceStrategy"]

_OPTIONS = ("max_fevals", "time_limit", "x0", "searchspace_construction_options")
"""What ``strategy_options=`` of tune_kernel may hold; all but x0 are read by Kernel Tuner."""


class DsiceStrategy:
    """A strategy for ``kernel_tuner.tune_kernel(..., strategy=DsiceStrategy())``.

    It searches the configurations that Kernel Tuner's restrictions leave, until its budget
    (``strategy_options={"max_fevals": ..., "time_limit": ...}``) is spent or all are measured.
    ``strategy_options={"x0": [...]}`` is the configuration that is measured first. With
    ``parallel=`` it asks for as many at a time as there are workers.

    Parameters
    ----------
    search
        What proposes the configurations; by default ``DSICE(tolerance=None)``, which goes on until
        the budget is spent.
    reuse
        Measurements of related tasks, as in `Tuner`: cache files of another GPU or another size,
        T4 and KTT files, journals, tables.
    unordered
        Names of parameters whose numbers only tell alternatives apart, such as the number of an
        algorithm. Parameters that are not all numbers are so anyway.
    seed
        Same seed, same configurations; by default the ``seed=`` of tune_kernel, or 0.

    Raises
    ------
    OptionError
        An option of the wrong kind.
    MissingPackageError
        Kernel Tuner is not installed.

    Examples
    --------
    A kernel in C, which needs a compiler and no GPU, and returns the milliseconds itself:

    >>> from kernel_tuner import tune_kernel
    >>> from dsice.integrations.kernel_tuner import DsiceStrategy
    >>> source = 'extern "C" float copy(void) { return 1.0 + (tile - 24) * (tile - 24); }'
    >>> results, env = tune_kernel(
    ...     "copy", source, 1, [], {"tile": [8, 16, 24, 32]}, lang="C", quiet=True,
    ...     strategy=DsiceStrategy(), strategy_options={"max_fevals": 4})
    >>> env["best_config"]["tile"], len(results)
    (24, 4)
    """

    def __init__(
        self,
        search: SupportsAsk | None = None,
        *,
        reuse: Iterable[Reusable] | None = None,
        unordered: Sequence[str] = (),
        seed: int | None = None,
    ) -> None:
        if seed is not None:
            seed = whole("DsiceStrategy", "seed", seed)
        if isinstance(unordered, str) or not all(isinstance(name, str) for name in unordered):
            raise wrong("DsiceStrategy", "unordered", unordered, "a list of names of parameters")
        self.search = search
        self.reuse = None if reuse is None else [*reuse]
        self.unordered = tuple(unordered)
        self.seed = seed
        _allow_parallel(self)

    def tune(self, searchspace: Any, runner: Any, tuning_options: Any) -> list[dict[str, Any]]:
        """What Kernel Tuner calls: its search space, its runner and its options; the results.

        Raises
        ------
        OptionError
            More than one objective, an unknown option, or an x0 that is no configuration.
        """
        from kernel_tuner.strategies.common import CostFunc
        from kernel_tuner.util import StopCriterionReached

        self._check(searchspace, tuning_options)
        grid = SolvedSpace(searchspace, self.unordered)
        tuner = self._tuner(grid, searchspace, tuning_options)
        # the points are configurations of its own: nothing is to be rounded or repaired
        measure = CostFunc(searchspace, tuning_options, runner, scaling=False, snap=False)
        sign = -1.0 if tuning_options.objective_higher_is_better[0] else 1.0
        try:
            while trials := tuner.ask(max(1, runner.available_parallelism())):
                configurations = [grid.configuration(trial) for trial in trials]
                costs = measure.eval_all(configurations, check_restrictions=False)
                for trial, cost in zip(trials, costs, strict=True):
                    _tell(tuner, trial, float(cost), sign)
        except StopCriterionReached as end:
            if tuning_options.verbose:
                print(end)
        results: list[dict[str, Any]] = measure.results
        return results

    def _check(self, searchspace: Any, tuning_options: Any) -> None:
        """Raise OptionError for what this strategy cannot do."""
        if len(tuning_options.objective) > 1:
            raise OptionError(
                f"DsiceStrategy: tune_kernel has {len(tuning_options.objective)} objectives, "
                f"{', '.join(tuning_options.objective)}; give one"
            )
        unknown = [name for name in tuning_options.strategy_options if name not in _OPTIONS]
        if unknown:
            raise OptionError(
                f"DsiceStrategy: unknown strategy_options {', '.join(map(repr, unknown))}; known "
                f"are {', '.join(_OPTIONS)}, and the options of dsice go to DsiceStrategy(...)"
            )
        strange = [name for name in self.unordered if name not in searchspace.param_names]
        if strange:
            known = ", ".join(searchspace.param_names)
            raise wrong("DsiceStrategy", "unordered", strange, f"names of parameters: {known}")

    def _tuner(self, grid: SolvedSpace, searchspace: Any, tuning_options: Any) -> Tuner:
        """The search over the configurations, in the units of the objective."""
        search = self.search
        first = tuning_options.strategy_options.get("x0")
        if search is None:
            start = None if first is None else grid.params(first, searchspace)
            search = DSICE(tolerance=None, start=start)
        elif first is not None:
            raise OptionError(
                "DsiceStrategy: x0 of strategy_options goes with the default search only; "
                "give start= to the search: DSICE(start=...)"
            )
        seed = tuning_options.get("seed") if self.seed is None else self.seed
        return Tuner(
            grid.space,
            search,
            goal=Goal(
                tuning_options.objective[0],
                maximize=bool(tuning_options.objective_higher_is_better[0]),
            ),
            seed=0 if seed is None else whole("tune_kernel", "seed", seed),
            reuse=self.reuse,
        )


class SolvedSpace:
    """The configurations that Kernel Tuner's solver found, as a space.

    Parameters
    ----------
    searchspace
        Its search space.
    unordered
        Parameters whose numbers have no order.

    Attributes
    ----------
    space
        The space of the parameters that have a choice; its valid points are the configurations.
    """

    def __init__(self, searchspace: Any, unordered: Sequence[str] = ()) -> None:
        if not searchspace.size:
            raise SpaceError(
                "DsiceStrategy: the restrictions of tune_kernel leave no configuration"
            )
        indices = searchspace.get_list_param_indices_numpy()
        self._names = tuple(searchspace.tune_params)
        self._values: list[list[Any]] = []  # of each parameter, by level, as Kernel Tuner has them
        axes: dict[str, Axis] = {}
        columns = []
        for j, (name, values) in enumerate(searchspace.tune_params.items()):
            used = np.unique(indices[:, j]).tolist()  # some values are in no configuration
            axis, places = _axis([values[index] for index in used], ordered=name not in unordered)
            order = [used[place] for place in places]
            self._values.append([values[index] for index in order])
            if len(order) > 1:  # a constant is nothing to search
                level_of = np.zeros(len(values), dtype=np.int64)
                level_of[order] = np.arange(len(order))
                axes[name] = axis
                columns.append(level_of[indices[:, j]])
        if not axes:
            axes, columns = {self._names[0]: Ordinal([0])}, [np.zeros(1, dtype=np.int64)]
        self.space = self._space(axes, np.stack(columns, axis=1))

    def _space(self, axes: Mapping[str, Axis], levels: Array) -> Space:
        grid = Space(axes)
        if len(levels) == grid.size:
            return grid
        if len(levels) <= MAX_POINTS:
            return grid.among(levels)
        known = set(map(tuple, levels.tolist()))

        def solved(params: Params) -> bool:
            return grid.point(params) in known

        return Space(axes, where=[Require(solved)])

    def configuration(self, trial: Trial) -> tuple[Any, ...]:
        """The configuration of a trial, as Kernel Tuner has it."""
        levels = dict(zip(self.space.names, trial.point, strict=True))
        return tuple(
            values[levels.get(name, 0)]
            for name, values in zip(self._names, self._values, strict=True)
        )

    def params(self, configuration: object, searchspace: Any) -> dict[str, Any]:
        """The params of a configuration.

        Raises
        ------
        OptionError
            It is none of the search space.
        """
        names = self._names
        given = tuple(configuration) if isinstance(configuration, (list, tuple)) else ()
        if len(given) != len(names) or not searchspace.is_param_config_valid(given):
            allowed = f"a configuration that the restrictions allow: [{', '.join(names)}]"
            raise wrong("strategy_options", "x0", configuration, allowed)
        levels = {
            name: values.index(value)
            for name, values, value in zip(names, self._values, given, strict=True)
        }
        return dict(self.space.params([levels[name] for name in self.space.names]))


def _axis(values: Sequence[Any], *, ordered: bool) -> tuple[Axis, list[int]]:
    """An axis of values, and the place among them of each of its levels."""
    plain_values: list[Any] = [plain(value) for value in values]
    places = list(range(len(values)))
    if ordered and all(map(is_number, plain_values)):
        places.sort(key=plain_values.__getitem__)
        return Ordinal([plain_values[place] for place in places]), places
    try:
        return Choice(plain_values), places
    except SpaceError:  # objects, or 1 beside True
        return Choice([str(value) for value in values]), places


def _tell(tuner: Tuner, trial: Trial, cost: float, sign: float) -> None:
    """Tell the cost of a configuration; the largest float stands for one that failed."""
    if abs(cost) < sys.float_info.max:  # neither infinite nor NaN
        tuner.tell(trial, sign * cost)
    else:
        tuner.tell(trial, error="Kernel Tuner could not compile, run or verify it")


def _allow_parallel(strategy: object) -> None:
    """Let ``tune_kernel(parallel=...)`` give more than one worker to this strategy.

    Kernel Tuner 1.5 gives a single one to strategies that are not in a list of its own.
    """
    try:
        from kernel_tuner import interface
    except ImportError as error:
        raise MissingPackageError(
            "DsiceStrategy needs Kernel Tuner: pip install 'dsice[kernel-tuner]'"
        ) from error
    listed = getattr(interface, "_STRATEGY_PARALLEL", None)
    if isinstance(listed, list) and not any(one is strategy for one in listed):
        listed.append(strategy)
