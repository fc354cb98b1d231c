"""Which columns of a log are what: parameters, measurements, and what is left out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.checks import plain, shown
from dsice.errors import TableError
from dsice.goal import Goal
from dsice.reuse.tables.json_lines import TRIAL

if TYPE_CHECKING:
    import pandas as pd

USUAL = "objective"
"""Column of the metric where it has no name of its own."""
METRIC, TAG, PLACE = "metric.", "tag.", "where."
"""How labels of further metrics, of tags, and of facts about a run may begin."""
TIMES = ("queued", "started", "ended")
_ABOUT = {
    "seconds": (f"{TRIAL}seconds", "seconds"),
    "state": (f"{TRIAL}state", "state", "status"),
    "valid": ("valid",),
    "error": (f"{TRIAL}error", "error"),
}
_DERIVED = re.compile(
    r"(trial\.)?(round|score|feasible|point\.(value|n|spread)|note\..*|repeat|member|parent|stage|kind|at"
    r"|repeats|times)"
)
_ID = re.compile(
    r"(.*[ _.-])?(id|uuid|guid|index|idx|job|jobid|run|trial|timestamp|datetime|date)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?$|\d{1,2}[./]\d{1,2}[./]\d{2,4}([T ].*)?$")
_NUMERIC = re.compile(r"[-+]?[\d.][\d.,_]*([eE][-+]?\d+)?$|\[[-+.\d\s,eENan]+\]$")
_SAMPLE = 100  # cells that are looked at to know a date
_FEW = 20  # different numbers that a parameter right of the objective may have
MEASURED_FROM = 50
"""A parameter of floats has at most so many different ones, or half as many as there are rows."""


@dataclass(frozen=True)
class LogColumns:
    """What a user says of the columns of a log; None: as their names and cells say.

    Attributes
    ----------
    objective
        The metric of the goal.
    params
        The parameters, where no study says them.
    metrics
        Further metrics; by default all columns of numbers that are nothing else.
    seconds
        Run times.
    state
        What became of each row, in words.
    key
        By which a measurement is known, as in `Tuner.add`.
    fixed
        Values of parameters that the log has no column for.
    """

    objective: str | None = None
    params: Sequence[str] | None = None
    metrics: Sequence[str] | None = None
    seconds: str | None = None
    state: str | None = None
    key: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Roles:
    """Which column is what.

    Attributes
    ----------
    objective
        Label of the goal's metric; None: no row has it.
    params, metrics, tags, where
        Labels by the name of the parameter, metric, tag or fact.
    about
        Labels of ``seconds``, ``state``, ``valid``, ``error``, ``key``, those of `TIMES`.
    left_out
        Why other columns say nothing, by their labels.
    no_parameters
        Why metrics were not taken for parameters, by their labels.
    """

    objective: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    no_parameters: dict[str, str] = field(default_factory=dict)

    def used(self) -> set[str]:
        """The labels that mean something."""
        groups = (self.params, self.metrics, self.tags, self.where, self.about)
        found = {label for group in groups for label in group.values()}
        return found | ({self.objective} if self.objective else set())

    def remarks(self) -> list[str]:
        """What is left out, in words."""
        said = []
        for what, reasons in (("left out", self.left_out), ("no parameter", self.no_parameters)):
            why: dict[str, list[str]] = {}
            for label, reason in reasons.items():
                why.setdefault(reason, []).append(label)
            said += [f"{what}: {', '.join(labels)} ({reason})" for reason, labels in why.items()]
        return said


def labelled(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The table with texts as labels; of two columns with one label neither can be named.

    Raises
    ------
    TableError
        Labels of several levels.
    """
    import pandas as pd

    if frame.columns.nlevels > 1:
        raise TableError(
            f"{source}: its columns have {frame.columns.nlevels} levels of labels; give them one: "
            "frame.columns = ['.'.join(map(str, c)) for c in frame.columns]"
        )
    labels = [str(label).strip() for label in frame.columns]
    twice = {label for label in labels if labels.count(label) > 1}
    found = frame.loc[:, [label not in twice for label in labels]].copy(deep=False)
    found.columns = pd.Index([label for label in labels if label not in twice], dtype=object)
    found.attrs = {_TWICE: sorted(twice)}
    return found


_TWICE = "labels that are there twice"


def listed(frame: pd.DataFrame) -> str:
    """Names of the columns, for a message."""
    names = ", ".join(map(str, frame.columns))
    twice = frame.attrs.get(_TWICE)
    return f"{names}; {', '.join(twice)} (more than once: rename them)" if twice else names


def missing(frame: pd.DataFrame, name: str, source: str, hint: str = "") -> TableError:
    """The error that there is no such column, or more than one."""
    if name in frame.attrs.get(_TWICE, ()):
        return TableError(f"{source} has more than one column {name!r}; rename all but one of them")
    return TableError(f"{source} has no column {name!r}{hint}; its columns are {listed(frame)}")


def find_roles(
    frame: pd.DataFrame,
    said: LogColumns,
    source: str,
    *,
    names: Collection[str] | None,
    goal: Goal,
) -> Roles:
    """Which column of a log is what.

    Parameters
    ----------
    frame
        The log, `labelled`.
    said
        What the user says of it.
    source
        What the user calls it, for messages.
    names
        The parameters of the study; None: they are to be found, too.
    goal
        What counts.

    Raises
    ------
    TableError
        A column that is needed is missing.
    """
    roles = Roles()
    roles.objective = _objective(frame, said, goal, names or (), source)
    if names is None and said.params is not None:
        names = list(dict.fromkeys(map(str, said.params)))
    for name in names or ():
        if name in said.fixed and name in frame.columns:
            raise TableError(
                f"{source} has a column {name!r} itself; leave it out of fixed= (--fixed)"
            )
        if name in frame.columns:
            roles.params[name] = name
        elif (name not in said.fixed and said.params is not None) or name in frame.attrs[_TWICE]:
            raise missing(frame, name, source)
    if roles.objective in roles.params:
        raise TableError(
            f"{source}: column {roles.objective!r} is a parameter, and cannot be the objective"
        )
    _find_about(frame, said, source, roles)
    for name in said.metrics or ():
        if name not in frame.columns:
            raise missing(frame, name, source)
        roles.metrics[name] = name
    rest = [label for label in frame.columns if label not in roles.used()]
    why = {} if names is not None else _find_params(frame, rest, roles)
    rest = [label for label in rest if label not in roles.params.values()]
    _find_metrics(frame, rest, said, goal, roles)
    # What is a metric follows from labels and kinds of columns, so that it stays one as a log
    # grows; only the parameters are guessed from the cells.
    roles.no_parameters = {label: w for label, w in why.items() if label not in roles.left_out}
    return roles


def _objective(
    frame: pd.DataFrame, said: LogColumns, goal: Goal, names: Collection[str], source: str
) -> str | None:
    """Label of the column that counts."""
    if said.objective is not None:
        if said.objective not in frame.columns:
            raise missing(frame, said.objective, source)
        return said.objective
    for label in (f"{METRIC}{goal.metric}", goal.metric, USUAL, "value"):
        if label in frame.columns and label not in names:
            return label
    hint = "; name the column that counts with objective= (--objective)"
    raise missing(frame, goal.metric, source, hint)


def _find_about(frame: pd.DataFrame, said: LogColumns, source: str, roles: Roles) -> None:
    """Columns about the run: run time, what became of it, when."""
    for what in ("seconds", "state", "key"):
        label = getattr(said, what)
        if label is not None:
            if label not in frame.columns:
                raise missing(frame, label, source)
            roles.about[what] = label
    taken = roles.used() | set(said.metrics or ())
    lower = {label.lower(): label for label in frame.columns if label not in taken}
    for what, usual in _ABOUT.items():
        label = next((lower[name] for name in usual if name in lower), None)
        if what not in roles.about and label is not None:
            roles.about[what] = label
    for name in TIMES:
        label = lower.get(f"{TRIAL}{name}", lower.get(name))
        if label is not None and not is_dated(frame[label]):
            roles.about[name] = label


def _find_metrics(
    frame: pd.DataFrame, rest: Iterable[str], said: LogColumns, goal: Goal, roles: Roles
) -> None:
    """Further metrics, tags and what is left out."""
    for label in rest:
        column = frame[label]
        if label.startswith(METRIC) and label != METRIC:
            roles.metrics[label.removeprefix(METRIC)] = label
        elif label.startswith(TAG):
            roles.tags[label.removeprefix(TAG)] = label
        elif label.startswith(PLACE):
            roles.where[label.removeprefix(PLACE)] = label
        elif label in goal.bounded:
            roles.metrics[label] = label
        elif why := _says_nothing(label, column):
            roles.left_out[label] = why
        elif said.metrics is None and _is_numeric(column):
            roles.metrics[label] = label
        elif said.metrics is not None:
            roles.left_out[label] = "not among the metrics that are named"
        else:
            roles.left_out[label] = "no numbers"


def _says_nothing(label: str, column: pd.Series[Any]) -> str:
    """Why a column says nothing about a measurement, by its label and kind; empty: it may."""
    if _DERIVED.fullmatch(label):
        return "derived from the others"
    if column.isna().all():
        return "empty"
    if column.dtype.kind == "m" or _all_of(column, (datetime.timedelta, np.timedelta64)):
        return "durations: name the one that is the run time with seconds= (--seconds)"
    if is_dated(column):
        return "dates"
    return "an id, by its name" if _ID.fullmatch(label) else ""


def is_dated(column: pd.Series[Any]) -> bool:
    """Whether a column holds dates."""
    if column.dtype.kind == "M":
        return True
    if column.dtype.kind in "biufcm":
        return False
    if _all_of(column, (datetime.date, np.datetime64)):
        return True
    cells = column.dropna().head(_SAMPLE).tolist()
    return bool(cells) and all(isinstance(cell, str) and _DATE.match(cell) for cell in cells)


def _all_of(column: pd.Series[Any], kinds: tuple[type, ...]) -> bool:
    if column.dtype.kind in "biufc":
        return False
    cells = column.dropna().head(_SAMPLE).tolist()
    return bool(cells) and all(isinstance(cell, kinds) for cell in cells)


def _is_numeric(column: pd.Series[Any]) -> bool:
    """Whether most cells are numbers or lists of them."""
    if column.dtype.kind in "iuf":
        return True
    if column.dtype.kind in "bcmM":
        return False
    cells = column.dropna().head(_SAMPLE).tolist()
    good = sum(_looks_numeric(cell) for cell in cells)
    return 2 * good > len(cells)


def _looks_numeric(cell: object) -> bool:
    if isinstance(cell, (bool, np.bool_)):
        return False
    if isinstance(cell, (list, tuple)):
        return bool(cell) and all(map(_looks_numeric, cell))
    if isinstance(cell, str):
        return bool(
            re.match(r"[-+]?[\d.][\d.,_]*([eE][-+]?\d+)?$|\[[-+.\d\s,eE]+\]$", cell.strip())
        )
    return isinstance(cell, (int, float, np.number))


# ------------------------------------------------------------------ parameters of a log alone
def _find_params(frame: pd.DataFrame, rest: list[str], roles: Roles) -> dict[str, str]:
    """Find the parameters of a log that no study describes; why other columns are none."""
    order = list(frame.columns)
    border = order.index(roles.objective) if roles.objective in order else len(order)
    reasons: dict[str, str] = {}
    for label in rest:
        column = frame[label]
        if label.startswith((METRIC, TAG, PLACE, TRIAL)):
            continue
        if why := no_parameter(label, column) or _constant(column):
            reasons[label] = why
        elif order.index(label) < border or _is_discrete(column):
            roles.params[label] = label
    if not roles.params:
        raise TableError(
            f"the table has no column of parameters beside {listed(frame)}; name them with params= "
            "(--params A,B,C)"
        )
    check_levels(frame, list(roles.params))
    return reasons


def no_parameter(label: str, column: pd.Series[Any]) -> str:
    """Why a column of a log is no parameter though it differs from row to row; empty: it may be."""
    why = _says_nothing(label, column)
    if why.startswith("an id") and column.dtype.kind not in "iu" and distinct(column) < len(column):
        why = ""
    return why or _counts(column)


def looks_chosen(column: pd.Series[Any]) -> bool:
    """Whether a column looks like a parameter that has words as values."""
    return column.dtype.kind not in "iufcmM" and 1 < distinct(column) <= len(column) // 2


def _constant(column: pd.Series[Any]) -> str:
    if len(column) > 1 and distinct(column) == 1 and column.notna().all():
        return f"always {shown(plain(column.iloc[0]))}"
    return ""


def _counts(column: pd.Series[Any]) -> str:
    """Why a column is an id, by its cells; empty: it is none."""
    rows = len(column)
    if rows <= _FEW or distinct(column) < rows or column.dtype.kind in "fbc":
        return ""
    if column.dtype.kind in "iu":
        return "an id: it counts the rows" if (np.diff(column.to_numpy()) == 1).all() else ""
    return "an id: different in every row"


def distinct(column: pd.Series[Any]) -> int:
    """How many different values a column has, also of lists and dicts."""
    try:
        return int(column.nunique())
    except TypeError:
        return len({repr(cell) for cell in column.dropna().tolist()})


def _is_discrete(column: pd.Series[Any]) -> bool:
    """Whether a column right of the objective looks like a parameter."""
    if column.dtype.kind in "iuf":
        return distinct(column) <= min(_FEW, len(column) // 2)
    return distinct(column) <= max(2, len(column) // 2)


def check_levels(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise TableError if columns look measured: floats, most of them different."""
    limit = max(MEASURED_FROM, len(frame) // 2)
    measured = [n for n in names if frame[n].dtype.kind == "f" and frame[n].nunique() > limit]
    if not measured:
        return
    first = frame[measured[0]].nunique()
    more = ""
    if measured[1:]:
        more = f", and so do {', '.join(map(repr, measured[1:6]))}{' ...' if measured[6:] else ''}"
    raise TableError(
        f"column {measured[0]!r} has {first} different numbers in {len(frame)} rows, so it looks "
        f"measured{more}; name the parameters with params= (--params A,B,C), "
        "or the measured columns with metrics="
    )
