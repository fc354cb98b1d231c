"""What `Local` costs and survives, and what `Futures` on dask and ray survives.

    python benchmarks/launch/local.py             # about 1.5 minutes on 2 cores
    python benchmarks/launch/local.py --runs 1    # once instead of three times

Medians over the runs, beside the bar that each is held to; the exit code is 1 if one is missed. Engines that are not
installed are left out.

- at once: from the submission of 40 trials that sleep for 1 s to the last result;
- one at a time: from submission to result of a trial that does nothing, median of 20;
- coordinator: its processor time while 40 trials sleep for 4 s, as a share of one core;
- cancel: from `cancel` until no process of the trial is left (a shell, a child, one in a session of its own);
- killed worker: 40 trials of which one kills its own process with SIGKILL: how many of the other 39 have their value,
  lost ones submitted once more, as `run` does.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import psutil

from dsice.launchers import Futures, Job, Launcher, Local, Result

MANY = 40


@dataclass(frozen=True)
class Figure:
    """A measured figure and its bar, in the same unit."""

    name: str
    values: tuple[float, ...]
    unit: str
    bar: float
    least: bool = False  # the bar is a lower one

    @property
    def held(self) -> bool:
        middle = median(self.values)
        return middle >= self.bar if self.least else middle <= self.bar

    def __str__(self) -> str:
        span = f"{min(self.values):.3g} to {max(self.values):.3g}"
        sign = ">=" if self.least else "<="
        bar = f"{sign} {self.bar:g} {self.unit}"
        held = "yes" if self.held else "MISSED"
        return f"{self.name:<40} {median(self.values):>8.3g} {self.unit:<3} ({span:<16}) {bar:<10} {held}"


# ------------------------------------------------------------------ programs
def sleeps(i: int) -> float:
    time.sleep(1)
    return i


def nothing(i: int) -> float:
    return i


def kills(i: int) -> float:
    """Trial 7 kills its process."""
    time.sleep(0.05)
    if i == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


# ------------------------------------------------------------------ measurements
def collected(launcher: Launcher, n: int) -> list[Result]:
    """The next n results."""
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
    with Local(f"sleep {sign} & setsid sleep {sign} & echo {{i}} > /dev/null; sleep {sign}", slots=1) as launcher:
        launcher.submit(jobs([0]))
        while sum(sign in argument for p in psutil.process_iter() for argument in arguments(p)[1:2]) < 3:
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


def survivors(launcher: Launcher) -> float:
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
    return float(sum(result.state == "done" and result.value == result.id for result in done.values()))


def killed(name: str) -> float:
    made = Local(kills, slots=MANY) if name == "Local" else Futures(kills, name, slots=3)
    with made as launcher:
        return survivors(launcher)


# ------------------------------------------------------------------ all of it
def figures(runs: int) -> list[Figure]:
    def times(name: str, measure: Callable[[], float], unit: str, bar: float, *, least: bool = False, n: int = runs) -> Figure:
        figure = Figure(name, tuple(measure() for _ in range(n)), unit, bar, least)
        print(figure, flush=True)
        return figure

    found = [
        times("at once, 40 x shell `sleep 1`", lambda: at_once("sleep 1; echo {i}"), "s", 2.5),
        times("at once, 40 x Python function, 1 s", lambda: at_once(sleeps), "s", 5.0),
        times("one at a time, shell `true`", lambda: one_at_a_time("true; echo {i}"), "ms", 60.0),
        times("one at a time, Python function", lambda: one_at_a_time(nothing), "ms", 150.0),
        times("coordinator, 40 trials running", coordinator, "%", 5.0),
        times("cancel a running trial", cancel, "s", 1.0),
        times("killed worker, Local: others measured", lambda: killed("Local"), "", 39.0, least=True, n=1),
    ]
    for name, module in (("dask", "distributed"), ("ray", "ray")):
        if importlib.util.find_spec(module) is None:
            print(f"killed worker, {name}: left out, {module} is not installed")
            continue
        label = f"killed worker, {name}: others measured"
        found.append(times(label, lambda name=name: killed(name), "", 39.0, least=True, n=1))  # type: ignore[misc]
    return found


def main() -> int:
    """Measure and print; the exit code of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often each figure is measured")
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    return 0 if all(figure.held for figure in figures(options.runs)) else 1


if __name__ == "__main__":  # dask's worker processes import this file
    sys.exit(main())
