"""The directory of one trial: which files are in it, and which submission it belongs to.

::

    job.json       the submission: token, program, stage, parent, slot, time   coordinator, first
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
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from dsice.errors import LaunchError
from dsice.journal.files import NotRegularError, open_regular, replace_file
from dsice.launchers import processes
from dsice.launchers.base import Job
from dsice.worker import STOP, STOPPING

JOB = "job.json"
PARAMS = "params.json"
PROCESS = "process.json"
EXIT = "exit.json"
RESULT = "result.json"
_NUMBERS = ("code", "signal", "pid", "started", "ended", "seconds")
_MISSING = (FileNotFoundError, NotADirectoryError, NotRegularError)
_LARGEST = 1 << 26  # bytes of a JSON file

_STRICT: ContextVar[bool] = ContextVar("strict", default=False)


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


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON keeps them: numbers, strings, bools, None and lists or objects of these.

    Raises
    ------
    LaunchError
        For a value that JSON cannot keep.
    """
    checked: dict[str, Any] = {}
    for key, value in params.items():
        checked[key] = value.item() if hasattr(value, "item") else value  # numpy scalars
        try:
            same = json.loads(json.dumps(checked[key])) == checked[key]
        except (TypeError, ValueError):
            same = False
        if not same:
            raise LaunchError(
                f"parameter {key!r} is {value!r} ({type(value).__name__}), which cannot be written "
                "to a file as JSON; use a number, string, bool or None, and look the object up in "
                "the program"
            )
    return checked


@contextmanager
def strictly() -> Iterator[None]:
    """A block in which a file that cannot be read for now is an OSError, and not a missing file.

    For launchers that look again later: after an I/O error a trial must not pass for one that left
    no result.
    """
    before = _STRICT.set(True)
    try:
        yield
    finally:
        _STRICT.reset(before)


def as_missing(error: OSError) -> None:
    """Take a file that cannot be read for missing; `strictly`, raise the error unless it is."""
    if _STRICT.get() and not isinstance(error, _MISSING):
        raise error


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None if it is missing or no such thing.

    Any program may have made the file: a FIFO, a device, a link and what is larger than 64 MB are
    no such thing, and neither is a file of another user.
    """
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            state = os.fstat(file.fileno())
            ours = state.st_uid in (0, os.geteuid()) or state.st_uid == path.parent.stat().st_uid
            if not ours or state.st_size > _LARGEST:
                return None
            found = json.loads(file.read(_LARGEST).decode())
    except OSError as error:
        as_missing(error)
        return None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object into a file, by rename."""
    replace_file(path, json.dumps(content) + "\n", fsync=False)


def make(directory: Path, job: Job, program: str, slot: int) -> Submission:
    """Make a fresh directory for a job, whatever was in it, and claim it with a new token."""
    submission = Submission(secrets.token_hex(8), program, slot, time.time())
    claim = {
        **_identity(job, program),
        "slot": slot,
        "queued": submission.queued,
        "token": submission.token,
    }
    if directory.exists():
        _clear(directory, claim)
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
    claim = {**_identity(job, program), "slot": new.slot, "queued": new.queued, "token": new.token}
    # first: a supervisor of the earlier try that starts late sees that it is not wanted
    write_json(directory / JOB, claim)
    if unless_begun and has_begun(directory, submission.token):
        write_json(directory / JOB, {**claim, "token": submission.token})
        return submission
    for name in (EXIT, RESULT, PROCESS, STOP, STOPPING):
        _remove(directory / name)
    for name in ("stdout", "stderr"):
        output = directory / name
        if os.path.lexists(output):
            numbered = (directory / f"{name}.{number}" for number in range(1, 10_000))
            output.rename(next(path for path in numbered if not os.path.lexists(path)))
    return new


def check_usable(directory: Path) -> None:
    """Refuse a directory that may hold somebody's files.

    Raises
    ------
    LaunchError
        If it is not empty and no launcher made it.
    """
    if not directory.exists():
        return
    # a coordinator that was killed while it made the directory leaves nothing but a half claim
    begun = directory.is_dir() and all(entry.name == f"{JOB}.new" for entry in directory.iterdir())
    if not begun and not (directory / JOB).is_file():
        raise LaunchError(
            f"{directory} is there and holds no {JOB}, so it is no trial's directory and is left "
            "alone; give the launcher a directory of its own"
        )


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
    until = time.monotonic() + seconds
    processes.send(*found, signal.SIGTERM)
    while processes.alive(*found):
        if time.monotonic() > until:
            processes.send(*found, signal.SIGKILL)
            time.sleep(0.05)
            break
        time.sleep(0.005)


def _identity(job: Job, program: str) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "program": program,
        "stage": job.stage,
        "parent": job.parent,
    }


def find_submission(directory: Path, job: Job, program: str) -> Submission | None:
    """The submission that a directory belongs to, if it was made for the same job; else None.

    The same job has the same id, kind, program, parameters, stage and parent.
    """
    claim, params = read_json(directory / JOB), read_json(directory / PARAMS)
    if claim is None or params is None or params != plain_params(job.params):
        return None
    if any(claim.get(key) != value for key, value in _identity(job, program).items()):
        return None
    try:
        return Submission(str(claim["token"]), program, int(claim["slot"]), float(claim["queued"]))
    except (KeyError, TypeError, ValueError):
        return None


def supervisor(directory: Path) -> tuple[int, str] | None:
    """Pid and birth of the supervisor that works in a directory; None if none is alive."""
    found = read_json(directory / PROCESS)
    if not found:
        return None
    try:
        pid, born = int(found["pid"]), str(found["birth"])
    except (KeyError, TypeError, ValueError):
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
    whole = all(isinstance(found.get(name), (int, float, NoneType)) for name in _NUMBERS)
    return found if whole else None  # a program that killed its supervisor may write anything


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
    (directory / STOP).write_text("end\n", encoding="ascii")


def asked_to_stop(directory: Path) -> bool:
    """Whether the trial itself was cancelled, rather than the whole launcher closed."""
    return os.path.lexists(directory / STOP)


def knows_to_stop(directory: Path) -> bool:
    """Whether `dsice.step` has returned True in the trial."""
    return os.path.lexists(directory / STOPPING)


def lock(directory: Path) -> int | None:
    """Take `directory` for this process; a handle to close, or None where files have no locks.

    Raises
    ------
    LaunchError
        If another process holds it.
    """
    import fcntl

    path = directory / "coordinator.lock"
    handle = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 200).decode(errors="replace").strip()
        os.close(handle)
        raise LaunchError(
            f"directory {directory} is in use by another launcher ({holder}); "
            "close that one, or use another directory"
        ) from None
    except OSError:
        os.close(handle)
        return None
    os.ftruncate(handle, 0)
    os.write(handle, f"pid {os.getpid()} on {os.uname().nodename}\n".encode())
    return handle
