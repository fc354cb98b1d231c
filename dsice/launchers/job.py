"""What goes into a launcher, `Job`, and what comes out, `Result` and `Step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PREPARED = "DSICE_PREPARED"
"""Variable of the environment that holds a prepared directory."""


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
    """

    identity: str
    journal: str | None = None
    parameters: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


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

    @property
    def needs(self) -> tuple[str, ...]:
        """The metrics that the goal of its study needs, its own first; empty: unknown."""
        return () if self.study is None else self.study.metrics

    @property
    def variables(self) -> dict[str, str]:
        """Variables of the environment that name the prepared directories.

        ``DSICE_PREPARED`` where there is one, else ``DSICE_PREPARED_<NAME>`` for each.
        """
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
    """A point of a running trial's learning curve."""

    id: int
    step: int
    value: float
