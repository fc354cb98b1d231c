"""What a figure is drawn of: a tuner or whatever has a history, a journal, a study, a table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from dsice.checks import expanded, shown
from dsice.errors import OptionError
from dsice.history import History
from dsice.history.points import start_trial
from dsice.journal.files import journal_of
from dsice.space import Space
from dsice.strategies import as_strategy
from dsice.trial import Trial
from dsice.typing import Floats, Point

if TYPE_CHECKING:
    import pandas as pd

    from dsice.reuse.matching import MatchedSource


class HasHistory(Protocol):
    """A tuner, or anything else that has a history."""

    @property
    def history(self) -> History:
        """All trials of the search."""


HistoryLike: TypeAlias = "HasHistory | History | str | os.PathLike[str] | pd.DataFrame"
"""What figures are drawn of: a tuner, a history, the path of a journal or of a study file
(``.toml``), or the DataFrame of ``history.frame()``, of which the goal's metric, run times, stages
and members are read: for bounds, further metrics, starts and curves give the history."""


@dataclass(frozen=True)
class Given:
    """What figures read.

    Attributes
    ----------
    space
        The grid; None where only a history was given.
    best
        The best trial: the one that a tuner recommends, else the best of the history.
    own
        Levels of the user's own setting, as far as the strategy says.
    sources
        What informs the search; None where only a tuner could say.
    name
        Of the journal, for legends; "" where there is none.
    """

    history: History
    space: Space | None = None
    best: Trial | None = None
    own: Point | None = None
    sources: tuple[MatchedSource, ...] | None = None
    name: str = ""

    @property
    def start(self) -> Trial | None:
        """The first trial of the user's own setting; None where there was none."""
        return start_trial(self.history, self.own)

    def require_space(self, function: str) -> Space:
        """The grid, or OptionError that asks for it."""
        if self.space is None:
            raise OptionError(
                f"{function}: a history does not know its space: give the tuner, the path of its "
                "journal, or space= too"
            )
        return self.space

    def require_values(self, function: str) -> None:
        """Raise OptionError, which says where the search stands, before any trial has a value."""
        if not len(self.history.order()):
            raise OptionError(f"{function}: {standing(self.history)}, so there is nothing to draw")


def given(search: HistoryLike, space: Space | Mapping[str, Any] | None = None) -> Given:
    """Read what the user gave.

    Parameters
    ----------
    space
        The space of a bare history.

    Raises
    ------
    OptionError
        It is none of what figures are drawn of, or the study file cannot be read.
    JournalError
        The journal cannot be read.
    """
    if isinstance(search, (str, os.PathLike)):
        return _of_path(expanded(search), space)
    if _is_frame(search):
        from dsice.plots.tables import history_of_frame

        return _of_history(*history_of_frame(search))  # type: ignore[arg-type]
    if isinstance(search, History):
        return _of_history(search, space)
    if isinstance(getattr(search, "history", None), History):
        return _of_search(search, space)
    raise OptionError(
        f"{shown(search)} cannot be drawn: expected a tuner, a history, the path of a journal or "
        "of a study file (.toml), or the DataFrame of history.frame()"
    )


def standing(history: History) -> str:
    """Why nothing can be drawn: how many trials there are, and what became of them."""
    if not len(history):
        return "no trial was asked yet"
    waiting = len(history.pending())
    failed = int(history.failed().sum())
    parts = [f"{waiting} wait or run"] if waiting else []
    if failed:
        parts.append(f"{failed} failed")
    about = f" ({', '.join(parts)})" if parts else ""
    return f"none of the {len(history)} trials has a value of {history.goal.metric!r} yet{about}"


def _of_path(path: Path, space: Space | Mapping[str, Any] | None) -> Given:
    from dsice.tuner import Tuner

    journal = journal_of(path) if path.suffix == ".toml" else path
    return _of_search(Tuner.read(journal), space, path.stem)


def _of_search(search: Any, space: Space | Mapping[str, Any] | None, name: str = "") -> Given:
    history: History = search.history
    grid = _space(space) or getattr(search, "space", None)
    own = None
    strategy = getattr(search, "strategy", None)
    if strategy is not None and grid is not None:
        own = as_strategy(strategy).own_setting(grid)
    journal = getattr(search, "journal", None)
    if not name and isinstance(journal, (str, os.PathLike)):
        name = Path(journal).stem
    best = getattr(search, "best", history.best)
    return Given(history, grid, best, own, getattr(search, "sources", None), name)


def _of_history(history: History, space: Space | Mapping[str, Any] | None) -> Given:
    return Given(history, _space(space), history.best)


def _space(space: Space | Mapping[str, Any] | None) -> Space | None:
    return space if space is None or isinstance(space, Space) else Space(space)


def _is_frame(search: object) -> bool:
    return type(search).__name__ == "DataFrame" and hasattr(search, "columns")


def values_of(history: History, ids: Any) -> Floats:
    """The goal's metric of scored trials, shape (ids,): what the goal makes of the repeats of each.

    No trial is made for it, which takes long for very many.
    """
    return np.asarray(history.goal.signed(history.losses()[ids]), dtype=float)


def levels_of(history: History, space: Space, function: str) -> np.ndarray[Any, Any]:
    """Levels of all trials, int of shape (trials, axes).

    Raises
    ------
    OptionError
        The space is not that of the history.
    """
    points = history.points()
    if not len(points):
        return points.reshape(0, space.ndim)
    if points.shape[1] != space.ndim or (points >= np.array(space.shape)).any():
        raise OptionError(
            f"{function}(space=...): expected the space of the history, whose points have "
            f"{points.shape[1]} levels up to {tuple(points.max(axis=0).tolist())}; "
            f"got one of {space.shape} levels"
        )
    return points
