"""The directory of one trial: which files are in it, and which submission it belongs to.

::

    job.json       the submission: token, program, parameters, parent, slot,   coordinator, first
                   its study and the path of that one's journal
    params.json    the parameters                                              coordinator
    process.json   the supervisor: pid, birth, host, its scheduler's job       supervisor, by rename
    alive          touched every 10 seconds while the trial is not over        supervisor
    stdout stderr  the program's output
    steps          learning curve, a JSON line per point                       dsice.step
    stop           its presence asks the trial to stop, a word in it the       coordinator
                   supervisor to end it
    stopping       its presence says that the trial knows                      dsice.step
    result.json    what a Python function returned                             process, by rename
    exit.json      why and how it ended, once no process of it is left         supervisor, by rename

The right column says who writes the file. A coordinator that starts again later knows from these
files what ran, what still runs and what ended.

Whose the trials are is recorded beside their directories (`home`). A trial's directory without a
word on its study is of 0.1.0, or of a launcher that was used without a tuner.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.journal.files import is_there, read_json, replace_file, strictly, write_json
from dsice.launchers import processes
from dsice.launchers.base import Job
from dsice.launchers.other_study import put_aside
from dsice.space.values import as_given, as_json, same_params
from dsice.worker import STOP, STOPPING

JOB = "job.json"
PARAMS = "params.json"
PROCESS = "process.json"
EXIT = "exit.json"
RESULT = "result.json"
_MOST = 2.0**53
_NUMBERS = ("code", "signal", "pid", "started", "ended", "seconds")
RETURNED = "returned"
"""Why a call that `Futures` made has ended, in `EXIT`."""


@dataclass(frozen=True)
class Submission:
    """One submission of one job.

    Attributes
    ----------
    token
        Random text that every file and process of the submission carries.
    program
        Name of the program, to recognise it by.
    slot
        Slot of the launcher that the job runs in.
    queued
        Unix time of the submission.
    """

    token: str
    program: str
    slot: int
    queued: float


def directory_name(job_id: int, kind: str = "trial") -> str:
    """Name of a job's directory."""
    return str(job_id) if kind == "trial" else f"{kind}-{job_id}"


def is_preparation(directory: Path) -> bool:
    """Whether it is the directory of a preparation, which measures nothing."""
    return directory.name.startswith("prepare-")


def parent_directory(directory: Path, job: Job) -> Path | None:
    """Directory of the trial that the job in `directory` continues; None if it continues none."""
    return None if job.parent is None else directory.parent / directory_name(job.parent)


def no_checkpoint(parent: Path) -> str:
    """Why a trial cannot continue another one whose directory is gone."""
    return (
        f"this trial continues trial {parent.name}, and the directory of that one, {parent}, with "
        "its checkpoint is not there; give the launcher a directory= of its own, and leave it "
        "alone until the last stage has ended"
    )


def make(directory: Path, job: Job, program: str, slot: int) -> Submission:
    """Make a fresh directory for a job and claim it with a new token.

    What is there is removed: `earlier.make_way` has seen that it is an earlier try of the same job.
    What cannot be removed, such as a folder that the program made read-only, is put aside.
    """
    submission = Submission(secrets.token_hex(8), program, slot, time.time())
    claim = _claim(job, submission)
    if directory.exists():
        try:
            _clear(directory, claim)
        except PermissionError as error:
            end_supervisor(directory)
            put_aside(directory, f"and cannot be emptied ({error})")
    _make(directory)
    write_json(directory / JOB, claim)
    write_json(directory / PARAMS, plain_params(job.params))
    return submission


def _make(directory: Path) -> None:
    """Make a trial's directory, as open to other users as the one that it is in, or less."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(directory.parent.stat().st_mode) & 0o777
    directory.mkdir(mode=mode, exist_ok=True)
    found = stat.S_IMODE(directory.stat().st_mode)
    if found & 0o022 & ~mode:
        with suppress(OSError):  # somebody else's: what it holds is not trusted anyhow
            directory.chmod(found & ~0o022 | mode & 0o022)


def claim_again(
    directory: Path, job: Job, program: str, submission: Submission, *, unless_begun: bool = False
) -> Submission:
    """Claim a directory again, for another try of the same job that finds its checkpoints in it.

    The output so far is renamed: ``stdout`` becomes ``stdout.1``.

    Parameters
    ----------
    unless_begun
        Whether a supervisor of the earlier try that has begun keeps the directory; the earlier
        submission is returned then.
    """
    new = Submission(secrets.token_hex(8), program, submission.slot, submission.queued)
    claim = _claim(job, new)
    # first: a supervisor of the earlier try that starts late sees that it is not wanted
    write_json(directory / JOB, claim)
    if unless_begun and has_begun(directory, submission.token):
        write_json(directory / JOB, {**claim, "token": submission.token})
        return submission
    for name in (EXIT, RESULT, PROCESS, STOP, STOPPING):
        _remove(directory / name)
    with strictly():  # the output so far is not to be written over
        for name in ("stdout", "stderr"):
            if is_there(output := directory / name):
                numbered = (directory / f"{name}.{number}" for number in range(1, 10_000))
                output.rename(next(path for path in numbered if not is_there(path)))
    return new


def _clear(directory: Path, claim: Mapping[str, Any]) -> None:
    """Empty a directory that an earlier submission left, ending what may still run there."""
    # The order matters: claim first, then look who runs there. A supervisor that starts late reads
    # the claim after it has written process.json: either it sees the new claim and leaves, or it
    # is seen here.
    earlier = str((read_json(directory / JOB) or {}).get("token", ""))
    write_json(directory / JOB, claim)
    end_supervisor(directory)
    if earlier and exit_record(directory, earlier) is None:
        processes.sweep({earlier})  # its supervisor was killed: nobody else ends what it left
    for entry in directory.iterdir():
        if entry.name != JOB:
            _remove(entry)


def _remove(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a directory; nothing where none is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def end_supervisor(directory: Path, seconds: float = 5.0) -> None:
    """End the supervisor that works in `directory`, with its trial, and wait for it."""
    found = supervisor(directory)
    if found is None:
        return
    processes.end(*found, seconds)


def _claim(job: Job, submission: Submission) -> dict[str, Any]:
    """What ``job.json`` says."""
    study: dict[str, Any] = {}
    if job.study is not None:
        study = {"study": job.study.identity, "journal": job.study.journal}
    return {
        **_identity(job, submission.program),
        "params": _digest(plain_params(job.params)),
        **study,
        "slot": submission.slot,
        "queued": submission.queued,
        "token": submission.token,
    }


def _identity(job: Job, program: str) -> dict[str, Any]:
    tries = {"tries": job.tries} if job.tries else {}
    return {
        **tries,
        "id": job.id,
        "kind": job.kind,
        "program": program,
        "stage": job.stage,
        "parent": job.parent,
    }


def _digest(params: Mapping[str, Any]) -> str:
    """By which parameters are known: a program may write a ``params.json`` of its own."""
    text = json.dumps(params, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a function gets them: tuples, and dicts of its own, where they have parts.

    In files they are as JSON keeps them.

    Raises
    ------
    LaunchError
        For a value that JSON cannot keep.
    """
    checked: dict[str, Any] = {}
    for key, value in params.items():
        checked[key] = as_given(value.item() if hasattr(value, "item") else value)  # numpy scalars
        try:
            same = json.loads(json.dumps(checked[key])) == as_json(checked[key])
        except (TypeError, ValueError):
            same = False
        if not same:
            raise LaunchError(
                f"parameter {key!r} is {value!r} ({type(value).__name__}), which cannot be written "
                "to a file as JSON; use a number, string, bool or None, and look the object up in "
                "the program"
            )
    return checked


def find_submission(directory: Path, job: Job, program: str) -> Submission | None:
    """The submission that a directory belongs to, if it was made for the same job; else None.

    The same job has the same id, kind, program, parameters, stage, parent and number of tries, and
    the same study where one is recorded. A link is nobody's: nothing is written through it.
    """
    if directory.is_symlink():
        return None
    claim = read_json(directory / JOB)
    if claim is None:
        return None
    same = _has_params(directory, claim, job) and is_try(claim, job)
    if not same or any(claim.get(key) != value for key, value in _identity(job, program).items()):
        return None
    if "study" in claim and (job.study is None or claim["study"] != job.study.identity):
        return None
    try:
        return Submission(str(claim["token"]), program, int(claim["slot"]), float(claim["queued"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def is_try(claim: Mapping[str, Any], job: Job) -> bool:
    """Whether a claim is of the same try of a trial: none was made pending again since."""
    return bool(claim.get("tries", 0) == job.tries)


def _has_params(directory: Path, claim: Mapping[str, Any], job: Job) -> bool:
    """Whether a directory was made for the parameters of a job.

    They may have been computed anew since, and a float may have come out another by rounding.
    """
    params = plain_params(job.params)
    if claim.get("params") == _digest(params):
        return True
    written = read_json(directory / PARAMS)
    if written is None or ("params" in claim and claim["params"] != _digest(written)):
        return False  # a program's own file
    return same_params(written, params)


def supervisor(directory: Path) -> tuple[int, str] | None:
    """Pid and birth of the supervisor that works in a directory; None if none is alive."""
    found = read_json(directory / PROCESS)
    if not found:
        return None
    try:
        pid, born = int(found["pid"]), str(found["birth"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (pid, born) if pid > 0 and processes.alive(pid, born) else None


def has_begun(directory: Path, token: str) -> bool:
    """Whether a supervisor of the submission with that token has begun, or left a record."""
    records = [read_json(directory / name) for name in (PROCESS, EXIT)]
    return any(found is not None and found.get("token") == token for found in records)


def exit_record(directory: Path, token: str) -> dict[str, Any] | None:
    """How the submission with that token ended; None if it runs or ended without a record."""
    found = read_json(directory / EXIT)
    if found is None or found.get("token") != token:
        return None
    # a program that killed its supervisor may write anything
    return found if all(_is_count(found.get(name)) for name in _NUMBERS) else None


def _is_count(value: object) -> bool:
    """Whether this is a number as a supervisor writes it, or None."""
    return value is None or (isinstance(value, (int, float)) and 0 <= value < _MOST)


def result_record(directory: Path, token: str) -> dict[str, Any] | None:
    """What the function of the submission with that token left; None if it left nothing."""
    found = read_json(directory / RESULT)
    # an earlier version left no token
    return found if found is not None and found.get("token", token) == token else None


def has_result(directory: Path, token: str) -> bool:
    """Whether the submission ended with a result: not because its coordinator was closed."""
    found = exit_record(directory, token)
    if found is None:
        return False
    why = found.get("why")
    return why in ("exit", "timeout") or (why == "cancel" and asked_to_stop(directory))


def ask_to_stop(directory: Path) -> None:
    """Leave the mark that `dsice.step` looks for."""
    with suppress(FileExistsError):
        os.close(os.open(directory / STOP, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def end_by_word(directory: Path) -> None:
    """Let a supervisor on another machine end its trial, at its next sign of life."""
    replace_file(directory / STOP, "end\n", fsync=False)


def asked_to_stop(directory: Path) -> bool:
    """Whether the trial itself was cancelled, rather than the whole launcher closed."""
    return is_there(directory / STOP)


def knows_to_stop(directory: Path) -> bool:
    """Whether `dsice.step` has returned True in the trial."""
    return is_there(directory / STOPPING)
