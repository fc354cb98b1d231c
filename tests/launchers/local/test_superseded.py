"""A submission that is not wanted any more: it ends, and writes over nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsice import worker
from dsice.launchers import Futures, Job, Local
from dsice.launchers.futures.remote import Task, perform
from dsice.launchers.standalone import _call, _supervise
from tests.launchers.helpers import drain, eventually, mark, marked

OLD, NEW = "a" * 16, "b" * 16
GOOD = json.dumps({"why": "exit", "code": 0, "token": NEW})


def claim(directory: Path, token: str) -> None:
    """Let the directory belong to the submission with `token`."""
    directory.mkdir(exist_ok=True)
    (directory / "job.json").write_text(json.dumps({"id": 0, "token": token}))


@contextmanager
def supervisor(
    directory: Path, command: str, *, before: str = "", grace: float = 0.2
) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor of the submission OLD as a process; it runs the code `before` first."""
    place = str(Path(_supervise.__file__).parent)
    quick = "_supervise.CONFIRM_SECONDS = 0.05"
    code = (
        f"import sys; sys.path.append({place!r}); import _supervise\n{quick}\n{before}\n"
        "_supervise.run()"
    )
    words = [str(directory), OLD, "none", str(grace), "any", "0", "/bin/sh", "-c", command]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code, *words], stdin=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_supervisor_that_comes_late_leaves_the_record_of_another_run(tmp_path: Path) -> None:
    directory = tmp_path / "0"
    claim(directory, OLD)
    with supervisor(directory, "sleep 60") as late:
        assert eventually((directory / "stdout").exists)
        claim(directory, NEW)
        (directory / "exit.json").write_text(GOOD)
        late.send_signal(signal.SIGTERM)
        assert late.wait(10) == 0
    assert (directory / "exit.json").read_text() == GOOD
    assert not list(directory.glob("exit.json?*"))


SLOW = """
import os, time
asked, calls = _supervise.superseded, []
def slow(*arguments):
    found = asked(*arguments)
    calls.append(found)
    if len(calls) == {nth}:
        open({here!r}, "w").close()
        while not os.path.exists({go!r}): time.sleep(0.005)
    return found
_supervise.superseded = slow
"""


@pytest.mark.parametrize(("name", "nth"), [("process.json", 1), ("exit.json", 2)])
def test_one_that_slept_between_its_look_and_its_write_writes_over_nothing(
    name: str, nth: int, tmp_path: Path
) -> None:
    """As when the machine or the file server stands still for an hour at that moment."""
    directory, here, go = tmp_path / "0", tmp_path / "here", tmp_path / "go"
    claim(directory, OLD)
    before = SLOW.format(nth=nth, here=str(here), go=str(go))
    with supervisor(directory, "exit 0", before=before) as late:
        assert eventually(here.exists)
        claim(directory, NEW)
        (directory / name).write_text(GOOD)
        go.touch()
        assert late.wait(10) == (_supervise.UNWANTED if name == "process.json" else 0)
    assert (directory / name).read_text() == GOOD


def test_what_an_earlier_submission_left_late_is_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "0"
    claim(directory, OLD)
    for name in ("process.json", "exit.json"):
        (directory / name).write_text(GOOD)
    with supervisor(directory, "exit 3") as process:
        assert process.wait(10) == 0
    found = json.loads((directory / "exit.json").read_text())
    assert found["token"] == OLD and found["code"] == 3


def test_a_supervisor_that_lost_its_directory_ends_its_trial(tmp_path: Path) -> None:
    directory, sign = tmp_path / "0", mark()
    claim(directory, OLD)
    with supervisor(directory, f"sleep {sign}", before="_supervise.SIGN_SECONDS = 0.2") as late:
        assert eventually((directory / "stdout").exists)
        claim(directory, NEW)
        assert late.wait(10) == 0
    assert not marked(sign) and not (directory / "exit.json").exists()


def test_a_claim_that_is_taken_back_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coordinator claims, sees that the trial has begun, and lets it go on."""
    monkeypatch.setattr(time, "sleep", lambda _: claim(tmp_path, OLD))
    for look in (_supervise.superseded, _call.superseded, worker.is_superseded):
        claim(tmp_path, NEW)
        assert not look(str(tmp_path), OLD)
        assert look(str(tmp_path), NEW) or look is worker.is_superseded


def test_one_that_has_begun_waits_whether_a_claim_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left without a record before, and its trial was told lost."""
    publish = _supervise.publish

    def publish_and_lose(directory: str, *rest: str) -> None:
        publish(directory, *rest)
        claim(tmp_path, NEW)

    monkeypatch.setenv("DSICE_NONCE", "")
    monkeypatch.setattr("dsice.launchers.standalone._processes.prctl", lambda *_: None)
    monkeypatch.setattr(_supervise, "Watch", lambda *_: "begun")
    monkeypatch.setattr(_supervise, "publish", publish_and_lose)
    for who, begins in ((OLD, True), (NEW, False)):
        claim(tmp_path, OLD)
        monkeypatch.setattr(time, "sleep", lambda _, who=who: claim(tmp_path, who))
        assert (_supervise.begin(str(tmp_path), OLD, "any", "0", ["true"]) is not None) == begins


def test_a_claim_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "0"
    claim(directory, OLD)
    before = "_supervise.SIGN_SECONDS = 0.05"
    with supervisor(directory, "sleep 1; exit 3", before=before) as process:
        assert eventually((directory / "stdout").exists)
        (directory / "job.json").unlink()
        os.mkfifo(directory / "job.json")
        assert process.wait(10) == 0
    assert json.loads((directory / "exit.json").read_text())["code"] == 3


def test_it_shows_that_it_lives_also_while_it_ends_the_trial(tmp_path: Path) -> None:
    directory = tmp_path / "0"
    alive = directory / "alive"
    claim(directory, OLD)
    before = "_supervise.SIGN_SECONDS = 0.05"
    deaf = "trap '' TERM; while :; do sleep 0.01; done"
    with supervisor(directory, deaf, before=before, grace=30.0) as process:
        assert eventually((directory / "stdout").exists) and alive.exists()
        for ending in (False, True):
            if ending:
                process.send_signal(signal.SIGTERM)
            os.utime(alive, (0, 0))
            assert eventually(lambda: alive.stat().st_mtime > 0)
            alive.unlink()  # by whoever purges files
            assert eventually(alive.exists)
        process.kill()


def test_a_function_that_returns_late_leaves_the_result_of_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSICE_NONCE", OLD)
    monkeypatch.setattr(_call, "attempt", lambda *_: {"value": 1.0})
    monkeypatch.setattr(_call, "CONFIRM_SECONDS", 0.05)
    result = tmp_path / "result.json"
    good = json.dumps({"value": 2.0, "token": NEW})
    claim(tmp_path, NEW)
    for there in ("", good):  # it has not returned yet, or it has
        result.write_text(there) if there else None
        _call.main(str(tmp_path), "function.pkl")
        assert (result.read_text() if result.exists() else "") == there
    claim(tmp_path, OLD)
    _call.main(str(tmp_path), "function.pkl")
    assert json.loads(result.read_text()) == {"value": 1.0, "token": OLD}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.json", "result.json"]


def test_a_result_of_another_run_is_none(tmp_path: Path) -> None:
    def function() -> float:
        import json
        import os
        from pathlib import Path

        path = Path(os.environ["DSICE_DIR"], "result.json")
        path.write_text(json.dumps({"value": 3.0, "token": "of another"}))
        os._exit(0)

    with Local(function, slots=1, directory=tmp_path) as launcher:
        launcher.submit([Job(0)])
        result = drain(launcher, 1)[0]
    assert result.state == "failed" and result.value is None


def test_of_many_submissions_the_last_has_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Supervisors of earlier ones end at the same moment, whatever order they come in."""
    monkeypatch.setattr(_supervise, "CONFIRM_SECONDS", 0.05)
    tokens = [f"{i:016d}" for i in range(8)]
    claim(tmp_path, tokens[-1])
    barrier = threading.Barrier(len(tokens))

    def end(token: str) -> None:
        barrier.wait()
        _supervise.publish(str(tmp_path), token, "exit.json", f'{{"token": "{token}"}}')

    threads = [threading.Thread(target=end, args=[token]) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads((tmp_path / "exit.json").read_text())["token"] == tokens[-1]


def test_steps_of_a_run_that_is_not_wanted_go_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_CONFIRM", 0.05)
    claim(tmp_path, OLD)
    with worker.in_trial(worker.TrialContext(str(tmp_path), token=OLD)):
        assert worker.step(0, 1.0) is False
        claim(tmp_path, NEW)
        time.sleep(0.1)
        assert worker.step(1, 1.0) is True
    monkeypatch.setenv("DSICE_DIR", str(tmp_path))
    monkeypatch.setenv("DSICE_NONCE", "c" * 16)
    assert worker.step(2, 1.0) is True
    monkeypatch.setenv("DSICE_NONCE", NEW)
    assert worker.step(3, 1.0) is False
    lines = (tmp_path / "steps").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 3]
    assert not (tmp_path / "stopping").exists()


def test_a_call_that_begins_late_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited in an engine's queue while another coordinator started the trial again."""
    monkeypatch.setattr(worker, "_CONFIRM", 0.05)
    began: list[int] = []
    claim(tmp_path, NEW)
    task = Task({}, lambda: began.append(1), directory=str(tmp_path), token=OLD)
    assert "started again" in perform(task)["lost"] and not began


def test_a_coordinator_that_lost_the_directory_notes_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_CONFIRM", 0.05)
    directory, went = tmp_path / "0", threading.Event()

    def function() -> float:
        went.wait(30)
        return 1.0

    with ThreadPoolExecutor(1) as pool, Futures(function, pool, directory=tmp_path) as launcher:
        launcher.submit([Job(0)])
        time.sleep(0.2)
        claim(directory, NEW)
        (directory / "exit.json").write_text(GOOD)
        went.set()
        assert drain(launcher, 1)[0].value == 1.0
    assert (directory / "exit.json").read_text() == GOOD
