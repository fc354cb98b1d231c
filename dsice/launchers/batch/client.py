"""The scheduler's commands: run, read, and explained when they fail."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsice.errors import LaunchError
from dsice.launchers.batch.scheduler import Scheduler

_SECONDS = 120.0  # that a command may take
_AT_ONCE = 200  # jobs named in one command to cancel
_SHOWN = 2000  # characters of an answer in a message


class Busy(Exception):
    """The scheduler cannot take or answer this now; trying again later helps."""


@dataclass(frozen=True)
class Listed:
    """A job that the queue lists."""

    job: str
    name: str
    state: str


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    command: str
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        said = "\n".join(text.strip()[-_SHOWN:] for text in (self.out, self.err) if text.strip())
        return f"command: {self.command}\nexit code {self.code}, it printed: {said or 'nothing'}"


class Client:
    """A scheduler at work: submits, cancels, lists."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def submit(self, script: Path) -> str:
        """Submit `script`; the job's id.

        Raises
        ------
        Busy
            The queue is full, or the scheduler did not answer well: it may have taken the job all the same.
        LaunchError
            The scheduler is not there, refuses the job, or answers what is no job id.
        """
        answer = self._run(self._scheduler.submit, {"script": [str(script)]})
        said = f"{answer.out}\n{answer.err}"
        found = re.search(self._scheduler.job_id, answer.out, re.MULTILINE)
        if answer.code == 0 and found:
            return found[1]
        if self._scheduler.full and re.search(self._scheduler.full, said):
            raise Busy(str(answer))
        what = (
            "refused the job"
            if answer.code
            else f"gave an answer without a job id (expected {self._scheduler.job_id!r})"
        )
        raise LaunchError(f"{self._scheduler.name} {what}\n{answer}\nscript: {script}")

    def queue(self) -> dict[str, Listed]:
        """All jobs that wait or run, by id.

        Raises
        ------
        Busy
            The scheduler cannot be asked now.
        LaunchError
            It is not there, or its answer cannot be read.
        """
        answer = self._run(self._scheduler.queue, {"user": [getpass.getuser()]})
        if answer.code:
            raise Busy(str(answer))
        found = {}
        for line in answer.out.splitlines():
            match = re.match(self._scheduler.line, line)
            if match:
                if match["state"] not in self._scheduler.over:
                    found[match["job"]] = Listed(match["job"], match["name"], match["state"])
            elif line.strip() and not (
                self._scheduler.skip and re.search(self._scheduler.skip, line)
            ):
                raise LaunchError(
                    f"the answer of {self._scheduler.name} cannot be read: {line!r} does not match {self._scheduler.line!r}; "
                    f"jobs that run go on\n{answer}"
                )
        return found

    def cancel(self, jobs: Iterable[str]) -> None:
        """End `jobs`; one that has ended already is no error.

        Raises
        ------
        Busy
            The scheduler did not answer in time.
        LaunchError
            It is not there.
        """
        rest = list(jobs)
        while rest:
            self._run(
                self._scheduler.cancel, {"jobs": rest[:_AT_ONCE]}
            )  # the queue tells whether it helped
            rest = rest[_AT_ONCE:]

    def cancelling(self, jobs: Sequence[str]) -> str:
        """The command that ends `jobs`, as a user would type it."""
        return self.shown(self._scheduler.cancel, {"jobs": jobs})

    def shown(self, template: str, values: dict[str, Sequence[str]]) -> str:
        """The command as a user would type it."""
        return shlex.join(_filled(template, values))

    def _run(self, template: str, values: dict[str, Sequence[str]]) -> Answer:
        words = _filled(template, values)
        command = shlex.join(words)
        try:
            # A session of its own, and no subprocess.run, which kills: Ctrl-C must not cut a submission short.
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                env=_environment(),
            )
        except OSError as error:
            raise LaunchError(
                f"the command {words[0]!r} of scheduler={self._scheduler.name!r} cannot be run: {error.strerror or error}; is "
                f"this a login node with its commands on PATH? Elsewhere use Local, or dry_run() to see the scripts\n"
                f"command: {command}"
            ) from None
        try:
            out, err = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Busy(f"command: {command}\nno answer for {_SECONDS:g} s") from None
        return Answer(command, process.returncode, out, err)


def _filled(template: str, values: dict[str, Sequence[str]]) -> list[str]:
    words: list[str] = []
    for word in shlex.split(template):
        several = [name for name in values if word == f"{{{name}}}"]
        if several:
            words += values[several[0]]
            continue
        for name, found in values.items():
            word = word.replace(f"{{{name}}}", " ".join(found))
        words.append(word)
    return words


def _environment() -> dict[str, str]:
    """A coordinator that is a job itself must not hand its own job's limits down to those that it submits."""
    if "SLURM_JOB_ID" not in os.environ:
        return dict(os.environ)
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLURM_") or name in kept
    }
