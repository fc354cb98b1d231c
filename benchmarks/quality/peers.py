"""The peers by name, and how each is set up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from benchmarks.quality.adapters import Dsice, Optuna, Skopt
from benchmarks.quality.climber import Climber
from benchmarks.quality.rounds import Peer
from benchmarks.quality.tables import Problem
from dsice.strategies import DSICE, Parallel2022, Radial2024, Random, Strategy


@dataclass(frozen=True)
class Kind:
    """One peer of the comparison.

    Parameters
    ----------
    make
        Called with (problem, seed, batch).
    settings
        Its settings in words, for the page.
    needs
        Modules that it imports.
    extra
        Extra of pyproject.toml that installs them.
    rounds
        Most rounds of a run unless told otherwise, for peers that take minutes. They also get fewer
        repeats, and fewer tries to fill a batch.
    """

    make: Callable[[Problem, int, int], Peer]
    settings: str
    needs: tuple[str, ...] = ()
    extra: str = "bench"
    rounds: int | None = None

    @property
    def slow(self) -> bool:
        """Whether a run takes minutes."""
        return self.rounds is not None

    @property
    def missing(self) -> list[str]:
        """Modules that the peer needs and that are not installed."""
        return [module for module in self.needs if find_spec(module) is None]


def strategy(make: Callable[[int], Strategy], settings: str) -> Kind:
    """A strategy of dsice as a peer; `make` is called with the batch."""
    return Kind(partial(Dsice, make=make), settings)


def _tpe(samplers: Any, seed: int, batch: int) -> Any:
    return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _cmaes(samplers: Any, seed: int, batch: int) -> Any:
    return samplers.CmaEsSampler(
        seed=seed, with_margin=True, popsize=max(batch, 4), warn_independent_sampling=False
    )


def _gp(samplers: Any, seed: int, batch: int) -> Any:
    return samplers.GPSampler(seed=seed, n_startup_trials=batch, deterministic_objective=True)


LATIN = "from the best of a Latin hypercube of one batch; from another one when it has ended"

PEERS: dict[str, Kind] = {
    "DSICE": strategy(
        lambda batch: DSICE(tolerance=None), "dsice's default search, without its stopping rule"
    ),
    "Parallel2022": strategy(lambda batch: Parallel2022(latin=batch, batch=batch), LATIN),
    "Radial2024": strategy(lambda batch: Radial2024(latin=batch, batch=batch), LATIN),
    "Random": strategy(lambda batch: Random(), "without repetition"),
    "hill-climbing": Kind(
        lambda problem, seed, batch: Climber(problem, seed),
        "batches of neighbours, random restarts",
    ),
    "optuna-tpe": Kind(
        partial(Optuna, sampler=_tpe), "TPESampler, multivariate, constant liar", ("optuna",)
    ),
    "optuna-cmaes": Kind(
        partial(Optuna, sampler=_cmaes),
        "CmaEsSampler with margin, a batch is a generation; it draws axes without order at random",
        ("optuna", "cmaes"),
    ),
    "optuna-gp": Kind(
        partial(Optuna, sampler=_gp),
        "GPSampler, first batch random, deterministic objective",
        ("optuna", "scipy", "torch"),
        extra="bench-gp",
        rounds=5,
    ),
    "scikit-optimize": Kind(
        Skopt,
        "Optimizer with a Gaussian process, first batch random, batches by cl_min",
        ("skopt",),
        rounds=3,
    ),
}
