"""`Source`: measurements of a related task, given to a search."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, cast, runtime_checkable

import numpy as np

from dsice.checks import expanded, flag, shown, text, wrong
from dsice.errors import DsiceError, OptionError, SpaceError
from dsice.goal import Goal
from dsice.history import History
from dsice.history.sources import SourceTrials
from dsice.journal.files import read_file
from dsice.journal.sources import as_written
from dsice.reuse.from_history import points_of_history, points_of_journal
from dsice.reuse.from_table import points_of_frame, points_of_rows
from dsice.reuse.matching import MatchedSource, match, remarks_on, require_use
from dsice.reuse.points import MOST, SourcePoints
from dsice.reuse.results import is_results, read_results
from dsice.reuse.tables.files import is_journal, read_frame
from dsice.space import Space
from dsice.space.values import plain_value
from dsice.typing import Bools, Params

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class HasMeasurements(Protocol):
    """A log that hands out its rows, such as `dsice.launchers.Table`."""

    objective: str

    def measurements(self) -> Iterable[tuple[Params, float]]:
        """Params and value of each row, NaN where it failed."""


@runtime_checkable
class HasHistory(Protocol):
    """Whatever has a history, such as a `Tuner`."""

    @property
    def history(self) -> History:
        """All trials."""


Given: TypeAlias = "str | os.PathLike[str] | pd.DataFrame | History | HasMeasurements | HasHistory"
"""What a source is made of."""


class Source:
    """Measurements of a related task, for ``Tuner(space, reuse=[...])``.

    Parameters are matched by name and by value: a number stands for the nearest level of an ordered
    axis within half a step, everything else must be on its axis. Points off the grid are dropped; a
    parameter that the source does not have is averaged over. Of the metric only the order counts,
    so that it may be another one than that of the search.

    Parameters
    ----------
    given
        The path of a journal, of a CSV or Parquet file, or of what Kernel Tuner or KTT wrote (cache
        file, output, T4); a DataFrame, a `History` or what has one, or a `dsice.launchers.Table`.
    metric
        What counts. Of a journal it is the metric of its own goal by default; of a table, the
        column with the name of the goal's metric, or ``"objective"``; of a file of another tuner,
        else what that was tuned for.
    maximize
        Whether more of it is better; by default as a journal's own goal says, and for a table as
        the goal of the search says.
    fixed
        Values of parameters that the source does not have, and with which all of it was measured:
        ``{"gpus": 4}``.
    name
        What messages and the journal call it; by default the path, or the name of the class.

    Raises
    ------
    OptionError
        An argument of the wrong kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from dsice import Source, Space
    >>> old = pd.DataFrame({"threads": [1, 2, 4, 4], "time": [8.1, 4.4, 2.9, 3.1]})
    >>> space = Space({"threads": [1, 2, 4, 8], "tile": [16, 32, 64]})
    >>> print(Source(old, metric="time").report(space))
    3 of 3 points, 1 of 2 parameters, minimising time
    """

    def __init__(
        self,
        given: Given,
        metric: str | None = None,
        maximize: bool | None = None,
        fixed: Params | None = None,
        name: str | None = None,
    ) -> None:
        self._given = given
        self.path = expanded(given) if isinstance(given, (str, os.PathLike)) else None
        if metric is not None:
            metric = text("Source", "metric", metric)
        if maximize is not None:
            maximize = flag("Source", "maximize", maximize, "True (more is better) or False")
        self.metric = metric
        self.maximize = maximize
        self.fixed = _fixed({} if fixed is None else fixed)
        if self.path is None:
            self._require_known()
        default = os.fspath(given) if isinstance(given, (str, os.PathLike)) else _class(given)
        self.name = default if name is None else text("Source", "name", name)
        if not self.name:
            raise wrong("Source", "name", name, "a name that is not empty")
        self.identity = ""
        self._read: tuple[tuple[Space, Goal], SourcePoints] | None = None

    def __repr__(self) -> str:
        return f"<Source {self.name!r}>"

    def _require_known(self) -> None:
        given = self._given
        if _is_frame(given) or isinstance(given, (History, HasHistory, HasMeasurements)):
            return
        raise OptionError(
            f"Source({shown(given)}): expected the path of a journal or of a table, a DataFrame, "
            "a History or a Table"
        )

    # ------------------------------------------------------------------ what it says
    def trials(self, space: Space, goal: Goal | None = None) -> SourceTrials:
        """What a search on this space takes from it, as `History.of` takes it, too.

        Parameters
        ----------
        space, goal
            What is searched now.

        Raises
        ------
        OptionError
            It says nothing about this space; the message says what was matched and why not.
        DsiceError
            It cannot be read.
        """
        points = self._points(space, goal or Goal())
        everything = points.trials(self.name)
        if len(points.params) > MOST:
            everything = points.trials(self.name, self._matched(points, space))
        found = as_written(everything)
        if self.metric is not None and all(value is None for value in found.values):
            raise OptionError(
                f"source {self.name!r}: nothing in it has a finite {self.metric!r}; leave metric= "
                "out, or name another one"
            )
        require_use(found, space)
        return found

    def match(self, space: Space, goal: Goal | None = None) -> MatchedSource:
        """How much of it lies in a space; the errors are those of `trials`."""
        return match(self.trials(space, goal), space, remarks=self.remarks(space, goal))

    def report(self, space: Space, goal: Goal | None = None) -> str:
        """How much of it lies in a space, as a sentence; the errors are those of `trials`."""
        return str(self.match(space, goal))

    def remarks(self, space: Space, goal: Goal | None = None) -> tuple[str, ...]:
        """What is to be known of how it was read."""
        points = self._points(space, goal or Goal())
        many = len(points.params)
        kept = (f"{MOST} of its {many} points are kept",) if many > MOST else ()
        return (*kept, *points.remarks, *remarks_on(self.trials(space, goal), space))

    def sha256(self, space: Space, goal: Goal) -> str | None:
        """SHA-256 of what it would be read from now; None where that is gone."""
        try:
            if self.path is not None:
                return hashlib.sha256(read_file(self.path)).hexdigest()
            return self._points(space, goal).digest()
        except (DsiceError, OSError, ValueError):
            return None

    # ------------------------------------------------------------------ reading
    def _points(self, space: Space, goal: Goal) -> SourcePoints:
        """Its points, read once."""
        if self._read is None or self._read[0][0] is not space or self._read[0][1] != goal:
            found = self._read_points(space, goal)
            self._read = ((space, goal), self._with_fixed(found, space))
        return self._read[1]

    def _read_points(self, space: Space, goal: Goal) -> SourcePoints:
        given, metric, maximize = self._given, self.metric, self.maximize
        if self.path is not None:
            return self._read_file(self.path, space, goal)
        if _is_frame(given):
            return points_of_frame(given, space, goal, metric, maximize, self.name)
        if isinstance(given, History):
            return points_of_history(given, metric, maximize)
        if isinstance(given, HasMeasurements):
            if metric not in (None, given.objective):
                raise OptionError(
                    f"source {self.name!r} is a Table of {given.objective!r}, and has no {metric!r}"
                )
            return points_of_rows(given.measurements(), given.objective, goal, maximize)
        return points_of_history(cast(HasHistory, given).history, metric, maximize)

    def _read_file(self, path: Path, space: Space, goal: Goal) -> SourcePoints:
        try:
            journal = is_journal(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OptionError(
                f"source {self.name!r} cannot be read ({reason}); give the path of a journal, or "
                "of a .csv, .csv.gz, .tsv, .parquet, .jsonl or .json file, or leave it out"
            ) from error
        if journal:
            found, self.identity = points_of_journal(path, space, self.metric, self.maximize)
            return found
        metric, maximize = self.metric, self.maximize
        if is_results(path):
            results = read_results(path, metric)
            frame = results.frame
            if metric is None and goal.metric not in frame.columns:
                metric = results.objective
                maximize = results.maximize if maximize is None else maximize
        else:
            frame = read_frame(path)
        found = points_of_frame(frame, space, goal, metric, maximize, self.name)
        return replace(found, sha256=hashlib.sha256(read_file(path)).hexdigest())

    def _with_fixed(self, points: SourcePoints, space: Space) -> SourcePoints:
        """The points with the values that were stated for all of them."""
        for name, value in self.fixed.items():
            who = f"source {self.name!r}: fixed={{{name!r}: {value!r}}}"
            if name not in space.names:
                known = ", ".join(space.names)
                raise OptionError(f"{who}: the study has no such parameter; it has {known}")
            if any(name in params for params in points.params):
                raise OptionError(f"{who}: the source has values of {name!r} itself; leave it out")
            try:
                space.axes[name].level(value)
            except SpaceError as error:
                raise OptionError(f"{who}: {error}") from error
        if not self.fixed:
            return points
        return replace(points, params=[{**params, **self.fixed} for params in points.params])

    def _matched(self, points: SourcePoints, space: Space) -> Bools:
        """Which points lie in the space, bool of shape (points,)."""
        each = replace(
            points.trials(self.name, None),
            params=tuple(points.params),
            scores=np.arange(len(points.params), dtype=float),
        )
        found = np.zeros(len(points.params), dtype=bool)
        found[each.on(space)[1].astype(np.int64)] = True
        return found

    def require_other(self, path: Path, identity: str) -> None:
        """Raise OptionError if this is the journal of the study itself."""
        same = self.path is not None and self.path.exists() and path.exists()
        if (same and self.path is not None and self.path.samefile(path)) or (
            identity and identity == self.identity
        ):
            raise OptionError(
                f"source {self.name!r} is the study's own journal: all of its trials are in the "
                "search already; leave it out"
            )


def as_sources(
    given: object, *, rename: str = "tell them apart with Source(..., name=...)"
) -> tuple[Source, ...]:
    """What ``reuse=`` was given, as sources with different names.

    Parameters
    ----------
    rename
        How two of one name are told apart, for the message.

    Raises
    ------
    OptionError
        It is no list, something in it is no source, or two have one name.
    """
    alone = isinstance(given, (str, os.PathLike, Source, History)) or _is_frame(given)
    if alone or isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise OptionError(
            f"reuse={shown(given)}: expected a list of sources, such as ['old.jsonl']"
        )
    found: dict[str, Source] = {}
    for one in given:
        source = one if isinstance(one, Source) else Source(one)
        if source.name in found:
            raise OptionError(
                f"reuse: two sources are called {source.name!r}; leave one out, or {rename}"
            )
        found[source.name] = source
    return tuple(found.values())


def _is_frame(given: object) -> TypeGuard[pd.DataFrame]:
    return hasattr(given, "columns") and hasattr(given, "iloc")


def _class(given: object) -> str:
    return type(given).__name__


def _fixed(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise wrong("Source", "fixed", given, "values of parameters by name, such as {'gpus': 4}")
    try:
        return {name: plain_value(value) for name, value in given.items()}
    except SpaceError as error:
        raise wrong("Source", "fixed", given, f"values of parameters ({error})") from error
