"""The virtual clock of `Table`: workers are busy for the logged run times, and nobody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from dsice.checks import flag
from dsice.errors import OptionError
from dsice.launchers.base import Result, Step, count, seconds
from dsice.launchers.base import slots as checked_slots
from dsice.typing import Curve


@dataclass(frozen=True)
class Clock:
    """What a virtual clock shows at one moment.

    Attributes
    ----------
    workers
        How many trials run at a time.
    elapsed
        Seconds since the start of the replay.
    busy
        Worker-seconds that trials have run so far: the sum of their run times, of running trials
        the part until now.
    asking
        Seconds that asking and telling took, part of `elapsed`; 0 unless the table counts them
        (``overhead=True``).
    idle
        Worker-seconds without a trial while trials were asked and told.

    Examples
    --------
    >>> from dsice.launchers import Clock
    >>> Clock(workers=4, elapsed=100.0, busy=300.0).speedup
    3.0
    """

    workers: int
    elapsed: float = 0.0
    busy: float = 0.0
    asking: float = 0.0
    idle: float = 0.0

    @property
    def utilisation(self) -> float:
        """Share of the worker-seconds in which a trial ran; NaN before time has passed."""
        return self._of(self.busy, self.elapsed * self.workers)

    @property
    def speedup(self) -> float:
        """Time of one worker for the same trials, over `elapsed`; NaN before time has passed."""
        return self._of(self.busy, self.elapsed)

    @property
    def idle_asking(self) -> float:
        """Share of the worker-seconds in which a worker waited for a trial to be asked."""
        return self._of(self.idle, self.elapsed * self.workers)

    @staticmethod
    def _of(part: float, whole: float) -> float:
        return part / whole if whole > 0 else float("nan")


@dataclass(frozen=True)
class _Run:
    """A trial on a worker, whose end is known from the start.

    Attributes
    ----------
    seconds
        Its run time.
    start, end
        When it starts and ends on the virtual clock.
    shown
        How many steps of its curve were collected.
    """

    result: Result
    seconds: float
    start: float
    end: float
    curve: Curve = ()
    shown: int = 0

    def moment(self, place: int) -> float:
        """When the step at that place of the curve comes.

        Steps are spread evenly over the run time; the last comes at its end.
        """
        if place == len(self.curve) - 1:
            return self.end
        first, step, last = self.curve[0][0], self.curve[place][0], self.curve[-1][0]
        done = (step + 1) / (last + 1) if first == 0 else step / last
        return min(self.start + self.seconds * done, self.end)

    @property
    def next(self) -> float:
        """When a step or the result is to be collected next."""
        return self.moment(self.shown) if self.shown < len(self.curve) else self.end

    def until(self, now: float) -> float:
        """Seconds that it has run by `now`."""
        return self.seconds if self.end <= now else now - self.start


class VirtualClock:
    """Workers on a virtual clock: each is free, or runs a trial whose end is known.

    Time passes in two ways: `collect` goes on to the next end of a trial, and with `overhead` the
    real seconds from the return of `collect` to the next `start` are added, while trials run on.
    """

    def __init__(self, workers: int, *, overhead: bool) -> None:
        self._workers, self._overhead = workers, overhead
        self._running: dict[int, _Run] = {}  # in the order of their starts
        self.restart()

    def restart(self) -> None:
        """Set the clock back to 0, with nothing running."""
        self._running.clear()
        self._now = self._ended = self._asking = self._idle = 0.0
        self._returned: float | None = None  # real time at which collect returned

    @property
    def free(self) -> int:
        """How many workers have nothing to do now."""
        return len(self._free())

    @property
    def ids(self) -> list[int]:
        """Trials whose result was not collected."""
        return list(self._running)

    def _free(self) -> list[int]:
        taken = {
            int(run.result.where["worker"]) for run in self._running.values() if run.end > self._now
        }
        return [worker for worker in range(self._workers) if worker not in taken]

    def start(self, results: Sequence[Result], curves: Sequence[Curve]) -> None:
        """Let trials run, on the free workers in ascending order; at most as many as are `free`."""
        self._count_asking()
        for result, curve, worker in zip(results, curves, self._free(), strict=False):
            seconds, where = result.seconds or 0.0, {**result.where, "worker": str(worker)}
            self._running[result.id] = _Run(
                replace(result, where=where), seconds, self._now, self._now + seconds, curve
            )

    def _count_asking(self) -> None:
        if not self._overhead or self._returned is None:
            return
        before, real = self._now, perf_counter() - self._returned
        self._now += real
        self._asking += real
        worked = sum(max(0.0, min(run.end, self._now) - before) for run in self._running.values())
        # workers that became free meanwhile had to wait for the rest of the time
        self._idle += self._workers * real - worked
        self._returned = None

    def collect(self) -> list[Result | Step]:
        """Steps and trials that are over by now, else those of the next moment with any."""
        if self._running:
            self._now = max(self._now, min(run.next for run in self._running.values()))
        steps = self._steps()
        over = [run for run in self._running.values() if run.end <= self._now]
        over.sort(key=lambda run: run.end)
        for run in over:
            del self._running[run.result.id]
            self._ended += run.seconds
        self._returned = perf_counter()
        return [
            *steps,
            *(replace(run.result, times=(run.start, run.start, run.end)) for run in over),
        ]

    def _steps(self) -> list[Step]:
        """The steps that came by now and were not collected before, in order of time."""
        found: list[tuple[float, Step]] = []
        for id, run in self._running.items():
            shown = run.shown
            while shown < len(run.curve) and run.moment(shown) <= self._now:
                found.append((run.moment(shown), Step(id, *run.curve[shown])))
                shown += 1
            if shown > run.shown:
                self._running[id] = replace(run, shown=shown)
        return [step for _, step in sorted(found, key=lambda item: item[0])]

    def cancel(self, id: int) -> None:
        """End a running trial now; one that is over stays as it is."""
        run = self._running.get(id)
        if run is not None and run.end > self._now:
            ran = self._now - run.start
            result = Result(id, "stopped", seconds=ran, error="cancelled", where=run.result.where)
            self._running[id] = _Run(result, ran, run.start, self._now)

    def close(self) -> None:
        """Forget what runs; the clock stops."""
        self._ended = self._busy()
        self._running.clear()

    def _busy(self) -> float:
        return self._ended + sum(run.until(self._now) for run in self._running.values())

    def read(self) -> Clock:
        """What the clock shows now."""
        return Clock(self._workers, self._now, self._busy(), self._asking, self._idle)


def check_clock(overhead: bool, scale: float | None, *, timed: bool) -> None:
    """Check the options of `Table` that are about its virtual clock.

    Raises
    ------
    OptionError
        They are of the wrong kind, or there is no clock.
    """
    flag("Table", "overhead", overhead)
    if scale is not None:
        seconds("Table", "scale", scale)
    if not timed and (overhead or scale is not None):
        name = f"overhead={overhead}" if overhead else f"scale={scale}"
        raise OptionError(
            f"{name} is about the virtual clock; give clock=True too, or leave it out"
        )


def slots_of(slots: int | None, workers: int | None, *, timed: bool) -> int:
    """How many trials are answered at a time."""
    if workers is not None:
        if slots not in (None, workers):
            raise OptionError(
                f"slots={slots!r} and workers={workers!r}: the workers are the slots; "
                "leave one of them out"
            )
        return count("Table", "workers", workers)
    if timed and slots is None:
        raise OptionError("clock=True is about workers of a virtual clock: give slots=, too")
    return checked_slots("Table", _SLOTS if slots is None else slots)


_SLOTS = 1000  # by default


class ImmediateClock:
    """The same without a clock: every trial is over when it starts, or after its steps."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._ready: dict[int, Result] = {}
        self._curves: dict[int, list[tuple[int, float]]] = {}  # steps to come, the next one last

    @property
    def free(self) -> int:
        """How many more trials can start now."""
        return self._slots - len(self._ready)

    @property
    def ids(self) -> list[int]:
        """Trials whose result was not collected."""
        return list(self._ready)

    def start(self, results: Sequence[Result], curves: Sequence[Curve]) -> None:
        """Let trials start, and end at once."""
        self._ready.update((result.id, result) for result in results)
        self._curves.update(
            (result.id, list(reversed(curve)))
            for result, curve in zip(results, curves, strict=True)
            if curve
        )

    def collect(self) -> list[Result | Step]:
        """The next step of every trial with a curve, and the results of the others."""
        steps = [Step(id, *curve.pop()) for id, curve in self._curves.items()]
        self._curves = {id: curve for id, curve in self._curves.items() if curve}
        over = [id for id in self._ready if id not in self._curves]
        return [*steps, *(self._ready.pop(id) for id in over)]

    def cancel(self, id: int) -> None:
        """End a trial whose result was not collected as ``stopped``."""
        if id in self._ready:
            self._curves.pop(id, None)
            self._ready[id] = Result(id, "stopped", error="cancelled", where=self._ready[id].where)

    def restart(self) -> None:
        """Forget everything."""
        self._ready.clear()
        self._curves.clear()

    def close(self) -> None:
        """Forget everything."""
        self.restart()
