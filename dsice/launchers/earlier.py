"""What is in the place of a trial's directory before the trial starts, and what becomes of it.

Only what an earlier try of the same trial left without a result is removed. A trial that ended, one
of another study, and a symbolic link are put aside under another name, with all that is in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.journal.files import is_there, read_json, strictly
from dsice.launchers import elsewhere, trial_directory
from dsice.launchers.base import Job, Study
from dsice.launchers.other_study import ADVICE, named, put_aside
from dsice.launchers.trial_directory import EXIT, JOB, PARAMS, PROCESS, RETURNED

_TRACES = (JOB, PARAMS, PROCESS, EXIT, "alive", "stdout", "stderr")
"""Files by which the directory of a trial is known that lost its claim."""


def make_way(directory: Path, job: Job, program: str) -> None:
    """Put aside what is in the place of a job's directory and may not be removed.

    Raises
    ------
    LaunchError
        No launcher made what is there, or a trial of another study may run there; nothing was
        touched.
    OSError
        It cannot be read or renamed.
    """
    with strictly():
        if not is_there(directory):
            return
        if directory.is_symlink() or _has_claim(directory):
            if not directory.is_symlink():
                _check_unused(directory, job, program)
            if _is_of_earlier_try(directory, job, program):
                trial_directory.end_supervisor(directory)
                put_aside(directory, "")
            elif _is_kept(directory, job, program):
                put_aside(directory)
        elif job.again or any(is_there(directory / name) for name in _TRACES):
            trial_directory.end_supervisor(directory)
            put_aside(directory, f"of a trial that removed its {JOB} or wrote over it")
        else:
            raise LaunchError(
                f"{directory} is there and holds no {JOB}, so it is no trial's directory and is "
                "left alone; give the launcher a directory of its own"
            )


def _has_claim(directory: Path) -> bool:
    """Whether a directory says whose it is, or was only begun."""
    # a coordinator that was killed while it made the directory leaves nothing but a half claim
    half = (JOB, f"{JOB}.new")
    begun = directory.is_dir() and all(entry.name in half for entry in directory.iterdir())
    return begun or "token" in _claim(directory)


def _check_unused(directory: Path, job: Job, program: str) -> None:
    if job.study is not None and not _is_own(directory, job, program) and _may_run(directory):
        raise _running(directory, _claim(directory), job.study)


def _claim(directory: Path) -> dict[str, Any]:
    return read_json(directory / JOB) or {}


def _is_own(directory: Path, job: Job, program: str) -> bool:
    """Whether a directory that is there belongs to the study of the job."""
    claim = _claim(directory)
    if not claim or job.study is None:
        return "study" not in claim
    if "study" not in claim:  # of 0.1.0: the same trial, or another study's
        return trial_directory.find_submission(directory, job, program) is not None
    return bool(claim["study"] == job.study.identity)


def _may_run(directory: Path) -> bool:
    """Whether the trial in a directory may wait or run, here or elsewhere."""
    token = str(_claim(directory).get("token", ""))
    if trial_directory.exit_record(directory, token) is not None:
        return False
    if (directory / "batch.json").exists() or trial_directory.supervisor(directory) is not None:
        return True
    return elsewhere.may_run(directory)


def _is_of_earlier_try(directory: Path, job: Job, program: str) -> bool:
    """Whether it is the same trial's, which ended and was made pending again since."""
    if directory.is_symlink() or not _is_own(directory, job, program):
        return False
    claim = _claim(directory)
    return bool(claim) and not trial_directory.is_try(claim, job)


def _is_kept(directory: Path, job: Job, program: str) -> bool:
    """Whether what is there is to be put aside, not removed.

    It is a link, or another study's, or a trial that ended: that one is not the job, which would
    have been taken over.
    """
    if directory.is_symlink() or not _is_own(directory, job, program):
        return True
    claim = _claim(directory)
    if job.study is None or not claim or job.again:
        return False
    token = str(claim.get("token", ""))
    end = trial_directory.exit_record(directory, token) or {}
    if trial_directory.has_result(directory, token) or end.get("why") == RETURNED:
        # a preparation that failed is repeated in its place
        return job.kind == "trial" or "study" not in claim or end.get("code") == 0
    # of `Futures` of 0.1.0, which recorded no end
    unknown = "study" not in claim and not (directory / PROCESS).exists()
    return unknown and any(entry.name not in (JOB, PARAMS) for entry in directory.iterdir())


def _running(directory: Path, claim: Mapping[str, Any], study: Study) -> LaunchError:
    """The error where a trial of another study may still wait or run in a directory."""
    other = "another study, which an earlier version did not record"
    if "study" in claim:
        other = named(claim.get("journal"))
    return LaunchError(
        f"directory {directory} has a trial of {other}, which may still wait or run, so "
        f"{named(study.journal)} cannot use it; nothing was touched. {ADVICE}"
    )
