"""Job scripts: the scheduler's lines, the user's own, and one supervisor for each trial.

`MemberBuilder` says how a trial is run, `ScriptWriter` puts the trials of a job into a script.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dsice.checks import texts, variables
from dsice.errors import LaunchError, OptionError
from dsice.journal.files import strictly
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Study
from dsice.launchers.batch.patience import insist
from dsice.launchers.batch.record import JobRecord
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.submission import BatchDirectory, BatchTrial, submitted_before
from dsice.launchers.program import (
    LOADER,
    FunctionProgram,
    Helper,
    Program,
    program_of,
)
from dsice.launchers.trial_directory import plain_params

_MARGIN = 60.0  # seconds of wall time beyond `timeout`: to start, to end, to write

_QUOTED = shlex.quote(LOADER)

_WATCHED = """\
dsice_watched() {  # a mark, a command: run it, whatever signals come, and leave the mark
    dsice_mark=$1; shift
    trap : HUP INT TERM  # the supervisor gets them too, and ends its trial
    "$@" &
    dsice_child=$!
    while wait "$dsice_child"; dsice_code=$?; kill -0 "$dsice_child" 2>/dev/null; do :; done
    rm -f -- "$dsice_mark"
    echo "$dsice_code" > "$dsice_mark"
}"""

_DEVICES = """\
dsice_devices() {  # the GPUs number $1 to $2 of this job
    if [ -n "$CUDA_VISIBLE_DEVICES" ]; then
        echo "$CUDA_VISIBLE_DEVICES" | cut -d, -f "$(($1 + 1))-$(($2 + 1))"
    else
        seq -s, "$1" "$2"
    fi
}"""


@dataclass(frozen=True)
class Member:
    """One trial in a script.

    Attributes
    ----------
    directory
        Directory of the trial.
    token
        Token of this submission.
    variables
        Environment of the trial, in addition to that of the whole script.
    arguments
        Command that runs the trial's program, word by word.
    """

    directory: Path
    token: str
    variables: Mapping[str, str]
    arguments: Sequence[str]


class MemberBuilder:
    """Says how each trial of a launcher is run.

    Parameters
    ----------
    program
        Program of the trials without one of their own.
    wrap
        Words of a command in front of the program, to run it in a container.
    python
        Interpreter on the jobs' machines.
    """

    def __init__(
        self, program: Program, home: BatchDirectory, *, wrap: Sequence[str], python: str
    ) -> None:
        self._program = program
        self._home = home
        self._wrap = wrap
        self._python = python

    def check(self, study: Study | None) -> None:
        """Raise LaunchError where some trial of a study could not be started."""
        self._program.check(study)

    def program(self, job: Job) -> Program:
        """The program of a job."""
        return self._program if job.work is None else program_of(job.work)

    def directory(self, job: Job) -> Path:
        """The directory of a job."""
        return self._home.path / trial_directory.directory_name(job.id, job.kind)

    def arguments(self, work: Program, directory: Path, job: Job) -> list[str]:
        """Command that runs a job, word by word; a function's file is written at the first need."""
        home = self._home.path
        params = plain_params(job.params)
        if isinstance(work, FunctionProgram):
            file = work.file(home) if self._home.is_open else work.path(home)
            call = [self._python, "-P", *self._home.call.words, str(directory), str(file)]
            return [*self._wrap, *call, *work.words(params)]
        return [*self._wrap, *work.arguments(directory, job, home)]

    def planned(self, job: Job) -> BatchTrial:
        """A trial for a look at its script: nothing of it is on the disk."""
        work = self.program(job)
        submission = trial_directory.Submission("TOKEN", work.name, 0, 0.0)
        return BatchTrial(job, work, self.directory(job), submission, JobRecord("TOKEN", ""))

    def submitted_before(self, jobs: Sequence[Job]) -> list[BatchTrial]:
        """Those of `jobs` that an earlier coordinator submitted, as its files tell.

        Raises
        ------
        OSError
            The files cannot be read now.
        """
        found = []
        with strictly():
            for job in jobs:
                look = partial(submitted_before, job, self.program(job), self.directory(job))
                found.append(insist(look))
        return [trial for trial in found if trial is not None]

    def member(self, trial: BatchTrial, slot: int) -> Member:
        """A trial as a member of a script, in the slot `slot` of its job."""
        job = trial.job
        variables = {
            **job.variables,
            "DSICE_TRIAL": trial_directory.directory_name(job.id, job.kind),
            "DSICE_DIR": str(trial.directory),
            "DSICE_STAGE": str(job.stage),
            "DSICE_SLOT": str(slot),
        }
        if job.parent is not None:
            parent = trial_directory.parent_directory(trial.directory, job)
            variables["DSICE_PARENT_DIR"] = str(parent)
        return Member(
            trial.directory,
            trial.submission.token,
            variables,
            self.arguments(trial.work, trial.directory, job),
        )


@dataclass(frozen=True)
class Script:
    """A job script, as it is (or would be) submitted; ``print`` shows all of it."""

    path: Path
    command: str
    text: str

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.text}"


@dataclass(frozen=True)
class ScriptWriter:
    """What is the same in all scripts of a launcher.

    Attributes
    ----------
    lines
        The scheduler's lines that follow from ``resources=`` (`resource_lines`).
    setup, after
        Shell lines before the trials (modules, environments) and after them.
    exports
        Variables of the environment; None removes one.
    folder
        Working directory.
    python, supervise
        Interpreter and script of a trial's supervisor.
    timeout, grace
        Time limit of a trial, and the time between SIGTERM and SIGKILL, in seconds.
    gpus
        GPUs of each trial, where several share a job; 0: they are not bound.
    """

    scheduler: Scheduler
    lines: Sequence[str]
    setup: Sequence[str]
    after: Sequence[str]
    exports: Mapping[str, str | None]
    folder: Path
    python: str
    supervise: Helper
    timeout: float | None
    grace: float
    gpus: int

    def text(self, name: str, log: Path, ended: Path, jobs: Sequence[Sequence[Member]]) -> str:
        """The script of one job, or of an array of several jobs.

        Parameters
        ----------
        name, log
            Name of the job, and the file of its output.
        ended
            Directory of the marks.
        jobs
            The members of each job, which run at the same time.
        """
        head = [_header_line(self.scheduler, line, name, log) for line in self.scheduler.header]
        head += self.lines
        if len(jobs) > 1:
            head.append(self.scheduler.array.format(last=len(jobs) - 1))
        body = [f"cd {shlex.quote(str(self.folder))} || exit 1"]
        body += [
            f"unset {key}" if value is None else f"export {key}={shlex.quote(value)}"
            for key, value in self.exports.items()
        ]
        body += [*self.setup, f"dsice_load={_QUOTED}", _WATCHED]
        if self.gpus and len(jobs[0]) > 1:
            body.append(_DEVICES)
        if len(jobs) == 1:
            body += self._job(jobs[0], ended)
        else:
            body.append(f'case "${self.scheduler.index}" in')
            for index, members in enumerate(jobs):
                body += [f"{index})", *self._job(members, ended), ";;"]
            body.append("esac")
        body += self.after
        return "\n".join([self.scheduler.shell, *head, "", *body]) + "\n"

    def _job(self, members: Sequence[Member], ended: Path) -> list[str]:
        if len(members) == 1:
            return [self._trial(members[0], ended, 0, alone=True)]
        lines = [
            f"{self._trial(member, ended, slot, alone=False)} &"
            for slot, member in enumerate(members)
        ]
        return [*lines, "trap : HUP INT TERM", "until wait; do :; done"]

    def _trial(self, member: Member, ended: Path, slot: int, *, alone: bool) -> str:
        mark = ended / f"{member.directory.name}.{member.token}"
        variables = [f"{name}={shlex.quote(value)}" for name, value in member.variables.items()]
        if self.gpus and not alone:
            first = slot * self.gpus
            variables.append(
                f'CUDA_VISIBLE_DEVICES="$(dsice_devices {first} {first + self.gpus - 1})"'
            )
        limit = "none" if self.timeout is None else repr(self.timeout)
        # the scheduler cannot end one of several trials of a job: the supervisor watches the mark
        watch = [
            self.python,
            "-I",
            "-S",
            *self.supervise.words,
            str(member.directory),
            member.token,
            limit,
            repr(self.grace),
            "any",
        ]
        call = shlex.join([*watch, "0" if alone else "mark", *member.arguments])
        call = call.replace(_QUOTED, '"$dsice_load"')
        return f"dsice_watched {shlex.quote(str(mark))} env {' '.join(variables)} \\\n    {call}"


def _header_line(scheduler: Scheduler, line: str, name: str, log: Path) -> str:
    """A line of the scheduler's that may name the job and its log.

    Raises
    ------
    LaunchError
        The path has a line break or a backslash, which no quotes keep.
    """
    path = str(log).replace("%", scheduler.percent)
    if "{log}" in line and (len(path.splitlines()) > 1 or "\\" in path):
        raise LaunchError(
            f"the directory {str(log.parent.parent)!r} has a line break or a backslash in its "
            "name, which no job script can hold; give another directory="
        )
    if '"{log}"' in line:
        path = path.replace('"', '\\"')
    return line.format(name=name, log=path)


def resource_lines(
    scheduler: Scheduler, resources: Mapping[str, Any], timeout: float | None
) -> list[str]:
    """The lines that ask for `resources`.

    ``{"partition": "gpu"}`` becomes the scheduler's own way to say so; a name that starts with
    ``-`` is an option as it stands (``{"-g": "hp1234", "--exclusive": True}``); a list of values
    makes a line of each. Where no wall time is given, it follows from `timeout`.

    Raises
    ------
    OptionError
        A value that is no string, number or True, or that has a line break.
    """
    if not isinstance(resources, Mapping):
        raise OptionError(
            f"resources must be a mapping, got {type(resources).__name__} {resources!r}"
        )
    lines = []
    wanted = dict(resources)
    limited = any(name in wanted for name in scheduler.time)
    if timeout is not None and scheduler.time and not limited:
        wanted[scheduler.time[0]] = wall_time(timeout + _MARGIN)
    for name, values in wanted.items():
        for value in values if isinstance(values, (list, tuple)) else [values]:
            lines.append(_line(scheduler, name, value))
    return lines


def _line(scheduler: Scheduler, name: object, value: object) -> str:
    """The line of one resource."""
    good = isinstance(value, (str, int, float)) and value is not False
    if not isinstance(name, str) or not name or not good or "\n" in f"{name}{value}":
        raise OptionError(
            "resources must map names to strings, numbers, True (an option without a value) "
            f"or lists of these, got {name!r}: {value!r}"
        )
    option = name.startswith("-")
    if value is True:
        bare = name if option else f"--{name}"
        return scheduler.option.format(name=bare, value="").rstrip()
    text = str(value)
    template = scheduler.option if option else scheduler.resource
    # a template, or the user, may have quoted it already
    quoted = '"' in template or (len(text) > 1 and text[0] == text[-1] and text[0] in "\"'")
    if any(c.isspace() for c in text) and not quoted:
        text = '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
    return template.format(name=name, value=text)


def wall_time(seconds: float) -> str:
    """Seconds as H:MM:SS, rounded up to minutes."""
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}:00"


def exported(forward: Sequence[str], env: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Variables that are written into the scripts: those passed on as they are now, and `env`."""
    values = {name: os.environ.get(name) for name in texts("Batch", "forward", forward)}
    known = {name: value for name, value in values.items() if value is not None}
    return {**known, **variables("Batch", env)}
