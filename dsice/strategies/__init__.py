"""Search strategies: what to measure next.

A strategy is a set of options and one pure function, ``ask(n, space, history, stream)``: which
points to measure, given all that was measured and is being measured. It holds no state, unlike the
samplers and optimisers of most libraries, so a journal alone is enough to go on. The plainest one
is `Random` (random search); the default is `DSICE`.

- `base`: what a strategy is, with a default for every hook but `ask`.
- `dsice`: the default search.
- `published`: the authors' algorithms that came before it.
- `random`, `grid`, `population`: random search, a full sweep, population-based training.
- `optuna`, `optuna_study`: any sampler of Optuna.
"""

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

_ALL: tuple[type[Strategy], ...] = (
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
    """Names of the classes of all strategies, by their names in a study file or a shell.

    The latter are the same in lower case.
    """
    return {name.lower(): name for name in _BY_NAME}


def strategy_dict(strategy: SupportsAsk) -> dict[str, Any]:
    """JSON form of a strategy: its name and its options.

    An option that 0.1.0 did not have says so in its field, ``metadata={"since": "0.2.0"}``; at its
    default it is left out, so that journals of before stay the same and 0.1.0 reads new ones.
    """
    record: dict[str, Any] = {"name": type(strategy).__name__}
    if not is_dataclass(strategy) or isinstance(strategy, type):
        return record
    options = asdict(strategy)
    for option in fields(strategy):
        if "since" in option.metadata and options[option.name] == option.default:
            del options[option.name]
    return record | options


def strategy_from_dict(record: Mapping[str, Any]) -> Strategy:
    """The strategy of that name with those options (from a study file or a journal).

    Raises
    ------
    OptionError
        An unknown name or option.
    """
    name = record.get("name", "DSICE")
    if name not in _BY_NAME:
        raise OptionError(f"strategy {name!r} is not known; known are {sorted(_BY_NAME)}")
    kind: type[Any] = _BY_NAME[name]
    known = {option.name for option in fields(kind)}
    options = {option: value for option, value in record.items() if option != "name"}
    if unknown := set(options) - known:
        raise OptionError(
            f"strategy {name}: unknown options {sorted(unknown)}; "
            f"it takes {sorted(known) or 'none'}"
        )
    strategy: Strategy = kind(**options)
    return strategy
