"""A study as a storage of Optuna, for optuna-dashboard and Optuna's own plots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from dsice.checks import is_whole
from dsice.errors import MissingPackageError, OptionError
from dsice.space import Axis
from dsice.space.values import as_json, as_text
from dsice.strategies.optuna_study import quiet
from dsice.trial import State, Trial
from dsice.tuner import Tuner
from dsice.typing import PathLike

__all__ = ["optuna_export"]

_SIMPLE = (str, int, float, bool, type(None))


def optuna_export(given: PathLike | Tuner, path: PathLike, *, name: str | None = None) -> int:
    """Write a study as a journal storage of Optuna: ``optuna-dashboard PATH`` shows it.

    Done trials are complete, stopped ones pruned with their curves, pending ones running, and all
    others failed; withdrawn ones are left out. Numbers are ranges, alternatives are categorical.

    Parameters
    ----------
    given
        A journal, or a tuner.
    path
        The file to write; there must be none of that name.
    name
        Of the study; by default that of the journal, or ``"dsice"``.

    Returns
    -------
    int
        How many trials were written.

    Raises
    ------
    OptionError
        The file exists.
    MissingPackageError
        Optuna is not installed.
    JournalError, SpaceError
        The journal cannot be read.

    Examples
    --------
    >>> import optuna
    >>> from dsice import Tuner
    >>> from dsice.integrations.optuna_export import optuna_export
    >>> from optuna.storages.journal import JournalFileBackend
    >>> tuner = Tuner({"tile": [8, 16, 32]})
    >>> for trial in tuner.ask(3):
    ...     trial = tuner.tell(trial, abs(trial.params["tile"] - 16))
    >>> optuna_export(tuner, "run.optuna.log")
    3
    >>> storage = optuna.storages.JournalStorage(JournalFileBackend("run.optuna.log"))
    >>> optuna.load_study(study_name=None, storage=storage).best_params
    {'tile': 16}
    """
    target = Path(path)
    if target.exists():
        raise OptionError(f"{target} exists already; give the path of a new file")
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
    except ImportError as error:
        raise MissingPackageError("this needs Optuna: pip install 'dsice[optuna]'") from error

    class Together(BaseJournalBackend):
        """Keeps all lines, to be written to the file at once."""

        def __init__(self) -> None:
            self.lines: list[dict[str, Any]] = []

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
            yield from self.lines[log_number_from:]

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            self.lines += logs

    tuner = given if isinstance(given, Tuner) else Tuner.read(given)
    goal = tuner.history.goal
    journal = tuner.journal if isinstance(given, Tuner) else given
    distributions = {name: _distribution(axis) for name, axis in tuner.space.axes.items()}
    kept = [trial for trial in tuner.history if trial.state != State.WITHDRAWN]
    together = Together()
    with quiet():
        study = optuna.create_study(
            storage=JournalStorage(together),
            study_name=name or ("dsice" if journal is None else Path(journal).stem),
            direction="maximize" if goal.maximize else "minimize",
        )
        study.set_metric_names([goal.metric])
        study.add_trials([_trial(trial, distributions) for trial in kept])
    JournalFileBackend(str(target)).append_logs(together.lines)
    return len(kept)


def _distribution(axis: Axis) -> Any:
    """What Optuna knows of an axis."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    values: Sequence[Any] = axis.values
    if not axis.numeric:
        return CategoricalDistribution([_choice(value) for value in values])
    values = sorted(values)
    low, high = values[0], values[-1]
    log = len(values) > 2 and low > 0 and _is_geometric(values)
    if all(map(is_whole, values)):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether positive numbers are better told apart by their ratios than by their differences."""
    logs = [math.log(value) for value in values]
    return _spread(logs) < _spread(values)


def _spread(values: Sequence[float]) -> float:
    """The largest of the steps between values over the smallest."""
    steps = [b - a for a, b in pairwise(values)]
    return max(steps) / min(steps)


def _choice(value: Any) -> Any:
    """An alternative as Optuna takes it: tuples and dicts as texts."""
    return value if isinstance(value, _SIMPLE) else as_text(value)


def _trial(trial: Trial, distributions: Mapping[str, Any]) -> Any:
    """A trial as Optuna's."""
    from optuna.trial import FrozenTrial, TrialState

    states = {
        State.DONE: TrialState.COMPLETE,
        State.STOPPED: TrialState.PRUNED,
        State.PENDING: TrialState.RUNNING,
    }
    state = states.get(trial.state, TrialState.FAIL)
    ended = state.is_finished()
    queued, started, end = trial.times
    begun = _moment(started if started is not None else queued)
    attributes: dict[str, Any] = {"dsice_id": trial.id, "dsice_state": str(trial.state)}
    others = {
        "metrics": dict(trial.metrics),
        "seconds": trial.seconds,
        "error": trial.error,
        "tags": dict(trial.tags),
        "stage": trial.stage,
        "member": trial.member,
        "repeat": trial.repeat,
    }
    attributes |= {key: as_json(value) for key, value in others.items() if value}
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=trial.value if state == TrialState.COMPLETE else None,
        datetime_start=begun,
        datetime_complete=(_moment(end) or begun) if ended else None,
        params={name: _choice(value) for name, value in trial.params.items()},
        distributions={name: distributions[name] for name in trial.params},
        user_attrs=attributes,
        system_attrs={},
        intermediate_values=dict(trial.curve),
    )


def _moment(seconds: float | None) -> datetime:
    """A Unix time as Optuna has it, in local time; where it is unknown, the beginning of times."""
    return datetime.fromtimestamp(seconds or 0.0, UTC).astimezone().replace(tzinfo=None)
