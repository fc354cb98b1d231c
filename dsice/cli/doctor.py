"""`dsice doctor`: one small job of a study, followed from submit to result."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from dsice.errors import DsiceError
from dsice.launchers.base import Job, Launcher, Result
from dsice.study.file import Study, read_study

WAIT = 600.0  # seconds for a job to come through the queue
_PROBE = 'test -w "$DSICE_DIR" && uname -n > "$DSICE_DIR/host" && sleep 1 && echo 42'


T = TypeVar("T")


class Unwell(Exception):
    """A step that failed, and why."""


def examine(file: str, *, wait: float = WAIT) -> int:
    """Check a study step by step and print each; the exit code is 1 at the first that fails.

    The job is a small one of its own, with the resources, environment and container of the study's trials. It is run in a
    directory beside the journal, so that a study that runs is not disturbed.

    Parameters
    ----------
    file
        The study file.
    wait
        Seconds for the job to start and to end.
    """
    try:
        study = _step(
            "study file",
            lambda: read_study(file),
            lambda s: f"{len(s.space.names)} parameters, {_kind(s)}",
        )
        with contextlib.chdir(study.folder):
            _step("journal", lambda: _writable(study.journal.parent), str)
            place = study.journal.with_name(study.journal.name + ".doctor")
            launcher = _step(
                "launcher", lambda: study.launcher(place), lambda found: study.launcher_section.kind
            )
            try:
                _follow(study, launcher, place, wait)
            except BaseException:
                launcher.stop([0])
                raise
            finally:
                launcher.detach()
            shutil.rmtree(place, ignore_errors=True)
    except Unwell:
        return 1
    print("all is well: dsice run")
    return 0


def _follow(study: Study, launcher: Launcher, place: Path, wait: float) -> None:
    _step("scheduler", launcher.queued, _queue)
    work: Any = (
        os.getpid if study.is_function else _PROBE
    )  # what any Python has: tests that functions arrive
    before = time.monotonic()
    _step(
        "submit",
        lambda: launcher.submit([Job(0, work=work)]),
        lambda _: f"taken in {time.monotonic() - before:.1f} s",
    )
    directory, until = place / "0", time.monotonic() + wait
    results: list[Result] = []

    def until_there(what: str, there: Callable[[], object]) -> float:
        while not there() and not results:
            if time.monotonic() > until:
                raise DsiceError(
                    f"{what} within --wait {wait:g} s; look at the queue, and at {place}"
                )
            results.extend(event for event in launcher.collect(0.2) if isinstance(event, Result))
        return time.monotonic() - before

    started = _step(
        "start",
        lambda: until_there("the job has not started", (directory / "process.json").exists),
        lambda s: f"{s:.1f} s after the submission",
    )
    _step(
        "result",
        lambda: _good(until_there("the job has not ended", lambda: False), results[-1:], study),
        lambda s: f"{s - started:.1f} s after the start",
    )
    result = results[-1]
    _step("machine", lambda: str(result.where.get("host") or _told(directory / "host")), str)


def _good(seconds: float, results: list[Result], study: Study) -> float:
    """What came back is what was sent."""
    for result in results:
        if result.state != "done":
            raise DsiceError(f"the job ended as {result.state}: {result.error}")
        if not study.is_function and result.value != 42.0:
            raise DsiceError(
                f"the job printed 42, and {result.value} came back; log: {result.where.get('log')}"
            )
    return seconds


def _step(name: str, act: Callable[[], T], say: Callable[[T], str | None]) -> T:
    """Do something, and print what there is to say about it; None: nothing."""
    try:
        found = act()
    except (DsiceError, OSError) as error:
        print(f"{name:<11} FAILED: {error}", flush=True)
        raise Unwell from error
    text = say(found)
    if text is not None:
        print(f"{name:<11} ok: {text}", flush=True)
    return found


def _queue(jobs: int | None) -> str | None:
    return None if jobs is None else f"answers; {jobs} of your jobs are in its queue"


def _kind(study: Study) -> str:
    return f"{'function' if study.is_function else 'command'} {study.program!r}"


def _writable(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".dsice-doctor-{os.getpid()}"
    probe.write_text("")
    probe.unlink()
    return folder


def _told(path: Path) -> str:
    return path.read_text().strip() if path.exists() else "unknown"
