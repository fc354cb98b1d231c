"""The published algorithms as strategies: their options, and the replay of a history."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dsice.checks import flag, number, whole, wrong
from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.space.nearest import point_of
from dsice.space.values import as_json
from dsice.strategies.base import Strategy, Stream
from dsice.strategies.published.ippe import OneLine, Original
from dsice.strategies.published.lattice import Designed, latin, middle
from dsice.strategies.published.parallel import Parallel
from dsice.strategies.published.radial import Radial
from dsice.strategies.published.search import ReplayedSearch, Search
from dsice.strategies.published.sequential import Sequential
from dsice.trial import Proposal
from dsice.typing import Point

MOST = 100_000  # points at once: a journal may name any number

# Where the replay of a history stands, so that an ask need not begin at the first trial; without it
# the answer is the same.
_STANDS: WeakKeyDictionary[History, tuple[Strategy, Space, tuple[Point, ...], ReplayedSearch]] = (
    WeakKeyDictionary()
)


class Published(Strategy):
    """A published algorithm, run over the history."""

    @abstractmethod
    def _starts(self, space: Space, stream: Stream) -> tuple[Point, ...]:
        """Points that the algorithm begins with, if it is told any."""

    @abstractmethod
    def _search(self, space: Space, starts: tuple[Point, ...]) -> Search:
        """The algorithm on that grid, before anything was told."""

    @property
    def _batch_size(self) -> int:
        """New points in a batch of the algorithm."""
        return 1

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """What the algorithm's batch still lacks, up to `n` points.

        None while all of it is pending, and when the search has ended. It goes on where the last
        ask left it, if all that the algorithm was told then still holds.
        """
        starts = self._starts(space, stream)
        stand = _STANDS.get(history)
        if stand is None or stand[:3] != (self, space, starts) or not stand[3].holds(history):
            replay = ReplayedSearch(self._search(space, starts), space, self._batch_size)
            stand = (self, space, starts, replay)
        _STANDS[history] = stand
        return stand[3].next(n, history)

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether the algorithm has ended, rather than waits for its batch.

        Where run time counts, a result may change the scores that it was told.
        """
        if self.ask(1, space, history, stream) or not _STANDS[history][3].ended:
            return False
        return not (history.pending() and history.weighs_time)


@dataclass(frozen=True, kw_only=True)
class IPPE(Published):
    """IPPE, the d-spline search of one parameter; for spaces with one axis.

    Parameters
    ----------
    alpha
        Smoothing of the d-spline.
    original
        The form of ppOpen-AT: other initial levels, markers and stopping rule; its answer is the
        estimated best, which is the point of the last trials' fit and need not be `Tuner.best`.

    References
    ----------
    Tanaka, Katagiri, Yuba, PARA 2006; Tanaka, Otsuka, Fujii, Katagiri, Imamura, Scientific
    Programming 2014 (10.1155/2014/310879).

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import IPPE
    >>> [trial.point for trial in Tuner({"x": range(20)}, IPPE()).ask(4)]
    [(0,)]
    """

    alpha: float = 0.1
    original: bool = False

    def __post_init__(self) -> None:
        _check_alpha(self, self.alpha)
        flag("IPPE", "original", self.original)

    def _starts(self, space: Space, stream: Stream) -> tuple[Point, ...]:
        return ()

    def _search(self, space: Space, starts: tuple[Point, ...]) -> Search:
        if space.ndim != 1:
            raise OptionError(
                f"IPPE searches one parameter, the space has {space.ndim}; "
                "use Sequential2018 or DSICE"
            )
        algorithm = Original if self.original else OneLine
        return algorithm(space.shape, alpha=self.alpha)


@dataclass(frozen=True, kw_only=True)
class FromStart(Published):
    """Options of the algorithms that go from one base to the next.

    Parameters
    ----------
    start
        Params to begin with; the middle of the grid by default.
    alpha
        Smoothing of the d-spline.
    latin
        Begin with the best of a Latin hypercube of so many points instead (drawn with the tuner's
        seed).
    nearest
        Whether a number of `start` that is not on its axis stands for the nearest value that is.

    Raises
    ------
    OptionError
        An option out of its range, or a start and a Latin hypercube.
    """

    start: Mapping[str, Any] | None = None
    alpha: float = 0.1
    latin: int = 0
    nearest: bool = field(default=False, metadata={"since": "0.2.0"})

    def __post_init__(self) -> None:
        name = type(self).__name__
        _check_alpha(self, self.alpha)
        latin_points = whole(name, "latin", self.latin, 0, "0 means no Latin hypercube", most=MOST)
        object.__setattr__(self, "latin", latin_points)
        flag(name, "nearest", self.nearest)
        if self.start is None:
            return
        if not isinstance(self.start, Mapping):
            raise wrong(
                name, "start", self.start, "a mapping of parameter names to values, or None"
            )
        object.__setattr__(self, "start", as_json(self.start))
        if self.latin:
            raise OptionError(
                f"{name}(start=..., latin={self.latin}): "
                "give a start or a Latin hypercube, not both"
            )

    def own_setting(self, space: Space) -> Point | None:
        """`start`, where it was given."""
        return None if self.start is None else space.point(self.start)

    def _starts(self, space: Space, stream: Stream) -> tuple[Point, ...]:
        if self.latin:
            return tuple(latin(space, self.latin, stream))
        if self.start is None:
            return (middle(space, stream),)
        return (point_of(self.start, space, nearest=self.nearest),)

    def _search(self, space: Space, starts: tuple[Point, ...]) -> Search:
        if self.latin:
            return Designed(starts, lambda base: self._search_from(base, space))
        return self._search_from(starts[0], space)

    @abstractmethod
    def _search_from(self, base: Point, space: Space) -> Search:
        """The algorithm with its first base."""


@dataclass(frozen=True, kw_only=True)
class Batched(FromStart):
    """Options of the algorithms that measure a batch at a time.

    Parameters
    ----------
    start, alpha, latin, nearest
        See `FromStart`.
    batch
        Points that it measures between two decisions. An ask for more gets no more; an ask for
        fewer gets the first of them, and nothing is decided until all are told.
    """

    batch: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(
            self, "batch", whole(type(self).__name__, "batch", self.batch, 1, most=MOST)
        )

    @property
    def _batch_size(self) -> int:
        return self.batch


@dataclass(frozen=True, kw_only=True)
class Sequential2017(FromStart):
    """S_2017, one measurement at a time: all 3^N - 1 neighbours, then a line through the best.

    Parameters
    ----------
    start, alpha, latin, nearest
        See `FromStart`: params to begin with, smoothing of the d-spline, points of a Latin
        hypercube, whether numbers of `start` beside the grid stand for the nearest ones on it.

    References
    ----------
    Mochizuki, Fujii, Tanaka, Katagiri, iWAPT 2017 (10.1109/IPDPSW.2017.132).

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Sequential2017
    >>> tuner = Tuner({"x": range(9), "y": range(9)}, Sequential2017(start={"x": 2, "y": 6}))
    >>> tuner.ask()[0].params
    {'x': 2, 'y': 6}
    """

    def _search_from(self, base: Point, space: Space) -> Search:
        return Sequential(space.shape, base, narrow=False, alpha=self.alpha)


@dataclass(frozen=True, kw_only=True)
class Sequential2018(FromStart):
    """S_2018, one measurement at a time: axes first, one axis more when nothing is gained.

    Parameters
    ----------
    start, alpha, latin, nearest
        See `FromStart`: params to begin with, smoothing of the d-spline, points of a Latin
        hypercube, whether numbers of `start` beside the grid stand for the nearest ones on it.

    References
    ----------
    IPSJ 2018, "multi-steps search".

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Sequential2018
    >>> tuner = Tuner({"x": range(9), "y": range(9)}, Sequential2018(start={"x": 2, "y": 6}))
    >>> tuner.ask()[0].params
    {'x': 2, 'y': 6}
    """

    def _search_from(self, base: Point, space: Space) -> Search:
        return Sequential(space.shape, base, alpha=self.alpha)


@dataclass(frozen=True, kw_only=True)
class Parallel2022(Batched):
    """The parallel DSICE of 2021-22, after its poster: directional and line search together.

    Parameters
    ----------
    start, alpha, latin, nearest, batch
        See `FromStart` and `Batched`: params to begin with, smoothing of the d-spline, points of a
        Latin hypercube, whether numbers of `start` beside the grid stand for the nearest ones on
        it, points between two decisions.

    References
    ----------
    Fujika et al., IPSJ 2021-HPC-178 No. 16 and HPC Asia (10.1145/3578178.3578235). No code was
    published: docs/published.md says what is our reading.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Parallel2022
    >>> tuner = Tuner({"x": range(9), "y": range(9)}, Parallel2022(start={"x": 2, "y": 6}))
    >>> tuner.ask()[0].params
    {'x': 2, 'y': 6}
    """

    def _search_from(self, base: Point, space: Space) -> Search:
        return Parallel(space.shape, base, alpha=self.alpha)


@dataclass(frozen=True, kw_only=True)
class Radial2024(Batched):
    """P_2024B: all lines through the base at once.

    Points that it repeats are answered from the history.

    Parameters
    ----------
    start, alpha, latin, nearest, batch
        See `FromStart` and `Batched`: params to begin with, smoothing of the d-spline, points of a
        Latin hypercube, whether numbers of `start` beside the grid stand for the nearest ones on
        it, points between two decisions.

    References
    ----------
    SC24 poster; the authors' library, Kogakuin-HPCL/DSICE 1.0.1.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Radial2024
    >>> tuner = Tuner({"x": range(9), "y": range(9)}, Radial2024(start={"x": 2, "y": 6}))
    >>> tuner.ask()[0].params
    {'x': 2, 'y': 6}
    """

    def _search_from(self, base: Point, space: Space) -> Search:
        return Radial(space.shape, base, alpha=self.alpha, unstick=True)


def _check_alpha(owner: Strategy, alpha: object) -> None:
    name = type(owner).__name__
    number(name, "alpha", alpha, "a finite number > 0", above=0.0)
    if isinstance(alpha, np.generic):  # a journal takes Python's own numbers
        object.__setattr__(owner, "alpha", alpha.item())
