"""What a launcher is: its hooks, what goes in (`Job`) and what comes out (`Result`, `Step`).

A launcher starts jobs and collects their results. It knows parameters, processes and files; it
never sees a tuner, a space or a journal. `Launcher` names everything that dsice may ask of one,
and `as_launcher` completes an object of the user's own. Below them are the checks that several
launchers share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self, cast, runtime_checkable

from dsice.checks import number, whole
from dsice.errors import LaunchError, OptionError

PREPARED = "DSICE_PREPARED"
"""Variable of the environment that holds a prepared directory."""

NO_DIRECTORY = "give the launcher a directory, as in Local(program, directory='study.trials')"
"""Why a launcher without a directory of the user's cannot keep what was prepared."""

ENDS_WITH_PROCESS = "its trials would end with this call"
"""Why most launchers cannot be left alone by `dsice.advance`."""

AT_THE_SAME_TIME = "how many trials run at the same time"
"""What slots are, for messages."""


@dataclass(frozen=True)
class Study:
    """The study that a job belongs to, so that a directory can tell one study from another.

    Attributes
    ----------
    identity
        Letters and digits that no other study has; the same after each restart.
    journal
        Path of its journal, to name it by; None: it has none.
    parameters
        Names of all its parameters; empty: unknown.
    conditional
        Those of them that are not active in every trial.
    metrics
        Names of the metrics that every trial has to give: that of the goal, then those with a
        bound; empty: unknown.
    values
        The values of its parameters, where they are to be checked.
    """

    identity: str
    journal: str | None = None
    parameters: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Job:
    """One thing to run: a trial, or a preparation that trials depend on.

    Attributes
    ----------
    id
        Id of the trial; names the job's directory.
    params
        Names and values of the active parameters, overrides applied.
    parent
        Id of the trial whose checkpoint this one continues, if any. Its directory is the job's
        ``DSICE_PARENT_DIR``; where that is gone the job is ``failed``.
    stage
        Fidelity or training stage of the trial.
    work
        Program that replaces the launcher's own one for this job.
    prepared
        Directories of the preparations that the job depends on, by name.
    study
        The study that it belongs to; None: unknown, the launcher is used without a tuner.
    again
        Whether an earlier try of it counts for nothing, so that what that one left is removed.
    tries
        How often the trial was retried; what an earlier try left is put aside.

    Examples
    --------
    >>> Job(3, {"lr": 0.1}, parent=1).params
    {'lr': 0.1}
    """

    id: int
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["trial", "prepare"] = "trial"
    parent: int | None = None
    stage: int = 0
    work: Callable[..., Any] | str | None = None
    prepared: Mapping[str, str] = field(default_factory=dict)
    study: Study | None = None
    again: bool = False
    tries: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        """The metrics that the goal of its study needs, its own first; empty: unknown."""
        return () if self.study is None else self.study.metrics

    @property
    def variables(self) -> dict[str, str]:
        """Variables for the prepared ones: DSICE_PREPARED, of several DSICE_PREPARED_<NAME>."""
        if len(self.prepared) == 1:
            return {PREPARED: next(iter(self.prepared.values()))}
        return {
            f"{PREPARED}_{name.upper()}": directory for name, directory in self.prepared.items()
        }


@dataclass(frozen=True)
class Result:
    """How a job ended.

    Attributes
    ----------
    state
        ``done``, ``failed`` (the program's fault), ``timed_out``, ``invalid`` (ran, wrong
        result), ``lost`` (the machine's fault), ``stopped`` (cancelled), or ``unstarted``: the
        machine could not start it or keep what it gave (disk full, no processes or files left), so
        it is not told; `run` waits and starts it again, which counts for nothing.
    value
        The objective where the program gave a single number (or a list of repeats); None where
        it gave named metrics.
    metrics
        Named numbers of the trial, or lists of repeats.
    tags
        What else the program gave, as JSON.
    seconds
        Run time, without the wait in a queue.
    times
        Unix times (queued, started, ended); None where unknown.
    error
        What went wrong and where to look, for every state but ``done``.
    where
        ``{"host": ..., "pid": ..., "log": ...}`` as far as known; of a preparation its
        ``directory``.

    Examples
    --------
    >>> Result(3, "done", metrics={"loss": 0.25}, seconds=12.0).state
    'done'
    """

    id: int
    state: str
    value: float | list[float] | None = None
    metrics: Mapping[str, float | list[float]] = field(default_factory=dict)
    seconds: float | None = None
    times: tuple[float | None, float | None, float | None] = (None, None, None)
    error: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A point of a running trial's learning curve.

    >>> Step(3, step=10, value=0.5).value
    0.5
    """

    id: int
    step: int
    value: float


class LauncherLike(Protocol):
    """The six methods that a launcher cannot do without.

    An object of the user's own that has these alone can be given to `run`: `as_launcher` adds the
    other hooks of `Launcher`, each with its default.

    >>> from dsice.launchers import Local
    >>> Local("echo 1", slots=2).slots
    2
    """

    @property
    def slots(self) -> int:
        """How many jobs run at the same time."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start jobs; at most as many as slots are free."""

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Ids of those jobs that an earlier coordinator started and that run or left a result."""

    def collect(self, timeout: float = 0.0) -> Iterable[Result | Step]:
        """What happened since the last call; waits up to `timeout` seconds for something."""

    def cancel(self, id: int) -> None:
        """End a running job with all its processes; its result comes with state ``stopped``."""

    def close(self) -> None:
        """Release everything; a second call does nothing."""


@runtime_checkable
class Launcher(LauncherLike, Protocol):
    """All that dsice asks of a launcher: the six methods of `LauncherLike` and hooks with defaults.

    A class that inherits from this one has the defaults. An attribute ``cannot_...`` says why
    something is not possible, as part of the text of an error; empty: it is possible.

    >>> from dsice.launchers import Local
    >>> isinstance(Local("echo 1"), Launcher)
    True
    """

    cannot_step: str = ""
    """Why the jobs bring no `Step`, so that no stopper can decide; default: they bring them."""

    cannot_continue: str = ""
    """Why no job can continue the checkpoint of another (`Job.parent`); default: jobs can."""

    cannot_keep: str = ""
    """Why the directories of jobs end with this process; default: they outlive it."""

    cannot_attach: str = ""
    """Why results that were not collected end with this process; default: `attach` finds them."""

    cannot_detach: str = ENDS_WITH_PROCESS
    """Why the jobs cannot go on without this process.

    Default: `close` ends them, unless the class has a `detach` of its own.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "detach" in vars(cls) and "cannot_detach" not in vars(cls):
            cls.cannot_detach = ""

    def accept(self, study: Study) -> object:
        """Get ready for the jobs of a study, before the first of them is made; default: nothing.

        Raises
        ------
        LaunchError
            It cannot run them: its directory is another study's, for example.
        OSError
            Something cannot be used now, which `submit` will find out, too.
        """
        return None

    def detach(self) -> None:
        """Release everything and leave the jobs alone, without a word; default: `close`."""
        self.close()

    def stop(self, ids: Sequence[int]) -> list[int]:
        """End trials that any coordinator started here; those that ran; default: none."""
        return []

    def queued(self) -> int | None:
        """How many jobs of this user a scheduler has; default: None, there is no scheduler."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Adapted(Launcher):
    """An object with the six methods; hooks that it has, too, are set here as attributes."""

    def __init__(self, given: LauncherLike) -> None:
        self._given = given

    @property
    def slots(self) -> int:
        return self._given.slots

    def submit(self, jobs: Sequence[Job]) -> None:
        self._given.submit(jobs)

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        return self._given.attach(jobs)

    def collect(self, timeout: float = 0.0) -> Iterable[Result | Step]:
        return self._given.collect(timeout)

    def cancel(self, id: int) -> None:
        self._given.cancel(id)

    def close(self) -> None:
        self._given.close()


_OPTIONAL = (
    *("cannot_step", "cannot_continue", "cannot_keep", "cannot_attach", "cannot_detach"),
    *("accept", "detach", "stop", "queued"),
)


def as_launcher(given: object) -> Launcher:
    """A launcher with all hooks: `given` itself, or `given` with the defaults of those it lacks.

    The only place that asks an object which hooks it has.

    Raises
    ------
    OptionError
        `given` is no launcher, but perhaps the program that one would run.
    """
    needed = all(hasattr(given, name) for name in ("submit", "collect", "slots"))
    if not needed or isinstance(given, type):
        raise OptionError(
            f"run(launcher={given!r}): expected a launcher such as Local(function), "
            "not the program itself"
        )
    if isinstance(given, Launcher):
        return given
    adapted = _Adapted(cast("LauncherLike", given))
    if hasattr(given, "detach"):
        adapted.cannot_detach = ""
    if hasattr(given, "directory") and given.directory is None:
        adapted.cannot_keep = NO_DIRECTORY
    for name in _OPTIONAL:
        hook = getattr(given, name, None)
        if isinstance(hook, str) if name.startswith("cannot_") else callable(hook):
            setattr(adapted, name, hook)
    return adapted


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slots(owner: str, value: int | None) -> int:
    """The option `slots` of a launcher; default: the cores that this process may use."""
    return cores() if value is None else count(owner, "slots", value)


def count(owner: str, name: str, value: object, what: str = AT_THE_SAME_TIME) -> int:
    """An option that is a whole number of at least 1; `what` says what it counts."""
    return whole(owner, name, value, 1, what)


def seconds(owner: str, name: str, value: object, least: float | None = None) -> float:
    """An option that is a number of seconds, of at least `least`; without `least`, more than 0."""
    if least is None:
        return number(owner, name, value, "a number of seconds > 0", above=0.0)
    return number(owner, name, value, f"a number of seconds >= {least:g}", least=least)


def study_of(jobs: Sequence[Job]) -> Study | None:
    """The study that all of `jobs` belong to; raises LaunchError where they are of several."""
    studies = {job.study for job in jobs}
    if len(studies) > 1:
        raise LaunchError("jobs of several studies in one call; give each a launcher of its own")
    return studies.pop() if studies else None


def check_startable(jobs: Sequence[Job], running: Collection[int], free: int, slots: int) -> None:
    """Check that there is a free slot for each of `jobs` and that none of their ids is running.

    Parameters
    ----------
    running
        Ids of the jobs that have no result yet.
    free, slots
        How many slots have nothing to do, and how many there are.

    Raises
    ------
    LaunchError
        More jobs than free slots; an id that comes twice or is running.
    """
    if len(jobs) > free:
        raise LaunchError(
            f"{len(jobs)} jobs submitted and {free} of {slots} slots free; "
            "collect results first, or raise slots="
        )
    ids = [job.id for job in jobs]
    twice = sorted({id for id in ids if id in running or ids.count(id) > 1})
    if twice:
        raise LaunchError(
            f"trial {twice[0]} is running already; "
            "an id can be submitted again after its result was collected"
        )
