"""Other users, odd files: nothing that somebody put there is run, followed or waited for."""

from __future__ import annotations

import grp
import json
import os
import pickle
import pwd
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dsice
from dsice import DsiceWarning
from dsice.errors import LaunchError
from dsice.journal.files import read_json, strictly
from dsice.launchers import Batch, Job, Local, Result, measurement, outcome, trial_directory
from dsice.launchers.home import check_private, make_private
from dsice.launchers.program import GuardedFile, function_name
from tests.by_value import by_value
from tests.launchers.fixtures import Fake
from tests.launchers.helpers import drain

FOREIGN = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@by_value
def good(x: int = 1) -> float:
    return float(x)


class Evil:
    """What another user wants to have run: its pickle makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (self.mark,)


def slow_start(launcher: Local, exchange: Callable[[Path], None]) -> Result:
    """Run a trial whose function's file is exchanged after it was written and before it is read."""
    program = launcher._program
    arguments = program.arguments

    def exchanged(*given: Any) -> list[str]:
        found = arguments(*given)
        exchange(Path(found[-2]))
        return found

    program.arguments = exchanged  # type: ignore[method-assign,assignment]
    launcher.submit([Job(0, {"x": 3})])
    program.arguments = arguments  # type: ignore[method-assign]
    return drain(launcher, 1)[0]


def exchanged(path: Path, mark: Path) -> None:
    path.unlink()
    path.write_bytes(pickle.dumps(Evil(mark)))


def writable(path: Path) -> None:
    path.chmod(0o666)


def foreign(path: Path) -> None:
    os.chown(path, FOREIGN, FOREIGN)


def linked(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def missing(path: Path) -> None:
    path.unlink()


CHANGES = [
    pytest.param(change, marks=[as_root] if change is foreign else [])
    for change in (writable, foreign, linked, piped, missing)
]


def test_an_exchanged_function_is_not_run_and_the_next_trial_has_the_right_one(
    tmp_path: Path,
) -> None:
    mark = tmp_path / "evil"
    with Local(good, slots=1, directory=tmp_path / "trials") as launcher:
        result = slow_start(launcher, lambda path: exchanged(path, mark))
        assert result.state == "unstarted" and not mark.exists()
        assert "function-" in str(result.error) and "not what" in str(result.error)
        launcher.submit([Job(0, {"x": 3})])
        assert drain(launcher, 1)[0].value == 3.0
    assert not mark.exists()


@pytest.mark.parametrize("change", CHANGES)
def test_a_function_that_others_could_have_changed_is_not_run(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    with Local(good, slots=1, directory=tmp_path / "trials") as launcher:
        result = slow_start(launcher, change)
        assert result.state == "unstarted" and "function-" in str(result.error)
        launcher.submit([Job(0, {"x": 4})])
        assert drain(launcher, 1)[0].value == 4.0


def test_a_function_without_its_hash_is_not_run(tmp_path: Path) -> None:
    with Local(good, slots=1, directory=tmp_path) as launcher:
        program = launcher._program
        arguments = program.arguments
        program.arguments = lambda *given: arguments(*given)[:-1]  # type: ignore[method-assign]
        launcher.submit([Job(0, {"x": 3})])
        assert drain(launcher, 1)[0].state == "unstarted"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777, 0o2775])
def test_a_directory_that_others_can_write_to_is_refused(
    tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsice.launchers.foreign._is_own_group", lambda *_: False)
    home = tmp_path / "trials"
    home.mkdir()
    home.chmod(mode)
    launchers = [Local(good, slots=1, directory=home), Batch("echo 1", directory=home)]
    for launcher in launchers:
        with launcher, pytest.raises(LaunchError, match=r"trials.*other users.*chmod -R go-w"):
            launcher.submit([Job(0, {"x": 3})])
    assert not list(home.iterdir())
    home.chmod(mode & ~0o022)
    with Local(good, slots=1, directory=home) as launcher:
        launcher.submit([Job(0, {"x": 3})])
        assert drain(launcher, 1)[0].value == 3.0


@pytest.mark.parametrize(
    ("mode", "group", "members", "ours"),
    [
        (0o2775, "ada", [], True),
        (0o770, "ada", ["ada"], True),
        (0o777, "ada", [], False),
        (0o775, "ada", ["ada", "bob"], False),
        (0o775, "staff", [], False),
    ],
)
def test_a_group_of_the_user_alone_is_no_other_user(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: int,
    group: str,
    members: list[str],
    ours: bool,
) -> None:
    """With umask 002, as many systems have it, ``mkdir`` makes such directories."""
    account = SimpleNamespace(pw_name="ada", pw_gid=tmp_path.stat().st_gid)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid or FOREIGN)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: account)
    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=group, gr_mem=members))
    tmp_path.chmod(mode)
    with nullcontext() if ours else pytest.raises(LaunchError, match="other users"):
        check_private(tmp_path)


@as_root
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "trials"
    home.mkdir()
    os.chown(home, FOREIGN, -1)
    with (
        Local("echo 1", slots=1, directory=home) as launcher,
        pytest.raises(LaunchError, match=rf"another user \(number {FOREIGN}\)"),
    ):
        launcher.submit([Job(0)])
    assert not list(home.iterdir())


@as_root
def test_a_link_of_another_user_to_a_directory_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    link = tmp_path / "trials"
    link.symlink_to(tmp_path / "ours")
    check_private(link)
    os.chown(link, FOREIGN, -1, follow_symlinks=False)
    with pytest.raises(LaunchError, match="another user"):
        check_private(link)


@as_root
def test_a_directory_that_was_exchanged_while_the_launcher_is_open_is_refused(
    tmp_path: Path,
) -> None:
    home = tmp_path / "trials"
    with Local("echo 1", slots=1, directory=home) as launcher:
        launcher.submit([Job(0)])
        assert drain(launcher, 1)[0].value == 1.0
        home.rename(tmp_path / "away")
        home.mkdir()
        os.chown(home, FOREIGN, -1)
        with pytest.raises(LaunchError, match="another user"):
            launcher.submit([Job(1)])


def test_directories_are_for_their_user_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home = tmp_path / "new" / "trials"
        with Local(good, slots=1, directory=home) as launcher:
            launcher.submit([Job(0, {"x": 3})])
            assert drain(launcher, 1)[0].value == 3.0
            (function,) = home.glob("function-*")
            assert function.stat().st_mode & 0o777 == 0o600
        for path in (home, home / "0"):
            assert path.stat().st_mode & 0o777 == 0o700
        open_to_readers = tmp_path / "open"
        open_to_readers.mkdir(0o755)
        old = open_to_readers / "0"
        old.mkdir(0o775)
        (old / "job.json").write_text("{}")
        with Local("echo 1", slots=1, directory=open_to_readers) as launcher:
            launcher.submit([Job(0)])
            drain(launcher, 1)
        assert old.stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(before)


# ------------------------------------------------------------------ names
SHADOWS = (
    *("call", "_call", "supervise", "_supervise", "dsice", "json", "pickle", "time", "select"),
    *("signal", "inspect", "traceback", "hashlib", "_sha2", "_sha256"),
)


def test_no_module_of_the_user_takes_the_place_of_what_watches_a_trial(tmp_path: Path) -> None:
    shadows = tmp_path / "shadows"
    shadows.mkdir()
    for name in SHADOWS:
        text = f"import os\nos.mkdir({str(tmp_path / name)!r})\nraise SystemExit(3)\n"
        (shadows / f"{name}.py").write_text(text)

    code = "from dsice.launchers import Job, Local\n" + SCRIPT
    # where coverage is measured, its hook imports modules in every Python, before this one's own
    plain = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    for program in ("lambda x: float(x)", "'echo {x}'"):
        script = tmp_path / "script.py"
        script.write_text(code.replace("PROGRAM", program).replace("SHADOWS", str(shadows)))
        done = subprocess.run(
            [sys.executable, script],
            cwd=shadows,
            env={**plain, "PYTHONPATH": str(Path(dsice.__file__).parents[1])},
            capture_output=True,
            text=True,
        )
        assert done.stdout == "3.0\n", done.stderr
    assert not [name for name in SHADOWS if (tmp_path / name).exists()]


SCRIPT = """
with Local(PROGRAM, slots=1, env={"PYTHONPATH": "SHADOWS"}) as launcher:
    launcher.submit([Job(0, {"x": 3})])
    while not (found := launcher.collect(5)):
        pass
    print(found[-1].value if found[-1].value is not None else found[-1].error)
"""


def test_a_function_finds_modules_of_the_user_that_are_called_as_those_of_dsice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_call", "_supervise", "call", "supervise"):
        (tmp_path / f"{name}.py").write_text("value = 7.0")
    monkeypatch.syspath_prepend(tmp_path)

    def function() -> float:
        import importlib

        names = ("_call", "_supervise", "call", "supervise")
        return sum(importlib.import_module(name).value for name in names)

    with Local(function, slots=1) as launcher:
        launcher.submit([Job(0)])
        result = drain(launcher, 1)[0]
    assert result.value == 28.0, result.error


# ------------------------------------------------------------------ jobs of a scheduler
def test_job_scripts_are_read_by_nobody_else(tmp_path: Path, fake: Fake) -> None:
    home = tmp_path / "trials"
    env = {"TOKEN": "secret"}
    with Batch("echo {x}", scheduler=fake.name, directory=home, env=env, poll=0.05) as launcher:
        launcher.submit([Job(0, {"x": 3})])
        drain(launcher, 1)
    (script,) = (home / "jobs").glob("*.sh")
    assert "secret" in script.read_text() and script.stat().st_mode & 0o077 == 0
    for place in (home, home / "jobs", home / "ended", home / "bin", home / "0"):
        assert place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("helper", ["supervise.py", "call.py"])
def test_an_exchanged_helper_is_not_run_by_a_job(tmp_path: Path, fake: Fake, helper: str) -> None:
    home, mark = tmp_path / "trials", tmp_path / "evil"
    launcher = Batch(good, scheduler=fake.name, directory=home, poll=0.05, lost_after=5)
    with launcher:
        writer = launcher._submissions._writer
        text = type(writer).text

        def after(*given: Any) -> str:
            found = text(writer, *given)
            (path,) = home.glob(f"bin/*/{helper}")
            path.unlink()
            path.write_text(f"import os; os.mkdir({str(mark)!r})")
            return found

        object.__setattr__(writer, "text", after)
        launcher.submit([Job(0, {"x": 3})])
        object.__delattr__(writer, "text")
        result = drain(launcher, 1)[0]
        assert result.state == "unstarted" and helper in str(result.error)
        launcher.submit([Job(0, {"x": 3})])
        assert drain(launcher, 1)[0].value == 3.0
    assert not mark.exists()


def test_helpers_of_another_version_are_left_for_the_jobs_that_know_them(tmp_path: Path) -> None:
    old = tmp_path / "bin" / "supervise.py"
    old.parent.mkdir(mode=0o700)
    old.write_text("old")
    launcher = Batch("echo 1", directory=tmp_path)
    launcher.accept(None)
    launcher.close()
    assert old.read_text() == "old"
    assert len(list(tmp_path.glob("bin/*/supervise.py"))) == 1


def test_a_file_is_written_again_only_when_it_was_touched(tmp_path: Path) -> None:
    file, path = GuardedFile(b"content"), tmp_path / "file"
    written = file.put(path).stat().st_ino
    assert file.put(path).stat().st_ino == written
    path.write_bytes(b"CONTENT")
    assert file.put(path).read_bytes() == b"content"


# ------------------------------------------------------------------ odd files
def fifo(path: Path) -> None:
    os.mkfifo(path)


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def full(path: Path) -> None:
    path.symlink_to("/dev/full")


def secret(path: Path) -> None:
    target = path.parent.parent / "secret"
    target.write_text('{"value": 99, "token": "x"}\n99\n')
    path.symlink_to(target)


def folder(path: Path) -> None:
    path.mkdir()


ODD = (fifo, zero, full, secret, folder)


@pytest.mark.parametrize("odd", ODD)
def test_no_odd_file_is_read_followed_or_waited_for(
    tmp_path: Path, odd: Callable[[Path], None]
) -> None:
    path = tmp_path / "0" / "file"
    path.parent.mkdir()
    odd(path)
    assert read_json(path) is None
    with strictly():  # looking again would not help
        assert read_json(path) is None
        assert measurement.tail(path) == ""
    curve = outcome.CurveReader(0, path.parent)
    path.rename(path.with_name("steps"))
    assert curve.new_steps() == []


REPLACE = {
    "fifo": "mkfifo {path}",
    "zero": "ln -s /dev/zero {path}",
    "full": "ln -s /dev/full {path}",
    "secret": "ln -s {secret} {path}",
}
FILES = ("stdout", "stderr", "steps", "result.json", "process.json", "exit.json", "params.json")


@pytest.mark.parametrize("odd", REPLACE)
def test_a_program_that_exchanges_its_own_files_harms_nobody(tmp_path: Path, odd: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("99\n")

    def commands(name: str) -> str:
        path = f"$DSICE_DIR/{name}"
        return f"rm -f {path}; {REPLACE[odd].format(path=path, secret=secret)}"

    home = tmp_path / "trials"
    with Local("eval {do}", slots=len(FILES) + 1, directory=home) as launcher:
        jobs = [
            Job(id, {"do": f"echo {id}; {commands(name)}"})
            for id, name in enumerate((*FILES, "stop"))
        ]
        launcher.submit(jobs)
        results = drain(launcher, len(jobs), 60)
        assert results[0].state == "failed" and "something else than a file" in str(
            results[0].error
        )
        for job in jobs[1:]:
            state = results[job.id].state
            assert results[job.id].value == job.id or state == "stopped", results[job.id]
        launcher.submit(jobs)  # again, in the same directories
        assert len(drain(launcher, len(jobs), 60)) == len(jobs)
    assert secret.read_text() == "99\n"


def test_a_function_that_exchanges_its_own_files_harms_nobody(tmp_path: Path) -> None:
    def function(name: str) -> float:
        import os

        path = os.path.join(os.environ["DSICE_DIR"], name)  # noqa: PTH118
        if os.path.lexists(path):
            os.unlink(path)  # noqa: PTH108
        os.mkfifo(path)
        if name == "result.json":
            os._exit(0)
        return 3.0

    with Local(function, slots=3, directory=tmp_path) as launcher:
        names = ("result.json", "stdout", "job.json")
        launcher.submit([Job(id, {"name": name}) for id, name in enumerate(names)])
        results = drain(launcher, 3, 60)
    assert results[0].state == "failed" and "something else than a file" in str(results[0].error)
    assert results[1].value == 3.0


@pytest.mark.parametrize("odd", (fifo, zero, secret))
def test_a_step_of_a_curve_that_has_no_file_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: Callable[[Path], None]
) -> None:
    (tmp_path / "0").mkdir()
    monkeypatch.setenv("DSICE_DIR", str(tmp_path / "0"))
    odd(tmp_path / "0" / "steps")
    with pytest.warns(DsiceWarning, match="steps is something else than a file"):
        assert dsice.step(1, 0.5) is False
    if odd is secret:
        assert "step" not in (tmp_path / "secret").read_text()


def test_marks_are_made_and_found_without_following_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, elsewhere = tmp_path / "0", tmp_path / "elsewhere"
    directory.mkdir()
    for name in ("stop", "stopping"):
        (directory / name).symlink_to(elsewhere)
    trial_directory.ask_to_stop(directory)
    assert trial_directory.asked_to_stop(directory) and not elsewhere.exists()
    monkeypatch.setenv("DSICE_DIR", str(directory))
    assert dsice.step(1, 0.5) is True and not elsewhere.exists()
    os.mkfifo(tmp_path / "coordinator.lock")
    with (
        pytest.raises(LaunchError, match="cannot be used"),
        Local("echo 1", directory=tmp_path) as x,
    ):
        x.submit([Job(0)])


@as_root
def test_records_of_another_user_are_not_believed(tmp_path: Path) -> None:
    job = Job(0, {"x": 3})
    make_private(tmp_path / "trials")
    directory = tmp_path / "trials" / "0"
    trial_directory.make(directory, job, function_name(good), 0)
    assert trial_directory.find_submission(directory, job, function_name(good))
    os.chown(directory / "job.json", FOREIGN, -1)
    assert trial_directory.find_submission(directory, job, function_name(good)) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"value": "text", "token": TOKEN}',
        '{"value": [[1]], "token": TOKEN}',
        '{"metrics": {"a": "b"}, "token": TOKEN}',
        '{"value": ' + 100_000 * "[" + "}",
    ],
)
def test_a_result_that_the_program_wrote_itself_is_checked(tmp_path: Path, text: str) -> None:
    def function(text: str) -> float:
        import json
        import os

        path = os.path.join(os.environ["DSICE_DIR"], "result.json")  # noqa: PTH118
        with open(path, "w") as file:  # noqa: PTH123
            file.write(text.replace("TOKEN", json.dumps(os.environ["DSICE_NONCE"])))
        os._exit(0)

    with Local(function, slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0, {"text": text})])
        result = drain(launcher, 1)[0]
    assert result.state == "failed" and result.value is None


def test_an_exit_record_that_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "exit.json").write_text(json.dumps({"token": "t", "why": "exit", "signal": "x"}))
    assert trial_directory.exit_record(tmp_path, "t") is None
