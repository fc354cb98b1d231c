"""Search strategies: what to measure next.

A strategy is a set of options and one pure function, ``ask(n, space, history, stream)``: which
points to measure, given all that was measured and is being measured. It holds no state, unlike the
samplers and optimisers of most libraries, so a journal alone is enough to go on. The plainest one
is `Random` (random search); the default is `DSICE`.

- `base`: what a strategy is, with a default for every hook but `ask`, and its name in files.
- `dsice`: the default search.
- `published`: the authors' algorithms that came before it.
- `random`, `grid`, `population`: random search, a full sweep, population-based training.
- `optuna`, `optuna_study`: any sampler of Optuna.
"""

from __future__ import annotations

from dsice.strategies.base import (
    Strategy,
    Stream,
    SupportsAsk,
    as_strategy,
    register,
    strategy_dict,
    strategy_from_dict,
    strategy_names,
)
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
from dsice.trial import stream

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
    "strategy_dict",
    "strategy_from_dict",
    "strategy_names",
    "stream",
]

register(
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
