"""Patience with a machine that can start no trial for now: a full disk, no processes, no files.

What was not run is not told: it is tried again, at first after 1 s, later every 60 s, and the run
ends with an error when nothing could be started for a set time. Nothing of this is entered while
the machine is well.
"""

from __future__ import annotations

import errno
import math
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from dsice.errors import DsiceWarning, JournalError, LaunchError
from dsice.launchers.base import Job, Launcher, Result

_SHORTEST, _LONGEST = 1.0, 60.0  # seconds between two tries
_SETTLED = 1.0  # seconds after which a job that runs has really been started
_QUIET = 60.0  # seconds between two warnings, and before more jobs run than a fault left running
_SPOILED = 6  # times that a trial may run in vain before what it did counts
_TRANSIENT = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EACCES),
    }
)


class Postponed:
    """Jobs that the machine could not start, and when they are tried again.

    One of them is tried alone; when it has started, the others follow.

    Parameters
    ----------
    timeout
        Seconds after which it is given up, if nothing could be started and nothing runs.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._jobs: dict[int, Job] = {}
        self._reason = ""
        self._since: float | None = None  # when starting began to fail
        self._pause = 0.0
        self._next = 0.0
        self._tried: int | None = None  # the job that is tried alone
        self._tried_at = 0.0
        self._early = False  # whether it is tried before its time, since something was released
        self._most, self._most_until = math.inf, 0.0  # jobs at the same time
        self._warned = -math.inf
        self._faults: list[tuple[float, float]] = []  # Unix times
        self._vain: Counter[int] = Counter()

    def __iter__(self) -> Iterator[int]:
        """Ids of the jobs that wait."""
        return iter(self._jobs)

    @property
    def active(self) -> bool:
        """Whether jobs wait, so that nothing new is asked."""
        return bool(self._jobs) or self._tried is not None

    @property
    def text(self) -> str:
        """What is waited for, in words for the terminal; empty: nothing."""
        if not self._jobs or self._since is None:
            return ""
        first = self._reason.partition("\n")[0]
        return f"cannot start trials ({first}), next try in {self.left():.0f} s"

    def left(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._next - time.monotonic())

    def keep(self, job: Job, result: Result, running: int) -> Result | None:
        """Keep a job that was not started, or ran in vain, while `running` others run.

        Returns
        -------
        Result or None
            What is to be told of a job that is not kept; None: it is kept.
        """
        if self._is_kept(result):
            self._add(job, result, running)
            return None
        if result.id == self._tried:
            self._works()
        elif self._jobs and self._tried is None and result.state == "done":
            # what it used is free now
            self._next, self._early = time.monotonic(), True
        return replace(result, state="failed") if result.state == "unstarted" else result

    def _is_kept(self, result: Result) -> bool:
        """Whether a result is the machine's fault, so that the job is to be started again.

        A trial that ran while nothing could be started, and failed, may well owe it to the same
        fault. What runs in vain too often is told as it is.
        """
        _, started, ended = result.times
        if started is None:
            return result.state == "unstarted"
        spoiled = result.state == "unstarted" or (
            result.state in ("failed", "timed_out")
            and any(a < (ended or started) and started < b for a, b in self._faults)
        )
        if spoiled:
            self._vain[result.id] += 1
        return spoiled and self._vain[result.id] <= _SPOILED

    def _add(self, job: Job, result: Result, running: int) -> None:
        now = time.monotonic()
        self._jobs[job.id] = replace(job, again=True)
        if result.state != "unstarted":
            return
        self._reason = result.error or "no reason was given"
        if self._since is None:
            self._since, self._pause = now, 0.0
            self._faults.append((min(time.time(), result.times[0] or math.inf), 0.0))
        self._faults[-1] = (self._faults[-1][0], time.time())
        if job.id == self._tried or not self._pause:
            if not self._early or not self._pause:
                self._pause = min(max(_SHORTEST, 2 * self._pause), _LONGEST)
            self._tried, self._early = None, False
            self._next, end = now + self._pause, self._since + self._timeout
            if now < end:
                self._next = min(self._next, end)
        # as many as run now do no harm; what one of them releases may be what is missing
        self._most = running if running else math.inf
        self._most_until = now + _QUIET
        self._warn(job, now)

    def _warn(self, job: Job, now: float) -> None:
        if now - self._warned < _QUIET:
            return
        self._warned = now
        what = "preparation" if job.kind == "prepare" else "trial"
        warnings.warn(
            f"{what} {job.id}: {self._reason}\nNothing new is asked, what runs goes on, and "
            f"starting is tried again in {self.left():.0f} s, later every {_LONGEST:.0f} s; the "
            f"run ends with an error after {self._timeout:g} s (start_timeout) without success",
            DsiceWarning,
            stacklevel=2,
        )

    def _works(self) -> None:
        """Note that starting works again."""
        self._tried, self._since, self._pause, self._early = None, None, 0.0, False

    def due(self, free: int, running: int) -> list[Job]:
        """The jobs to start now.

        Parameters
        ----------
        free, running
            How many slots are free, and how many jobs run.

        Raises
        ------
        LaunchError
            Nothing could be started for too long, and nothing runs.
        """
        now = time.monotonic()
        if self._tried is not None and now - self._tried_at >= _SETTLED:
            self._works()
        if self._tried is not None or not self._jobs:
            return []
        if now < self._next and self._since is not None:
            return []
        if self._since is not None and not running and now - self._since >= self._timeout:
            self._give_up(now - self._since)
        free = self.allowed(free, running)
        if self._since is not None:
            free = min(free, 1)
        jobs = [self._jobs.pop(id) for id in list(self._jobs)[: max(0, free)]]
        if jobs and self._since is not None:
            self._tried, self._tried_at = jobs[0].id, now
        return jobs

    def allowed(self, free: int, running: int) -> int:
        """How many of `free` slots may be used, after a fault that not all jobs had."""
        if time.monotonic() > self._most_until:
            self._most = math.inf
        return int(min(free, max(0, self._most - running)))

    def _give_up(self, seconds: float) -> None:
        raise LaunchError(
            f"nothing could be started for {seconds:.0f} s (start_timeout={self._timeout:g}), and "
            f"nothing runs: {self._reason}\nPut that right and start the same script again: "
            "nothing was told of what was not run"
        )

    def sleep(self, seconds: float, running: int) -> float:
        """Wait at most `seconds` where no launcher does; the seconds that it may wait after."""
        if self._jobs and self._tried is None:
            seconds = min(seconds, self.left())
        if running or not self.active:
            return seconds
        time.sleep(seconds)
        return 0.0


def attach_later(
    launcher: Launcher, jobs: Mapping[int, Job], error: OSError, timeout: float
) -> list[int]:
    """`attach`, again and again, where the files of earlier trials could not be read.

    Raises
    ------
    LaunchError
        They could not be read for `timeout` seconds.
    """
    began, pause = time.monotonic(), _SHORTEST
    warnings.warn(
        f"what an earlier run left cannot be read now ({error}); trying again for {timeout:g} s",
        DsiceWarning,
        stacklevel=2,
    )
    while True:
        left = began + timeout - time.monotonic()
        if left <= 0:
            raise LaunchError(
                f"what an earlier run left could not be read for {timeout:g} s (start_timeout): "
                f"{error}. Nothing was started or told; the same script goes on when it can be read"
            ) from error
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST)
        try:
            return launcher.attach(list(jobs.values()))
        except OSError as problem:
            error = problem


def may_pass(error: JournalError) -> bool:
    """Whether a journal that cannot be written may be writable again later."""
    cause: BaseException | None = error
    while isinstance(cause, JournalError):
        cause = cause.__cause__
    return isinstance(cause, OSError) and cause.errno in _TRANSIENT
