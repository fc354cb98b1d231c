"""The published algorithms as strategies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any
from weakref import WeakKeyDictionary

from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream
from dsice.strategies.published.ippe import OneLine, Original
from dsice.strategies.published.lattice import Designed, latin, middle
from dsice.strategies.published.parallel import Parallel
from dsice.strategies.published.radial import Radial
from dsice.strategies.published.search import Replay, Search
from dsice.strategies.published.sequential import Sequential
from dsice.trial import Proposal
from dsice.typing import Point

# Where the replay of a history stands, so that an ask need not begin at the first trial; without it the answer is the same.
_STANDS: WeakKeyDictionary[History, tuple[Strategy, Space, tuple[Point, ...], Replay]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, kw_only=True)
class IPPE(Strategy):
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
    """

    alpha: float = 0.1
    original: bool = False

    def __post_init__(self) -> None:
        _check(self, alpha=self.alpha)
        if not isinstance(self.original, bool):
            raise OptionError(f"IPPE(original={self.original!r}): expected True or False")

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The next point; none while it is pending and when the search has ended."""
        if space.ndim != 1:
            raise OptionError(
                f"IPPE searches one parameter, the space has {space.ndim}; use Sequential2018 or DSICE"
            )
        one = Original if self.original else OneLine
        return _replay(
            self, n, space, history, (), lambda starts: one(space.shape, alpha=self.alpha), 1
        )


@dataclass(frozen=True, kw_only=True)
class Sequential2017(Strategy):
    """S_2017, one measurement at a time: all 3^N - 1 neighbours, then the line through the best of them.

    Parameters
    ----------
    start
        Params to begin with; the middle of the grid by default.
    alpha
        Smoothing of the d-spline.
    latin
        Begin with the best of a Latin hypercube of so many points instead (drawn with the tuner's seed).

    References
    ----------
    Mochizuki, Fujii, Tanaka, Katagiri, iWAPT 2017 (10.1109/IPDPSW.2017.132).
    """

    start: Mapping[str, Any] | None = None
    alpha: float = 0.1
    latin: int = 0

    def __post_init__(self) -> None:
        _check(self, alpha=self.alpha, latin=self.latin, start=self.start)

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The next point; none while it is pending and when the search has ended."""
        make = partial(Sequential, space.shape, narrow=False, alpha=self.alpha)
        return _from_start(self, n, space, history, stream, make, 1)


@dataclass(frozen=True, kw_only=True)
class Sequential2018(Strategy):
    """S_2018, one measurement at a time: directions along one axis first, one axis more when nothing is gained.

    Parameters
    ----------
    start
        Params to begin with; the middle of the grid by default.
    alpha
        Smoothing of the d-spline.
    latin
        Begin with the best of a Latin hypercube of so many points instead (drawn with the tuner's seed).

    References
    ----------
    IPSJ 2018, "multi-steps search".
    """

    start: Mapping[str, Any] | None = None
    alpha: float = 0.1
    latin: int = 0

    def __post_init__(self) -> None:
        _check(self, alpha=self.alpha, latin=self.latin, start=self.start)

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """The next point; none while it is pending and when the search has ended."""
        return _from_start(
            self, n, space, history, stream, partial(Sequential, space.shape, alpha=self.alpha), 1
        )


@dataclass(frozen=True, kw_only=True)
class Parallel2022(Strategy):
    """The parallel DSICE of 2021-22, after its poster: directional and one-dimensional search together.

    Parameters
    ----------
    start
        Params to begin with; the middle of the grid by default.
    alpha
        Smoothing of the d-spline.
    latin
        Begin with the best of a Latin hypercube of so many points instead (drawn with the tuner's seed).
    batch
        Points that it measures between two decisions. An ask for more gets no more; an ask for
        fewer gets the first of them, and nothing is decided until all are told.

    References
    ----------
    Fujika et al., IPSJ 2021-HPC-178 No. 16 and HPC Asia (10.1145/3578178.3578235). No code was
    published: docs/published.md says what is our reading.
    """

    start: Mapping[str, Any] | None = None
    alpha: float = 0.1
    latin: int = 0
    batch: int = 40

    def __post_init__(self) -> None:
        _check(self, alpha=self.alpha, latin=self.latin, start=self.start, batch=self.batch)

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """What the batch still lacks, up to `n` points."""
        return _from_start(
            self,
            n,
            space,
            history,
            stream,
            partial(Parallel, space.shape, alpha=self.alpha),
            self.batch,
        )


@dataclass(frozen=True, kw_only=True)
class Radial2024(Strategy):
    """P_2024B: all lines through the base at once. Its repeated points are answered from the history.

    Parameters
    ----------
    start
        Params to begin with; the middle of the grid by default.
    alpha
        Smoothing of the d-spline.
    latin
        Begin with the best of a Latin hypercube of so many points instead (drawn with the tuner's seed).
    batch
        Points that it measures between two decisions. An ask for more gets no more; an ask for
        fewer gets the first of them, and nothing is decided until all are told.

    References
    ----------
    SC24 poster; the authors' library, Kogakuin-HPCL/DSICE 1.0.1.
    """

    start: Mapping[str, Any] | None = None
    alpha: float = 0.1
    latin: int = 0
    batch: int = 40

    def __post_init__(self) -> None:
        _check(self, alpha=self.alpha, latin=self.latin, start=self.start, batch=self.batch)

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """What the batch still lacks, up to `n` points."""
        make = partial(Radial, space.shape, alpha=self.alpha, unstick=True)
        return _from_start(self, n, space, history, stream, make, self.batch)


_FromStart = Sequential2017 | Sequential2018 | Parallel2022 | Radial2024


def _from_start(
    options: _FromStart,
    n: int,
    space: Space,
    history: History,
    stream: Stream,
    make: Callable[[Point], Search],
    batch: int,
) -> list[Proposal]:
    if options.latin:
        starts = latin(space, options.latin, stream)
        return _replay(
            options, n, space, history, tuple(starts), lambda points: Designed(points, make), batch
        )
    start = middle(space, stream) if options.start is None else space.point(options.start)
    return _replay(options, n, space, history, (start,), lambda points: make(points[0]), batch)


def _replay(
    options: Strategy,
    n: int,
    space: Space,
    history: History,
    starts: tuple[Point, ...],
    make: Callable[[tuple[Point, ...]], Search],
    batch: int,
) -> list[Proposal]:
    """Run the search over the history, from where the last ask left it if all that it was told still holds."""
    stand = _STANDS.get(history)
    if stand is None or stand[:3] != (options, space, starts) or not stand[3].holds(history):
        stand = (options, space, starts, Replay(make(starts), space, batch))
    _STANDS[history] = stand
    return stand[3].next(n, history)


def _check(
    options: Strategy, *, alpha: float, latin: int = 0, batch: int = 1, start: object = None
) -> None:
    name = type(options).__name__
    if (
        isinstance(alpha, bool)
        or not isinstance(alpha, (int, float))
        or not (isfinite(alpha) and alpha > 0)
    ):
        raise OptionError(f"{name}(alpha={alpha!r}): expected a finite number > 0")
    if isinstance(latin, bool) or not isinstance(latin, int) or latin < 0:
        raise OptionError(
            f"{name}(latin={latin!r}): expected a whole number >= 0; 0 means no Latin hypercube"
        )
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise OptionError(f"{name}(batch={batch!r}): expected a whole number >= 1")
    if start is not None and not isinstance(start, Mapping):
        raise OptionError(
            f"{name}(start={start!r}): expected a mapping of parameter names to values, or None"
        )
    if start is not None and latin:
        raise OptionError(
            f"{name}(start=..., latin={latin}): give a start or a Latin hypercube, not both"
        )
