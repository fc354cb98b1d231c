"""run and minimize: a tuner's points through a launcher, until nothing is left.

With `dsice.running.loop` the only place that knows both sides. What they need is imported when
they are called, so that the names cost nothing in ``import dsice``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

from dsice.errors import OptionError

if TYPE_CHECKING:
    from dsice.launchers.base import LauncherLike
    from dsice.running.options import Work
    from dsice.space import Space
    from dsice.trial import Trial
    from dsice.tuner import Axes, Tuner


def run(
    tuner: Tuner,
    launcher: LauncherLike,
    *,
    mode: Literal["async", "rounds"] = "async",
    max_trials: int | None = None,
    max_seconds: float | None = None,
    max_cost: float | None = None,
    retries: int = 1,
    prepare: Work | Mapping[str, Work] | None = None,
    confirm: int = 0,
    callbacks: Sequence[Callable[[Tuner, Trial], object]] = (),
    progress: bool = True,
) -> Tuner:
    """Tune: ask, launch, collect, tell, until the search is finished or the budget is used.

    Parameters
    ----------
    tuner, launcher
        Who proposes the points, and where they run.
    mode
        ``"async"`` asks for a point whenever a slot is free; ``"rounds"`` asks a batch of as
        many as there are slots and waits for all of it.
    max_trials
        Stop asking once the tuner has asked that many in all, earlier runs included.
    max_seconds
        Stop asking after that many seconds of this call; what runs is still awaited.
    max_cost
        Worker-hours: stop asking when the run times of all trials, earlier runs included, add up to so much. What runs
        counts with the mean of the told ones.
    retries
        How often a lost trial (the machine's fault) is started again before it counts as failed.
    prepare
        What all trials depend on, run once, before the first of them, through the same launcher: a function without
        arguments, a shell command, or a mapping of names to several. It writes to its directory ``$DSICE_DIR``, which trials
        find as ``$DSICE_PREPARED`` (of several: ``$DSICE_PREPARED_NAME``), and functions also as their argument ``prepared``
        (of several: a mapping). The journal has it: a run that goes on does not repeat it.
    confirm
        When the search is over, measure the so many best points once more as trials of the next stage (``$DSICE_STAGE`` is 1
        where the goal's is 0), for which the program trains in full. `Tuner.confirmation` has them, beside the rank
        correlation between short and full. They come on top of max_trials, max_seconds and max_cost.
    callbacks
        Called with (tuner, trial) after each told trial.
    progress
        Show trials done and running, the best and the time left on the terminal.

    Returns
    -------
    Tuner
        The same tuner, for chaining.

    Raises
    ------
    OptionError
        An argument of the wrong kind, an unknown mode, or a number out of range.
    JournalError
        The journal cannot be written (a full disk), and what was running has ended. Until then nothing new is started, what
        runs goes on, and the journal is tried again; results in hand are in a file that the message names.
    LaunchError
        The launcher cannot start anything, a preparation failed, or its directory has vanished. Failed trials never raise;
        when all failed, a `DsiceWarning` says so.

    Notes
    -----
    Trials that an earlier coordinator left running are taken over where the launcher can,
    and started again where it cannot. When this function leaves by an exception (Ctrl-C
    too) the launcher is closed; the journal holds everything told, and the same script goes on.
    """
    from dsice.running.loop import Loop, warn_without_value
    from dsice.running.options import Plan, check
    from dsice.running.preparing import prepared
    from dsice.running.progress import Progress

    launcher = check(tuner, launcher)
    plan = Plan(mode, max_trials, max_seconds, max_cost, retries, prepare, confirm, callbacks)
    try:
        loop = Loop(tuner, launcher, plan, prepared(tuner, launcher, plan))
        total = max_trials or tuner.max_trials
        with Progress(tuner, total and total + confirm) if progress else nullcontext() as display:
            loop.attach()
            while loop.fill():
                loop.collect()
                if display is not None:
                    display.update(len(loop.running))
    except BaseException:
        launcher.close()
        raise
    warn_without_value(tuner)
    if confirm and progress:
        print(tuner.confirmation, file=sys.stderr)
    return tuner


def advance(
    tuner: Tuner,
    launcher: LauncherLike,
    *,
    seconds: float = 0.0,
    mode: Literal["async", "rounds"] = "async",
    max_trials: int | None = None,
    max_seconds: float | None = None,
    max_cost: float | None = None,
    retries: int = 1,
    prepare: Work | Mapping[str, Work] | None = None,
    confirm: int = 0,
    callbacks: Sequence[Callable[[Tuner, Trial], object]] = (),
) -> bool:
    """A part of `run`: take up the jobs, tell what ended, start what fits, and leave them running.

    For a coordinator that may not stay: called from cron, a chained job, or the last line of each job.

    Parameters
    ----------
    tuner
        With a journal.
    launcher
        One whose jobs go on without it, such as `Batch`; it is let go of in the end (``detach``).
    seconds
        Stay so long, as `run` would; 0: look once.
    mode, max_trials, max_seconds, max_cost, retries, prepare, confirm, callbacks
        As in `run`.

    Returns
    -------
    bool
        Whether there is more to come: jobs wait or run.

    Raises
    ------
    OptionError
        The trials of `launcher` would end with this call, the tuner has no journal, or `seconds` is no time.
    LaunchError, JournalError
        As in `run`.
    """
    from dsice.running.loop import advanced
    from dsice.running.options import Plan, check

    if (
        isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0
    ):  # NaN neither
        raise OptionError(f"advance(seconds={seconds!r}): expected a number of seconds >= 0")
    kind = type(launcher).__name__
    launcher = check(tuner, launcher)
    if launcher.cannot_detach:
        raise OptionError(
            f"advance(launcher={kind}): {launcher.cannot_detach}; "
            "use a launcher whose jobs go on without it, such as Batch, or run()"
        )
    if tuner.journal is None:
        raise OptionError(
            "advance(tuner=...): nobody would remember the trials after this call; give the tuner a journal"
        )
    plan = Plan(mode, max_trials, max_seconds, max_cost, retries, prepare, confirm, callbacks)
    try:
        more = advanced(tuner, launcher, plan, seconds)
        launcher.detach()
    except BaseException:
        launcher.close()
        raise
    return more


def minimize(
    objective: Callable[..., Any],
    space: Space | Axes,
    *,
    workers: int | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    journal: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Tuner:
    """Minimise a Python function over a grid, `workers` processes at a time.

    Parameters
    ----------
    objective
        Called with the params as keyword arguments; returns a number, or a list of repeats.
    space
        Axes by name, or a `Space`.
    workers
        Processes at the same time; the number of cores by default.
    max_trials, max_seconds
        Budget; without one the whole grid is measured.
    journal
        File that makes the run resumable.
    seed
        Same seed, same first batch.

    Examples
    --------
    >>> from dsice import minimize
    >>> def cost(x, y):
    ...     return (x - 3) ** 2 + (y - 5) ** 2
    >>> minimize(cost, {"x": range(9), "y": range(9)}, max_trials=40, progress=False).best.params
    {'x': 3, 'y': 5}
    """
    from dsice.checks import whole
    from dsice.launchers.local.launcher import Local
    from dsice.tuner import Tuner

    if not callable(objective) or isinstance(objective, Mapping):
        raise OptionError(f"minimize(objective={objective!r}): expected a function of the params")
    if workers is not None:
        whole("minimize", "workers", workers, 1)
    tuner = Tuner(space, journal=journal, max_trials=max_trials, seed=seed)
    directory = None if journal is None else f"{os.fspath(journal)}.trials"
    with tuner, Local(objective, slots=workers, directory=directory) as launcher:
        return run(tuner, launcher, max_seconds=max_seconds, progress=progress)
