"""MLflow's pages of a study: a run with a child for each trial, in a store of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pandas as pd
import pytest

from dsice import DsiceWarning, Tuner, run
from dsice.errors import MissingPackageError
from dsice.integrations.mlflow import MLflowCallback
from dsice.launchers import Job, Result, Table
from dsice.strategies import Grid

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow's own, of other packages
    *(  # not imported here: every process of `make test` would load them
        pytest.mark.skipif(not find_spec(package), reason="pip install 'dsice[mlflow]'")
        for package in ("mlflow", "sqlalchemy")
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store in SQLite; making its tables takes seconds."""
    with catch_warnings():
        simplefilter("ignore")
        yield f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def table() -> Table:
    rows = {"n": [1, 2, 3, 4], "mode of use": ["a", "b", "a", "b"]}
    numbers = {
        "loss": [3.0, 1.0, None, 2.0],
        "e1": [4.0, 3.0, 5.0, 3.5],
        "e2": [3.0, 1.0, 6.0, 2.0],
    }
    frame = pd.DataFrame({**rows, **numbers, "seconds": 7.0, "GFLOP/s!": 2.0})
    return Table(
        frame,
        objective="loss",
        params=list(rows),
        metrics=["GFLOP/s!"],
        curves={1: "e1", 2: "e2"},
        slots=1,
    )


def runs(store: str, experiment: str) -> tuple[Any, dict[int, Any]]:
    """The run of the study, and the children by trial."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    everything = client.search_runs([found.experiment_id])
    (parent,) = [r for r in everything if "mlflow.parentRunId" not in r.data.tags]
    children = {int(r.data.tags["dsice.trial"]): r for r in everything if r is not parent}
    assert len(children) == len(everything) - 1
    assert {r.data.tags["mlflow.parentRunId"] for r in children.values()} == {parent.info.run_id}
    return parent, children


@pytest.mark.long  # MLflow makes its tables, and is slow to import
def test_a_study_is_a_run_with_a_child_for_each_trial(store: str) -> None:
    from mlflow.tracking import MlflowClient

    log = table()
    callback = MLflowCallback(store, experiment="one", name="mine", tags={"team": "us"})
    tuner = run(Tuner(log.space, Grid()), log, callbacks=[callback], progress=False)
    parent, children = runs(store, "one")
    assert parent.info.run_name == "mine" and parent.info.status == "FINISHED"
    assert parent.data.tags["team"] == "us"
    assert parent.data.metrics["best value"] == 1.0 and parent.data.metrics["trials"] == 4
    assert parent.data.tags["dsice.best.n"] == "2"
    for trial in tuner.history:
        child = children[trial.id]
        params = {name: str(value) for name, value in trial.params.items()}
        assert child.data.params == params and child.data.tags["dsice.state"] == trial.state
        assert child.info.status == ("FINISHED" if trial.state == "done" else "FAILED")
        assert child.data.metrics["seconds"] == 7.0
        if trial.value is not None:
            assert child.data.metrics["value"] == trial.value
            assert child.data.metrics["GFLOP/s_"] == 2.0
    assert "failed in the log" in children[2].data.tags["dsice.error"]
    history = MlflowClient(store).get_metric_history(children[0].info.run_id, "value")
    assert {(m.step, m.value) for m in history} == {(1, 4.0), (2, 3.0)}


@pytest.mark.long
@pytest.mark.parametrize("quick", [0.0, 1e9])
def test_runs_that_are_made_late_hold_the_same(
    store: str, monkeypatch: pytest.MonkeyPatch, quick: float
) -> None:
    monkeypatch.setattr("dsice.integrations.mlflow._QUICK", quick)
    log = table()
    began = time.time()
    callback = MLflowCallback(store, experiment=f"quick {quick}")
    tuner = run(Tuner(log.space, Grid()), log, callbacks=[callback], progress=False)
    _, children = runs(store, f"quick {quick}")
    assert sorted(children) == [0, 1, 2, 3]
    for trial in tuner.history:
        child = children[trial.id]
        assert child.data.tags["dsice.state"] == trial.state
        assert ("dsice.error" in child.data.tags) == (trial.error is not None)
        if trial.value is not None:
            assert child.data.metrics["value"] == trial.value
        assert began - 1 <= child.info.start_time / 1000 <= child.info.end_time / 1000


class Dying:
    """A launcher whose coordinator dies while its trial runs; whoever comes next attaches it."""

    slots = 1

    def __init__(self, *, dies: bool) -> None:
        self.dies, self.ended = dies, list[Result]()

    def submit(self, jobs: Sequence[Job]) -> None:
        self.ended = [Result(job.id, "failed", error="boom") for job in jobs]

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        self.submit(jobs)
        return [job.id for job in jobs]

    def collect(self, timeout: float = 0.0) -> list[Result]:
        if self.dies:
            raise SystemExit
        ended, self.ended = self.ended, []
        return ended

    def cancel(self, id: int) -> None: ...
    def close(self) -> None: ...


@pytest.mark.long
def test_a_trial_that_ran_on_has_its_state_and_error(store: str, tmp_path: Path) -> None:
    for dies in (True, False):
        with (
            suppress(SystemExit),
            Tuner({"x": [1, 2]}, Grid(), journal=tmp_path / "j.jsonl") as tuner,
        ):
            callback = MLflowCallback(store, experiment="attached")
            run(tuner, Dying(dies=dies), callbacks=[callback], progress=False)
    _, children = runs(store, "attached")
    for id in (0, 1):
        tags = children[id].data.tags
        assert (tags["dsice.state"], tags["dsice.error"]) == ("failed", "boom")


@pytest.mark.long
def test_a_journal_that_goes_on_goes_on_in_its_run(store: str, tmp_path: Path) -> None:
    for most in (2, 4):
        log = table()
        with Tuner(log.space, Grid(), journal=tmp_path / "j.jsonl", max_trials=most) as tuner:
            callback = MLflowCallback(store, experiment="two")
            run(tuner, log, callbacks=[callback], progress=False)
            run(tuner, log, callbacks=[callback], progress=False)  # nothing is left
    parent, children = runs(store, "two")
    assert sorted(children) == [0, 1, 2, 3] and parent.data.metrics["trials"] == 4
    assert parent.info.run_name.endswith("j.jsonl")


@pytest.mark.long
def test_a_store_that_is_away_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    log = table()
    with pytest.warns(DsiceWarning, match="MLflowCallback raised"):
        callback = MLflowCallback(f"sqlite:///{tmp_path}/file")
        tuner = run(Tuner(log.space, Grid()), log, callbacks=[callback], progress=False)
    assert len(tuner.history) == 4 and not tuner.pending


@pytest.mark.long
def test_a_store_that_comes_back_gets_what_it_missed(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = table()
    callback = MLflowCallback(store, experiment="three")
    begin, away = callback._begin, [True]

    def sometimes(tuner: Tuner) -> None:
        if away[0]:
            raise ConnectionError("no route")
        begin(tuner)

    def back(tuner: Tuner, trial: Any) -> None:
        away[0] = trial.id < 2

    monkeypatch.setattr(callback, "_begin", sometimes)
    with pytest.warns(DsiceWarning, match="no route"):
        run(Tuner(log.space, Grid()), log, callbacks=[back, callback], progress=False)
    parent, children = runs(store, "three")
    assert sorted(children) == [0, 1, 2, 3] and parent.data.metrics["trials"] == 4
    assert children[0].data.metrics["value"] == 3.0


def test_without_mlflow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(MissingPackageError, match=r"dsice\[mlflow\]"):
        MLflowCallback()
