"""Which columns of a log are what: parameters, measurements, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dsice.errors import TableError
from dsice.goal import Goal
from dsice.reuse.tables.json_lines import TRIAL
from dsice.reuse.tables.looks import (
    check_levels,
    constant,
    is_dated,
    is_discrete,
    is_numeric,
    no_parameter,
    row_counts,
    says_nothing,
)

if TYPE_CHECKING:
    import pandas as pd

USUAL = "objective"
"""Column of the metric where it has no name of its own."""
METRIC, TAG, PLACE = "metric.", "tag.", "where."
"""How labels of further metrics, of tags, and of facts about a run may begin."""
TIMES = ("queued", "started", "ended")
IDENTITY = ("stage", "state", "repeat", "member")
"""Columns that a table has which dsice wrote itself."""
_DERIVED = re.compile(
    r"(trial\.)?(round|score|feasible|repeat|member|parent|stage)|point\.(value|n|spread)|note\..*"
)
ABOUT = {
    "seconds": (f"{TRIAL}seconds", "seconds"),
    "state": (f"{TRIAL}state", "state", "status"),
    "valid": ("valid",),
    "error": (f"{TRIAL}error", "error"),
}
"""How columns about a run may be called, lower case."""


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


def own_labels(frame: pd.DataFrame) -> list[str]:
    """The labels of `IDENTITY` in a table that dsice wrote; empty texts in any other."""
    pairs = [(f"{TRIAL}{name}", name) for name in IDENTITY]
    return [next((name for name in pair if name in frame.columns), "") for pair in pairs]


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
    own = all(own_labels(frame))
    guessed = [label for label in rest if not (own and _DERIVED.fullmatch(label))]
    why = {} if names is not None else _find_params(frame, guessed, roles)
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
    for what, usual in ABOUT.items():
        label = next((lower[name] for name in usual if name in lower), None)
        rates = what == "error" and label is not None and is_numeric(frame[label])
        if what not in roles.about and label is not None and not rates:
            roles.about[what] = label
    for name in TIMES:
        label = lower.get(f"{TRIAL}{name}", lower.get(name))
        if label is not None and not is_dated(frame[label]):
            roles.about[name] = label


def _find_metrics(
    frame: pd.DataFrame, rest: Iterable[str], said: LogColumns, goal: Goal, roles: Roles
) -> None:
    """Further metrics, tags and what is left out."""
    own = all(own_labels(frame))
    for label in rest:
        column = frame[label]
        if own and _DERIVED.fullmatch(label):
            roles.left_out[label] = "derived from the others"
        elif label.startswith(METRIC) and label != METRIC:
            roles.metrics[label.removeprefix(METRIC)] = label
        elif label.startswith(TAG):
            roles.tags[label.removeprefix(TAG)] = label
        elif label.startswith(PLACE):
            roles.where[label.removeprefix(PLACE)] = label
        elif label in goal.bounded:
            roles.metrics[label] = label
        elif why := says_nothing(label, column):
            roles.left_out[label] = why
        elif said.metrics is None and is_numeric(column):
            roles.metrics[label] = label
        elif said.metrics is not None:
            roles.left_out[label] = "not among the metrics that are named"
        else:
            roles.left_out[label] = "no numbers"


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
        if why := no_parameter(label, column) or constant(column):
            reasons[label] = why
        elif order.index(label) < border or is_discrete(column):
            roles.params[label] = label
    for label, why in row_counts(frame, list(roles.params)).items():
        reasons[label] = why
        del roles.params[label]
    if not roles.params:
        raise TableError(
            f"the table has no column of parameters beside {listed(frame)}; name them with params= "
            "(--params A,B,C)"
        )
    check_levels(frame, list(roles.params))
    return reasons
