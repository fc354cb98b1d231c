"""A journal from somebody else names samplers and holds their notes, but runs nothing."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner
from dsice.errors import MissingPackageError, OptionError
from dsice.strategies import OptunaSampler
from tests.conftest import fill

optuna = pytest.importorskip(
    "optuna", reason="Optuna is not installed: pip install 'dsice[optuna]'"
)

GRID = {"x": range(30), "y": range(30)}
CALLED: list[int] = []


def sampler_of_mine(seed: int) -> Any:
    CALLED.append(seed)
    return optuna.samplers.RandomSampler(seed=seed)


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write each line of a journal anew."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


def test_a_pickle_in_a_note_is_never_loaded(tmp_path: Path) -> None:
    pytest.importorskip("cmaes", reason="CmaEsSampler needs cmaes")
    path, trap = tmp_path / "j.jsonl", tmp_path / "trap"
    fill(Tuner(GRID, OptunaSampler("CmaEsSampler"), journal=path), 16).close()
    known = fill(Tuner(GRID, OptunaSampler("CmaEsSampler")), 16).ask(3)

    def poison(line: dict[str, Any]) -> None:
        for trial in line.get("trials", ()):
            trial["note"] |= {"optuna.cma:optimizer:0": pickle.dumps(Touch(trap)).hex()}

    changed(path, poison)
    with Tuner.resume(path) as tuner:
        assert [t.point for t in tuner.ask(3)] == [t.point for t in known]
    assert not trap.exists()


def test_a_function_that_a_journal_names_is_not_called(tmp_path: Path) -> None:
    path, strategy = tmp_path / "j.jsonl", OptunaSampler(sampler_of_mine)
    fill(Tuner(GRID, strategy, journal=path), 4).close()
    CALLED.clear()
    assert len(Tuner.read(path).history) == 4
    with (
        Tuner.resume(path) as tuner,
        pytest.raises(OptionError, match=r"sampler_of_mine.* not part of dsice; give it to Tuner"),
    ):
        tuner.ask()
    assert not CALLED
    with Tuner(GRID, strategy, journal=path) as tuner:
        assert len(tuner.ask(2)) == 2
    assert CALLED


def test_a_name_is_that_of_a_sampler() -> None:
    for name in ("_base.logging.getLogger", "PartialFixedSampler.__init__", "warnings.warn"):
        with pytest.raises(OptionError):
            Tuner(GRID, OptunaSampler(name))


def test_a_journal_is_looked_at_where_optuna_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.jsonl"
    fill(Tuner(GRID, OptunaSampler("TPESampler"), journal=path), 4).close()
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert len(Tuner.read(path).history) == 4
    with pytest.raises(MissingPackageError, match=r"dsice\[optuna\]"):
        Tuner.resume(path)
