"""One running trial of `Local`, watched and ended through its supervisor."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dsice.journal.files import open_regular
from dsice.launchers import outcome, processes, trial_directory
from dsice.launchers.base import PREPARED, Job, Result
from dsice.launchers.machine import ExitInfo, unpassable
from dsice.launchers.outcome import CurveReader
from dsice.launchers.program import Program, script
from dsice.launchers.standalone._seldom import PATIENCE, disk_fault
from dsice.launchers.standalone._supervise import ENDING
from dsice.worker import STEPS

_PATIENCE = 3.0  # seconds beyond limit and grace after which a mute supervisor is killed
_WAKE = 5.0  # seconds between looks whether the supervisor was suspended
_WAKES = 12  # how often in a row it is let go on before it is killed
_LOOK = 0.1  # seconds between looks at an adopted supervisor, which is no child of this process


class TrialProcess:
    """A trial under a supervisor.

    The supervisor is a child of this process, or adopted from an earlier coordinator.

    Attributes
    ----------
    job, work
        What runs, and its program.
    overdue
        Whether the supervisor had to be killed.
    cancelled
        Whether it is to stop.
    """

    def __init__(
        self,
        job: Job,
        work: Program,
        directory: Path,
        submission: trial_directory.Submission,
        *,
        grace: float,
    ) -> None:
        self.id = job.id
        self.job = job
        self.work = work
        self.directory = directory
        self.submission = submission
        self.overdue = False
        self.curve = CurveReader(job.id, directory)
        self._grace = grace
        self._child: subprocess.Popen[bytes] | None = None
        self._bell: int | None = None  # readable when the supervisor has ended (Linux)
        self._adopted: tuple[int, str] | None = None
        self._looked = 0.0
        self._kill_at: float | None = None
        self._end_at: float | None = None
        self._unreadable_since: float | None = None
        self._next_wake = time.monotonic() + _WAKE
        self._wakes = 0
        self.cancelled = False

    def start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        timeout: float | None,
        lifeline: int | None,
        cpus: Sequence[int],
    ) -> None:
        """Start the supervisor.

        It has a session of its own, so that Ctrl-C at the terminal reaches the coordinator only.

        Parameters
        ----------
        arguments
            Command of the trial's program, word by word.
        lifeline
            Handle whose end ends the trial; None: it outlives this process.
        cpus
            Cores that the trial is bound to; empty: any.
        """
        limit = "none" if timeout is None else repr(float(timeout))
        bound = ",".join(map(str, cpus)) or "any"
        watched = [
            str(self.directory),
            self.submission.token,
            limit,
            repr(self._grace),
            bound,
            "0" if lifeline is None else "1",
        ]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        handle = open_regular(self.directory / "stderr", flags)
        with os.fdopen(handle, "ab") as errors, _signals_held():
            self._child = subprocess.Popen(
                [*script("_supervise", "-I", "-S"), *watched, *arguments],
                stdin=subprocess.DEVNULL if lifeline is None else lifeline,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**env, processes.NONCE: self.submission.token},
                start_new_session=True,
            )
        # elsewhere than on Linux, or without a handle left, the child is asked now and then
        with contextlib.suppress(OSError, AttributeError):
            self._bell = os.pidfd_open(self._child.pid)
        self.limit(timeout)

    def adopt(self, process: tuple[int, str] | None, timeout: float | None) -> None:
        """Take over a supervisor that another coordinator started; None: it has ended already."""
        self._adopted = process
        self.limit(timeout)

    def limit(self, timeout: float | None) -> None:
        """Kill the supervisor if it has not ended the trial some time after `timeout` seconds."""
        if timeout is not None:
            until = time.monotonic() + timeout + self._grace + _PATIENCE
            self._kill_at = until if self._kill_at is None else min(self._kill_at, until)

    def send(self, number: int) -> None:
        """Signal the supervisor."""
        if self._child is not None:
            self._child.send_signal(number)
        elif self._adopted is not None:
            processes.send(*self._adopted, number)

    def over(self) -> bool:
        """Whether the supervisor has ended.

        One that is long overdue is killed, one that was suspended goes on, and a trial that does
        not stop in time is ended.
        """
        if self._end_at is not None and time.monotonic() > self._end_at:
            self.end()
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._kill_overdue()
        if time.monotonic() > self._next_wake:
            self._wake()
        if self._child is not None:
            ended = self._child.poll() is not None
            if ended and self._bell is not None:
                bell, self._bell = self._bell, None
                os.close(bell)
            return ended
        if self._adopted is None:
            return True
        if time.monotonic() - self._looked < _LOOK:
            return False
        self._looked = time.monotonic()
        try:
            return not processes.alive(*self._adopted)
        except OSError:  # no file handle left: look again
            return False

    def _kill_overdue(self) -> None:
        """Kill the supervisor, unless it waits for a full disk to take its record."""
        waited = time.monotonic() - (self._kill_at or 0.0)
        if self.cancelled or waited > PATIENCE or not disk_fault(str(self.directory)):
            self.kill()

    def _wake(self) -> None:
        """Let a supervisor that was suspended go on; kill one that always is when it is looked at.

        Nothing else would ever end such a trial, or notice that it has ended. It is lost then, as
        when its supervisor is killed: who did it cannot be known, and `retries` bounds how often.
        """
        self._next_wake = time.monotonic() + _WAKE
        if self._child is not None:
            suspended = processes.is_suspended(self._child.pid)
        else:
            suspended = self._adopted is not None and processes.is_suspended(*self._adopted)
        self._wakes = self._wakes + 1 if suspended else 0
        if self._wakes > _WAKES:
            self.kill()
            self.overdue = False
        elif suspended:
            self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the supervisor and everything that carries its nonce."""
        self.overdue = True
        self._kill_at = None
        self.send(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()
        self._looked = 0.0
        with contextlib.suppress(OSError):
            processes.sweep({self.submission.token})

    def cancel(self, patience: float) -> None:
        """End the trial: after `patience` seconds if it has called `dsice.step`, else now."""
        self.cancelled = True
        if patience > 0 and (self.directory / STEPS).exists():
            self._end_at = time.monotonic() + patience
        else:
            self.end()

    def end(self) -> None:
        """Ask the supervisor to end the trial; a supervisor that does not is killed."""
        self._end_at = None
        self.limit(0.0)
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)

    def supervisor(self) -> str:
        """How the supervisor ended, in words."""
        code = self._child.returncode if self._child is not None else None
        if self._wakes > _WAKES:
            return "it was suspended again and again, and was killed"
        if code is None:
            return "how is unknown"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def result(self, timeout: float | None, host: str) -> Result:
        """The result of a trial that is over, whose time limit was `timeout` seconds."""
        self.sweep()
        info = ExitInfo(
            self.id,
            self.directory,
            self.submission,
            self.work.function,
            timeout,
            self.supervisor(),
            self.overdue,
            self.cancelled,
            None if self._child is None else self._child.returncode,
            self.work.output,
            self.job.needs,
        )
        return outcome.result_of(info, host)

    def unreadable(self, error: OSError, host: str) -> Result | None:
        """The result of a trial whose files cannot be read; None: look again later."""
        now = time.monotonic()
        self._unreadable_since = self._unreadable_since or now
        if now - self._unreadable_since < PATIENCE:
            return None
        reason = f"its files in {self.directory} cannot be read: {error}"
        return Result(self.id, "lost", error=reason, where={"host": host})

    def sweep(self) -> None:
        """End what is left of a trial whose supervisor was killed, since nobody else does."""
        if trial_directory.exit_record(self.directory, self.submission.token) is None:
            processes.sweep({self.submission.token})

    def listen(self, poll: select.poll) -> None:
        """Let `poll` wake up when the supervisor ends, where the system can do that."""
        if self._bell is not None:
            poll.register(self._bell, select.POLLIN)


def not_started(job: Job, error: BaseException, host: str, arguments: Sequence[str] = ()) -> Result:
    """The result of a job that could not be started: the machine's fault, or that of a value."""
    value = unpassable(error, job.params, arguments)
    if value is None and not isinstance(error, (OSError, MemoryError)):
        raise error
    reason = value or f"the trial could not be started: {type(error).__name__}: {error}"
    state = "failed" if value else "unstarted"
    return Result(
        job.id, state, error=reason, times=(time.time(), None, None), where={"host": host}
    )


def environment(
    job: Job, directory: Path, slot: int, own: Mapping[str, str | None]
) -> dict[str, str]:
    """Environment of a trial; what is prepared for this process is not for its trials.

    Parameters
    ----------
    own
        Variables of the launcher; None removes one.
    """
    inherited = {k: value for k, value in os.environ.items() if not k.startswith(PREPARED)}
    parent = trial_directory.parent_directory(directory, job)
    variables: dict[str, str | None] = {
        **inherited,
        "DSICE_PARENT_DIR": None if parent is None else str(parent),
        **own,
        **job.variables,
        "DSICE_TRIAL": trial_directory.directory_name(job.id, job.kind),
        "DSICE_DIR": str(directory),
        "DSICE_STAGE": str(job.stage),
        "DSICE_SLOT": str(slot),
    }
    return {name: value for name, value in variables.items() if value is not None}


def wait(trials: Iterable[TrialProcess], seconds: float) -> None:
    """Sleep for `seconds`, less if one of `trials` ends."""
    poll = select.poll()
    for trial in trials:
        trial.listen(poll)
    try:
        poll.poll(seconds * 1000)
    except OSError:  # more handles than this process may have by now
        time.sleep(seconds)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold Ctrl-C back until a new process is on record, so that none is forgotten.

    A supervisor inherits the mask and lifts it when it is ready to end its trial: a cancel that
    comes earlier waits.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
