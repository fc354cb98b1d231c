"""`DsiceSampler`: what Optuna calls."""

from __future__ import annotations

import hashlib
import threading
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dsice.checks import flag, whole, wrong
from dsice.errors import DsiceWarning, OptionError
from dsice.goal import Goal
from dsice.history import History
from dsice.history.sources import SourceTrials
from dsice.integrations.optuna.distributions import Grid, GridAxis, allowed_levels, default_levels
from dsice.integrations.optuna.reused import sources_of
from dsice.integrations.optuna.trials import (
    FIXED,
    KnownSpace,
    Row,
    StudyRows,
    being_asked,
    history_of,
    propose,
)
from dsice.space import Require, When
from dsice.space.space import as_rules
from dsice.strategies.base import any_free
from dsice.strategies.dsice import DSICE
from dsice.trial import Proposal, stream
from dsice.typing import Point

ATTEMPTS: Final = 20
"""Proposals that others made at the same moment, after which a random one is taken."""
FINER: Final = 6
"""How often the levels are doubled where all points of the grid are measured."""


class DsiceSampler(BaseSampler):
    """Sample with dsice's search: ``optuna.create_study(sampler=DsiceSampler())``.

    The search is a pure function of the trials in the study, so that it goes on in any process that
    opens the study. What is proposed is written to the trial before a value of it is suggested:
    other threads and processes count on it and never propose it again.

    Parameters
    ----------
    search_space
        The parameters by name, as distributions of Optuna. By default those that all finished
        trials have in common; the trials until the first is finished are random then. Parameters
        outside the search space are sampled at random.
    where
        Rules, `dsice.Require` and `dsice.When`, that each proposal obeys. Where they are functions,
        give `search_space`, too.
    levels
        How many values of a continuous range are proposed, and at most of whole numbers with
        ``log=True``; of others with steps, where they have more than 128. By default 101, or 21
        where there are three or more such parameters. Where all points of the grid are measured, a
        finer one is taken.
    ordered
        Whether numbers in order are neighbours, where they are the choices of a category.
    reuse
        Measurements of related tasks: studies of Optuna, or what `dsice.Tuner` takes.
    seed
        By default it follows from the name of the study.
    constraints_func
        Called with each ended trial; its numbers are kept where they are <= 0. Or call
        ``trial.set_constraint`` in the objective.
    warn_independent_sampling
        Whether to warn once of each parameter that is sampled at random though earlier trials have
        it.

    Raises
    ------
    OptionError
        An argument of the wrong kind.

    Examples
    --------
    >>> import optuna
    >>> from dsice.integrations.optuna import DsiceSampler
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(study_name="parabola", sampler=DsiceSampler())
    >>> study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=30)
    >>> study.best_params
    {'x': 2.0}
    """

    def __init__(
        self,
        search_space: Mapping[str, BaseDistribution] | None = None,
        *,
        where: Sequence[Require | When] | Require | When = (),
        levels: int | None = None,
        ordered: bool = True,
        reuse: Iterable[Any] = (),
        seed: int | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        warn_independent_sampling: bool = True,
    ) -> None:
        owner = type(self).__name__
        self._where = _rules(where)
        self._levels = None if levels is None else whole(owner, "levels", levels, 2)
        self._ordered = flag(owner, "ordered", ordered)
        self._seed = None if seed is None else whole(owner, "seed", seed)
        if constraints_func is not None and not callable(constraints_func):
            raise wrong(owner, "constraints_func", constraints_func, "a function of a trial")
        self._constraints_func = constraints_func
        self._warns = flag(owner, "warn_independent_sampling", warn_independent_sampling)
        self._reuse = sources_of(reuse)
        self._search_space = None if search_space is None else _distributions(search_space)
        self._set_up()
        if self._search_space is not None:
            self._grid(self._search_space, 0)  # rules that cannot hold are found at once

    def _set_up(self) -> None:
        """What is remembered follows from the studies and saves time; a copy begins anew."""
        self._lock = threading.Lock()
        self._waiting: set[tuple[int, int]] = set()
        self._grids: dict[Any, Grid] = {}
        self._studies: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()
        self._said: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        forgotten = ("_lock", "_waiting", "_grids", "_studies", "_said")
        return {name: value for name, value in vars(self).items() if name not in forgotten}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    # ------------------------------------------------------------------ what Optuna calls
    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that are proposed together; see `search_space`."""
        if self._search_space is not None:
            return dict(self._search_space)
        with self._lock:
            known = self._kept(study, "space", self._known_space)
            found = known.of(study, study.get_trials(deepcopy=False))
        return {name: one for name, one in found.items() if self._where or not one.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of the parameters of the search space, without those that mean nothing."""
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        place = (id(study._storage), trial.number)
        self._waiting.add(place)
        with self._lock:
            self._waiting.discard(place)
            return self._sample(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value of the grid, under the rules that are strings."""
        self._raise_error_if_multi_objective(study)
        self._warn_independent(study, param_name)
        levels = self._levels or default_levels({param_name: param_distribution})
        axis = GridAxis(param_distribution, levels, self._ordered)
        key = [self._seed_of(study), trial.number, zlib.crc32(param_name.encode())]
        known = {name: value for name, value in trial.params.items() if name != param_name}
        allowed = allowed_levels(param_name, axis, known, self._where)
        return axis.value(int(np.random.default_rng(key).choice(allowed)))

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Ask the function of the constraints, and keep its answer with the trial."""
        ended = state in (TrialState.COMPLETE, TrialState.PRUNED)
        if self._constraints_func is None or not ended:
            return
        found = tuple(float(number) for number in self._constraints_func(trial))
        if np.isnan(found).any():
            raise OptionError(
                f"constraints_func returned {found!r} for trial {trial.number}: a constraint is a "
                "number that is <= 0 where it is kept, and never NaN"
            )
        study._storage.set_trial_system_attr(trial._trial_id, "constraints", found)

    # ------------------------------------------------------------------ a proposal
    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        for finer in range(FINER + 1):
            grid = self._grid(search_space, finer)
            fixed = grid.internal(trial.system_attrs.get(FIXED, {}))
            if fixed:
                grid = self._grid(search_space, finer, fixed)
            point = self._proposed(study, trial, grid)
            if point is not None:
                return grid.params(point)
            if not grid.coarse:
                break
        return self._again(study, trial, grid)

    def _proposed(self, study: Study, trial: FrozenTrial, grid: Grid) -> Point | None:
        """A point that nobody else measures, written to the trial; None: there is none left."""
        rows: StudyRows = self._kept(study, (_key(grid), "rows"), lambda: StudyRows(grid))
        trials = study.get_trials(deepcopy=False)
        known = rows.of(trials, but=trial.number)
        earlier = 0  # others with a lower number that were proposed the same
        for attempt in range(ATTEMPTS + 1):
            history = self._history(study, grid, known)
            if attempt < ATTEMPTS:
                here = id(study._storage)
                waiting = {number for storage, number in self._waiting.copy() if storage == here}
                ahead = earlier + being_asked(trials, trial, waiting)
                found = self._ask(study, grid, history, 1 + ahead)
            else:
                found = self._random(study, trial, grid, history)
            if not found:
                return None
            point, phase = found[-1].point, str(found[-1].note.get("phase", ""))
            propose(study, trial, grid.internal(grid.params(point)), phase)
            trials = study.get_trials(deepcopy=False)
            known = rows.of(trials, but=trial.number)
            same = [row.number for row in known if row.point == point and not row.elsewhere]
            if not same:
                return point
            earlier = sum(number < trial.number for number in same)
        return point

    def _ask(self, study: Study, grid: Grid, history: History, n: int) -> list[Proposal]:
        strategy = DSICE(tolerance=None)
        return strategy.ask(n, grid.space, history, stream(self._seed_of(study)))

    def _random(
        self, study: Study, trial: FrozenTrial, grid: Grid, history: History
    ) -> list[Proposal]:
        rng = np.random.default_rng([self._seed_of(study), trial.number])
        point = any_free(grid.space, history, (), rng)
        return [] if point is None else [Proposal(point, {"phase": "random"})]

    def _again(self, study: Study, trial: FrozenTrial, grid: Grid) -> dict[str, Any]:
        """Values that were measured before: there are no others."""
        self._say(
            "all points",
            f"all {grid.space.count} points of the search space are measured or being measured: "
            "from now on points are measured again, at random",
        )
        rng = np.random.default_rng([self._seed_of(study), trial.number])
        point = grid.space.sample(rng, 1)[0]
        propose(study, trial, grid.internal(grid.params(point)), "again")
        return grid.params(point)

    def _history(self, study: Study, grid: Grid, rows: Sequence[Row]) -> History:
        maximize = study.direction is StudyDirection.MAXIMIZE
        goal = Goal(maximize=maximize)
        sources: tuple[SourceTrials, ...] = self._kept(
            study,
            (_key(grid), "sources"),
            lambda: tuple(source.trials(grid.space, goal) for source in self._reuse),
        )
        return history_of(grid, rows, maximize=maximize, sources=sources)

    # ------------------------------------------------------------------ what is kept
    def _kept(self, study: Study, key: Any, make: Callable[[], Any]) -> Any:
        """What follows from a study, made once."""
        if isinstance(key, tuple) and key[0] is None:  # what is for one trial only
            return make()
        ours = self._studies.setdefault(study._storage, {})
        bracket = getattr(study, "_bracket_id", None)  # of Hyperband, which shows some trials only
        place = (study._study_id, bracket, key)
        if place not in ours:
            ours[place] = make()
        return ours[place]

    def _known_space(self) -> KnownSpace:
        named = (rule.names for rule in self._where if isinstance(rule, When))
        return KnownSpace({name for names in named for name in names})

    def _grid(
        self,
        search_space: Mapping[str, BaseDistribution],
        finer: int,
        fixed: Mapping[str, float] | None = None,
    ) -> Grid:
        """The grid of a search space, its levels doubled so often."""
        key = (tuple(search_space.items()), finer)
        if fixed or key not in self._grids:
            levels = self._levels or default_levels(search_space)
            levels = (levels - 1) * 2**finer + 1
            grid = Grid(search_space, self._where, levels, self._ordered, fixed)
            if fixed:
                return grid
            self._grids[key] = grid
        return self._grids[key]

    def _seed_of(self, study: Study) -> int:
        if self._seed is not None:
            return self._seed
        digest = hashlib.sha256(study.study_name.encode()).digest()
        return int.from_bytes(digest[:4], "big")

    # ------------------------------------------------------------------ what is said
    def _warn_independent(self, study: Study, name: str) -> None:
        """Say that a parameter is sampled at random though earlier trials have it."""
        if not self._warns or name in self._said:
            return
        earlier = any(
            name in trial.params
            for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        )
        if earlier:
            self._say(
                name,
                f"parameter {name!r} is sampled at random: it is not in the search space, since "
                "not all trials have it, or not with the same distribution; give DsiceSampler a "
                "search_space= with all parameters, and When(...) where one exists only sometimes",
            )

    def _say(self, about: str, message: str) -> None:
        if about not in self._said:
            self._said.add(about)
            warnings.warn(message, DsiceWarning, stacklevel=2)


def _rules(given: object) -> tuple[Require | When, ...]:
    rules = as_rules(given)
    if not all(isinstance(rule, (Require, When)) for rule in rules):
        raise wrong("DsiceSampler", "where", given, "Require and When only")
    return rules  # type: ignore[return-value]


def _key(grid: Grid) -> Grid | None:
    """What is kept of a grid stands under this; None: nothing is."""
    return None if grid.fixed else grid


def _distributions(given: object) -> dict[str, BaseDistribution]:
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and isinstance(one, BaseDistribution) for name, one in given.items()
    ):
        raise wrong(
            "DsiceSampler",
            "search_space",
            given,
            "a mapping of names to distributions of Optuna, such as "
            "{'x': optuna.distributions.FloatDistribution(0, 1)}",
        )
    return dict(given)
