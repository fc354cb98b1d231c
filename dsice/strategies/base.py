"""What a strategy is: frozen options and one pure function.

What a strategy proposes follows from (space, history, seed) alone. It may remember what follows
from the history to save work; a cold call gives the same answer.

`Strategy` has every method and property that dsice uses, each but `ask` with a default. An object
of a user's own may have `ask` alone: `as_strategy` gives it the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Protocol

import numpy as np

from dsice.checks import shown
from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.trial import Proposal
from dsice.typing import Point

Stream = Callable[..., np.random.Generator]
"""``stream(*key)``: a random generator that depends on the tuner's seed and the integer key only.

Keys start with the id of the trial being proposed, or a small constant; `stream` makes them of a
seed.

>>> from dsice.strategies import stream
>>> numbers: Stream = stream(7)
"""


class SupportsAsk(Protocol):
    """An object that `Tuner` takes as a strategy; see `Strategy.ask`.

    Examples
    --------
    >>> from dsice import Proposal, Tuner
    >>> class Diagonal:
    ...     def ask(self, n, space, history, stream):
    ...         first = len(history)
    ...         return [Proposal((i, i)) for i in range(first, min(first + n, 9))]
    >>> Tuner({"x": range(9), "y": range(9)}, Diagonal()).ask(2)[1].point
    (1, 1)
    """

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Up to `n` proposals whose identities are not in the history."""


class Strategy(ABC):
    """Proposes points to measure.

    Examples
    --------
    >>> from dsice import History, Space
    >>> from dsice.strategies import Grid, stream
    >>> space = Space({"x": range(3)})
    >>> [proposal.point for proposal in Grid().ask(2, space, History(), stream(0))]
    [(0,), (1,)]
    """

    @abstractmethod
    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Up to `n` proposals whose identities are not in the history.

        The first of them gets the id ``len(history)``. Fewer than `n`: nothing more to propose
        until something is told, or ever; `exhausted` says which.
        """

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether nothing more will be proposed, whatever is told of the pending trials.

        The default is sure only where nothing is pending, and no result can change the history.
        """
        return not history.pending() and not self.ask(1, space, history, stream)

    def convergence(
        self, space: Space, history: History, stream: Stream
    ) -> Mapping[str, float] | None:
        """Figures of why a search that is `exhausted` holds itself for converged; None: other why.

        They are JSON: ``chance`` that anything better is left, ``under`` which it ended, and
        whatever else it was decided from.
        """
        return None

    def check(self, space: Space) -> None:
        """Raise a DsiceError for a space that cannot be searched, before anything is asked."""
        return

    def recommend(self, space: Space, history: History) -> Point | None:
        """The measured point to use in the end; None: the one with the best score."""
        return None

    def own_setting(self, space: Space) -> Point | None:
        """The user's own setting, which results are compared with; None: there is none."""
        return None

    def source_weights(self, space: Space, history: History) -> list[float] | None:
        """How much each of `history.sources` counts now; None: the strategy does not use them."""
        return None

    def stage_weights(self, space: Space, history: History) -> Mapping[int, float] | None:
        """How much the trials of each other stage than the goal's count now, by stage.

        None: the strategy does not use them.
        """
        return None

    def may_end_after(self, space: Space, history: History) -> int | None:
        """How many more trials without a better one until the search may end by itself.

        None: it does not end because nothing better comes. It is for showing when a run ends.
        """
        return None

    last_stage: int | None = None
    """The last stage that trials are trained for; None: the strategy does not train in stages.

    The goal must be about this stage.
    """

    foreign: bool = False
    """Whether the options name code that is neither dsice's nor Optuna's.

    A journal that names such a strategy does not run it.
    """


def any_free(
    space: Space, history: History, batch: Collection[Point], rng: np.random.Generator
) -> Point | None:
    """A random valid point that is in neither the history nor the batch; None: there is none.

    It costs time that grows with the number of points taken.
    """
    chosen = np.array(list(batch), dtype=np.int64).reshape(-1, space.ndim)
    asked = history.taken_points().reshape(-1, space.ndim)
    left = space.sample(rng, 1, exclude=np.concatenate([asked, chosen]))
    return left[0] if left else None


def as_strategy(given: object) -> Strategy:
    """A strategy with all hooks of `Strategy`, made of an object that has `ask` and maybe others.

    It is for calling the hooks. Keep the object itself where users, messages or a journal see it.

    Parameters
    ----------
    given
        What `Tuner` was given as its strategy. An instance of `Strategy` is returned as it is.

    Raises
    ------
    OptionError
        It has no method `ask`, or it is a class.

    Examples
    --------
    >>> from dsice.strategies import Random, as_strategy
    >>> random = Random()
    >>> as_strategy(random) is random
    True
    """
    if isinstance(given, Strategy):
        return given
    ask = getattr(given, "ask", None)
    if not callable(ask) or isinstance(given, type):
        raise OptionError(
            f"Tuner(strategy={shown(given)}): "
            "expected a strategy object such as dsice.strategies.DSICE()"
        )
    return _WithDefaults(
        ask,
        {name: getattr(given, name, None) for name in _OPTIONAL},
        last_stage=getattr(given, "last_stage", None),
        foreign=getattr(given, "foreign", False),
    )


_OPTIONAL = (
    *("exhausted", "convergence", "check", "recommend", "own_setting"),
    *("source_weights", "stage_weights", "may_end_after"),
)
"""Methods that an object may lack."""


class _WithDefaults(Strategy):
    """The hooks that an object has, and the defaults of the others."""

    def __init__(
        self,
        ask: Callable[..., list[Proposal]],
        optional: Mapping[str, Any],
        *,
        last_stage: int | None,
        foreign: bool,
    ) -> None:
        self._ask = ask
        self._optional = {name: hook for name, hook in optional.items() if callable(hook)}
        self.last_stage = last_stage
        self.foreign = foreign

    def _hook(self, name: str) -> Callable[..., Any]:
        """The object's own method of that name, or the default."""
        return self._optional.get(name) or getattr(super(), name)  # type: ignore[no-any-return]

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        return self._ask(n, space, history, stream)

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        return bool(self._hook("exhausted")(space, history, stream))

    def convergence(
        self, space: Space, history: History, stream: Stream
    ) -> Mapping[str, float] | None:
        found: Mapping[str, float] | None = self._hook("convergence")(space, history, stream)
        return found

    def check(self, space: Space) -> None:
        self._hook("check")(space)

    def recommend(self, space: Space, history: History) -> Point | None:
        found: Point | None = self._hook("recommend")(space, history)
        return found

    def own_setting(self, space: Space) -> Point | None:
        found: Point | None = self._hook("own_setting")(space)
        return found

    def source_weights(self, space: Space, history: History) -> list[float] | None:
        found: list[float] | None = self._hook("source_weights")(space, history)
        return found

    def stage_weights(self, space: Space, history: History) -> Mapping[int, float] | None:
        found: Mapping[int, float] | None = self._hook("stage_weights")(space, history)
        return found

    def may_end_after(self, space: Space, history: History) -> int | None:
        found: int | None = self._hook("may_end_after")(space, history)
        return found


# ------------------------------------------------------------------ by their names
_registered: dict[str, type[Strategy]] = {}


def register(*kinds: type[Strategy]) -> None:
    """Let study files and journals name strategies of dsice by their classes."""
    _registered.update((kind.__name__, kind) for kind in kinds)


def strategy_names() -> dict[str, str]:
    """Names of the classes of all strategies, by their names in a study file or a shell.

    The latter are the same in lower case.

    Examples
    --------
    >>> from dsice.strategies import strategy_names
    >>> strategy_names()["dsice"]
    'DSICE'
    """
    return {name.lower(): name for name in _registered}


def strategy_dict(strategy: SupportsAsk) -> dict[str, Any]:
    """JSON form of a strategy: its name and its options.

    An option that 0.1.0 did not have says so in its field, ``metadata={"since": "0.2.0"}``; at its
    default it is left out, so that journals of before stay the same and 0.1.0 reads new ones.

    Examples
    --------
    >>> from dsice.strategies import Grid, strategy_dict
    >>> strategy_dict(Grid(stride=2))
    {'name': 'Grid', 'stride': 2}
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

    Examples
    --------
    >>> from dsice.strategies import strategy_from_dict
    >>> strategy_from_dict({"name": "Grid", "stride": 2})
    Grid(stride=2)
    """
    name = record.get("name", "DSICE")
    if name not in _registered:
        raise OptionError(f"strategy {name!r} is not known; known are {sorted(_registered)}")
    kind: type[Any] = _registered[name]
    known = {option.name for option in fields(kind)}
    options = {option: value for option, value in record.items() if option != "name"}
    if unknown := set(options) - known:
        raise OptionError(
            f"strategy {name}: unknown options {sorted(unknown)}; "
            f"it takes {sorted(known) or 'none'}"
        )
    strategy: Strategy = kind(**options)
    return strategy
