"""Two studies and one directory of trials: no file of the first is lost, and both are named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceWarning, Tuner, run
from dsice.errors import DsiceError, LaunchError
from dsice.launchers import Batch, Futures, Launcher, Local
from dsice.strategies import Grid
from tests.faults.bench import ROOT, scaled, start, wait_until
from tests.faults.conftest import Note
from tests.faults.second_study import measure
from tests.launchers.fixtures import Fake

pytestmark = pytest.mark.timeout(300)

BAR = "two studies, one directory"
COMMAND = 'echo {x} > "$DSICE_DIR/weights"; echo {x}'
OURS = {"coordinator.lock", "study.json"}
Make = Callable[..., Launcher]

LAUNCHERS: dict[str, Make] = {
    "local": lambda **place: Local(COMMAND, slots=2, **{"directory": "dsice.trials", **place}),
    "batch": lambda **place: Batch(
        COMMAND,
        scheduler="pbs",
        slots=2,
        poll=0.2,
        throttle=0.0,
        lost_after=3.0,
        python=sys.executable,
        **place,
    ),
    "futures": lambda **place: Futures(
        measure, ThreadPoolExecutor(2), **{"directory": "dsice.trials", **place}
    ),
}


@pytest.fixture(params=sorted(LAUNCHERS))
def make(request: pytest.FixtureRequest, commands: Fake) -> Make:
    return LAUNCHERS[request.param]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(
    journal: str | None, launcher: Launcher, trials: int = 3, *, stop: int = 0, **options: Any
) -> list[float | None]:
    """Run a study; it is interrupted after so many trials where `stop` says so."""

    def leave(tuner: Tuner, _: Any) -> None:
        if stop and len(tuner.history) - len(tuner.pending) >= stop:
            raise KeyboardInterrupt

    with Tuner({"x": range(50)}, Grid(), journal=journal, max_trials=trials) as tuner, launcher:
        run(tuner, launcher, progress=False, callbacks=[leave], **options)
        return [trial.value for trial in tuner.history]


def files(folder: Path) -> dict[Path, str]:
    """The hashes of all files, but those that say who uses the directory now."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in OURS
    }


def settled(folder: Path, seconds: float = 2.0) -> dict[Path, str]:
    """The same when nothing has changed for a while: jobs outlive the study that is left."""
    found, since = files(folder), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.1)
        if (now := files(folder)) != found:
            found, since = now, time.monotonic()
    return found


def lost(before: dict[Path, str], now: dict[Path, str]) -> int:
    """How many files are no longer anywhere, under their name with their content."""
    there = Counter((path.name, text) for path, text in now.items())
    return sum((Counter((path.name, text) for path, text in before.items()) - there).values())


def second(how: str) -> str | None:
    """The journal of another study, after something was done to that of the first."""
    if how == "no journal":
        return None
    if how == "journal removed":
        for path in Path().glob("first.jsonl*"):
            path.unlink()
        return "first.jsonl"
    if how == "journal copied":
        shutil.copy("first.jsonl", "second.jsonl")
    return "second.jsonl"


@pytest.mark.parametrize(
    "how", ["other journal", "no journal", "journal removed", "journal copied"]
)
@pytest.mark.parametrize("stop", scaled([2], [2, 0]))
def test_the_directory_of_another_study_is_refused_and_both_are_named(
    make: Make, how: str, stop: int, here: Path, note: Note
) -> None:
    if stop:
        with pytest.raises(KeyboardInterrupt):
            study("first.jsonl", make(), 4, stop=stop)
    else:
        study("first.jsonl", make(), 4)
    before = settled(here / "dsice.trials") if stop else files(here / "dsice.trials")
    assert len(before) >= 6
    journal = second(how)
    with pytest.raises(LaunchError) as refused:
        study(journal, make(), 8)
    now = files(here / "dsice.trials")
    named = str(here / "first.jsonl") in str(refused.value)
    named &= str(here / journal if journal else "without a journal") in str(refused.value)
    note(BAR, "tried", 1)
    note(
        BAR,
        "files of the first changed",
        sum(now.get(p) != text for p, text in before.items()),
        "0",
    )
    note(BAR, "refused without naming both", int(not named), "0")
    assert now == before and named and "directory=" in str(refused.value)
    if how != "journal removed":  # both go on, each with a directory of its own
        assert len(study("first.jsonl", make(), 5)) == 5
        assert len(study(journal, make(directory="other"), 5)) >= 5


def test_a_preparation_of_another_study_is_refused(here: Path, note: Note) -> None:
    first, other = Local(COMMAND, directory="t"), Local(COMMAND, directory="t")
    study("first.jsonl", first, prepare='echo 1 > "$DSICE_DIR/model"')
    before = files(here / "t")
    with pytest.raises(LaunchError, match=r"first\.jsonl.*second\.jsonl"):
        study("second.jsonl", other, prepare='echo 2 > "$DSICE_DIR/model"')
    note(BAR, "tried", 1)
    note(BAR, "files of the first changed", int(files(here / "t") != before), "0")
    assert files(here / "t") == before


@pytest.mark.parametrize("how", ["emptied", "cut in its first line"])
def test_a_journal_without_a_header_leaves_the_trials_alone(
    make: Make, how: str, here: Path, note: Note
) -> None:
    study("first.jsonl", make(), 4)
    before = files(here / "dsice.trials")
    os.truncate("first.jsonl", 0 if how == "emptied" else 60)
    with pytest.raises(DsiceError, match=r"first\.jsonl"):
        study("first.jsonl", make(), 4)
    note(BAR, "tried", 1)
    note(BAR, "files of the first changed", int(files(here / "dsice.trials") != before), "0")
    assert files(here / "dsice.trials") == before


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_the_trials_say_whose_a_directory_is_where_its_record_is_gone(how: str, here: Path) -> None:
    study("first.jsonl", Local(COMMAND, slots=2, directory="t"))
    record = here / "t" / "study.json"
    record.unlink()
    if how == "emptied":
        record.touch()
    before = files(here / "t")
    with pytest.raises(LaunchError, match=r"another study: .*first\.jsonl.* not .*second\.jsonl"):
        study("second.jsonl", Local(COMMAND, slots=2, directory="t"))
    assert files(here / "t") == before
    assert len(study("first.jsonl", Local(COMMAND, slots=2, directory="t"), 4)) == 4


def test_a_moved_journal_goes_on_and_an_earlier_state_of_it_loses_no_ended_trial(
    make: Make, here: Path, note: Note
) -> None:
    study("first.jsonl", make(), 2)
    shutil.copy("first.jsonl", "backup")
    study("first.jsonl", make(), 6)
    for path in here.glob("first.jsonl*"):
        path.unlink()
    before = files(here / "dsice.trials")
    Path("backup").rename("moved.jsonl")
    with pytest.warns(DsiceWarning, match="put aside as"):
        assert len(study("moved.jsonl", make(), 6)) == 6
    missing = lost(before, files(here / "dsice.trials"))
    note(BAR, "tried", 1)
    note(BAR, "files lost by an earlier state of the journal", missing, "0")
    assert not missing


def test_nothing_is_removed_behind_a_link(make: Make, here: Path, note: Note) -> None:
    precious = here / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "deep" / "photo").write_text("dear")
    (here / "scratch").mkdir()
    (here / "dsice.trials").symlink_to(here / "scratch")  # as people do
    with pytest.raises(KeyboardInterrupt):
        study("first.jsonl", make(), 6, stop=1)
    with Tuner.read("first.jsonl") as tuner:
        left = [trial.id for trial in tuner.pending]
    assert left
    settled(here / "scratch")  # no job of before writes its own files through the link
    for id in left:  # trials that are to start again
        directory = here / "scratch" / str(id)
        directory.mkdir(exist_ok=True)
        shutil.copytree(directory, precious / str(id))
        (precious / str(id) / "weights").write_text("dear")
        (precious / str(id) / "exit.json").unlink(missing_ok=True)
        shutil.rmtree(directory)
        directory.symlink_to(precious / str(id))
    before = files(precious)
    with pytest.warns(DsiceWarning, match="put aside as"):
        assert len(study("first.jsonl", make(), 6)) == 6
    note(BAR, "tried", 1)
    changed = sum(files(precious).get(path) != text for path, text in before.items())
    note(BAR, "files behind a link changed", changed, "0")
    assert not changed
    assert all((here / "scratch" / str(id)).is_dir() for id in left)
    assert not any((here / "scratch" / str(id)).is_symlink() for id in left)


def test_a_link_inside_a_trial_that_starts_again_is_not_followed(here: Path) -> None:
    program = "test {x} = 0 || sleep 1; echo {x}"
    (here / "precious").mkdir()
    (here / "precious" / "photo").write_text("dear")
    with pytest.raises(KeyboardInterrupt):
        study("first.jsonl", Local(program, slots=3, directory="t"), 6, stop=1)
    with Tuner.read("first.jsonl") as tuner:
        id = tuner.pending[0].id
    (here / "t" / str(id)).mkdir(exist_ok=True)
    (here / "t" / str(id) / "data").symlink_to(here / "precious")
    study("first.jsonl", Local(program, slots=3, directory="t"), 6)
    assert not (here / "t" / str(id) / "data").exists()
    assert (here / "precious" / "photo").read_text() == "dear"


@pytest.mark.parametrize("kind", ["local", "futures"])
def test_of_two_studies_started_at_once_exactly_one_gets_the_directory(
    kind: str, here: Path, note: Note
) -> None:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    rounds, both, none, unnamed = scaled(1, 12), 0, 0, 0
    for round in range(rounds):
        journals = [here / f"{round}-{name}.jsonl" for name in "ab"]
        place = here / f"trials-{round}"
        processes = [start("second_study", kind, path, place, **pipes) for path in journals]
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [
            json.loads(process.communicate(timeout=120)[0].splitlines()[-1])
            for process in processes
        ]
        refused = [text for text in said if text]
        both += not refused
        none += len(refused) == 2
        unnamed += sum(not all(str(path) in text for path in journals) for text in refused)
    note(BAR, "two started at once: times", rounds, "")
    note(BAR, "   both or none got the directory", both + none, "0")
    note(BAR, "   refused without naming both", unnamed, "0")
    assert (both, none, unnamed) == (0, 0, 0)


# ------------------------------------------------------------------ directories of 0.1.0
OLD = """
import sys
sys.path.insert(0, {code!r})
import dsice
from dsice.launchers import Local
assert "0.1.0" in {code!r}
tuner = dsice.Tuner({{"x": range(50)}}, journal={journal!r}, max_trials=6, seed={seed})
dsice.run(tuner, Local({command!r}, {slots}=3, directory="t"), progress=False)
"""
WAITS = (
    'echo run >> "$DSICE_DIR/runs"; echo {x} > "$DSICE_DIR/weights"; '
    "while test $DSICE_TRIAL -ge 3 -a ! -e ../go -a ! -e go; do sleep 0.05; done; echo {x}"
)


def by_0_1_0(here: Path, journal: str) -> None:
    """A study of 0.1.0 whose coordinator is killed when three trials have ended and others run."""
    code = here / "0.1.0"
    with tarfile.open(ROOT / "tests" / "journal" / "dsice-0.1.0.tar.xz") as archive:
        archive.extractall(code, filter="data")
    text = OLD.format(code=str(code), journal=journal, seed=0, command=WAITS, slots="slots")
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    process = subprocess.Popen([sys.executable, "-I", "-c", text], env=env, cwd=here)
    try:
        wait_until(
            lambda: all((here / "t" / str(id) / "weights").exists() for id in range(3, 6)), 60
        )
    finally:
        process.kill()
        process.wait()


def test_a_killed_study_of_0_1_0_goes_on_with_its_trials(here: Path) -> None:
    by_0_1_0(here, "old.jsonl")
    with Tuner.resume("old.jsonl") as tuner, Local(WAITS, slots=3, directory="t") as launcher:
        (here / "go").touch()
        run(tuner, launcher, progress=False)
        assert len(tuner.history) == 6
    assert all((here / "t" / str(id) / "runs").read_text() == "run\n" for id in range(6))
    whose = json.loads((here / "t" / "study.json").read_text())
    assert whose["journal"] == str(here / "old.jsonl")


def test_another_study_puts_trials_of_0_1_0_aside_and_waits_for_none(
    here: Path, note: Note
) -> None:
    by_0_1_0(here, "old.jsonl")
    before = files(here / "t")
    with (
        pytest.warns(DsiceWarning, match="put aside as"),
        pytest.raises(LaunchError, match="still"),
    ):
        study("new.jsonl", Local("echo {x}", slots=2, directory="t"), 6)
    (here / "go").touch()
    wait_until(lambda: all((here / "t" / str(id) / "exit.json").exists() for id in range(3, 6)), 60)
    before = {path: text for path, text in before.items() if path.name == "weights"}
    study("new.jsonl", Local("echo {x}", slots=2, directory="t"), 6)
    missing = lost(before, files(here / "t"))
    note(BAR, "tried", 1)
    note(BAR, "files of the first lost (0.1.0)", missing, "0")
    assert not missing and len(before) == 6
