"""What `Batch` must know of a scheduler: commands, their answers, and the lines of a job script.

`Scheduler` holds it as templates. Those of Slurm, PJM and PBS are built in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from dsice.errors import OptionError

_PATTERNS = ("job_id", "line", "skip", "full", "never", "too_large", "gone")
_LISTS = ("header", "time", "over", "find")


@dataclass(frozen=True)
class Scheduler:
    r"""A batch scheduler, as templates.

    Commands are run without a shell; their placeholders are filled in word by word.

    Attributes
    ----------
    name
        For messages.
    submit
        Command that submits ``{script}``.
    cancel
        Command that ends ``{jobs}``: one word for each job.
    queue
        Command that lists all jobs of ``{user}`` that wait or run, one per line. Lines of others
        are passed over.
    job_id
        Regular expression over what `submit` printed; its first group is the job's id.
    line
        Regular expression over a line of `queue`, with the groups ``job``, ``name`` and ``state``.
        A line that it does not match is passed over. Names are compared where `header` gives them
        to the jobs: an id whose name is another one belongs to another program.
    header
        Lines of a script that name the job and its log: ``{name}``, ``{log}``.
    resource
        Line for an entry of ``resources=``: ``{name}``, ``{value}``.
    option
        Line for an entry of ``resources=`` whose name starts with ``-``: an option of the
        scheduler, passed on as it is.
    time
        Names in ``resources=`` that set the wall time; the first is written, as H:MM:SS, where
        only ``timeout=`` is given.
    skip
        Regular expression over lines of `queue` that are known to be no jobs: headings.
    full
        Regular expression over what a refused `submit` printed, where trying again later helps.
    never
        Regular expression over what a refused `submit` printed, where trying again does not help,
        even if `full` matches, too: limits that the job itself is beyond.
    too_large
        Regular expression over what `submit` printed, where a smaller array would be taken.
    over
        States of `line` in which a job has ended though it is still listed.
    array
        Line that makes a script an array of jobs 0 to ``{last}``; empty: one job per script.
    index
        Environment variable by which a job of an array knows its number.
    element
        Id of a job of an array: ``{job}``, ``{index}``.
    shell
        First line of a script.
    find
        Commands that look for the one job ``{job}``, also if it has just ended; they print lines as
        `queue` does, and each is run if those before it did not list the job. Asked before a job
        is given up; without any, a job that `queue` does not list is gone.
    gone
        Regular expression over what a command of `find` printed, where there is no such job.
    percent
        How a ``%`` is written in the path ``{log}``, where the scheduler replaces such signs.

    Raises
    ------
    OptionError
        A pattern that is no regular expression or lacks a group.

    Examples
    --------
    >>> from dsice.launchers import Scheduler
    >>> mine = Scheduler(
    ...     name="mine",
    ...     submit="mysub {script}",
    ...     cancel="mykill {jobs}",
    ...     queue="myjobs {user}",
    ...     job_id=r"job (\d+)",
    ...     line=r"(?P<job>\d+) (?P<state>\S+) (?P<name>\S+)",
    ...     header=("#MY -J {name}", "#MY -o {log}"),
    ...     resource="#MY -{name} {value}",
    ...     option="#MY {name} {value}",
    ... )
    >>> mine.names_jobs
    True
    """

    name: str
    submit: str
    cancel: str
    queue: str
    job_id: str
    line: str
    header: tuple[str, ...]
    resource: str
    option: str
    time: tuple[str, ...] = ()
    skip: str = ""
    full: str = ""
    over: tuple[str, ...] = ()
    array: str = ""
    index: str = ""
    element: str = "{job}_{index}"
    shell: str = "#!/bin/bash"
    never: str = ""
    too_large: str = ""
    find: tuple[str, ...] = ()
    gone: str = ""
    percent: str = "%"

    def __post_init__(self) -> None:
        compiled = {name: _compiled(name, getattr(self, name)) for name in _PATTERNS}
        if not compiled["job_id"].groups:
            raise OptionError(
                f"scheduler: job_id={self.job_id!r} needs a group that matches the id, "
                "such as r'([0-9]+)'"
            )
        if not {"job", "name", "state"} <= set(compiled["line"].groupindex):
            raise OptionError(
                f"scheduler: line={self.line!r} needs the groups "
                "(?P<job>...), (?P<name>...) and (?P<state>...)"
            )
        for name, needed in (("submit", "{script}"), ("cancel", "{jobs}"), ("resource", "{value}")):
            if needed not in getattr(self, name):
                raise OptionError(f"scheduler: {name}={getattr(self, name)!r} needs {needed}")
        for command in self.find:
            if "{job}" not in command:
                raise OptionError(f"scheduler: find={command!r} needs {{job}}")

    @property
    def names_jobs(self) -> bool:
        """Whether jobs have the names that their scripts give them, so that names tell of whom."""
        return any("{name}" in line for line in self.header)

    def element_id(self, job: str, index: int | None) -> str:
        """Id of one job of an array; of a plain job its own."""
        return job if index is None else self.element.format(job=job, index=index)

    def is_element(self, job: str, index: int | None) -> bool:
        """Whether `job` is number `index` of an array, or, without one, no job of an array."""
        if index is not None:
            return job.endswith(self.element_id("", index))
        pattern = re.escape(self.element).replace(r"\{job\}", ".+").replace(r"\{index\}", r"\d+")
        return not (self.array and re.fullmatch(pattern, job))


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise OptionError(
            f"scheduler: {name}={pattern!r} is no regular expression: {error}"
        ) from None


SLURM = Scheduler(
    name="slurm",
    submit="sbatch --parsable {script}",
    cancel="scancel {jobs}",
    queue="squeue --noheader --array --user={user} --format=%i|%t|%j",
    job_id=r"^(\d+)(?:;\S*)?\s*$",
    line=r"^(?P<job>\d+(?:[_+]\d+)?)\|(?P<state>\w+)\|(?P<name>.*)$",
    # --no-requeue: a job that Slurm puts back into the queue would run beside that of Batch
    header=(
        "#SBATCH --job-name={name}",
        '#SBATCH --output="{log}"',
        "#SBATCH --open-mode=append",
        "#SBATCH --no-requeue",
    ),
    resource="#SBATCH --{name}={value}",
    option="#SBATCH {name} {value}",
    time=("time", "--time", "-t"),
    full=(
        r"(?i)job submit limit|SubmitJob\w*Limit|submit limit|violates accounting/QOS policy|"
        r"temporarily unable|Resource temporarily unavailable|Socket timed out|"
        r"Unable to contact slurm|Zero Bytes were transmitted|in standby mode|"
        r"not available \(inactive or drain\)|error writing script"
    ),
    over=("CD", "F", "CA", "TO", "NF", "OOM", "BF", "DL", "PR", "RV"),
    array="#SBATCH --array=0-{last}",
    index="SLURM_ARRAY_TASK_ID",
    # the reasons of limits, but not those of the number of jobs, which others leave again
    never=(
        r"\b(?:QOS|Assoc)(?:Max|Min|Grp)(?!\w*(?:Submit|JobsPer|JobsLimit))\w+|"
        r"\b(?:QOS|Association)(?:Time|Resource)Limit|\bQOSNotAllowed|"
        r"\bPartition(?:Time|Node)Limit|\bInvalid(?:Account|QOS)|"
        r"(?i:Requested (?:time|node|partition)|(?:Invalid|Unknown) (?:account|qos|partition)|"
        r"User's group not permitted|Node count specification|Memory specification|"
        r"CPU count (?:per node|specification)|More processors requested)"
    ),
    too_large=r"(?i)Invalid job array specification|MaxArraySize",
    find=("squeue --noheader --array --states=all --jobs={job} --format=%i|%t|%j",),
    gone=r"(?i)Invalid job id",
    percent="%%",
)

# Fujitsu Technical Computing Suite; users often may not use bulk jobs, so there are no arrays
PJM = Scheduler(
    name="pjm",
    submit="pjsub {script}",
    cancel="pjdel {jobs}",
    queue="pjstat --choose jid,st,jnam",
    job_id=r"pjsub Job (\d+) submitted",
    # bulk jobs and steps of other programs are jobs, too
    line=r"^(?P<job>\d+(?:\[\d*\]|_\d+)?)\s+(?P<state>[A-Z]{3})\s+(?P<name>\S+)\s*$",
    header=("#PJM -N {name}", '#PJM -o "{log}"', "#PJM -j"),
    resource='#PJM -L "{name}={value}"',
    option="#PJM {name} {value}",
    time=("elapse",),
    skip=r"^\s*JOB_ID\b|^\[INFO\]|^\s*(?:ACCEPT|QUEUED|s)\s",
    full=(
        r"(?i)(?:number of (?:accepted |submitted )?jobs|job limit|jobs?-accept)"
        r".*(?:exceed|limit|upper)|exceed.*number of jobs"
    ),
    over=("EXT", "CCL", "RJT", "ERR"),
    never=(
        r"(?i)is (?:greater|larger|less|smaller) than the (?:upper|lower) limit|"
        r"(?:no|not have) permission|not permitted|does not exist"
    ),
    find=("pjstat --choose jid,st,jnam {job}", "pjstat -H --choose jid,st,jnam {job}"),
    gone=r"(?i)job\S*\s.*(?:does not exist|not found)|no such job",
)

# PBS Professional and OpenPBS; the short ids of Torque are read, too
PBS = Scheduler(
    name="pbs",
    submit="qsub {script}",
    cancel="qdel {jobs}",
    queue="qstat",
    job_id=r"^(\d+)(?:\.\S+)?\s*$",
    # the plain format, or that of `qstat -u`, which has the user and the queue before the name
    line=(
        r"^(?P<job>\d+(?:\[\d*\])?)(?:\.\S*)?\*?\s+(?:(?=(?:\S+\s+){9}\S+\s*$)\S+\s+\S+\s+)?"
        r"(?P<name>\S+)\s+(?:\S+\s+){2,}(?P<state>[A-Z])\s+\S+\s*$"
    ),
    header=("#PBS -N {name}", '#PBS -o "{log}"', "#PBS -j oe", "#PBS -r n"),
    resource="#PBS -l {name}={value}",
    option="#PBS {name} {value}",
    time=("walltime",),
    skip=r"^Job [Ii][Dd]\s|^\s*-+\s|^\S+:\s*$|^\s*Req'd\s",
    full=(
        r"(?i)would exceed|maximum number of jobs|queue limit on number of jobs|"
        r"cannot be accepted at this time"
    ),
    over=("F", "C", "X"),
    never=(
        r"(?i)(?:exceeds?|violates) (?:the )?(?:queue|server)(?: and/or (?:queue|server))? "
        r"resource limits|unknown queue|unauthorized|illegal attribute|access to queue is denied"
    ),
    find=("qstat {job}", "qstat -x {job}"),
    gone=r"(?i)unknown job|job has finished",
)

BUILT_IN = {scheduler.name: scheduler for scheduler in (SLURM, PJM, PBS)}


def find_scheduler(given: str | Mapping[str, Any] | Scheduler) -> Scheduler:
    """The scheduler that `given` stands for: a name, a mapping of templates, or a `Scheduler`.

    Templates may start from a built-in scheduler:
    ``{"base": "slurm", "submit": "ssh login sbatch ..."}``.

    Raises
    ------
    OptionError
        An unknown name or template, or a template that is missing.
    """
    if isinstance(given, Scheduler):
        return given
    if isinstance(given, str):
        if given not in BUILT_IN:
            raise OptionError(
                f"scheduler must be one of {', '.join(BUILT_IN)}, a Scheduler or a mapping of "
                f"templates, got {given!r}"
            )
        return BUILT_IN[given]
    if not isinstance(given, Mapping):
        raise OptionError(
            "scheduler must be a name, a Scheduler or a mapping of templates, "
            f"got {type(given).__name__} {given!r}"
        )
    return _from_templates(dict(given))


def _from_templates(templates: dict[str, Any]) -> Scheduler:
    """A scheduler of the user's own."""
    known = [field.name for field in fields(Scheduler)]
    base = templates.pop("base", None)
    unknown = [name for name in templates if name not in known]
    if unknown:
        raise OptionError(
            f"scheduler: unknown template {unknown[0]!r}; known: base, {', '.join(known)}"
        )
    for name, value in templates.items():
        several = name in _LISTS
        if several and (isinstance(value, str) or not all(isinstance(v, str) for v in value)):
            raise OptionError(f"scheduler: {name} must be a list of strings, got {value!r}")
        if not several and not isinstance(value, str):
            raise OptionError(f"scheduler: {name} must be a string, got {value!r}")
        templates[name] = tuple(value) if several else value
    if base is not None:
        return replace(find_scheduler(base), **templates)
    missing = [name for name in known[1:9] if name not in templates]
    if missing:
        raise OptionError(
            f"scheduler: the template {missing[0]!r} is missing; "
            f"give all of {', '.join(known[1:9])}, or base='slurm'"
        )
    return Scheduler(**{"name": "own", **templates})
