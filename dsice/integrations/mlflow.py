"""MLflow: a study as a run, each of its trials as a child of it.

`MLflowCallback` is one of the callbacks of `run`. The journal stays the truth: what MLflow has is a
copy for its pages. A store that is away costs a message, never the run: it is tried again later,
and then gets what was told meanwhile.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dsice.checks import text
from dsice.errors import MissingPackageError
from dsice.space.values import as_text
from dsice.trial import State, Trial
from dsice.tuner import Tuner
from dsice.typing import Params

__all__ = ["MLflowCallback"]

_STUDY, _TRIAL, _STATE = "dsice.study", "dsice.trial", "dsice.state"
_PARENT = "mlflow.parentRunId"
_STATUS = {State.DONE: "FINISHED", State.STOPPED: "FINISHED"}  # the others: FAILED
_NO_NAME = re.compile(r"[^\w\-. /]")  # what a name in MLflow may not hold
_LONGEST = 6000  # characters of a param
_RETRY = 60.0  # seconds for which a store that is away is let alone
_QUICK = 1.0  # seconds: the run of a trial that is over sooner is made when it is over


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

    Examples
    --------
    >>> from dsice import Tuner, run
    >>> from dsice.integrations.mlflow import MLflowCallback
    >>> from dsice.launchers import Local
    >>> with Tuner({"x": [1, 2]}) as tuner, Local("echo {x}") as launcher:
    ...     ended = run(tuner, launcher, callbacks=[MLflowCallback("sqlite:///mlflow.db")],
    ...                 progress=False)
    >>> from mlflow.tracking import MlflowClient
    >>> runs = MlflowClient("sqlite:///mlflow.db").search_runs(["1"])
    >>> sorted(child.data.metrics["value"] for child in runs if child.data.params)
    [1.0, 2.0]
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
            import mlflow.tracking  # noqa: F401
        except ImportError as error:
            raise MissingPackageError(
                "MLflowCallback needs MLflow: pip install 'dsice[mlflow]'"
            ) from error
        self._uri = tracking_uri
        self._experiment_name = text("MLflowCallback", "experiment", experiment)
        self._name = None if name is None else text("MLflowCallback", "name", name)
        self._tags = {str(key): str(value) for key, value in (tags or {}).items()}
        self._client: Any = None  # made when it is needed: a store may be away for now
        self._experiment = ""
        self._parent = ""
        self._runs: dict[int, str] = {}  # of the trials that run
        self._began: dict[int, float] = {}  # when they were started, by the clock of the wall
        self._quick = False  # whether the last trial that was told was
        self._steps: Counter[int] = Counter()  # of their curves, how many are written
        self._due: list[int] = []  # told, and not written yet
        self._retry_at = -math.inf

    # ------------------------------------------------------------------ events
    def asked(self, tuner: Tuner, trials: Sequence[Trial]) -> None:
        """The run of the study is there before its first trial."""
        with self._patience() as there:
            if there:
                self._begin(tuner)

    def started(self, tuner: Tuner, trial: Trial) -> None:
        """A trial becomes a child run: now, or when it is told where trials are quick."""
        self._began[trial.id] = time.time()
        if self._quick:
            return
        with self._patience() as there:
            if there:
                self._run(tuner, trial)

    def stepped(self, tuner: Tuner, trial: Trial, step: int, value: float) -> None:
        """A step of a learning curve."""
        with self._patience() as there:
            if there:
                run = self._run(tuner, trial)
                self._client.log_metric(run, _name(tuner.history.goal.metric), value, step=step)
                self._steps[trial.id] += 1

    def told(self, tuner: Tuner, trial: Trial) -> None:
        """The child run has what became of the trial, and ends."""
        self._quick = time.time() - self._began.get(trial.id, 0.0) < _QUICK
        self._due.append(trial.id)
        with self._patience() as there:
            if there:
                self._write_due(tuner)

    def finished(self, tuner: Tuner) -> None:
        """The run of the study has the best, and ends if no trial runs on."""
        self._begin(tuner)
        self._write_due(tuner)
        best, metric = tuner.best, tuner.history.goal.metric
        found: dict[str, float] = {"trials": len(tuner.history) - len(tuner.pending)}
        tags: dict[str, str] = {}
        if best is not None and best.value is not None:
            found[f"best {metric}"] = best.value
            tags["dsice.best.trial"] = str(best.id)
            tags |= {f"dsice.best.{n}": as_text(v) for n, v in best.params.items()}
        self._log(self._parent, [(name, value, 0) for name, value in found.items()], {}, tags)
        self._client.set_terminated(self._parent, "SCHEDULED" if tuner.pending else "FINISHED")
        self._parent = ""  # the next call of run goes on with it

    # ------------------------------------------------------------------ writing
    @contextmanager
    def _patience(self) -> Iterator[bool]:
        """Whether to try now: a store that is away is let alone for a while."""
        if time.monotonic() < self._retry_at:
            yield False
            return
        try:
            yield True
        except BaseException:
            self._retry_at = time.monotonic() + _RETRY
            raise

    def _write_due(self, tuner: Tuner) -> None:
        while self._due:
            self._write(tuner, tuner.history[self._due[0]])
            del self._due[0]

    def _write(self, tuner: Tuner, trial: Trial) -> None:
        """What became of a trial.

        Tags that a run has from the beginning save MLflow one of five transactions.
        """
        tags = {_STATE: str(trial.state), **({"dsice.error": trial.error} if trial.error else {})}
        self._begin(tuner)  # which knows the runs that an earlier coordinator left
        late = trial.id not in self._runs
        run, metric = self._run(tuner, trial, tags), tuner.history.goal.metric
        last = trial.curve[-1][0] if trial.curve else 0
        found = [(name, value, last) for name, value in trial.metrics.items() if name != metric]
        found += [(metric, value, step) for step, value in trial.curve[self._steps[trial.id] :]]
        if trial.value is not None:
            found.append((metric, trial.value, last))
        if trial.seconds is not None:
            found.append(("seconds", trial.seconds, last))
        self._log(run, found, trial.params, {} if late else tags)
        self._client.set_terminated(run, _STATUS.get(trial.state, "FAILED"))
        for kept in (self._runs, self._began, self._steps):
            kept.pop(trial.id, None)

    def _log(
        self,
        run: str,
        metrics: Iterable[tuple[str, float, int]],
        params: Params,
        tags: Mapping[str, str],
    ) -> None:
        """Write numbers, with their steps, params and tags in one call."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self._client.log_batch(
            run,
            [Metric(_name(n), v, now, step) for n, v, step in metrics if math.isfinite(v)],
            [Param(_name(name), as_text(value)[:_LONGEST]) for name, value in params.items()],
            [RunTag(_name(key), value[:_LONGEST]) for key, value in tags.items()],
        )

    # ------------------------------------------------------------------ runs
    def _begin(self, tuner: Tuner) -> None:
        """The run of the study: that of its journal, or a new one."""
        if self._parent:
            return
        if self._client is None:
            from mlflow.tracking import MlflowClient

            self._client = MlflowClient(self._uri)
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

    def _run(self, tuner: Tuner, trial: Trial, tags: Mapping[str, str] | None = None) -> str:
        """The child run of a trial; `tags` are those of a new one."""
        self._begin(tuner)
        if trial.id not in self._runs:
            own = {_PARENT: self._parent, _TRIAL: str(trial.id)}
            own |= {_name(key): value[:_LONGEST] for key, value in (tags or {}).items()}
            began = self._began.get(trial.id)
            run = self._client.create_run(
                self._experiment,
                start_time=None if began is None else int(began * 1000),
                run_name=f"trial {trial.id}",
                tags=own,
            )
            self._runs[trial.id] = run.info.run_id
        return self._runs[trial.id]


def _name(name: str) -> str:
    """A name that MLflow takes."""
    return _NO_NAME.sub("_", name)[:250] or "_"
