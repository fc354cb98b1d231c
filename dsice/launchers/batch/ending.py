"""How a trial in a job ended, from the files that it, its supervisor and its script left."""

from __future__ import annotations

from dataclasses import replace

from dsice.journal.files import read_json
from dsice.launchers import trial_directory
from dsice.launchers.base import Result
from dsice.launchers.batch.submission import BatchDirectory, BatchTrial
from dsice.launchers.machine import ExitInfo
from dsice.launchers.measurement import tail
from dsice.launchers.outcome import result_of


def is_complete(trial: BatchTrial, home: BatchDirectory) -> bool:
    """Whether all files are there that the trial will ever leave.

    These are the record of its end and, for a function that ended well, the result.
    """
    found = trial_directory.exit_record(trial.directory, trial.submission.token)
    if found is None:  # a supervisor that was killed leaves no record, but its script has seen it
        return _supervisor_code(trial, home) not in (None, 0)
    ended_well = found.get("why") == "exit" and found.get("code") == 0
    if not trial.work.function or not ended_well:
        return True
    return trial_directory.result_record(trial.directory, trial.submission.token) is not None


def batch_result(
    trial: BatchTrial, home: BatchDirectory, timeout: float | None, scheduler: str
) -> Result:
    """The result of a trial that ended or is lost; its run time is that of all submissions."""
    record = trial.record
    info = ExitInfo(
        trial.id,
        trial.directory,
        trial.submission,
        trial.work.function,
        timeout,
        _how_lost(trial, home, scheduler),
        cancelled=trial.cancelled,
        code=_supervisor_code(trial, home),
        output=trial.work.output,
        needs=trial.job.needs,
    )
    found = result_of(info, "")
    process = read_json(trial.directory / trial_directory.PROCESS) or {}
    log = home.jobs / f"{record.name}.log"
    error = found.error
    if found.state in ("lost", "unstarted") and error:
        error += f"\nlog of the job: {log}"
        last = tail(log, 1000).strip()
        error += f"\n{last}" if last else ""
    queued, started, ended = found.times
    seconds = record.seconds or None
    if found.seconds is not None:
        seconds = record.seconds + found.seconds
    return replace(
        found,
        seconds=seconds,
        times=(queued, record.started or started or _begun(trial), ended),
        error=error,
        where={**found.where, "host": process.get("host"), "job": record.job, "job_log": str(log)},
    )


def _supervisor_code(trial: BatchTrial, home: BatchDirectory) -> int | None:
    """The supervisor's exit code in the mark; negative: the signal that killed it, None: none."""
    text = tail(trial.mark(home)).strip()
    if not text.isdecimal():
        return None
    return 128 - int(text) if int(text) > 128 else int(text)


def _how_lost(trial: BatchTrial, home: BatchDirectory, scheduler: str) -> str:
    """Why there may be no record of the trial's end."""
    job = f"job {trial.record.job}" if trial.record.job else f"the job {trial.record.name}"
    if code := tail(trial.mark(home)).strip():
        return f"{job} lost its supervisor, exit code {code}"
    return f"{job} is not in the {scheduler} queue any more"


def _begun(trial: BatchTrial) -> float | None:
    """When its supervisor wrote its first file; known even if it was killed."""
    try:
        return (trial.directory / trial_directory.PROCESS).stat().st_mtime
    except OSError:
        return None
