"""The rows of a log as measurements: where each was made, and what came of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import SpaceError, TableError
from dsice.goal import Goal
from dsice.reuse.tables import cells
from dsice.reuse.tables.columns import (
    TIMES,
    LogColumns,
    find_roles,
    labelled,
    listed,
    own_labels,
)
from dsice.space import Space, When
from dsice.space.values import as_json
from dsice.trial import State, Times
from dsice.typing import Ints, Record

if TYPE_CHECKING:
    import pandas as pd

NO_NEWS = (State.PENDING, State.LOST, State.WITHDRAWN)
"""States of rows that say nothing of their point."""
_READ = ("objective", "params", "metrics", "tags", "where", "about")
_SHOWN = 5
_Told = float | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LoggedTrial:
    """What a row says of the trial that it was; the fields are arguments of `Tuner.tell`.

    Attributes
    ----------
    row
        Its place in the table, from 0.
    """

    row: int
    state: State
    value: _Told | None
    metrics: dict[str, _Told]
    seconds: float | None
    error: str | None
    times: Times
    tags: dict[str, Any]
    where: dict[str, Any]
    stage: int | None


class Log:
    """A table of measurements, its columns known.

    Parameters
    ----------
    frame
        The table.
    said
        What the user says of its columns.
    source
        What the user calls it, for messages.
    goal
        What counts.
    names
        The parameters of the study; None: they are to be found, too.

    Attributes
    ----------
    frame
        The table with texts as labels.
    roles
        Which column is what.

    Raises
    ------
    TableError
        It has no rows, or a column that is needed is missing.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        said: LogColumns,
        source: str,
        *,
        goal: Goal,
        names: Sequence[str] | None,
    ) -> None:
        self.source = source
        self.goal = goal
        self.frame = labelled(frame, source)
        if not len(self.frame):
            raise TableError(f"{source} has no rows")
        self._said = said
        self.roles = find_roles(self.frame, said, source, names=names, goal=goal)

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return cells.place(self.frame.index, row)

    def digest(self, plan: Sequence[Any]) -> str:
        """SHA-256 of the cells that are read, and of how they are read."""
        import pandas as pd

        used = [label for label in self.frame.columns if label in self.roles.used()]
        roles = {name: value for name, value in vars(self.roles).items() if name in _READ}
        how = [roles, as_json(dict(self._said.fixed)), *plan]
        found = hashlib.sha256(json.dumps(how, sort_keys=True, default=str).encode())
        for label in used:
            column = self.frame[label]
            if column.dtype.kind not in "biufmM":
                column = column.map(repr)
            found.update(pd.util.hash_array(np.asarray(column)).tobytes())
        return found.hexdigest()

    # ------------------------------------------------------------------ where
    def levels(self, space: Space, rows: Sequence[int], *, nearest: bool) -> Ints:
        """The points of these rows in a space, shape (rows, axes).

        Parameters
        ----------
        nearest
            Whether a number that is not on its axis stands for the nearest.

        Raises
        ------
        TableError
            Rows that are not on the grid: the first of them, why, and what takes them.
        """
        params = self._params(space, nearest=nearest).iloc[list(rows)]
        try:
            return space.levels(params)
        except SpaceError:
            off = list(islice(off_grid(space, params), _SHOWN + 1))
            problems = [
                f"{self.place(rows[row])}: {_reason(space, params.iloc[row : row + 1])}"
                for row in off[:_SHOWN]
            ]
            rest = "; and more" if off[_SHOWN:] else ""
            takes = "skip=True (--skip) passes over such rows"
            moved = self._params(space, nearest=True).iloc[[rows[row] for row in off]]
            if not nearest and len(list(off_grid(space, moved))) < len(off):
                takes = f"nearest=True (--nearest) moves numbers to the grid, {takes}"
            raise TableError(f"{self.source}, {'; '.join(problems)}{rest}. {takes}") from None

    def on_grid(self, space: Space, rows: Sequence[int], *, nearest: bool) -> list[int]:
        """Those of these rows that are valid points of a space."""
        params = self._params(space, nearest=nearest).iloc[list(rows)]
        off = set(off_grid(space, params))
        return [row for place, row in enumerate(rows) if place not in off]

    def _params(self, space: Space, *, nearest: bool) -> pd.DataFrame:
        """The values of all parameters, as `Space.levels` takes them."""
        import pandas as pd

        conditional = {n for rule in space.where if isinstance(rule, When) for n in rule.names}
        columns: dict[str, list[Any]] = {}
        for name, axis in space.axes.items():
            label = self.roles.params.get(name)
            if name in self._said.fixed:
                columns[name] = [self._said.fixed[name]] * len(self.frame)
            elif label is not None:
                found = cells.values_on(self.frame[label], axis)
                if nearest and axis.numeric:
                    near = {value: _nearest(axis, value) for value in set(found)}
                    found = [near[value] for value in found]
                columns[name] = [math.nan if v is cells.EMPTY else v for v in found]
            elif name in conditional:
                columns[name] = [math.nan] * len(self.frame)
            else:
                raise TableError(
                    f"{self.source} has no column for the parameter {name!r}; its columns are "
                    f"{listed(self.frame)}. Where all rows were measured with one value, state it: "
                    f"fixed={{{name!r}: ...}} (--fixed {name}=VALUE)"
                )
        return pd.DataFrame({n: pd.Series(column, dtype=object) for n, column in columns.items()})

    # ------------------------------------------------------------------ what came of it
    def trials(self) -> list[LoggedTrial]:
        """What each row says of its trial.

        Raises
        ------
        TableError
            A cell that cannot be read; the message names it.
        """
        return list(self._trials())

    def _trials(self) -> Iterator[LoggedTrial]:
        frame, roles, source = self.frame, self.roles, self.source
        rows = range(len(frame))
        values = self._measured(roles.objective)
        metrics = {name: self._measured(label) for name, label in roles.metrics.items()}
        seconds = self._seconds("seconds")
        times = [self._seconds(name) for name in TIMES]
        states = self._states()
        errors = self._texts("error")
        words = self._texts("state")
        stages = self._stages()
        tags, where = self._facts(roles.tags), self._facts(roles.where)
        keys = self._keys()
        for row in rows:
            value, state, error = values[row], states[row], errors[row]
            told = _told(value)
            if state is State.DONE and (words[row] is not None or _is_nothing(error)):
                error = None  # what is said to be measured has not failed
            if state is State.DONE and told is None:
                state, error = State.FAILED, error or f"{self.goal.metric} is empty in {source}"
            if state is State.FAILED and error is None and words[row] not in (None, state):
                error = words[row]
            own = {
                name: m for name, column in metrics.items() if (m := _told(column[row])) is not None
            }
            moments = [None if math.isnan(column[row]) else column[row] for column in times]
            own_tags = tags[row] if keys is None else {**tags[row], "key": keys[row]}
            yield LoggedTrial(
                row,
                state,
                told,
                own,
                None if math.isnan(seconds[row]) else seconds[row],
                error,
                (moments[0], moments[1], moments[2]),
                own_tags,
                where[row],
                stages[row],
            )

    def _measured(self, label: str | None) -> list[_Told]:
        if label is None:
            return [math.nan] * len(self.frame)
        return cells.measured(self.frame[label], self.source)

    def _seconds(self, what: str) -> list[float]:
        label = self.roles.about.get(what)
        if label is None:
            return [math.nan] * len(self.frame)
        read = cells.run_times if what == "seconds" else cells.numbers
        found: list[float] = read(self.frame[label], self.source).tolist()
        return found

    def _states(self) -> list[State]:
        about = self.roles.about
        found = [State.DONE] * len(self.frame)
        if "state" in about:
            found = cells.states(self.frame[about["state"]], self.source)
        if "valid" in about:
            good = cells.bools(self.frame[about["valid"]], self.source).tolist()
            pairs = zip(found, good, strict=True)
            found = [State.INVALID if s is State.DONE and not g else s for s, g in pairs]
        return found

    def _texts(self, what: str) -> list[str | None]:
        label = self.roles.about.get(what)
        if label is None:
            return [None] * len(self.frame)
        column = self.frame[label]
        pairs = zip(column.tolist(), column.isna().tolist(), strict=True)
        return [None if empty else str(cell) for cell, empty in pairs]

    def _stages(self) -> list[int | None]:
        labels = own_labels(self.frame)
        if not all(labels) or set(labels) & set(self.roles.params.values()):
            return [None] * len(self.frame)
        column = self.frame[labels[0]]
        stages = cells.numbers(column, self.source)
        for row in np.flatnonzero(~(stages >= 0) | (stages % 1 != 0))[:1].tolist():
            raise cells.refused(column, row, self.source, "a whole number >= 0")
        return [int(stage) for stage in stages.tolist()]

    def _facts(self, labels: dict[str, str]) -> list[dict[str, Any]]:
        """Tags, or facts about the run, of each row."""
        found: list[dict[str, Any]] = [{} for _ in range(len(self.frame))]
        for name, label in labels.items():
            column = self.frame[label]
            empty = column.isna()
            if column.dtype.kind == "f" and empty.any() and (column[~empty] % 1 == 0).all():
                column = column.astype("Int64")  # they were whole before some were missing
            for facts, cell, is_empty in zip(found, column.tolist(), empty.tolist(), strict=True):
                if not is_empty:
                    facts[name] = _fact(cell)
        return found

    def _keys(self) -> list[str | int] | None:
        label = self.roles.about.get("key")
        if label is None:
            return None
        column = self.frame[label]
        found = [_fact(cell) for cell in column.tolist()]
        for row, key in enumerate(found):
            if isinstance(key, float) and key.is_integer():
                found[row] = key = int(key)
            if isinstance(key, bool) or not isinstance(key, (str, int)) or key == "":
                raise cells.refused(column, row, self.source, "a key: a text or a whole number")
        return found

    def counted(self, trials: Sequence[LoggedTrial]) -> list[str]:
        """How many rows of which state say nothing, in words."""
        states = Counter(str(trial.state) for trial in trials if trial.state in NO_NEWS)
        return [f"passed over: {n} {state}" for state, n in sorted(states.items())]


def off_grid(space: Space, params: pd.DataFrame) -> Iterator[int]:
    """The places of rows that are no valid points."""
    for row in range(len(params)):
        if _reason(space, params.iloc[row : row + 1]):
            yield row


def _reason(space: Space, params: pd.DataFrame) -> str:
    """Why the one row of this table is no valid point; empty: it is one."""
    try:
        space.levels(params)
    except SpaceError as error:
        text = str(error).removeprefix("points, row 0: ")
        hint = "".join(cells.spelling_hint(v) for v in params.iloc[0] if isinstance(v, str))
        return text + hint
    return ""


def _nearest(axis: Any, value: Any) -> Any:
    try:
        return axis.nearest(value)
    except SpaceError:  # a text, for example: its own error names the row
        return value


def _told(value: _Told) -> _Told | None:
    """A measurement; None for a cell that is empty."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _is_nothing(error: str | None) -> bool:
    """Whether a cell for an error says that there was none."""
    return error is not None and error.strip().lower() in (*cells.NOT_A_NUMBER, "ok", "0", "false")


def _fact(cell: object) -> Any:
    """A tag as JSON can hold it: texts that are JSON as what they say."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str) and cell[:1] in ('"', "[", "{"):
        try:
            return json.loads(cell)
        except (RecursionError, ValueError):
            return cell
    if cell is None or isinstance(cell, (str, bool, int, float, list, dict)):
        return cell
    return str(cell)


def records_as_frame(records: Sequence[Any], source: str) -> pd.DataFrame:
    """A table of rows that are mappings.

    Raises
    ------
    TableError
        One of them is none.
    """
    from collections.abc import Mapping

    from dsice.reuse.tables.json_lines import frame_of_records

    plain: list[Record] = []
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise TableError(f"{source}, row {row}: expected a mapping of names to values")
        plain.append(dict(record))
    return frame_of_records(plain)
