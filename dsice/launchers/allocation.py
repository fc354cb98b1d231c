"""Whether a job of a scheduler has ended, asked by its id and without waiting for the answer.

It is asked for the job that a coordinator ran in, with its trials: the allocation. A `Batch` asks
for its own jobs by the commands of its `Scheduler`.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, Literal, TypeAlias

_LIMIT = 20.0  # seconds that an answer may take
_AGAIN = 30.0  # seconds between two questions
_SHOWN = 1 << 16  # bytes of an answer that are read

Word: TypeAlias = Literal["", "unknown", "over"]
"""What a scheduler says of a job: it has ended; it knows none of that id; anything else."""


@dataclass(frozen=True)
class Question:
    """How a scheduler is asked for one job.

    Attributes
    ----------
    command
        Words of the command; the id comes last.
    state
        Regular expression over a line that tells a state: more than one of an array of jobs, whose
        id is that of one of them, too.
    over
        Regular expression over such a line that says that the job has ended.
    unknown
        Regular expression over an answer that says that there is no such job.
    """

    command: tuple[str, ...]
    state: str
    over: str
    unknown: str

    def word(self, said: str) -> Word:
        """What an answer means."""
        states = [line for line in said.splitlines() if re.search(self.state, line)]
        if states and all(re.search(self.over, line) for line in states):
            return "over"
        return "unknown" if re.search(self.unknown, said) else ""


# NODE_FAIL is not among them: the node is out of reach, and its processes may go on
_SLURM_OVER = (
    r"^\s*(?:COMPLETED|CANCELLED|FAILED|TIMEOUT|OUT_OF_MEMORY|DEADLINE|BOOT_FAIL|PREEMPTED)\b"
)
_SLURM_STATE = r"^\s*[A-Z]{2}[A-Z_]+\b"
QUESTIONS = {
    "slurm": (
        Question(
            ("squeue", "--noheader", "--states=all", "--format=%T", "--jobs"),
            _SLURM_STATE,
            _SLURM_OVER,
            r"(?i)invalid job id|^\s*$",
        ),
        Question(
            ("sacct", "--noheader", "--allocations", "--format=State", "--jobs"),
            _SLURM_STATE,
            _SLURM_OVER,
            r"$^",
        ),
    ),
    "pbs": (
        Question(
            ("qstat", "-f"),
            r"\bjob_state\s*=|\bhas finished\b",
            r"^\s*job_state\s*=\s*[FCX]\b|\bhas finished\b",
            r"(?i)unknown job id",
        ),
    ),
    "pjm": (
        Question(
            ("pjstat", "--choose", "jid,st"),
            r"^\d",
            r"^\d\S*\s+(?:EXT|CCL|RJT|ERR)\b",
            r"(?i)does not exist|not exist",
        ),
    ),
    "lsf": (
        Question(
            ("bjobs", "-noheader", "-o", "stat"),
            r"^\s*[A-Z]+\s*$",
            r"^\s*(?:DONE|EXIT)\b",
            r"(?i)is not found",
        ),
    ),
    "sge": (Question(("qstat", "-j"), r"$^", r"$^", r"(?i)do(?:es)? not exist"),),
}
"""How schedulers are asked, by the names that a supervisor writes down."""


class Allocation:
    """A job of a scheduler that may have ended.

    Parameters
    ----------
    scheduler
        Name of the scheduler, as a supervisor writes it down.
    job
        Id of the job.
    """

    def __init__(self, scheduler: str, job: str) -> None:
        plain = re.fullmatch(r"[A-Za-z0-9][\w.\-:@\[\]+]*", job)  # no option of the command
        self._questions = QUESTIONS.get(scheduler, ()) if plain else ()
        self._job = job
        self._word: Word = ""
        self._asked: tuple[subprocess.Popen[bytes], IO[bytes], float] | None = None
        self._turn = 0
        self._next = 0.0

    def word(self) -> Word:
        """What the scheduler said last; asks when it is time to, and never waits."""
        if self._asked is not None:
            self._read(*self._asked)
        elif self._word != "over" and self._questions and time.monotonic() >= self._next:
            self._ask(self._questions[self._turn])
        return self._word

    def close(self) -> None:
        """Wait for no answer any more."""
        if self._asked is not None:
            process, answer, _ = self._asked
            self._asked = None
            _end(process)
            answer.close()

    def _ask(self, question: Question) -> None:
        """Run a command that writes its answer into a file, in a session of its own."""
        self._next = time.monotonic() + _AGAIN
        try:
            answer = tempfile.TemporaryFile()  # noqa: SIM115
        except OSError:
            return  # no handles or room left just now
        try:
            process = subprocess.Popen(
                [*question.command, self._job],
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            answer.close()
            if isinstance(error, FileNotFoundError):
                self._questions = tuple(q for q in self._questions if q is not question)
                self._turn = 0
        else:
            self._asked = process, answer, time.monotonic() + _LIMIT

    def _read(self, process: subprocess.Popen[bytes], answer: IO[bytes], until: float) -> None:
        """Take the answer, if it is there; end a command that has none for too long."""
        code = process.poll()
        if code is None and time.monotonic() < until:
            return
        self._asked = None
        if code is None:
            _end(process)
        with answer:
            answer.seek(0)
            said = answer.read(_SHOWN).decode(errors="replace")
        word = self._questions[self._turn].word(said) if code is not None else ""
        if word == "over" or self._turn == 0:
            self._word = word
        self._turn = (self._turn + 1) % len(self._questions) if word != "over" else 0
        if self._turn:
            self._next = 0.0  # another command may know more


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with its children."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # not even that may end it at once
        process.wait(0.5)
