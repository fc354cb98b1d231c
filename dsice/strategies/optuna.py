"""Any sampler of Optuna as a strategy."""

from __future__ import annotations

import inspect
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import numpy as np

from dsice.checks import shown
from dsice.errors import MissingPackageError, OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream
from dsice.trial import Proposal, Trial
from dsice.typing import Point

KEEPS = "optuna."  # before the names of what a sampler noted with a trial (its generation, say), in our notes
NEAR = 40  # tries at each distance to find a free point near one that is taken
SEEDS = 2**31 - 1
CONSTRAINTS = "constraints"
FAR = 1e3  # relative distance from a bound beyond which all are alike, and of a trial that lacks the metric


@dataclass(frozen=True)
class OptunaSampler(Strategy):
    """Ask a sampler of Optuna for points: TPE, Gaussian processes, CMA-ES, NSGA-II, random and others.

    Each proposal is the answer of a fresh sampler, seeded by the tuner's seed and the trial's id, to a study made from
    the history. So batches, pending points, the journal and resuming work as with every other strategy. Numeric axes
    are given as whole numbers, their levels; a Choice as a category. A point that is taken or forbidden is replaced by a
    free one near it.

    Parameters
    ----------
    sampler
        Name of a class in ``optuna.samplers`` (``"TPESampler"``), the class itself, or any other importable function or
        class that takes ``seed=`` and returns a sampler (also ``"module:name"``).
    options
        Keyword arguments of the sampler other than the seed; JSON, so that the journal can hold them.
    pending
        ``"liar"``: a pending point counts as if it had the median of the told scores, so that it is avoided. ``"ignore"``:
        only what is told counts (asynchronous Bayesian optimisation without predicting pending results); no point is
        proposed twice all the same. Samplers that go by generations always ignore pending points.

    Raises
    ------
    OptionError
        No such sampler, options that it does not take, what the sampler itself raises, or a sampler object: its random
        state could not be written down.
    MissingPackageError
        Optuna, or what the sampler needs, is not installed.

    Notes
    -----
    Scores are those of the goal (less is better). Bounds on other metrics become Optuna's constraints where the sampler
    has them (TPE, GP, NSGA-II), one for each, the signed distance from it; for others (CMA-ES) an infeasible trial is worse
    than every feasible one, by how far it is off.

    Failed trials are failed to Optuna too. Samplers that keep their state in the study and nowhere else
    (QMCSampler, GridSampler) start anew with every proposal: use `Random` or `Grid`.

    Examples
    --------
    >>> from dsice.strategies import OptunaSampler
    >>> OptunaSampler("TPESampler", options={"multivariate": True}, pending="ignore").pending
    'ignore'
    """

    sampler: str | Callable[..., Any] = "TPESampler"
    options: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    pending: Literal["liar", "ignore"] = field(default="liar", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sampler", _name(self.sampler))
        if not isinstance(self.options, Mapping) or "seed" in self.options:
            raise OptionError(
                f"OptunaSampler(options={self.options!r}): expected a mapping of keyword arguments other than seed"
            )
        object.__setattr__(self, "options", self._written())
        if self.pending not in ("liar", "ignore"):
            raise OptionError(
                f"OptunaSampler(pending={self.pending!r}): expected 'liar' or 'ignore'"
            )

    def _written(self) -> dict[str, Any]:
        """The options, which a journal must give back as they are."""
        try:
            json.dumps(dict(self.options), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"OptunaSampler(options={self.options!r}): a journal could not hold that ({error}); use strings, numbers, lists "
                "and dicts, or give a function of your own that takes seed= and makes the sampler"
            ) from error
        return dict(self.options)

    @property
    def foreign(self) -> bool:
        """Whether code from elsewhere than Optuna makes the sampler: a journal that names it does not run it."""
        return ":" in str(self.sampler)

    def check(self, space: Space) -> None:
        """Raise OptionError or MissingPackageError for a sampler that cannot be made."""
        with _quiet():
            self._made(0, constrained=False)

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` points, each asked with the seed of its own trial id; fewer only when the points run out."""
        with _quiet():
            study = _Study(self, space, history)
            taken = history.taken()
            batch: dict[Point, Proposal] = {}
            for id in range(len(history), len(history) + n):
                rng = stream(id)
                point, noted = study.ask(
                    self._made(int(rng.integers(SEEDS)), constrained=study.constrained), id
                )
                free = self._free(point, space, history, set(batch), rng, taken)
                if free is None:
                    break
                batch[free] = Proposal(
                    free, {"phase": "optuna" if free == point else "near", **noted}
                )
                study.pend(free, noted)
            return list(batch.values())

    def _made(self, seed: int, *, constrained: bool) -> Any:
        """A fresh sampler."""
        make = _found(str(self.sampler))
        options = dict(self.options)
        if constrained and _takes(make, "constraints_func"):
            options["constraints_func"] = _constraints
        with self._blamed():
            sampler = make(seed=seed, **options)
        if not isinstance(sampler, _optuna().samplers.BaseSampler):
            raise OptionError(
                f"OptunaSampler({self.sampler!r}): expected a sampler of Optuna from it, got {shown(sampler)}"
            )
        return sampler

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """What a sampler raises says which sampler it was; nothing was asked then."""
        try:
            yield
        except ImportError as error:
            raise MissingPackageError(
                f"OptunaSampler({self.sampler!r}) needs another package: {error}"
            ) from error
        except Exception as error:  # many options are first looked at by an assert or a comparison deep in the sampler
            reason = f"{type(error).__name__}: {error}"
            raise OptionError(
                f"OptunaSampler({self.sampler!r}, options={self.options!r}): {reason}; nothing was asked"
            ) from error

    @staticmethod
    def _free(
        point: Point,
        space: Space,
        history: History,
        batch: set[Point],
        rng: np.random.Generator,
        taken: Any,
    ) -> Point | None:
        """The point itself, or a free and valid one near it; None when there is none left."""

        def good(p: Point) -> bool:
            return space.is_valid(p) and p not in taken and p not in batch

        if good(point):
            return point
        top, distance = np.array(space.shape) - 1, 1
        while distance <= 2 * int(top.max()):
            for move in rng.integers(-distance, distance + 1, size=(NEAR, space.ndim)):
                near = tuple(
                    int(v)
                    for v in np.clip(
                        np.array(point) + move * (rng.random(space.ndim) < 0.5), 0, top
                    )
                )
                if good(near):
                    return near
            distance *= 2
        chosen = np.array(list(batch), dtype=np.int64).reshape(-1, space.ndim)
        left = space.sample(
            rng, 1, exclude=np.concatenate([history.taken_points().reshape(-1, space.ndim), chosen])
        )
        return left[0] if left else None


class _Study:
    """A study in memory that holds what Optuna is to know of a history."""

    def __init__(self, strategy: OptunaSampler, space: Space, history: History) -> None:
        self._optuna, self._strategy, self._space, self._history = (
            _optuna(),
            strategy,
            space,
            history,
        )
        self._names = [
            f"axis {i:04d}" for i in range(space.ndim)
        ]  # samplers sort by name, and names must not matter
        self._distributions = {
            own: self._distribution(name)
            for own, name in zip(self._names, space.names, strict=True)
        }
        self.constrained = bool(history.goal.bounded)
        self._study = self._optuna.create_study(direction="minimize")
        scores = history.scores()
        self._told = [history[i] for i in np.flatnonzero(np.isfinite(scores)).tolist()]
        self._scores = {t.id: float(scores[t.id]) for t in self._told}
        self._distances = self._bounds()
        self._liar = float(np.median(list(self._scores.values()))) if self._scores else None
        self._add_told()
        for trial in history.pending():
            if trial.stage == history.goal.stage:
                self.pend(trial.point, _noted(trial))

    def _bounds(self) -> dict[int, list[float]]:
        """Signed distance of each told trial from each bound; a sampler that has no constraints gets worse scores instead."""
        if not self.constrained:
            return {}
        ids = np.array([t.id for t in self._told], dtype=np.int64)
        known = np.clip(np.nan_to_num(self._history.distances(ids), nan=FAR), -FAR, FAR)
        violation = np.maximum(known, 0.0).sum(axis=1)
        if (
            not _takes(_found(str(self._strategy.sampler)), "constraints_func")
            and (violation > 0).any()
        ):
            worst = max((self._scores[id] for id in ids[violation == 0].tolist()), default=0.0)
            self._scores |= {
                id: worst + over
                for id, over in zip(ids.tolist(), violation.tolist(), strict=True)
                if over > 0
            }
        return dict(zip(ids.tolist(), known.tolist(), strict=True))

    def _distribution(self, name: str) -> Any:
        axis, kinds = self._space.axes[name], self._optuna.distributions
        size = len(axis)
        if not axis.ordered:
            return kinds.CategoricalDistribution(tuple(range(size)))
        return kinds.IntDistribution(0, size - 1)

    def _add_told(self) -> None:
        """All told trials, generation by generation for a sampler that has them.

        CMA-ES keeps its whole state, pickled, with one trial of each generation. That is not written into a journal and
        never read from one: a dummy ask after each generation makes it anew.
        """
        attributes: dict[str, Any] = {}
        generations = sorted({_generation(t) for t in self._told})
        for generation in generations:
            for trial in (t for t in self._told if _generation(t) == generation):
                noted = {**_noted(trial), **attributes}
                self._add(
                    trial.point, self._scores[trial.id], noted, self._distances.get(trial.id, [])
                )
                attributes = {}
            if generation >= 0:
                dummy = self._asked(self._strategy._made(0, constrained=self.constrained))
                attributes = {k: v for k, v in dummy.system_attrs.items() if isinstance(v, str)}

    def _add(
        self, point: Point, value: float, attributes: Mapping[str, Any], beyond: Sequence[float]
    ) -> None:
        attributes = {k.removeprefix(KEEPS): v for k, v in attributes.items()}
        if self.constrained:
            attributes[CONSTRAINTS] = list(beyond)
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=dict(zip(self._names, point, strict=True)),
                distributions=self._distributions,
                value=value,
                system_attrs=attributes,
            )
        )

    def pend(self, point: Point, noted: Mapping[str, Any]) -> None:
        """A point that is asked and not told."""
        if self._strategy.pending == "liar" and self._liar is not None and not noted:
            middle = (
                np.median(list(self._distances.values()), axis=0).tolist()
                if self.constrained
                else []
            )
            self._add(point, self._liar, {}, middle)

    def _asked(self, sampler: Any) -> Any:
        """A trial of the study, ended at once as if failed: what counts is added by `pend`."""
        self._study.sampler = sampler
        with self._strategy._blamed():
            return self._study.tell(
                self._study.ask(self._distributions), state=self._optuna.trial.TrialState.FAIL
            )

    def ask(self, sampler: Any, id: int) -> tuple[Point, dict[str, Any]]:
        """A point, and what the sampler noted with it: numbers only."""
        # CMA-ES draws by the number of the trial in its study: it must follow from our id, not from how a batch was cut
        failed = self._optuna.trial.create_trial(state=self._optuna.trial.TrialState.FAIL)
        self._study.add_trials(
            [failed] * (3 * id + 3 - len(self._study.get_trials(deepcopy=False)))
        )
        trial = self._asked(sampler)
        point = tuple(int(trial.params[name]) for name in self._names)
        active = self._space.active(point)
        noted = {
            KEEPS + k: v for k, v in trial.system_attrs.items() if k != CONSTRAINTS and _numbers(v)
        }
        return tuple(level if on else 0 for level, on in zip(point, active, strict=True)), noted


def _numbers(value: object) -> bool:
    """Whether this may stand in a note: a number, or a list of them."""
    if isinstance(value, (list, tuple)):
        return all(map(_numbers, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _noted(trial: Trial) -> dict[str, Any]:
    """What the sampler noted with a trial; never a text, which a sampler might unpickle: the journal may be somebody else's."""
    return {
        name: value
        for name, value in trial.note.items()
        if name.startswith(KEEPS) and _numbers(value)
    }


def _generation(trial: Trial) -> int:
    """Of a sampler that notes one; -1: it does not."""
    return max((int(v) for k, v in _noted(trial).items() if k.endswith("generation")), default=-1)


def _constraints(trial: Any) -> Sequence[float]:
    found: Sequence[float] = trial.system_attrs.get(CONSTRAINTS, [0.0])
    return found


def _takes(make: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(make).parameters
    except (TypeError, ValueError):
        return False


def _optuna() -> Any:
    try:
        return import_module("optuna")
    except ImportError as error:
        raise MissingPackageError(
            "OptunaSampler needs Optuna: pip install 'dsice[optuna]'"
        ) from error


def _name(sampler: object) -> str:
    """A name under which the sampler is found again."""
    if isinstance(sampler, str) and sampler:
        return sampler
    module, name = getattr(sampler, "__module__", None), getattr(sampler, "__qualname__", "<none>")
    if not callable(sampler) or not isinstance(module, str) or "<" in name:
        raise OptionError(
            f"OptunaSampler(sampler={sampler!r}): expected the name of a class in optuna.samplers, that class or another "
            "importable one, with options={...}; the random state of a sampler object could not be written into a journal"
        )
    return name if module.startswith("optuna.samplers") else f"{module}:{name}"


def _found(name: str) -> Callable[..., Any]:
    """The class or function of that name."""
    module, _, attribute = name.rpartition(":")
    home: Any = _optuna().samplers if not module else None
    try:
        found: Any = home or import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (AttributeError, ImportError) as error:
        where = module or "optuna.samplers"
        raise OptionError(
            f"OptunaSampler(sampler={name!r}): there is no {attribute!r} in {where} ({error})"
        ) from error
    if not callable(found) or (
        not module and not (isinstance(found, type) and issubclass(found, home.BaseSampler))
    ):
        raise OptionError(f"OptunaSampler(sampler={name!r}): {shown(found)} makes no sampler")
    made: Callable[..., Any] = found
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's log lines and its warnings that a feature is experimental."""
    logs = _optuna().logging
    level = logs.get_verbosity()
    logs.set_verbosity(logs.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logs.set_verbosity(level)
