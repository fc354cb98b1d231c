"""Runs the commands of a scheduler, parses their replies and explains failures."""

from __future__ import annotations

import errno
import getpass
import os
import re
import shlex
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers.batch.command import Answer, ask
from dsice.launchers.batch.scheduler import Scheduler

_TIMEOUT = 120.0  # seconds that a command may take
_JOBS_PER_COMMAND = 200  # jobs named in one command that cancels
_UNREADABLE = 10  # answers in a row that cannot be read, until that is an error
_WIDTH = 10  # letters in the narrowest column for names that is in use
_SHORTEST = 5  # letters of a name that was cut, by which it is still known

_OVERRIDING = re.compile(
    r"(?:SQUEUE|SCANCEL)_.*|SBATCH_(?:JOB_NAME|ARRAY_INX|OUTPUT|OPEN_MODE|REQUEUE|WAIT|TEST_ONLY)"
)
"""Variables that override a script's own lines, hide jobs in a list, or ask the user back."""

_ABSENT = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP)
"""Why a command cannot be run, where trying again does not help."""

_TROUBLE = re.compile(
    r"timed out|connection (?:refused|reset|closed|lost|failure|aborted)|connect failure|"
    r"unable to contact|zero bytes|broken pipe|(?:can|could) ?not connect|no route to host|"
    r"network is (?:unreachable|down)|communication (?:failure|error)|temporary failure|"
    r"end of file",
    re.IGNORECASE,
)
"""What a command prints that did not reach its scheduler, or lost it on the way."""


class Busy(Exception):
    """The scheduler cannot take or answer this now; trying again later helps.

    Attributes
    ----------
    unsure
        Whether it may have done what it was asked to do, all the same.
    """

    def __init__(self, reason: object, *, unsure: bool = False) -> None:
        super().__init__(str(reason))
        self.unsure = unsure


class Unreadable(Busy):
    """No line of an answer is a job; the next answer may be better."""


class TooLarge(Exception):
    """The scheduler takes no array of so many jobs; it may take a smaller one."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that waits or runs, as the scheduler lists it.

    Attributes
    ----------
    cut
        Whether the answer may have been cut within its line.
    """

    job: str
    name: str
    state: str
    cut: bool = False

    def has_name(self, name: str) -> bool:
        """Whether this may be the job `name`: a list may show a part of its name only."""
        shown = self.name.strip("*")
        short = self.cut or shown != self.name or len(shown) >= _WIDTH
        part = name.startswith(shown) or name.endswith(shown)
        return shown == name or (short and len(shown) >= _SHORTEST and part)


class Client:
    """Submits, cancels and lists jobs by the commands of a scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._passed_over: set[str] = set()
        self._unreadable = 0
        self._without_id = 0

    def submit(self, script: Path) -> str:
        """Submit `script`; returns the job's id, parsed from the answer.

        Raises
        ------
        Busy
            The queue is full, or the scheduler did not answer in time: it may have the job.
        TooLarge
            It takes no array of so many jobs.
        LaunchError
            The scheduler is not there, refuses the job, or answers what is no job id.
        """
        answer = self._run(self._scheduler.submit, {"script": [str(script)]})
        found = re.search(self._scheduler.job_id, answer.out, re.MULTILINE)
        if found and answer.code in (0, None):
            self._without_id = 0
            return found[1]
        if found and self._has(found[1], script.stem):
            return found[1]
        self._check_refusal(answer)
        what = f"gave an answer without a job id (expected {self._scheduler.job_id!r})"
        if answer.blank:
            self._without_id += 1
            if self._without_id < _UNREADABLE:
                raise Busy(answer, unsure=True)
        elif answer.code:
            what = "refused the job"
        raise LaunchError(f"{self._scheduler.name} {what}\n{answer}\nscript: {script}")

    def _has(self, job: str, name: str) -> bool:
        """Whether the scheduler knows a job by this id and name."""
        try:
            found = self.find(job)
        except Busy:
            return False
        return found is not None and found.has_name(name)

    def _check_refusal(self, answer: Answer) -> None:
        """Raise what an answer means that is no final refusal."""
        if answer.code == 0 or self._matches("never", answer):
            return
        if self._matches("too_large", answer):
            raise TooLarge(str(answer))
        if answer.code is None or answer.code < 0 or _TROUBLE.search(answer.said):
            raise Busy(answer, unsure=True)
        if self._matches("full", answer):
            raise Busy(answer)

    def _matches(self, template: str, answer: Answer) -> bool:
        """Whether the scheduler has a pattern of that name, and the answer matches it."""
        pattern = getattr(self._scheduler, template)
        return bool(pattern and re.search(pattern, answer.said))

    def queue(self) -> dict[str, QueuedJob]:
        """All jobs that wait or run, by id.

        Lines that are no jobs are passed over; a warning says so once. An answer without a line
        holds no jobs: whether that can be is for the caller to say.

        Raises
        ------
        Busy
            The scheduler cannot be asked now.
        Unreadable
            It gave an answer in which no line is a job.
        LaunchError
            It is not there, or ten answers in a row could not be read.
        """
        answer = self._run(self._scheduler.queue, {"user": [_user()]})
        if answer.code is None or (answer.code and not self._only_headings(answer)):
            raise Busy(answer)
        jobs, unknown = self._read(answer)
        if unknown and not jobs and not self._passed_over.issuperset(unknown):
            self._unreadable += 1
            if self._unreadable < _UNREADABLE:
                raise Unreadable(answer)
            raise LaunchError(
                f"the answer of {self._scheduler.name} cannot be read: {unknown[0]!r} does not "
                f"match {self._scheduler.line!r}, {self._unreadable} times in a row. Jobs that run "
                "go on: start the same script again when the scheduler is well; if it always "
                f"answers so, give scheduler= a table with another line\n{answer}"
            )
        self._unreadable = 0
        self._pass_over(unknown)
        return {job.job: job for job in jobs if job.state not in self._scheduler.over}

    def _read(self, answer: Answer) -> tuple[list[QueuedJob], list[str]]:
        """The jobs of an answer, those that have ended too, and the lines that are none."""
        jobs, unknown = [], []
        for line in answer.out.splitlines(keepends=True):
            text = line.rstrip()
            match = re.match(self._scheduler.line, text)
            if match:
                cut = not line.endswith("\n")
                jobs.append(QueuedJob(match["job"], match["name"], match["state"], cut))
            elif text and not self._is_heading(text):
                unknown.append(text)
        return jobs, unknown

    def _is_heading(self, line: str) -> bool:
        """Whether a line of the queue is known to be no job."""
        return bool(self._scheduler.skip and re.search(self._scheduler.skip, line))

    def _only_headings(self, answer: Answer) -> bool:
        """Whether a command that failed says no more than that there are no jobs."""
        lines = [line for line in answer.said.splitlines() if line.strip()]
        return bool(lines) and all(map(self._is_heading, lines))

    def _pass_over(self, lines: Sequence[str]) -> None:
        """Say once that lines are passed over."""
        if lines and not self._passed_over:
            warnings.warn(
                f"the queue of {self._scheduler.name} has lines that are no jobs of dsice; they "
                f"are passed over, such as {lines[0]!r}",
                DsiceWarning,
                stacklevel=2,
            )
        if len(self._passed_over) < 1000:
            self._passed_over.update(lines)

    def find(self, job: str) -> QueuedJob | None:
        """Look for one job by its id; None: it has ended, or there is no such job.

        Raises
        ------
        Busy
            The scheduler has no command for that, or does not say.
        LaunchError
            It is not there.
        """
        reason: object = f"{self._scheduler.name} has no command that looks for a job"
        for template in self._scheduler.find:
            reason = answer = self._run(template, {"job": [job]})
            for listed in self._read(answer)[0]:
                if listed.job == job:
                    return None if listed.state in self._scheduler.over else listed
            if self._matches("gone", answer):
                return None
            if answer.code is None:
                break
        raise Busy(reason)

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
            answer = self._run(self._scheduler.cancel, {"jobs": rest[:_JOBS_PER_COMMAND]})
            if answer.code is None:
                raise Busy(answer)
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
        try:
            return ask(words, _TIMEOUT, _environment())
        except OSError as error:
            if error.errno not in _ABSENT:  # no processes, no memory, no file descriptors
                raise Busy(f"command: {shlex.join(words)}\nit cannot be run: {error}") from None
            raise LaunchError(
                f"the command {words[0]!r} of scheduler={self._scheduler.name!r} cannot be run: "
                f"{error.strerror or error}; is this a login node with its commands on PATH? "
                f"Elsewhere use Local, or dry_run() to see the scripts\n"
                f"command: {shlex.join(words)}"
            ) from None


def _user() -> str:
    """Name of the user; their number where the system does not know it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


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
    """Variables for the commands, without those that would turn them into others.

    These are the limits of the job that this process may run in, and what of a script's own lines,
    of lists and of cancelling Slurm lets a user override.
    """
    known = os.environ.items()
    variables = {name: value for name, value in known if not _OVERRIDING.fullmatch(name)}
    if "SLURM_JOB_ID" not in variables:
        return variables
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith("SLURM_") or name in kept
    }
