"""`Batch` on files that fail now and then: no raw error, and no trial lost or run twice."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dsice.errors import LaunchError
from dsice.launchers import Batch, Job, Result
from dsice.launchers.batch.scheduler_client import QueuedJob
from dsice.launchers.standalone._supervise import UNWANTED
from tests.faults.bench import scaled
from tests.faults.conftest import Note

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::dsice.errors.DsiceWarning"),
]

BAR = "OSError at the file calls of Batch (ESTALE, EIO, EDQUOT, ENOSPC)"
RUNS = scaled(6, 500)
CALLS = ("open", "stat", "lstat", "scandir", "listdir", "mkdir", "unlink", "rename", "replace")
ERRORS = (errno.ESTALE, errno.EIO, errno.EDQUOT, errno.ENOSPC)
MEMBER = re.compile(r"dsice_watched (\S+) env ")
"""The mark of a trial in a job's script: ``ended/TRIAL.TOKEN``."""


class Cluster:
    """Scheduler and machines in one: it takes the place of a `Client`, and its jobs write files.

    What it does itself is done in a thread of its own, whose file calls do not fail.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.jobs: dict[str, QueuedJob] = {}
        self.begun: Counter[str] = Counter()
        self.ended = False
        self._members: dict[str, list[tuple[float, Path, Path, str, int]]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, script: Path) -> str:
        text = "".join(self._in_thread(lambda: script.read_text()))
        job = str(100 + len(self._members))
        with self._lock:
            now = time.monotonic() + self.chance.uniform(0.0, 0.1)
            self._members[job] = [
                (now, mark, mark.parent.parent / mark.stem, mark.suffix[1:], 0)
                for mark in map(Path, MEMBER.findall(text))
            ]
            assert self._members[job]
            self.jobs[job] = QueuedJob(job, script.stem, "R")
        return job

    def _in_thread(self, action: Callable[[], Any]) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(action()))
        thread.start()
        thread.join()
        return found[0]

    def queue(self) -> dict[str, QueuedJob]:
        with self._lock:
            return dict(self.jobs)

    def find(self, job: str) -> QueuedJob | None:
        return self.queue().get(job)

    def cancel(self, jobs: list[str]) -> None:
        with self._lock:
            for job in jobs:
                if self.jobs.pop(job, None):
                    self._members[job] = []

    def cancel_command(self, jobs: list[str]) -> str:
        return "end"

    def shown(self, template: str, values: object) -> str:
        return "submit"

    def _work(self) -> None:
        while not self.ended:
            time.sleep(0.005)
            with self._lock:
                for job in list(self.jobs):
                    self._go_on(job)

    def _go_on(self, job: str) -> None:
        """Begin or end the trials of a job whose time has come."""
        later = []
        for moment, mark, directory, token, step in self._members[job]:
            if time.monotonic() < moment:
                later.append((moment, mark, directory, token, step))
            elif step == 0 and claimed(directory, token):
                self.begun[directory.name] += 1
                write(directory / "process.json", {"pid": 1, "birth": "x", "token": token})
                moment += self.chance.uniform(0.0, 0.2)
                later.append((moment, mark, directory, token, 1))
            else:
                code = 0 if step else UNWANTED
                if step:
                    (directory / "stdout").write_text(f"{directory.name}\n")
                    record = {"why": "exit", "code": 0, "signal": None, "token": token}
                    write(directory / "exit.json", record | {"seconds": 0.1})
                mark.write_text(f"{code}\n")
        self._members[job] = later
        if not later:
            del self.jobs[job]


def claimed(directory: Path, token: str) -> bool:
    try:
        return token in (directory / "job.json").read_text()
    except OSError:
        return False


def write(path: Path, content: dict[str, Any]) -> None:
    new = path.with_suffix(".other")
    new.write_text(json.dumps(content))
    new.rename(path)


@contextmanager
def failing(place: Path, chance: random.Random, share: float) -> Iterator[Counter[str]]:
    """Let a share of this thread's file calls in `place` fail."""
    failed: Counter[str] = Counter()
    me = threading.get_ident()

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            here = isinstance(path, (str, os.PathLike)) and str(path).startswith(str(place))
            if here and threading.get_ident() == me and chance.random() < share:
                failed[name] += 1
                code = chance.choice(ERRORS)
                raise OSError(code, os.strerror(code), str(path))
            return real(path, *arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(name, getattr(os, name)))
        patch.setattr(io, "open", wrapped("open", io.open))
        yield failed


def coordinator(place: Path, cluster: Cluster) -> Batch:
    launcher = Batch(
        "echo {x}",
        directory=place / "trials",
        scheduler="pjm",
        slots=8,
        poll=0.05,
        lost_after=0.4,
        throttle=0.0,
        python="python3",
    )
    for holder in (
        launcher,
        launcher._submissions,
        launcher._monitor,
        launcher._monitor._roll_call,
    ):
        vars(holder)["_client"] = cluster
    return launcher


def insistent(action: Callable[[], Any]) -> Any:
    """What it returns, tried again where it says that it cannot be done now."""
    for _ in range(20):
        try:
            return action()
        except LaunchError as error:
            assert "cannot" in str(error)
    raise AssertionError("it never works")


def tune(place: Path, seed: int) -> tuple[dict[int, Result], set[int], Cluster, int]:
    """Measure a few trials; results, which were cancelled, the cluster, and calls that failed."""
    chance = random.Random(seed)
    cluster = Cluster(random.Random(seed))
    jobs = {id: Job(id, {"x": id}) for id in range(chance.randint(1, 6))}
    results: dict[int, Result] = {}
    cancelled: set[int] = set()
    restarts = 2
    with failing(place, chance, chance.choice([0.01, 0.03, 0.1])) as failed:
        launcher = coordinator(place, cluster)
        try:
            launcher.submit(list(jobs.values()))
            until = time.monotonic() + 60
            while len(results) < len(jobs):
                assert time.monotonic() < until, f"{sorted(jobs.keys() - results)} are lost"
                for event in launcher.collect(0.1):
                    if isinstance(event, Result) and event.state == "unstarted":
                        launcher.submit([jobs[event.id]])
                    elif isinstance(event, Result):
                        assert event.id not in results
                        results[event.id] = event
                odd = chance.random()
                if odd < 0.05:
                    id = chance.randrange(len(jobs))
                    cancelled.add(id)
                    if chance.random() < 0.5:
                        launcher.cancel(id)
                    else:
                        insistent(partial(launcher.stop, [id]))
                elif odd < 0.2 and restarts:
                    restarts -= 1
                    launcher.close()
                    launcher = coordinator(place, cluster)
                    left = [jobs[id] for id in jobs if id not in results]
                    taken = insistent(partial(launcher.attach, left))
                    launcher.submit([job for job in left if job.id not in taken])
        finally:
            launcher.close()
    cluster.ended = True
    return results, cancelled, cluster, sum(failed.values())


@pytest.mark.parametrize("part", range(4))
def test_what_fails_is_looked_at_again(tmp_path: Path, note: Note, part: int) -> None:
    raw = lost = twice = injected = 0
    first = ""
    for seed in range(part, RUNS, 4):
        place = tmp_path / str(seed)
        place.mkdir()
        try:
            results, cancelled, cluster, failed = tune(place, seed)
        except OSError as error:
            raw += 1
            first = first or f"run {seed}: {error!r}"
            continue
        injected += failed
        for id, result in results.items():
            good = (result.state, result.value) == ("done", float(id))
            stopped = id in cancelled and result.state == "stopped"
            if not good and not stopped:
                lost += 1
                first = first or f"run {seed}: {result}"
            if cluster.begun[str(id)] > 1:
                twice += 1
                first = first or f"run {seed}: trial {id} ran {cluster.begun[str(id)]} times"
    note(BAR, "runs", len(range(part, RUNS, 4)), "500" if RUNS == 500 else "")
    note(BAR, "calls that failed", injected)
    note(BAR, "raw errors", raw, "0")
    note(BAR, "trials lost", lost, "0")
    note(BAR, "trials that ran twice", twice, "0")
    assert (raw, lost, twice) == (0, 0, 0), first
