"""The directory of one trial: what is in it, and whose it is.

::

    job.json      who asked for it: token of this submission, program, stage, parent, slot, time     (coordinator, first)
    params.json   the parameters                                                                      (coordinator)
    process.json  the supervisor: pid, birth, host                                                    (supervisor, by rename)
    stdout stderr the program's output
    steps         learning curve, a JSON line per point                                               (dsice.step)
    stop          its presence asks the trial to stop                                                 (coordinator)
    stopping      its presence says that the trial knows                                              (dsice.step)
    result.json   what a Python function returned                                                     (its process, by rename)
    exit.json     why and how it ended, once none of its processes is left                            (supervisor, by rename)
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.launchers import processes
from dsice.launchers.base import Job
from dsice.worker import STOP, STOPPING

JOB, PARAMS, PROCESS, EXIT, RESULT = (
    "job.json",
    "params.json",
    "process.json",
    "exit.json",
    "result.json",
)


@dataclass(frozen=True)
class Ticket:
    """One submission of one job."""

    token: str
    program: str
    slot: int
    queued: float


def name(job_id: int, kind: str = "trial") -> str:
    """Name of a job's directory."""
    return str(job_id) if kind == "trial" else f"{kind}-{job_id}"


def is_preparation(directory: Path) -> bool:
    """Whether it is the directory of a preparation, which measures nothing."""
    return directory.name.startswith("prepare-")


def parent(directory: Path, job: Job) -> Path | None:
    """Directory of the trial that the job in `directory` continues; None if it continues none."""
    return None if job.parent is None else directory.parent / name(job.parent)


def no_checkpoint(parent: Path) -> str:
    """Why a trial cannot continue another one whose directory is gone."""
    return (
        f"this trial continues trial {parent.name}, and the directory of that one, {parent}, with its checkpoint is not there; "
        "give the launcher a directory= of its own, and leave it alone until the last stage has ended"
    )


def plain(params: Mapping[str, Any]) -> dict[str, Any]:
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
                f"parameter {key!r} is {value!r} ({type(value).__name__}), which cannot be written to a file as JSON; "
                "use a number, string, bool or None, and look the object up in the program"
            )
    return checked


def read(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None if it is missing or no such thing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object by rename."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content) + "\n", encoding="utf-8")
    new.replace(path)


def prepare(directory: Path, job: Job, program: str, slot: int) -> Ticket:
    """Make the directory as if nothing had ever been in it, and claim it with a new token."""
    ticket = Ticket(secrets.token_hex(8), program, slot, time.time())
    claim = {
        **_identity(job, program),
        "slot": slot,
        "queued": ticket.queued,
        "token": ticket.token,
    }
    if directory.exists():
        _clear(directory, claim)
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / JOB, claim)
    write(directory / PARAMS, plain(job.params))
    return ticket


def renew(directory: Path, job: Job, program: str, ticket: Ticket) -> Ticket:
    """Claim the directory for another try of the same job, which finds its checkpoints in it; output is put aside."""
    new = Ticket(secrets.token_hex(8), program, ticket.slot, ticket.queued)
    claim = {**_identity(job, program), "slot": new.slot, "queued": new.queued, "token": new.token}
    write(
        directory / JOB, claim
    )  # first: a supervisor of the try before that starts late sees that it is not wanted
    for name in (EXIT, RESULT, PROCESS, STOP, STOPPING):
        (directory / name).unlink(missing_ok=True)
    for name in ("stdout", "stderr"):
        if (directory / name).exists():
            number = next(i for i in range(1, 10_000) if not (directory / f"{name}.{i}").exists())
            (directory / name).rename(directory / f"{name}.{number}")
    return new


def check_ours(directory: Path) -> None:
    """Refuse a directory that may hold somebody's files.

    Raises
    ------
    LaunchError
        If it is not empty and no launcher made it.
    """
    if not directory.exists():
        return
    # a coordinator that was killed while it made the directory leaves nothing in it but the claim that it was writing
    begun = directory.is_dir() and all(entry.name == f"{JOB}.new" for entry in directory.iterdir())
    if not begun and not (directory / JOB).is_file():
        raise LaunchError(
            f"{directory} is there and holds no {JOB}, so it is no trial's directory and is left alone; "
            "give the launcher a directory of its own"
        )


def _clear(directory: Path, claim: Mapping[str, Any]) -> None:
    """Empty a directory that an earlier submission left, ending what may still run there."""
    # Order matters: claim first, then look who runs there. A supervisor that starts late reads the claim after it has
    # written process.json, so either it sees the new claim and leaves, or it is seen here.
    earlier = str((read(directory / JOB) or {}).get("token", ""))
    write(directory / JOB, claim)
    end(directory)
    if earlier and ended(directory, earlier) is None:
        processes.sweep({earlier})  # its supervisor was killed: nobody else ends what it left
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != JOB:
            entry.unlink()


def end(directory: Path, seconds: float = 5.0) -> None:
    """End the supervisor that works in `directory`, with its trial, and wait for it."""
    found = running(directory)
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


def claimed_by(directory: Path, job: Job, program: str) -> Ticket | None:
    """The submission that made this directory, if it was for the same job: id, program, parameters, stage and parent."""
    claim, params = read(directory / JOB), read(directory / PARAMS)
    if claim is None or params is None or params != plain(job.params):
        return None
    if any(claim.get(key) != value for key, value in _identity(job, program).items()):
        return None
    try:
        return Ticket(str(claim["token"]), program, int(claim["slot"]), float(claim["queued"]))
    except (KeyError, TypeError, ValueError):
        return None


def running(directory: Path) -> tuple[int, str] | None:
    """Pid and birth of the supervisor at work in `directory`; None if there is none (any more)."""
    found = read(directory / PROCESS)
    try:
        pid, born = (int(found["pid"]), str(found["birth"])) if found else (0, "")
    except (KeyError, TypeError, ValueError):
        return None
    return (pid, born) if pid > 0 and processes.alive(pid, born) else None


def ended(directory: Path, token: str) -> dict[str, Any] | None:
    """How the submission with `token` ended; None if it did not, or not with a record."""
    found = read(directory / EXIT)
    return found if found is not None and found.get("token") == token else None


def delivers(directory: Path, token: str) -> bool:
    """Whether that submission ended with something to tell: not by the coordinator's own closing."""
    found = ended(directory, token)
    if found is None:
        return False
    return found.get("why") in ("exit", "timeout") or (
        found.get("why") == "cancel" and asked_to_stop(directory)
    )


def ask_to_stop(directory: Path) -> None:
    """Leave the mark that `dsice.step` looks for."""
    (directory / STOP).touch()


def asked_to_stop(directory: Path) -> bool:
    """Whether the trial itself was cancelled, rather than the whole launcher closed."""
    return (directory / STOP).exists()


def told_to_stop(directory: Path) -> bool:
    """Whether `dsice.step` has returned True in the trial."""
    return (directory / STOPPING).exists()


def lock(directory: Path) -> int | None:
    """Take `directory` for this process; a handle to close, or None where the file system has no locks.

    Raises
    ------
    LaunchError
        If another process holds it.
    """
    import fcntl

    path = directory / "coordinator.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 200).decode(errors="replace").strip()
        os.close(handle)
        raise LaunchError(
            f"directory {directory} is in use by another launcher ({holder}); close that one, or use another directory"
        ) from None
    except OSError:
        os.close(handle)
        return None
    os.ftruncate(handle, 0)
    os.write(handle, f"pid {os.getpid()} on {os.uname().nodename}\n".encode())
    return handle
