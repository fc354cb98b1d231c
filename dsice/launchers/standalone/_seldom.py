"""What a supervisor needs for few trials, and loads only then: most of a trial's cost is its start.

It knows the schedulers whose job a trial may be part of, and tells what the machine lacks - room on
the disk, processes - from what the trial did.
"""

# pathlib would add a fifth to the start-up time
# ruff: noqa: PTH108
from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

# the variable of each scheduler's jobs that has their id, and one that must be there, too
ALLOCATIONS = (
    ("slurm", "SLURM_JOB_ID", ""),
    ("pjm", "PJM_JOBID", ""),
    ("pbs", "PBS_JOBID", ""),
    ("lsf", "LSB_JOBID", ""),
    ("flux", "FLUX_JOB_ID", ""),
    ("oar", "OAR_JOB_ID", ""),
    ("cobalt", "COBALT_JOBID", ""),
    ("loadleveler", "LOADL_STEP_ID", ""),
    ("sge", "JOB_ID", "SGE_ROOT"),  # a name that others use, too
)
PATIENCE = 600.0  # seconds for a full disk to have room for a record again
MISSING_PATIENCE = 3.0  # the same for a directory that is not there: the trial may have removed it
PROBE = 4096  # bytes that a disk must have room for
FORKS = 3  # processes that must be possible at the same time
ABSENT = (2, 20, 21)  # ENOENT, ENOTDIR, EISDIR: the errno module would have to be imported
FORBIDDEN = (1, 13)  # EPERM, EACCES: a trial may take its own directory's modes away


def allocation(variables: Mapping[str, str]) -> str:
    """The scheduler and the job that a process with these variables is part of, as fields of
    JSON."""
    for scheduler, variable, needed in ALLOCATIONS:
        if variables.get(variable) and (not needed or needed in variables):
            cluster = variables.get("SLURM_CLUSTER_NAME", "")
            fields = {"scheduler": scheduler, "job": variables[variable], "cluster": cluster}
            words = {name: _word(text) for name, text in fields.items()}
            return "".join(f', "{name}": {quoted(text)}' for name, text in words.items() if text)
    return ""


def _word(text: str) -> str:
    """The characters of a text that names of jobs and clusters are made of."""
    return "".join(letter for letter in text if letter.isalnum() or letter in "._-+@:[]")


def fault(directory: str) -> str:
    """What the machine lacks now; empty: nothing that can be seen."""
    return disk_fault(directory) or process_fault()


def disk_fault(directory: str) -> str:
    """Why nothing can be written into a directory now; empty: it can, or may not be."""
    probe = f"{directory}/.probe-{os.getpid()}"
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            full = os.write(handle, bytes(PROBE)) < PROBE
        finally:
            os.unlink(probe)
            os.close(handle)
    except OSError as error:
        return "" if error.errno in (*ABSENT, *FORBIDDEN) else str(error.strerror)
    return "No space left on device" if full else ""


def process_fault(forks: int = FORKS) -> str:
    """Why no processes can be made now; empty: `forks` of them can, at the same time."""
    try:
        child = os.fork()
    except OSError as error:
        return f"no new process: {error.strerror}"
    if child == 0:
        os._exit(1 if forks > 1 and process_fault(forks - 1) else 0)
    return "no new process" if os.waitpid(child, 0)[1] else ""


def quoted(text: str) -> str:
    """A text as a JSON string, without what would have to be escaped."""
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text) + '"'


def insist(
    write: Callable[[str], object], reason: OSError, told_to_end: Callable[[float], bool]
) -> bool:
    """Write again and again what could not be written for `reason`; whether it was, at last.

    Parameters
    ----------
    write
        Writes, and is told why it could not be written before.
    told_to_end
        Waits for so many seconds, and says whether to give up.
    """
    began, pause, error = time.monotonic(), 0.05, reason
    while True:
        absent = error.errno in ABSENT
        patience = MISSING_PATIENCE if absent else PATIENCE
        if time.monotonic() - began > patience or told_to_end(pause):
            return False
        try:
            write(str(reason.strerror))
        except OSError as problem:
            error = problem
        else:
            return True
        pause = min(2 * pause, 1.0)
