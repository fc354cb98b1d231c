"""What `Batch` writes down beside the trials, so that a later coordinator finds its jobs again.

::

    <directory>/
      study.json            fingerprint of this directory: job names start with it
      ended/<trial>.<token> a file for each trial that ended, made by its job: one look tells what is new
      jobs/<name>.sh, .log  scripts and what the scheduler wrote about the jobs
      bin/                  supervise.py and call.py, so that a job needs no dsice on its machine
      <trial>/batch.json    the job of the trial: name, id, how often it was submitted
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.launchers import _call, _supervise, trial_directory

ENDED, JOBS, BIN = "ended", "jobs", "bin"
_STUDY, _RECORD = "study.json", "batch.json"


@dataclass(frozen=True)
class Record:
    """The job of a trial, as it is on the disk.

    Attributes
    ----------
    token
        Of the submission, as in job.json.
    name
        Name of the job in the queue.
    job
        Id of the job; None until the scheduler has given one.
    index
        Number in an array of jobs.
    shared
        Whether other trials run in the same job, so that the scheduler cannot end this one alone.
    requeued
        How often it was submitted again with this directory.
    seconds, started
        Run time of the submissions before this one, and when the first of them started.
    missing
        Since when it has not been in the queue, or its files have not been complete (Unix time): written down, since a
        coordinator that only looks in now and then would never see the time pass.
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

    def write(self, directory: Path) -> None:
        """Put it into the trial's directory."""
        trial_directory.write(directory / _RECORD, asdict(self))

    @classmethod
    def read(cls, directory: Path, token: str) -> Record | None:
        """The record of the submission with `token`; None if there is none."""
        found = trial_directory.read(directory / _RECORD)
        if found is None or found.get("token") != token:
            return None
        try:
            return cls(**_typed(found))
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def current(cls, directory: Path) -> Record | None:
        """The record of the submission that the directory belongs to, if that has not ended; None if there is none."""
        token = str((trial_directory.read(directory / trial_directory.JOB) or {}).get("token", ""))
        return (
            None
            if trial_directory.ended(directory, token) is not None
            else cls.read(directory, token)
        )


def _typed(found: Mapping[str, Any]) -> dict[str, Any]:
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
    }


class Home:
    """The directory of a `Batch`, made ready for jobs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended, self.jobs = path / ENDED, path / JOBS
        self.supervise, self.call = path / BIN / "supervise.py", path / BIN / "call.py"
        self.study = ""
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directory and take it for this process.

        Raises
        ------
        LaunchError
            If it cannot be written to or another launcher uses it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = trial_directory.lock(self.path)
            for place in (self.ended, self.jobs, self.supervise.parent):
                place.mkdir(exist_ok=True)
            self.study = self._fingerprint()
            _copy(Path(_supervise.__file__), self.supervise)
            _copy(Path(_call.__file__), self.call)
        except OSError as error:
            raise LaunchError(
                f"directory {self.path} cannot be used: {error}; give one that this machine and the jobs' machines can write to"
            ) from None

    def _fingerprint(self) -> str:
        known = trial_directory.read(self.path / _STUDY)
        if known is not None and isinstance(known.get("study"), str):
            return str(known["study"])
        new = secrets.token_hex(3)
        trial_directory.write(self.path / _STUDY, {"study": new})
        return new

    def name(self, trial: str) -> str:
        """Name of the job whose first trial is `trial`, with its study in front; short, since PBS takes 15 characters."""
        return f"d{self.study or (trial_directory.read(self.path / _STUDY) or {}).get('study', '000000')}-{trial.replace('prepare-', 'p')}"

    def mark(self, trial: str, token: str) -> Path:
        """The file that says that the trial ended."""
        return self.ended / f"{trial}.{token}"

    def close(self) -> None:
        """Let go of the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _copy(source: Path, target: Path) -> None:
    """By rename: a job that is starting reads the old file or the new one, never a part."""
    text = source.read_bytes()
    if not target.is_file() or target.read_bytes() != text:
        new = target.with_suffix(".new")
        new.write_bytes(text)
        new.replace(target)
