"""What `Local` costs and survives, and what `Futures` on dask and ray survives; about a minute.

- at once: from the submission of 40 trials that sleep for 1 s to the last result;
- one at a time: from submission to result of a trial that does nothing, median of 20;
- coordinator: its processor time while 40 trials sleep for 4 s, as a share of one core;
- cancel: from `cancel` until no process of the trial is left
  (a shell, a child, a process in a session of its own);
- killed worker: 40 trials, one of which kills its own process with SIGKILL; how many of the other
  39 have their value, where lost ones are submitted once more, as `run` does.

Engines that are not installed are left out.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from statistics import median

import psutil

from benchmarks.launch import programs
from benchmarks.launch.bars import Bar, at_most
from dsice.launchers import Futures, Job, Launcher, Local, Result

MANY = 40


# ------------------------------------------------------------------ measurements
def collected(launcher: Launcher, n: int) -> list[Result]:
    """The next `n` results."""
    results: list[Result] = []
    while len(results) < n:
        results += [event for event in launcher.collect(5.0) if isinstance(event, Result)]
    return results


def jobs(ids: Sequence[int]) -> list[Job]:
    return [Job(i, {"i": i}) for i in ids]


def at_once(program: Callable[..., float] | str) -> float:
    with Local(program, slots=MANY) as launcher:
        start = time.perf_counter()
        launcher.submit(jobs(range(MANY)))
        results = collected(launcher, MANY)
        seconds = time.perf_counter() - start
    if any(result.value != result.id for result in results):
        raise RuntimeError(f"wrong results: {results}")
    return seconds


def one_at_a_time(program: Callable[..., float] | str, n: int = 20) -> float:
    """Milliseconds."""
    seconds = []
    with Local(program, slots=1) as launcher:
        for i in range(n):
            start = time.perf_counter()
            launcher.submit(jobs([i]))
            collected(launcher, 1)
            seconds.append(time.perf_counter() - start)
    return 1e3 * median(seconds)


def coordinator() -> float:
    """Percent of a core."""
    with Local("sleep 4; echo {i}", slots=MANY) as launcher:
        launcher.submit(jobs(range(MANY)))
        start, busy = time.perf_counter(), time.process_time()
        collected(launcher, MANY)
        return 100 * (time.process_time() - busy) / (time.perf_counter() - start)


def cancel() -> float:
    """Seconds."""
    sign = f"3600.{os.getpid():07d}"
    with Local(
        f"sleep {sign} & setsid sleep {sign} & echo {{i}} > /dev/null; sleep {sign}", slots=1
    ) as launcher:
        launcher.submit(jobs([0]))
        while (
            sum(sign in argument for p in psutil.process_iter() for argument in arguments(p)[1:2])
            < 3
        ):
            time.sleep(0.05)
        tree = psutil.Process().children(recursive=True)
        start = time.perf_counter()
        launcher.cancel(0)
        while any(alive(process) for process in tree):
            launcher.collect(0.005)
        return time.perf_counter() - start


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def survivors(launcher: Launcher) -> int:
    """How many of the other 39 trials have their value."""
    waiting, done, running = list(range(MANY)), {}, 0
    again: set[int] = set()
    while waiting or running:
        new, waiting = waiting[: launcher.slots - running], waiting[launcher.slots - running :]
        launcher.submit(jobs(new))
        running += len(new)
        for result in collected(launcher, 1):
            running -= 1
            if result.state == "lost" and result.id not in again:
                again.add(result.id)
                waiting.append(result.id)
            else:
                done[result.id] = result
    bad = done.pop(7)
    if bad.state not in ("lost", "failed") or not bad.error:
        raise RuntimeError(f"the killed trial came back as {bad}")
    return sum(result.state == "done" and result.value == result.id for result in done.values())


def killed(name: str) -> Bar:
    made = (
        Local(programs.kills, slots=MANY)
        if name == "Local"
        else Futures(programs.kills, name, slots=3)
    )
    with made as launcher:
        others = survivors(launcher)
    label = "Local" if name == "Local" else f"Futures, {name}"
    return Bar(
        "one of 40 trials kills its worker",
        label,
        f"other {MANY - 1} measured",
        str(others),
        others == MANY - 1,
    )


# ------------------------------------------------------------------ all measurements
def measure() -> list[Bar]:
    """All figures: times are medians of three runs; counts of trials are from one run."""

    def three(what: str, figure: Callable[[], float], limit: float, unit: str = "s") -> Bar:
        return at_most(what, "Local", limit, [figure() for _ in range(3)], unit)

    bars = [
        three("40 at once, shell `sleep 1`", lambda: at_once("sleep 1; echo {i}"), 2.5),
        three("40 at once, Python function, 1 s", lambda: at_once(programs.sleeps), 5.0),
        three(
            "no-op one at a time, shell `true`", lambda: one_at_a_time("true; echo {i}"), 60.0, "ms"
        ),
        three(
            "no-op one at a time, Python function",
            lambda: one_at_a_time(programs.nothing),
            150.0,
            "ms",
        ),
        three("coordinator while 40 trials run", coordinator, 5.0, "% of a core"),
        three("cancel a running trial, tree gone", cancel, 1.0),
        killed("Local"),
    ]
    for name, module in (("dask", "distributed"), ("ray", "ray")):
        if importlib.util.find_spec(module) is None:
            print(
                f"one trial kills its worker, {name}: left out, {module} is not installed",
                flush=True,
            )
        else:
            bars.append(killed(name))
    return bars
