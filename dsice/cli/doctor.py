"""`dsice doctor`: a small job of a study, then one real trial, followed from submit to result."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dsice.cli import output
from dsice.errors import DsiceError
from dsice.launchers.base import Job, Launcher, Result
from dsice.running.options import job_of, tell_result
from dsice.running.preparing import prepare
from dsice.study.file import Study, read_study
from dsice.trial import State, Trial
from dsice.tuner import Tuner

WAIT = 600.0  # seconds for a job to come through the queue
_TRIAL = 1  # id of the job that is a real trial
_PROBE = 'test -w "$DSICE_DIR" && uname -n > "$DSICE_DIR/host" && sleep 1 && echo 42'

T = TypeVar("T")


class _StepFailed(Exception):
    """A step failed; its line says why."""


def add_doctor(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice doctor``."""
    command.add_argument("path", metavar="STUDY.toml")
    text = "for each job to start and end (default: %(default)g s)"
    command.add_argument("--wait", type=float, default=WAIT, metavar="S", help=text)
    command.set_defaults(act=lambda args: doctor(args.path, wait=args.wait))


def doctor(file: str, *, wait: float = WAIT) -> int:
    """Check a study step by step and print each; the exit code is 1 at the first that fails.

    The first job is a small one of its own, with the resources, environment and container of the
    study's trials; the second is the trial that a new study would begin with, of which nothing is
    recorded. Both run in a directory beside the journal, so that a study that runs is not
    disturbed.

    Parameters
    ----------
    file
        The study file.
    wait
        Seconds for the job to start and to end.
    """
    try:
        study = _step("study file", lambda: read_study(file), _describe)
        with contextlib.chdir(study.folder):
            directory = _step(
                "journal", lambda: _new_directory(study.journal), lambda new: str(new.parent)
            )
            try:
                _try_out(study, directory, wait)
            finally:
                with contextlib.suppress(OSError):  # what a job left there says what went wrong
                    directory.rmdir()
    except _StepFailed:
        return 1
    output.say("all is well: dsice run")
    return 0


def _new_directory(journal: Path) -> Path:
    """A directory beside the journal that nothing else has."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{journal.name}.doctor-", dir=journal.parent))


def _try_out(study: Study, directory: Path, wait: float) -> None:
    """Run one job; its directory is removed where all went well."""
    launcher = _step(
        "launcher", lambda: study.launcher(directory), lambda _: study.launcher_section.kind
    )
    try:
        _follow(study, launcher, directory, wait)
        tuner = Tuner(study.space, study.strategy, goal=study.goal, seed=study.seed, max_trials=1)
        _step("trial", lambda: _try_trial(study, tuner, launcher, wait), str)
    except BaseException:
        launcher.stop([0, _TRIAL])
        raise
    finally:
        launcher.detach()
    shutil.rmtree(directory, ignore_errors=True)


def _follow(study: Study, launcher: Launcher, directory: Path, wait: float) -> None:
    """Submit the job and wait for its result."""
    _step("scheduler", launcher.queued, _queue)
    # os.getpid is a function that any Python has: it shows that functions arrive
    work: Any = os.getpid if study.is_function else _PROBE
    submitted = time.monotonic()
    _step(
        "submit",
        lambda: launcher.submit([Job(0, work=work)]),
        lambda _: f"taken in {time.monotonic() - submitted:.1f} s",
    )
    job_directory = directory / "0"
    until = time.monotonic() + wait
    results: list[Result] = []

    def wait_for(condition: Callable[[], object], failure: str) -> float:
        """Seconds from the submission to the condition, or to the result."""
        while not condition() and not results:
            if time.monotonic() > until:
                raise DsiceError(
                    f"{failure} within --wait {wait:g} s; look at the queue, and at {directory}"
                )
            results.extend(event for event in launcher.collect(0.2) if isinstance(event, Result))
        return time.monotonic() - submitted

    def wait_for_result() -> float:
        seconds = wait_for(lambda: False, "the job has not ended")
        _check_result(results[-1], study)
        return seconds

    started = _step(
        "start",
        lambda: wait_for((job_directory / "process.json").exists, "the job has not started"),
        lambda seconds: f"{seconds:.1f} s after the submission",
    )
    _step("result", wait_for_result, lambda seconds: f"{seconds - started:.1f} s after the start")
    host = results[-1].where.get("host")
    _step("machine", lambda: str(host or _read_host(job_directory)), str)


def _try_trial(study: Study, tuner: Tuner, launcher: Launcher, wait: float) -> str:
    """Run the first trial of a study, and say what it measured.

    Raises
    ------
    DsiceError
        It measured nothing that the study can use, or did not end.
    """
    until = time.monotonic() + wait
    prepared = prepare(tuner, launcher, study.options, until) if study.options.prepare else {}
    if prepared is None:
        raise DsiceError(f"what trials depend on was not prepared within --wait {wait:g} s")
    (trial,) = tuner.ask(1)
    job = replace(job_of(tuner, trial, prepared), id=_TRIAL)
    where = output.params(trial.params)
    launcher.submit([job])
    steps = 0
    while True:
        for event in launcher.collect(0.2):
            if isinstance(event, Result):
                told = tell_result(tuner, replace(event, id=trial.id))
                if told.state is State.DONE:
                    return f"{where}: {_measured(tuner, told, steps)}"
                raise DsiceError(f"{where}: it ended as {told.state}: {told.error}")
            steps += 1
        if time.monotonic() > until:
            raise DsiceError(
                f"{where}: it has not ended within --wait {wait:g} s, and is ended now; a trial "
                "that takes longer than that is seen to its end with a larger --wait"
            )


def _measured(tuner: Tuner, trial: Trial, steps: int) -> str:
    goal = tuner.history.goal
    named = {goal.metric: trial.value, **trial.metrics}
    text = ", ".join(f"{name} {output.cell(value)}" for name, value in named.items())
    seconds = "" if trial.seconds is None else f" in {trial.seconds:.1f} s"
    curve = f", {steps} points of its learning curve" if steps else ""
    return f"{text}{seconds}{curve}; not recorded"


def _check_result(result: Result, study: Study) -> None:
    """Raise DsiceError unless what came back is what was sent."""
    if result.state != "done":
        raise DsiceError(f"the job ended as {result.state}: {result.error}")
    if not study.is_function and result.value != 42.0:
        raise DsiceError(
            f"the job printed 42, and {result.value} came back; log: {result.where.get('log')}"
        )


def _step(name: str, act: Callable[[], T], say: Callable[[T], str | None]) -> T:
    """Do something, and print what there is to say about it; None: nothing."""
    try:
        found = act()
    except (DsiceError, OSError) as error:
        output.say(f"{name:<11} FAILED: {error}")
        raise _StepFailed from error
    text = say(found)
    if text is not None:
        output.say(f"{name:<11} ok: {text}")
    return found


def _queue(jobs: int | None) -> str | None:
    return None if jobs is None else f"answers; {jobs} of your jobs are in its queue"


def _describe(study: Study) -> str:
    if not study.program:
        return f"{len(study.space.names)} parameters, no command: others start the trials"
    kind = "function" if study.is_function else "command"
    return f"{len(study.space.names)} parameters, {kind} {study.program!r}"


def _read_host(job_directory: Path) -> str:
    path = job_directory / "host"
    return path.read_text().strip() if path.exists() else "unknown"
