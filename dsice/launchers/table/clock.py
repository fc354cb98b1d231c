"""The virtual clock of `Table`: workers that are busy for the logged run times, and nobody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from dsice.launchers.base import Result, Step
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
        Worker-seconds that trials have run so far: the sum of their run times, of running ones the part until now.
    asking
        Seconds that asking and telling took, part of `elapsed`; 0 unless the table counts them (``overhead=True``).
    idle
        Worker-seconds without a trial while it was asked and told.
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
        """What one worker would have needed for the same trials, over `elapsed`; NaN before time has passed."""
        return self._of(self.busy, self.elapsed)

    @property
    def idle_asking(self) -> float:
        """Share of the worker-seconds in which a worker had no trial because one was being asked for."""
        return self._of(self.idle, self.elapsed * self.workers)

    @staticmethod
    def _of(part: float, whole: float) -> float:
        return part / whole if whole > 0 else float("nan")


@dataclass(frozen=True)
class _Run:
    """A trial on a worker; its end is known from the start."""

    result: Result
    seconds: float
    start: float
    end: float
    curve: Curve = ()
    shown: int = 0  # how many of its steps were collected

    def moment(self, place: int) -> float:
        """When the step at that place of the curve is told: steps are spread evenly over the run time, the last at its end."""
        if place == len(self.curve) - 1:
            return self.end
        first, step, last = self.curve[0][0], self.curve[place][0], self.curve[-1][0]
        done = (step + 1) / (last + 1) if first == 0 else step / last
        return min(self.start + self.seconds * done, self.end)

    @property
    def next(self) -> float:
        """When something of it is to be collected next."""
        return self.moment(self.shown) if self.shown < len(self.curve) else self.end

    def until(self, now: float) -> float:
        """Seconds that it has run by `now`."""
        return self.seconds if self.end <= now else now - self.start


class VirtualClock:
    """Workers on a virtual clock: each is free, or runs a trial whose end is known.

    Time passes in two ways: `collect` goes on to the next end of a trial, and with `overhead` the real
    seconds from the return of `collect` to the next `start` are added, while trials run on.
    """

    def __init__(self, workers: int, *, overhead: bool) -> None:
        self._workers, self._overhead = workers, overhead
        self._running: dict[int, _Run] = {}  # in the order of their starts
        self.restart()

    def restart(self) -> None:
        """Back to 0, nothing running."""
        self._running.clear()
        self._now = self._ended = self._asking = self._idle = 0.0
        self._returned: float | None = None  # real time at which collect returned

    @property
    def free(self) -> int:
        """How many workers have nothing to do at the present moment."""
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
        """Let trials run, the first on the free worker of the lowest number; not more of them than are `free`."""
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
        self._idle += (
            self._workers * real - worked
        )  # workers that became free meanwhile had to wait for the rest of it
        self._returned = None

    def collect(self) -> list[Result | Step]:
        """Steps told and trials over by now, else those of the next moment at which there are any."""
        if self._running:
            self._now = max(self._now, min(run.next for run in self._running.values()))
        steps = self._steps()
        over = sorted(
            (run for run in self._running.values() if run.end <= self._now), key=lambda run: run.end
        )
        for run in over:
            del self._running[run.result.id]
            self._ended += run.seconds
        self._returned = perf_counter()
        return [
            *steps,
            *(replace(run.result, times=(run.start, run.start, run.end)) for run in over),
        ]

    def _steps(self) -> list[Step]:
        """The steps told by now and not collected before, in the order of their moments."""
        news: list[tuple[float, Step]] = []
        for id, run in self._running.items():
            shown = run.shown
            while shown < len(run.curve) and run.moment(shown) <= self._now:
                news.append((run.moment(shown), Step(id, *run.curve[shown])))
                shown += 1
            if shown > run.shown:
                self._running[id] = replace(run, shown=shown)
        return [step for _, step in sorted(news, key=lambda item: item[0])]

    def cancel(self, id: int) -> None:
        """End a running trial now; one that is over stays as it is."""
        run = self._running.get(id)
        if run is not None and run.end > self._now:
            ran = self._now - run.start
            result = Result(id, "stopped", seconds=ran, error="cancelled", where=run.result.where)
            self._running[id] = _Run(result, ran, run.start, self._now)

    def close(self) -> None:
        """Forget what runs; the clock stays."""
        self._ended = self._busy()
        self._running.clear()

    def _busy(self) -> float:
        return self._ended + sum(run.until(self._now) for run in self._running.values())

    def read(self) -> Clock:
        """What it shows now."""
        return Clock(self._workers, self._now, self._busy(), self._asking, self._idle)


class AtOnce:
    """The same without a clock: every trial is over as soon as it starts, one with a curve after its steps."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._ready: dict[int, Result] = {}
        self._curves: dict[int, list[tuple[int, float]]] = {}  # steps to come, the next one last

    @property
    def free(self) -> int:
        return self._slots - len(self._ready)

    @property
    def ids(self) -> list[int]:
        return list(self._ready)

    def start(self, results: Sequence[Result], curves: Sequence[Curve]) -> None:
        self._ready.update((result.id, result) for result in results)
        self._curves.update(
            (result.id, list(reversed(curve)))
            for result, curve in zip(results, curves, strict=True)
            if curve
        )

    def collect(self) -> list[Result | Step]:
        """The next step of every trial with a curve, and the results of those that have no more of them."""
        steps = [Step(id, *curve.pop()) for id, curve in self._curves.items()]
        self._curves = {id: curve for id, curve in self._curves.items() if curve}
        over = [id for id in self._ready if id not in self._curves]
        return [*steps, *(self._ready.pop(id) for id in over)]

    def cancel(self, id: int) -> None:
        if id in self._ready:
            self._curves.pop(id, None)
            self._ready[id] = Result(id, "stopped", error="cancelled", where=self._ready[id].where)

    def restart(self) -> None:
        self._ready.clear()
        self._curves.clear()

    def close(self) -> None:
        self.restart()
