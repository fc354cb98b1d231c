"""Any sampler of Optuna as a strategy."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from dsice.checks import choice, shown, wrong
from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream, any_free
from dsice.strategies.optuna_study import Sampler, StudyOfHistory, name_of, quiet
from dsice.trial import Proposal
from dsice.typing import Point

NEAR = 40  # tries at each distance to find a free point near one that is taken
SEEDS = 2**31 - 1
MOST = {"n_ei_candidates": 10_000, "population_size": 100_000, "popsize": 100_000}
"""Options that take memory and time in their own size, which a journal may name."""


@dataclass(frozen=True)
class OptunaSampler(Strategy):
    """Ask a sampler of Optuna for points: TPE, Gaussian processes, CMA-ES, NSGA-II and others.

    Each proposal is the answer of a fresh sampler, seeded by the tuner's seed and the trial's id,
    to a study made from the history. So batches, pending points, the journal and resuming work as
    with every other strategy. Numeric axes are given as whole numbers, their levels; a Choice as a
    category. A point that is taken or forbidden is replaced by a free one near it.

    Parameters
    ----------
    sampler
        Name of a class in ``optuna.samplers`` (``"TPESampler"``), the class itself, or any other
        importable function or class that takes ``seed=`` and returns a sampler (also
        ``"module:name"``).
    options
        Keyword arguments of the sampler other than the seed; JSON, so that the journal can hold
        them.
    pending
        ``"liar"``: a pending point counts as if it had the median of the told scores, so that it is
        avoided. ``"ignore"``: only what is told counts (asynchronous Bayesian optimisation without
        predicting pending results); no point is proposed twice all the same. Samplers that go by
        generations always ignore pending points.

    Raises
    ------
    OptionError
        No such sampler, options that it does not take, what the sampler itself raises, or a sampler
        object: its random state could not be written down.
    MissingPackageError
        Optuna, or what the sampler needs, is not installed.

    Notes
    -----
    Scores are those of the goal (less is better). Bounds on other metrics become Optuna's
    constraints where the sampler has them (TPE, GP, NSGA-II), one for each, the signed distance
    from it; for others (CMA-ES) an infeasible trial is worse than every feasible one, by how far it
    is off.

    Failed trials are failed to Optuna too. Samplers that keep their state in the study and nowhere
    else (QMCSampler, GridSampler) start anew with every proposal: use `Random` or `Grid`.

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
        object.__setattr__(self, "sampler", name_of(self.sampler))
        if not isinstance(self.options, Mapping) or "seed" in self.options:
            expected = "a mapping of keyword arguments other than seed"
            raise wrong("OptunaSampler", "options", self.options, expected)
        object.__setattr__(self, "options", self._written())
        choice("OptunaSampler", "pending", self.pending, ("liar", "ignore"))

    def _written(self) -> dict[str, Any]:
        """The options, which a journal must give back as they are."""
        for name, most in MOST.items():
            given = self.options.get(name)
            if isinstance(given, (int, float)) and not given <= most:
                raise wrong("OptunaSampler", f"options={name}", given, f"a number up to {most:,}")
        try:
            json.dumps(dict(self.options), allow_nan=False)
        except (RecursionError, TypeError, ValueError) as error:
            raise OptionError(
                f"OptunaSampler(options={shown(self.options)}): a journal could not hold that "
                f"({error}); use strings, numbers, lists and dicts, or give a function of your own "
                "that takes seed= and makes the sampler"
            ) from error
        return dict(self.options)

    @property
    def foreign(self) -> bool:  # type: ignore[override]
        """Whether code from elsewhere than Optuna makes the sampler."""
        return ":" in str(self.sampler)

    def check(self, space: Space) -> None:
        """Raise OptionError or MissingPackageError for a sampler that cannot be made."""
        with quiet():
            self._sampler.make(0, constrained=False)

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` points, each asked with the seed of its own trial id.

        Fewer only when the points run out.
        """
        with quiet():
            sampler = self._sampler
            study = StudyOfHistory(sampler, self.pending == "liar", space, history)
            batch: dict[Point, Proposal] = {}
            for id in range(len(history), len(history) + n):
                rng = stream(id)
                made = sampler.make(int(rng.integers(SEEDS)), constrained=study.constrained)
                point, noted = study.ask(made, id)
                free = _free(point, space, history, batch, rng)
                if free is None:
                    break
                phase = "optuna" if free == point else "near"
                batch[free] = Proposal(free, {"phase": phase, **noted})
                study.pend(free, noted)
            return list(batch.values())

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether the points have run out; no result changes that."""
        return any_free(space, history, (), stream(len(history))) is None

    @property
    def _sampler(self) -> Sampler:
        return Sampler(str(self.sampler), self.options)


def _free(
    point: Point,
    space: Space,
    history: History,
    batch: Collection[Point],
    rng: np.random.Generator,
) -> Point | None:
    """The point itself, or a free and valid one near it; None when there is none left."""
    taken = history.taken()

    def good(p: Point) -> bool:
        return space.is_valid(p) and p not in taken and p not in batch

    if good(point):
        return point
    top = np.array(space.shape) - 1
    distance = 1
    while distance <= 2 * int(top.max()):
        for move in rng.integers(-distance, distance + 1, size=(NEAR, space.ndim)):
            moved = np.array(point) + move * (rng.random(space.ndim) < 0.5)
            near = tuple(int(level) for level in np.clip(moved, 0, top))
            if good(near):
                return near
        distance *= 2
    return any_free(space, history, batch, rng)
