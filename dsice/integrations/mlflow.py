"""MLflow: a study as a run, each of its trials as a child of it.

`MLflowCallback` is one of the callbacks of `run`. The journal stays the truth: what MLflow has is a
copy for its pages, and a server that is away costs a message, never the run.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dsice.checks import text
from dsice.errors import MissingPackageError
from dsice.space.values import as_text
from dsice.trial import State, Trial
from dsice.tuner import Tuner

_STUDY, _TRIAL, _STATE = "dsice.study", "dsice.trial", "dsice.state"
_PARENT = "mlflow.parentRunId"
_STATUS = {State.DONE: "FINISHED", State.STOPPED: "FINISHED"}  # the others: FAILED
_NO_NAME = re.compile(r"[^\w\-. /]")  # what a name in MLflow may not hold
_LONGEST = 6000  # characters of a param


class MLflowCallback:
    """Writes a study to MLflow, for ``run(..., callbacks=[MLflowCallback()])``.

    The study is a run, with the best value and its params; each trial is a child run with its
    params, metrics, seconds, state and learning curve. Where a journal goes on, its run goes on.

    Parameters
    ----------
    tracking_uri
        Where MLflow keeps runs, such as ``"sqlite:///mlflow.db"`` or the address of a server; by
        default what MLflow is set to.
    experiment
        Name of the experiment; made if there is none.
    name
        Name of the run of the study; by default the path of its journal, or ``"dsice"``.
    tags
        Of that run.

    Raises
    ------
    MissingPackageError
        MLflow is not installed.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        *,
        experiment: str = "dsice",
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingPackageError(
                "MLflowCallback needs MLflow: pip install 'dsice[mlflow]'"
            ) from error
        self._client = MlflowClient(tracking_uri)
        self._experiment_name = text("MLflowCallback", "experiment", experiment)
        self._name = None if name is None else text("MLflowCallback", "name", name)
        self._tags = {str(key): str(value) for key, value in (tags or {}).items()}
        self._experiment = ""
        self._parent = ""
        self._runs: dict[int, str] = {}  # of the trials that run

    # ------------------------------------------------------------------ events
    def asked(self, tuner: Tuner, trials: Sequence[Trial]) -> None:
        """The run of the study is there before its first trial."""
        self._begin(tuner)

    def started(self, tuner: Tuner, trial: Trial) -> None:
        """A trial becomes a child run."""
        self._run(tuner, trial)

    def stepped(self, tuner: Tuner, trial: Trial, step: int, value: float) -> None:
        """A step of a learning curve."""
        run = self._run(tuner, trial)
        self._client.log_metric(run, _name(tuner.history.goal.metric), value, step=step)

    def told(self, tuner: Tuner, trial: Trial) -> None:
        """The child run has what became of the trial, and ends."""
        from mlflow.entities import Metric, Param, RunTag

        run = self._run(tuner, trial)
        now = int(time.time() * 1000)
        last = trial.curve[-1][0] if trial.curve else 0
        found = dict(trial.metrics)
        if trial.value is not None:
            found[tuner.history.goal.metric] = trial.value
        if trial.seconds is not None:
            found["seconds"] = trial.seconds
        tags = {_STATE: str(trial.state)}
        if trial.error:
            tags["dsice.error"] = trial.error[:_LONGEST]
        self._client.log_batch(
            run,
            metrics=[Metric(_name(n), v, now, last) for n, v in _finite(found.items())],
            params=[Param(_name(n), as_text(v)[:_LONGEST]) for n, v in trial.params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self._client.set_terminated(run, _STATUS.get(trial.state, "FAILED"))
        self._runs.pop(trial.id, None)

    def finished(self, tuner: Tuner) -> None:
        """The run of the study has the best, and ends if no trial runs on."""
        from mlflow.entities import Metric, RunTag

        self._begin(tuner)
        best = tuner.best
        now = int(time.time() * 1000)
        metrics: dict[str, float] = {"trials": len(tuner.history) - len(tuner.pending)}
        tags: dict[str, str] = {}
        if best is not None and best.value is not None:
            metrics[f"best {tuner.history.goal.metric}"] = best.value
            tags["dsice.best.trial"] = str(best.id)
            tags |= {f"dsice.best.{n}": as_text(v)[:_LONGEST] for n, v in best.params.items()}
        self._client.log_batch(
            self._parent,
            metrics=[Metric(_name(n), v, now, 0) for n, v in _finite(metrics.items())],
            tags=[RunTag(_name(key), value) for key, value in tags.items()],
        )
        self._client.set_terminated(self._parent, "SCHEDULED" if tuner.pending else "FINISHED")
        self._parent = ""  # the next call of run goes on with it

    # ------------------------------------------------------------------ runs
    def _begin(self, tuner: Tuner) -> None:
        """The run of the study: that of its journal, or a new one."""
        if self._parent:
            return
        experiment = self._client.get_experiment_by_name(self._experiment_name)
        self._experiment = (
            self._client.create_experiment(self._experiment_name)
            if experiment is None
            else experiment.experiment_id
        )
        known = self._search(f"tags.`{_STUDY}` = '{tuner.identity}'")
        if known:
            self._parent = known[0].info.run_id
            self._client.update_run(self._parent, status="RUNNING")
            children = self._search(
                f"tags.`{_PARENT}` = '{self._parent}' and attributes.status = 'RUNNING'"
            )
            self._runs = {int(run.data.tags[_TRIAL]): run.info.run_id for run in children}
            return
        name = self._name or ("dsice" if tuner.journal is None else str(tuner.journal))
        tags = {**self._tags, _STUDY: tuner.identity}
        self._parent = self._client.create_run(
            self._experiment, run_name=name, tags=tags
        ).info.run_id

    def _search(self, query: str) -> list[Any]:
        return list(self._client.search_runs([self._experiment], query, max_results=50_000))

    def _run(self, tuner: Tuner, trial: Trial) -> str:
        """The child run of a trial."""
        self._begin(tuner)
        if trial.id not in self._runs:
            tags = {_PARENT: self._parent, _TRIAL: str(trial.id)}
            run = self._client.create_run(
                self._experiment, run_name=f"trial {trial.id}", tags=tags
            )
            self._runs[trial.id] = run.info.run_id
        return self._runs[trial.id]


def _name(name: str) -> str:
    """A name that MLflow takes."""
    return _NO_NAME.sub("_", name)[:250] or "_"


def _finite(numbers: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in numbers if math.isfinite(value)]
