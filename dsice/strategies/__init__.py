"""Search strategies: what to measure next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from dsice.errors import OptionError
from dsice.strategies.base import Strategy, Stream, SupportsAsk, as_strategy
from dsice.strategies.dsice.strategy import DSICE
from dsice.strategies.grid import Grid
from dsice.strategies.optuna import OptunaSampler
from dsice.strategies.population import Population
from dsice.strategies.published import (
    IPPE,
    Parallel2022,
    Radial2024,
    Sequential2017,
    Sequential2018,
)
from dsice.strategies.random import Random

__all__ = [
    "DSICE",
    "IPPE",
    "Grid",
    "OptunaSampler",
    "Parallel2022",
    "Population",
    "Radial2024",
    "Random",
    "Sequential2017",
    "Sequential2018",
    "Strategy",
    "Stream",
    "SupportsAsk",
    "as_strategy",
]

_ALL: tuple[type[Any], ...] = (
    DSICE,
    Random,
    Grid,
    IPPE,
    Sequential2017,
    Sequential2018,
    Parallel2022,
    Radial2024,
    Population,
    OptunaSampler,
)
_BY_NAME = {kind.__name__: kind for kind in _ALL}


def strategy_names() -> dict[str, str]:
    """Names of the strategies as they are typed in a study file or a shell (lower case), with those of the classes."""
    return {name.lower(): name for name in _BY_NAME}


def strategy_dict(strategy: SupportsAsk) -> dict[str, Any]:
    """JSON form of a strategy: its name and its options."""
    options: dict[str, Any] = (
        asdict(strategy) if is_dataclass(strategy) and not isinstance(strategy, type) else {}
    )
    return {"name": type(strategy).__name__, **options}


def strategy_from_dict(record: Mapping[str, Any]) -> Strategy:
    """The strategy of that name with those options (from a study file or a journal).

    Raises
    ------
    OptionError
        An unknown name or option.
    """
    name, options = record.get("name", "DSICE"), {k: v for k, v in record.items() if k != "name"}
    if name not in _BY_NAME:
        raise OptionError(f"strategy {name!r} is not known; known are {sorted(_BY_NAME)}")
    known = {f.name for f in fields(_BY_NAME[name])}
    if unknown := set(options) - known:
        raise OptionError(
            f"strategy {name}: unknown options {sorted(unknown)}; it takes {sorted(known) or 'none'}"
        )
    strategy: Strategy = _BY_NAME[name](**options)
    return strategy
