"""Runs the commands of a scheduler, parses their replies and explains failures."""

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

_TIMEOUT = 120.0  # seconds that a command may take
_JOBS_PER_COMMAND = 200  # jobs named in one command that cancels
_SHOWN = 2000  # characters of an answer in a message


class Busy(Exception):
    """The scheduler cannot take or answer this now; trying again later helps."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that waits or runs, as the scheduler lists it."""

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
    """Submits, cancels and lists jobs by the commands of a scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def submit(self, script: Path) -> str:
        """Submit `script`; returns the job's id, parsed from the answer.

        Raises
        ------
        Busy
            The queue is full, or the scheduler did not answer in time: it may have the job.
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
        what = f"gave an answer without a job id (expected {self._scheduler.job_id!r})"
        if answer.code:
            what = "refused the job"
        raise LaunchError(f"{self._scheduler.name} {what}\n{answer}\nscript: {script}")

    def queue(self) -> dict[str, QueuedJob]:
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
        jobs = {}
        for line in answer.out.splitlines():
            match = re.match(self._scheduler.line, line)
            if match:
                if match["state"] not in self._scheduler.over:
                    jobs[match["job"]] = QueuedJob(match["job"], match["name"], match["state"])
            elif not self._is_heading(line):
                raise LaunchError(
                    f"the answer of {self._scheduler.name} cannot be read: {line!r} does not match "
                    f"{self._scheduler.line!r}; jobs that run go on\n{answer}"
                )
        return jobs

    def _is_heading(self, line: str) -> bool:
        """Whether a line of the queue is no job: empty, or a heading."""
        if not line.strip():
            return True
        return bool(self._scheduler.skip and re.search(self._scheduler.skip, line))

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
            # its exit code says little; the queue shows whether it helped
            self._run(self._scheduler.cancel, {"jobs": rest[:_JOBS_PER_COMMAND]})
            rest = rest[_JOBS_PER_COMMAND:]

    def cancel_command(self, jobs: Sequence[str]) -> str:
        """The command that cancels `jobs`, as a user would type it."""
        return self.shown(self._scheduler.cancel, {"jobs": jobs})

    def shown(self, template: str, values: dict[str, Sequence[str]]) -> str:
        """A command with its placeholders filled in, as a user would type it."""
        return shlex.join(_filled(template, values))

    def _run(self, template: str, values: dict[str, Sequence[str]]) -> Answer:
        """Run a command, whose placeholders are filled in, and wait for its answer."""
        words = _filled(template, values)
        command = shlex.join(words)
        try:
            # A session of its own, and not subprocess.run, which kills its process on an
            # interrupt: Ctrl-C must not cut a submission short.
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
                f"the command {words[0]!r} of scheduler={self._scheduler.name!r} cannot be run: "
                f"{error.strerror or error}; is this a login node with its commands on PATH? "
                f"Elsewhere use Local, or dry_run() to see the scripts\ncommand: {command}"
            ) from None
        try:
            out, err = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Busy(f"command: {command}\nno answer for {_TIMEOUT:g} s") from None
        return Answer(command, process.returncode, out, err)


def _filled(template: str, values: dict[str, Sequence[str]]) -> list[str]:
    """The words of a command; a placeholder that is a word of its own becomes several."""
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
    """Variables for the commands: without those of the job that this process may run in.

    The limits of its own job must not be handed down to the jobs that it submits.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return dict(os.environ)
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLURM_") or name in kept
    }
