"""`run`, `advance` and `minimize`: a tuner's trials through a launcher, until nothing is left.

They check their arguments and hand over to `dsice.running.loop`. What they need is imported when
they are called, so that the names cost nothing in ``import dsice``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dsice.goal import Goal
    from dsice.launchers.base import LauncherLike
    from dsice.running.options import Callback, Work
    from dsice.space import Space
    from dsice.tuner import Axes, Tuner
    from dsice.tuner.reusing import Reusable
    from dsice.typing import PathLike


def run(
    tuner: Tuner,
    launcher: LauncherLike,
    *,
    mode: Literal["async", "rounds"] = "async",
    max_trials: int | None = None,
    max_seconds: float | None = None,
    max_cost: float | None = None,
    retries: int = 1,
    start_timeout: float = 600.0,
    stop_after_failures: int | None = None,
    prepare: Work | Mapping[str, Work] | None = None,
    confirm: int = 0,
    repeats: int = 1,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Tuner:
    """Tune: ask, launch, collect, tell, until the search is finished or the budget is used.

    Parameters
    ----------
    tuner, launcher
        What proposes the points, and what runs them.
    mode
        ``"async"`` asks for a point whenever a slot is free; ``"rounds"`` asks a batch of as
        many as there are slots and waits for all of it.
    max_trials
        Stop asking once the tuner has asked that many in all, earlier runs included.
    max_seconds
        Stop asking after that many seconds of this call; what runs is still awaited.
    max_cost
        Worker-hours: stop asking when the run times of all trials that this study ran, earlier
        runs included, add up to that many; added ones do not count. A trial that runs counts with
        the mean of those told.
    retries
        How often a lost trial (the machine's fault) is started again before it counts as failed.
    start_timeout
        Seconds of patience with a machine that can start no trial, because the disk is full or no
        process, memory or file handle is left. Meanwhile nothing is told of what was not run and
        nothing new is asked, what runs goes on, and starting is tried again after 1 s, later every
        60 s. The same patience with a journal that cannot be written while nothing runs.
    stop_after_failures
        Where nothing in this study was ever measured: end with an error that says why when that
        many trials of this call, of two points at least, have ended in the same way (the same state
        and message, whatever its numbers). 0: never; None: twice the slots, and at least 5.
    prepare
        What all trials depend on, run once, before the first of them, through the same launcher:
        a function without arguments, a shell command, or a mapping of names to several of these.
        It writes to its directory ``$DSICE_DIR``, which trials find as ``$DSICE_PREPARED`` (of
        several: ``$DSICE_PREPARED_NAME``), and functions also as their argument ``prepared`` (of
        several: a mapping). The journal records it: a run that goes on does not repeat it.
    confirm
        When the search is over, measure that many of the best points, and the strategy's `start`,
        anew as trials of the next stage (``$DSICE_STAGE`` is 1 where the goal's is 0), for which a
        program may train in full. `Tuner.best` is then the best of these, and `Tuner.confirmation`
        has all of them, beside the rank correlation between short and full. They come on top of
        max_trials, max_seconds and max_cost.
    repeats
        How often each of these is measured.
    callbacks
        Functions, called with (tuner, trial) after each told trial; or objects with some of the
        methods ``asked(tuner, trials)``, ``started(tuner, trial)``, ``stepped(tuner, trial, step,
        value)``, ``told(tuner, trial)`` and ``finished(tuner)``. What a function raises ends the
        run. An object that raises is named, once, in a `DsiceWarning`, and the run goes on;
        KeyboardInterrupt ends it.
    progress
        Show trials done and running, the best and the time left on the terminal.

    Returns
    -------
    Tuner
        The same tuner, for chaining; its `end` says why nothing more was asked, and so does the
        journal.

    Raises
    ------
    OptionError
        An argument of the wrong kind, an unknown mode, or a number out of range.
    JournalError
        The journal cannot be written (a full disk) for `start_timeout` seconds, and what was
        running has ended. Until then nothing new is started, what runs goes on, and the journal is
        tried again; results in hand are in a file that the message names.
    LaunchError
        The launcher cannot start anything, the machine could not for `start_timeout` seconds, a
        preparation failed, or its directory has vanished; or the first trials all failed in the
        same way (`stop_after_failures`). Other failed trials never raise; when all failed, a
        `DsiceWarning` says so.

    Notes
    -----
    Trials that an earlier coordinator left running are taken over where the launcher can do that,
    and started again where it cannot. When this function leaves by an exception (Ctrl-C too) the
    launcher is closed; the journal holds everything told, and the same script goes on.

    Examples
    --------
    >>> from dsice import Tuner, run
    >>> from dsice.launchers import Local
    >>> tuner = Tuner({"x": [1, 2, 4], "y": [1, 2, 4]})
    >>> run(tuner, Local("echo $(({x} * {y}))", slots=2), max_trials=4, progress=False).best.value
    1.0
    """
    from dsice.running.loop import run_loop
    from dsice.running.options import RunOptions
    from dsice.running.progress import say_end

    options = RunOptions(
        mode=mode,
        max_trials=max_trials,
        max_seconds=max_seconds,
        max_cost=max_cost,
        retries=retries,
        start_timeout=start_timeout,
        stop_after_failures=stop_after_failures,
        prepare=prepare,
        confirm=confirm,
        repeats=repeats,
        callbacks=callbacks,
    )
    run_loop(tuner, launcher, options, progress=progress)
    if progress:
        say_end(tuner)
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
    start_timeout: float = 600.0,
    stop_after_failures: int | None = None,
    prepare: Work | Mapping[str, Work] | None = None,
    confirm: int = 0,
    repeats: int = 1,
    callbacks: Sequence[Callback] = (),
) -> bool:
    """A part of `run`: take up the jobs, tell what ended, start what fits, leave them running.

    For a coordinator that may not stay: called from cron, a chained job, or the last line of each
    job.

    Parameters
    ----------
    tuner
        With a journal.
    launcher
        One whose jobs go on without it, such as `Batch`; it is detached in the end.
    seconds
        How long to stay, as `run` would; 0: look once.
    mode, max_trials, max_seconds, max_cost, retries, start_timeout, prepare, confirm, repeats
        As in `run`.
    stop_after_failures
        As in `run`; what ended in earlier calls counts, too.
    callbacks
        As in `run`.

    Returns
    -------
    bool
        Whether there is more to come: jobs wait or run.

    Raises
    ------
    OptionError
        The trials of `launcher` would end with this call, the tuner has no journal, or `seconds`
        is no time.
    LaunchError, JournalError
        As in `run`.

    Examples
    --------
    >>> from dsice import Tuner, advance
    >>> from dsice.launchers import Batch
    >>> at_once = {"base": "slurm", "submit": "sh -c 'sh {script} >&2; echo 1'", "queue": "true"}
    >>> tuner = Tuner({"x": [1, 2]}, journal="run.jsonl")
    >>> advance(tuner, Batch("echo {x}", scheduler=at_once, array_size=0), seconds=60)
    False
    """
    from dsice.running.advancing import advance_loop
    from dsice.running.options import RunOptions

    options = RunOptions(
        mode=mode,
        max_trials=max_trials,
        max_seconds=max_seconds,
        max_cost=max_cost,
        retries=retries,
        start_timeout=start_timeout,
        stop_after_failures=stop_after_failures,
        prepare=prepare,
        confirm=confirm,
        repeats=repeats,
        callbacks=callbacks,
    )
    return advance_loop(tuner, launcher, options, seconds)


def minimize(
    objective: Callable[..., Any],
    space: Space | Axes,
    *,
    goal: Goal | None = None,
    start: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    slots: int | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    timeout: float | None = None,
    journal: PathLike | None = None,
    seed: int = 0,
    progress: bool = True,
    reuse: Iterable[Reusable] | None = None,
    workers: int | None = None,
) -> Tuner:
    """Optimise a Python function over a grid, in `slots` processes at a time.

    Parameters
    ----------
    objective
        Called with the params as keyword arguments; returns a number, a list of repeats, or a
        mapping of named metrics.
    space
        Axes by name, or a `Space`.
    goal
        What to optimise, such as ``Goal("accuracy", maximize=True)``; by default less of the number
        that the function returns is better.
    start
        Your current settings, or a list of them: measured first, and compared with.
    slots
        Processes at the same time; the number of cores by default.
    max_trials, max_seconds
        Budget; without one the search ends when nothing better is likely, or the grid is used up.
    timeout
        Seconds after which a trial is ended; it counts as failed.
    journal
        File that makes the run resumable.
    seed
        Same seed, same first batch.
    progress
        As in `run`.
    reuse
        Measurements of related tasks, as in `Tuner`.
    workers
        Deprecated name of `slots`.

    Returns
    -------
    Tuner
        With all trials. After Ctrl-C, too: a `DsiceWarning` says how to go on.

    Raises
    ------
    OptionError, SpaceError
        An argument of the wrong kind or out of range.
    JournalError, LaunchError
        As in `run`.

    Examples
    --------
    >>> from dsice import minimize
    >>> def cost(x, y):
    ...     return (x - 3) ** 2 + (y - 5) ** 2
    >>> space = {"x": range(9), "y": range(9)}
    >>> minimize(cost, space, slots=2, max_trials=20, progress=False).best.params
    {'x': 3, 'y': 5}
    """
    from dsice.checks import whole, wrong
    from dsice.launchers.local.launcher import Local
    from dsice.running.interrupted import keeping_results
    from dsice.running.loop import run_loop
    from dsice.running.options import RunOptions
    from dsice.running.progress import say_end
    from dsice.strategies import DSICE
    from dsice.tuner import Tuner

    if not callable(objective) or isinstance(objective, Mapping):
        raise wrong("minimize", "objective", objective, "a function of the params")
    if workers is not None:
        warnings.warn("minimize(workers=...) is now slots=...", DeprecationWarning, stacklevel=2)
        slots = workers if slots is None else slots
    if slots is not None:
        whole("minimize", "slots", slots, 1)
    options = RunOptions(max_seconds=max_seconds)
    strategy = None if start is None else DSICE(start=start)
    tuner = Tuner(
        space, strategy, goal=goal, journal=journal, max_trials=max_trials, seed=seed, reuse=reuse
    )
    directory = None if journal is None else f"{os.fspath(journal)}.trials"
    with (
        keeping_results(tuner, objective),
        tuner,
        Local(objective, slots=slots, timeout=timeout, directory=directory) as launcher,
    ):
        run_loop(tuner, launcher, options, progress=progress)  # as `run` does
        if progress:
            say_end(tuner)
    return tuner
