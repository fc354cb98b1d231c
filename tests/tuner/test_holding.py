"""One tuner has a journal: a newer one of the process takes it over, and copies are refused."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import CopyError, JournalError, LockedError
from dsice.launchers import Local
from dsice.strategies import Random
from tests.conftest import bowl, fill, small, state

ECHO = "echo {a} {b} {c} > /dev/null; echo 1"


def test_a_cell_that_runs_again_takes_its_journal_over(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"

    def cell() -> Tuner:
        return fill(Tuner(small(), Random(), journal=path, seed=1), 4)

    first = cell()
    known = state(first)
    (waiting,) = first.ask(1)
    second = cell()
    assert state(second)[:4] == known
    assert second.history[waiting.id].value == bowl(dict(waiting.params))  # handed out again
    for use in (first.ask, lambda: first.tell(waiting, 1.0)):
        with pytest.raises(JournalError, match="a newer Tuner of this process has taken it over"):
            use()
    Tuner.resume(path).close()
    with pytest.raises(JournalError, match="newer Tuner"):
        second.ask()


def test_a_tuner_in_a_block_keeps_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with (
        Tuner(small(), Random(), journal=path) as tuner,
        pytest.raises(LockedError, match="open in this process already"),
    ):
        Tuner(small(), Random(), journal=path)
    assert len(tuner.history) == 0
    Tuner(small(), Random(), journal=path).close()


def test_a_run_keeps_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    tuner = Tuner(small(), Random(), journal=path, max_trials=2)
    refused: list[LockedError] = []

    def interfere(*_: Any) -> None:
        def attempt() -> None:
            try:
                Tuner(small(), Random(), journal=path)
            except LockedError as error:
                refused.append(error)

        attempt()
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    with Local(ECHO) as launcher:
        run(tuner, launcher, callbacks=[interfere], progress=False)
    assert len(refused) == 4 and len(tuner.history) == 2
    Tuner(small(), Random(), journal=path).close()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_tuner_is_not_copied(copied: Any, tmp_path: Path) -> None:
    with Tuner(small(), Random(), journal=tmp_path / "run.jsonl") as tuner:
        with pytest.raises(CopyError, match=r"give|Give.*trial\.params.*Tuner\.read"):
            copied(tuner)
        fill(tuner, 2)
    with pytest.raises(TypeError):
        copied({"tuner": [Tuner(small())]} if copied is not copy.copy else Tuner(small()))
