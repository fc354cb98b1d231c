"""prepare=: preparations run once, are in the journal, and stop everything if they fail."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceWarning, Trial, Tuner, run
from dsice.errors import LaunchError, OptionError, TellError
from dsice.launchers import Local
from dsice.strategies import Grid

COUNTED = 'echo once >> count; echo 40 > "$DSICE_DIR/model"'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tune(program: Any, prepare: Any, trials: int = 3, **options: Any) -> Tuner:
    tuner = Tuner({"x": range(9)}, Grid(), journal="j.jsonl", max_trials=trials)
    with tuner, Local(program, slots=2, directory="trials") as launcher:
        return run(tuner, launcher, prepare=prepare, progress=False, **options)


def test_it_runs_once_and_every_trial_gets_its_directory(here: Path) -> None:
    program = "echo $(($(cat $DSICE_PREPARED/model) + {x}))"
    tuner = tune(program, COUNTED)
    assert [trial.value for trial in tuner.history] == [
        40.0 + trial.params["x"] for trial in tuner.history
    ]
    assert tuner.preparations == {"prepare": str(here / "trials" / "prepare-0")}

    again = tune(program, COUNTED, trials=5)  # a run that goes on
    assert (here / "count").read_text() == "once\n"
    assert [trial.value for trial in again.history] == [
        40.0 + trial.params["x"] for trial in again.history
    ]
    assert Tuner.read("j.jsonl").preparations == tuner.preparations
    # the preparation is no trial
    assert len([t for t in Tuner.read("j.jsonl").history if t.value is not None]) == 5


def test_functions_prepare_and_get_what_was_prepared() -> None:
    def pretrain() -> None:
        Path(os.environ["DSICE_DIR"], "model").write_text(os.environ["DSICE_TRIAL"])

    def train(x: int, prepared: str) -> float:
        assert prepared == os.environ["DSICE_PREPARED"]
        assert Path(prepared, "model").read_text() == "prepare-0"
        return float(x)

    assert [t.value for t in tune(train, pretrain).history] == [0.0, 1.0, 2.0]


def test_several_have_names(here: Path) -> None:
    def train(x: int, prepared: dict[str, str]) -> float:
        assert (
            prepared["data"]
            == os.environ["DSICE_PREPARED_DATA"]
            != os.environ["DSICE_PREPARED_BUILD"]
        )
        assert "DSICE_PREPARED" not in os.environ
        return float(sorted(prepared) == ["build", "data"])

    tuner = tune(train, {"data": "true", "build": "true"}, trials=1)
    assert tuner.history[0].value == 1.0
    assert (
        tune(train, {"build": "true", "data": "true"}, trials=2).preparations == tuner.preparations
    )


def test_a_function_without_that_argument_and_a_parameter_of_that_name_are_left_alone() -> None:
    def train(x: int, **rest: int) -> float:
        return float(x + len(rest))

    assert tune(train, "true", trials=1).history[0].value == 0.0
    with Tuner({"prepared": [1, 2]}, Grid()) as tuner, Local(lambda prepared: prepared) as launcher:
        assert [t.value for t in run(tuner, launcher, prepare="true", progress=False).history] == [
            1.0,
            2.0,
        ]


def test_one_that_fails_stops_all_and_is_repeated_when_corrected(here: Path) -> None:
    both = {"good": "echo >> good", "bad": "test -e fixed || (echo no such data >&2; exit 3)"}
    with pytest.raises(
        LaunchError,
        match=r"(?s)preparation 'bad' failed, so no trial was started: "
        r"exit code 3.*no such data.*logs",
    ):
        tune("echo {x}", both)
    assert len(Tuner.read("j.jsonl").history) == 0
    (here / "fixed").touch()
    assert len(tune("echo {x}", both).history) == 3
    tune("echo {x}", both, trials=4)
    # once, and perhaps once more if the failure of the other one cut it short
    assert (here / "good").read_text().count("\n") <= 2


def test_the_others_end_with_the_one_that_fails(here: Path) -> None:
    with pytest.raises(LaunchError, match="bad"):
        tune("echo {x}", {"slow": "sleep 60; touch slept", "bad": "sleep 0.2; false"})
    assert json.loads((here / "trials" / "prepare-0" / "exit.json").read_text())["why"] == "cancel"


def test_more_than_there_are_slots(here: Path) -> None:
    tuner = tune("echo {x}", dict.fromkeys(("a", "b", "c", "d", "e"), "true"), trials=1)
    assert {Path(place).name for place in tuner.preparations.values()} == {
        f"prepare-{i}" for i in range(5)
    }


def test_a_directory_that_vanished_is_an_error_before_anything_is_asked(here: Path) -> None:
    tuner = tune("echo {x}", "true")
    place = Path(tuner.preparations["prepare"])
    moved = place.rename(here / "moved")
    with pytest.raises(
        LaunchError,
        match=r"prepared directory .*prepare-0 of prepare='prepare' has vanished.*prepare_again",
    ):
        tune("echo {x}", "true", trials=6)
    assert len(Tuner.read("j.jsonl").history) == 3
    assert tune("echo {x}", {"again": "true"}, trials=4).preparations["again"] == str(
        here / "trials" / "prepare-1"
    )
    moved.rename(place)
    assert len(tune("echo {x}", "true", trials=6).history) == 6


@pytest.mark.filterwarnings("ignore:trial")
def test_one_that_vanishes_for_good_while_trials_run_is_an_error_after_a_time(here: Path) -> None:
    with pytest.raises(LaunchError, match="has vanished"):
        tune("rm -rf $DSICE_PREPARED; echo {x}", "true", trials=9, start_timeout=0.5)
    assert 0 < len(Tuner.read("j.jsonl").history) < 9


@pytest.mark.parametrize("how", ["moved", "unreachable"])
def test_one_that_is_away_for_a_moment_is_waited_for(
    here: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def away(tuner: Tuner, trial: Trial) -> None:
        place = tuner.preparations["prepare"]
        if trial.id == 0 and how == "moved":
            Path(place).rename("moved")
            threading.Timer(0.5, lambda: Path("moved").rename(place)).start()
        elif trial.id == 0:
            stat, back = os.stat, time.monotonic() + 0.5

            def stale(path: Any, *args: Any, **named: Any) -> os.stat_result:
                if str(path) == place and time.monotonic() < back:
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
                return stat(path, *args, **named)

            monkeypatch.setattr(os, "stat", stale)

    with pytest.warns(DsiceWarning, match=r"(?s)prepared directory .*starting is tried again"):
        tuner = tune("echo {x}", "true", trials=6, callbacks=[away])
    assert [str(trial.state) for trial in tuner.history] == ["done"] * 6


def test_a_coordinator_killed_meanwhile_finds_it_again(here: Path) -> None:
    script = (
        "from dsice import Tuner, run\nfrom dsice.launchers import Local\n"
        "with Tuner({'x': range(3)}, journal='j.jsonl') as tuner, "
        "Local('echo {x}', slots=2, directory='trials') as launcher:\n"
        "    run(tuner, launcher, prepare='echo >> count; touch begun; sleep 1', progress=False)\n"
    )
    first = subprocess.Popen([sys.executable, "-c", script])
    while not (here / "begun").exists():
        assert first.poll() is None
    first.kill()
    first.wait()
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (here / "count").read_text() == "\n"
    assert len(Tuner.read("j.jsonl").history) == 3


def test_a_journal_names_no_temporary_directory() -> None:
    with (
        Tuner({"x": range(3)}, journal="j.jsonl") as tuner,
        Local("echo {x}") as launcher,
        pytest.raises(OptionError, match="give the launcher a directory"),
    ):
        run(tuner, launcher, prepare="true", progress=False)


@pytest.mark.parametrize(
    "prepare", [3, "", " ", {"A": "true"}, {"a b": "true"}, {1: "true"}, {"a": None}, ["true"]]
)
def test_what_is_no_preparation(prepare: Any) -> None:
    with pytest.raises(OptionError, match=r"run\(prepare="):
        tune("echo {x}", prepare)


@pytest.mark.parametrize(
    ("name", "directory"), [("", "d"), (3, "d"), ("a", ""), ("a", None), ("a", b"d")]
)
def test_what_the_journal_does_not_take(name: Any, directory: Any) -> None:
    with Tuner({"x": range(3)}, journal="j.jsonl") as tuner:
        with pytest.raises(TellError, match="prepared"):
            tuner.runs.prepared(name, directory)
        tuner.runs.prepared("a", Path("d"))
    with Tuner({"x": range(3)}, journal="j.jsonl") as tuner:
        assert tuner.preparations == {"a": "d"}
