"""What Optuna is told of a history: a sampler made anew, and a study in memory.

The study holds the told trials with their scores and their distances from the bounds, and points
that are pending. Nothing of it is written down, and nothing is unpickled.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from dsice.checks import shown
from dsice.errors import MissingPackageError, OptionError
from dsice.history import History
from dsice.space import Space
from dsice.trial import Trial
from dsice.typing import Point

# Before the names of what a sampler noted with a trial (its generation, say), in our notes.
KEPT = "optuna."
CONSTRAINTS = "constraints"
# Relative distance from a bound beyond which all are alike, and of a trial that lacks the metric.
FAR = 1e3


def import_optuna() -> Any:
    """The package; MissingPackageError says how to install it."""
    try:
        return import_module("optuna")
    except ImportError as error:
        raise MissingPackageError(
            "OptunaSampler needs Optuna: pip install 'dsice[optuna]'"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log lines and its warnings that a feature is experimental."""
    logs = import_optuna().logging
    level = logs.get_verbosity()
    logs.set_verbosity(logs.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logs.set_verbosity(level)


# ---------------------------------------------------------------- the sampler


@dataclass(frozen=True)
class Sampler:
    """How a sampler is made.

    Attributes
    ----------
    name
        Name of its class or function, see `name_of`.
    options
        Keyword arguments other than the seed.
    """

    name: str
    options: Mapping[str, Any]

    @property
    def takes_constraints(self) -> bool:
        """Whether it can be told how far a trial is from a bound."""
        return self._takes(self._found(), "constraints_func")

    def make(self, seed: int, *, constrained: bool) -> Any:
        """A fresh sampler of Optuna."""
        make = self._found()
        options = dict(self.options)
        if constrained and self._takes(make, "constraints_func"):
            options["constraints_func"] = _constraints
        with self.blamed():
            sampler = make(seed=seed, **options)
        if not isinstance(sampler, import_optuna().samplers.BaseSampler):
            raise OptionError(
                f"OptunaSampler({self.name!r}): "
                f"expected a sampler of Optuna from it, got {shown(sampler)}"
            )
        return sampler

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What a sampler raises says which sampler it was; nothing was asked then."""
        try:
            yield
        except ImportError as error:
            raise MissingPackageError(
                f"OptunaSampler({self.name!r}) needs another package: {error}"
            ) from error
        except Exception as error:  # many options are checked deep in the sampler, if at all
            reason = f"{type(error).__name__}: {error}"
            raise OptionError(
                f"OptunaSampler({self.name!r}, options={dict(self.options)!r}): "
                f"{reason}; nothing was asked"
            ) from error

    def _found(self) -> Callable[..., Any]:
        """The class or function of that name."""
        module, _, attribute = self.name.rpartition(":")
        home: Any = None if module else import_optuna().samplers
        try:
            found: Any = home or import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (AttributeError, ImportError) as error:
            raise OptionError(
                f"OptunaSampler(sampler={self.name!r}): "
                f"there is no {attribute!r} in {module or 'optuna.samplers'} ({error})"
            ) from error
        if home:
            makes_one = isinstance(found, type) and issubclass(found, home.BaseSampler)
        else:
            makes_one = callable(found)
        if not makes_one:
            raise OptionError(
                f"OptunaSampler(sampler={self.name!r}): {shown(found)} makes no sampler"
            )
        make: Callable[..., Any] = found
        return make

    @staticmethod
    def _takes(make: Callable[..., Any], name: str) -> bool:
        """Whether a function has an argument of that name."""
        try:
            return name in inspect.signature(make).parameters
        except (TypeError, ValueError):
            return False


def name_of(sampler: object) -> str:
    """A name under which a sampler is found again: of Optuna's own, or ``module:name``."""
    if isinstance(sampler, str) and sampler:
        return sampler
    module = getattr(sampler, "__module__", None)
    name = getattr(sampler, "__qualname__", "<none>")
    if not callable(sampler) or not isinstance(module, str) or "<" in name:
        raise OptionError(
            f"OptunaSampler(sampler={sampler!r}): expected the name of a class in "
            "optuna.samplers, that class or another importable one, with options={...}; "
            "the random state of a sampler object could not be written into a journal"
        )
    return name if module.startswith("optuna.samplers") else f"{module}:{name}"


def _constraints(trial: Any) -> Sequence[float]:
    """Distances from the bounds that a trial of Optuna carries; of others: feasible."""
    found: Sequence[float] = trial.system_attrs.get(CONSTRAINTS, [0.0])
    return found


# ---------------------------------------------------------------- the study


class StudyOfHistory:
    """A study in memory that holds what Optuna is to know of a history.

    Parameters
    ----------
    sampler
        What will be asked.
    liar
        Whether pending points count as if they had the median of the told scores.
    space, history
        The grid and what is known.

    Attributes
    ----------
    constrained
        Whether the goal has bounds.
    """

    def __init__(self, sampler: Sampler, liar: bool, space: Space, history: History) -> None:
        self._optuna = import_optuna()
        self._sampler = sampler
        self._space = space
        self._history = history
        # Samplers sort by name, and the names of the user must not matter.
        self._names = [f"axis {i:04d}" for i in range(space.ndim)]
        self._distributions = {
            own: self._distribution(name)
            for own, name in zip(self._names, space.names, strict=True)
        }
        self.constrained = bool(history.goal.bounded)
        self._study = self._optuna.create_study(direction="minimize")
        scores = history.scores()
        self._told = [history[i] for i in np.flatnonzero(np.isfinite(scores)).tolist()]
        self._scores = {t.id: float(scores[t.id]) for t in self._told}
        self._distances = self._told_distances()
        median = float(np.median(list(self._scores.values()))) if self._scores else None
        self._liar = median if liar else None
        self._add_told()
        for trial in history.pending():
            if trial.stage == history.goal.stage:
                self.pend(trial.point, _noted(trial))

    def _told_distances(self) -> dict[int, list[float]]:
        """Signed distance of each told trial from each bound.

        A sampler that has no constraints gets worse scores for infeasible trials instead.
        """
        if not self.constrained:
            return {}
        ids = np.array([t.id for t in self._told], dtype=np.int64)
        known = np.clip(np.nan_to_num(self._history.distances(ids), nan=FAR), -FAR, FAR)
        violation = np.maximum(known, 0.0).sum(axis=1)
        if not self._sampler.takes_constraints and (violation > 0).any():
            worst = max((self._scores[id] for id in ids[violation == 0].tolist()), default=0.0)
            for id, over in zip(ids.tolist(), violation.tolist(), strict=True):
                if over > 0:
                    self._scores[id] = worst + over
        return dict(zip(ids.tolist(), known.tolist(), strict=True))

    def _distribution(self, name: str) -> Any:
        """The levels of an axis: whole numbers, or categories where their order means nothing."""
        axis = self._space.axes[name]
        size = len(axis)
        kinds = self._optuna.distributions
        if not axis.ordered:
            return kinds.CategoricalDistribution(tuple(range(size)))
        return kinds.IntDistribution(0, size - 1)

    def _add_told(self) -> None:
        """All told trials, generation by generation for a sampler that has them.

        CMA-ES keeps its whole state, pickled, with one trial of each generation. That is not
        written into a journal and never read from one: a dummy ask after each generation makes it
        anew.
        """
        attributes: dict[str, Any] = {}
        for generation in sorted({_generation(t) for t in self._told}):
            for trial in (t for t in self._told if _generation(t) == generation):
                noted = {**_noted(trial), **attributes}
                distances = self._distances.get(trial.id, [])
                self._add(trial.point, self._scores[trial.id], noted, distances)
                attributes = {}
            if generation >= 0:
                dummy = self._asked(self._sampler.make(0, constrained=self.constrained))
                attributes = {k: v for k, v in dummy.system_attrs.items() if isinstance(v, str)}

    def _add(
        self, point: Point, value: float, noted: Mapping[str, Any], distances: Sequence[float]
    ) -> None:
        """Add a trial with a value."""
        attributes: dict[str, Any] = {k.removeprefix(KEPT): v for k, v in noted.items()}
        if self.constrained:
            attributes[CONSTRAINTS] = list(distances)
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=dict(zip(self._names, point, strict=True)),
                distributions=self._distributions,
                value=value,
                system_attrs=attributes,
            )
        )

    def pend(self, point: Point, noted: Mapping[str, Any]) -> None:
        """Add a point that is asked and not told."""
        if self._liar is None or noted:
            return
        middle: list[float] = []
        if self.constrained:
            middle = np.median(list(self._distances.values()), axis=0).tolist()
        self._add(point, self._liar, {}, middle)

    def _asked(self, sampler: Any) -> Any:
        """A trial of the study, ended at once as if failed: what counts is added by `pend`."""
        self._study.sampler = sampler
        with self._sampler.blamed():
            trial = self._study.ask(self._distributions)
            return self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def ask(self, sampler: Any, id: int) -> tuple[Point, dict[str, Any]]:
        """A point, and what the sampler noted with it: numbers only."""
        # CMA-ES draws by the number of the trial in its study: it must follow from our id, not from
        # how a batch was cut.
        failed = self._optuna.trial.create_trial(state=self._optuna.trial.TrialState.FAIL)
        missing = 3 * id + 3 - len(self._study.get_trials(deepcopy=False))
        self._study.add_trials([failed] * missing)
        trial = self._asked(sampler)
        levels = tuple(int(trial.params[name]) for name in self._names)
        active = self._space.active(levels)
        point = tuple(level if on else 0 for level, on in zip(levels, active, strict=True))
        attributes = trial.system_attrs.items()
        noted = {KEPT + k: v for k, v in attributes if k != CONSTRAINTS and _is_numbers(v)}
        return point, noted


def _is_numbers(value: object) -> bool:
    """Whether this may stand in a note: a number, or a list of them."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_numbers, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _noted(trial: Trial) -> dict[str, Any]:
    """What the sampler noted with a trial.

    It is never a text, which a sampler might unpickle: the journal may be somebody else's.
    """
    return {
        name: value
        for name, value in trial.note.items()
        if name.startswith(KEPT) and _is_numbers(value)
    }


def _generation(trial: Trial) -> int:
    """The generation, of a sampler that notes one; else -1."""
    noted = _noted(trial).items()
    return max((int(value) for name, value in noted if name.endswith("generation")), default=-1)
