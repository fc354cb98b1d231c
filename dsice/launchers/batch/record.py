"""What is written down of a trial's job, and for how long a job has been missing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dsice.journal.files import read_json, write_json
from dsice.launchers import trial_directory

RECORD = "batch.json"


@dataclass(frozen=True)
class JobRecord:
    """The scheduler's job of a trial, as it is kept in ``batch.json`` of the trial's directory.

    Attributes
    ----------
    token
        Token of the submission, as in ``job.json``.
    name
        Name of the job in the queue.
    job
        Id of the job; None until the scheduler has given one.
    index
        Number of the job in an array of jobs; None: it is in no array.
    shared
        Whether other trials run in the same job, so that the scheduler cannot end this one alone.
    requeued
        How often the trial was submitted again with this directory.
    seconds, started
        Run time of the submissions before this one, and when the first of them started.
    missing
        When (Unix time) it was last seen that the job is not in the queue, or its files are not
        complete; None: all is there. It is written down for coordinators that live for seconds only
        and so would never see the time pass.
    absent
        For how many seconds that has been so.
    """

    token: str
    name: str
    job: str | None = None
    index: int | None = None
    shared: bool = False
    requeued: int = 0
    seconds: float = 0.0
    started: float | None = None
    missing: float | None = None
    absent: float = 0.0

    def write(self, directory: Path) -> None:
        """Put it into the trial's directory."""
        write_json(directory / RECORD, asdict(self))

    @classmethod
    def read(cls, directory: Path, token: str) -> JobRecord | None:
        """The record of the submission with `token`; None if there is none."""
        found = read_json(directory / RECORD)
        if found is None or found.get("token") != token:
            return None
        try:
            return cls(**_typed(found))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    @classmethod
    def current(cls, directory: Path) -> JobRecord | None:
        """The record of the submission that has the directory, if that has not ended; else None."""
        claim = read_json(directory / trial_directory.JOB) or {}
        token = str(claim.get("token", ""))
        if trial_directory.exit_record(directory, token) is not None:
            return None
        return cls.read(directory, token)


def _typed(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record, each of its type; a file may hold anything."""
    return {
        "token": str(found["token"]),
        "name": str(found["name"]),
        "job": None if found["job"] is None else str(found["job"]),
        "index": None if found["index"] is None else int(found["index"]),
        "shared": bool(found["shared"]),
        "requeued": int(found["requeued"]),
        "seconds": float(found["seconds"]),
        "started": None if found["started"] is None else float(found["started"]),
        "missing": None if found.get("missing") is None else float(found["missing"]),
        "absent": float(found.get("absent", 0.0)),
    }


def age(file: Path, probe: Path) -> float:
    """Seconds since a file was written, by the clock of its file system.

    Parameters
    ----------
    probe
        A file on the same file system, which is made and removed again.

    Raises
    ------
    OSError
        There is no such file, or the probe cannot be made.
    """
    written = file.stat().st_mtime
    probe.touch()
    try:
        return probe.stat().st_mtime - written
    finally:
        probe.unlink(missing_ok=True)


class Absence:
    """Counts for how long a job has been missing, over several coordinators.

    Within a process the clock is one that nobody sets. Between two of them there is only the wall
    clock, which may jump: what it says counts as half of the patience at most, so that one jump
    alone gives no job up, and as nothing where it went backwards.
    """

    def __init__(self) -> None:
        self._looked: float | None = None

    def counted(self, record: JobRecord, patience: float) -> JobRecord:
        """The record after another look at which the job was missing.

        Parameters
        ----------
        patience
            After how many seconds the job is given up.
        """
        now, wall = time.monotonic(), time.time()
        passed = 0.0
        if record.missing is not None:
            if self._looked is None:
                passed = min(max(0.0, wall - record.missing), patience / 2)
            else:
                passed = now - self._looked
        self._looked = now
        return replace(record, missing=wall, absent=record.absent + passed)

    def ended(self, record: JobRecord) -> JobRecord:
        """The record of a job that is there."""
        self._looked = None
        return replace(record, missing=None, absent=0.0)
