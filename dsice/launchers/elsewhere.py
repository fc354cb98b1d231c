"""Supervisors that this process cannot see: on another machine, or in another container.

A coordinator may come back on another machine: on another login node, on the other nodes of a new
allocation. What ran may run on, and process ids say nothing here. What is known of a trial then is
in its directory: where it runs (``process.json``), that it lives (``alive``, which its supervisor
touches every 10 seconds), how it ended (``exit.json``).

No host's clock is trusted: the age of ``alive`` is measured by a file that is touched now in the
same directory, so that one clock stamps both, and by this machine's monotonic clock while it is
watched.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dsice.journal.files import read_json, strictly
from dsice.launchers import processes, trial_directory
from dsice.launchers.standalone._supervise import SIGN_SECONDS

ALIVE = "alive"
PATIENCE = 180.0  # seconds without a sign of life after which a trial is dead
_MISSED = 3 * SIGN_SECONDS  # seconds without a sign in which something is wrong
_WATCH = 2.5 * SIGN_SECONDS  # seconds to watch where machines stamp files by their own clocks
_BOOT = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):")
# one kernel or one server stamps all files; elsewhere (Lustre, GPFS) each machine may
_ONE_CLOCK = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "ramfs")


@dataclass(frozen=True)
class Whereabouts:
    """Where a supervisor runs, as it wrote it down.

    Attributes
    ----------
    pid, birth
        Its process, and when that started.
    host
        Name of the machine, as the machine itself has it.
    token
        Its submission.
    pids
        The space of process ids that `pid` is from; empty where it is unknown.
    scheduler, job, cluster
        The job of a scheduler that it is part of; empty: of none that is known.
    signs
        Whether it shows that it lives; those of dsice 0.1.0 do not.
    since
        When it started, by the clock of the file system (Unix time).
    """

    pid: int
    birth: str
    host: str
    token: str
    pids: str = ""
    scheduler: str = ""
    job: str = ""
    cluster: str = ""
    signs: bool = False
    since: float = 0.0

    @property
    def boot(self) -> str:
        """Which start of which machine it belongs to; empty where that is unknown."""
        found = _BOOT.match(self.birth)
        return found[1] if found else ""

    def __str__(self) -> str:
        text = f"on {_printable(self.host)}"
        if self.job:
            text += f" (job {_printable(self.job)})"
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{text} since {since}"


def occupant(directory: Path) -> Whereabouts | None:
    """The supervisor that works, or worked, in a directory, and that cannot be seen from here.

    None where it can be seen, or where there was none. Whether it has ended is for the caller to
    find out, afterwards: `trial_directory.exit_record`.

    Raises
    ------
    OSError
        The record cannot be read for now.
    """
    path = directory / trial_directory.PROCESS
    with strictly():
        found = read_json(path)
    if not found:
        return None
    texts = {
        name: str(found.get(name, ""))
        for name in ("birth", "host", "token", "pids", "scheduler", "job", "cluster")
    }
    try:
        signs = "alive" in found or _touched(directory) is not None
        who = Whereabouts(int(found["pid"]), **texts, signs=signs, since=path.stat().st_mtime)
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return None if _is_here(who) else who


def may_run(directory: Path) -> bool:
    """Whether a supervisor that cannot be seen from here may work in a directory.

    Raises
    ------
    OSError
        The trial's files cannot be read for now.
    """
    who = occupant(directory)
    if who is None or has_ended(directory, who):
        return False
    # the record may be late: look again, after a file was made there
    dead = who.signs and death(who, Signs(directory))
    return not (dead or has_ended(directory, who))


def has_ended(directory: Path, who: Whereabouts) -> bool:
    """Whether a supervisor left a record of the end; OSError where that cannot be read for now."""
    with strictly():
        return trial_directory.exit_record(directory, who.token) is not None


def this_host() -> str:
    """Name of this machine."""
    return os.uname().nodename


def this_boot() -> str:
    """Which start of which machine this is; empty where that is unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def this_pids() -> str:
    """The space of the process ids that this process sees; empty where there is one only."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        return ""


def this_cluster() -> str:
    """The cluster whose job this process is part of; empty where that is unknown."""
    return os.environ.get("SLURM_CLUSTER_NAME", "")


def _is_here(who: Whereabouts) -> bool:
    """Whether it would be seen from here, if it ran."""
    pids = this_pids()
    same_pids = not who.pids or who.pids == pids
    boot = this_boot()
    if who.boot and boot and who.boot != boot:
        return False
    if who.boot and boot and who.pids:
        return same_pids  # a machine may get another name
    if who.host == this_host():
        return same_pids
    return bool(who.boot and boot) and processes.alive(who.pid, who.birth)


class Signs:
    """Watches the sign of life of one trial.

    Attributes
    ----------
    age
        Seconds since the last sign, by the clock of the file system; None where it cannot be told.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._last: float | None = None
        self._since = time.monotonic()
        self._watch = 0.0 if _has_one_clock(directory) else _WATCH
        self.age: float | None = None
        self.look()

    def look(self) -> None:
        """Look for a new sign."""
        last, now = _touched(self._directory), _now(self._directory)
        if last != self._last:
            self._last, self._since = last, time.monotonic()
        self.age = None if last is None or now is None else now - last

    @property
    def quiet(self) -> float:
        """Seconds in which there was none while it was watched, by this machine's clock."""
        return time.monotonic() - self._since

    def none_for(self, seconds: float) -> bool:
        """Whether there was no sign for so long."""
        if self.quiet >= seconds:
            return True
        return self.age is not None and self.age > seconds and self.quiet >= self._watch


def death(who: Whereabouts, signs: Signs) -> str:
    """Why a supervisor that left no record is dead, in words; empty: it may live."""
    if signs.none_for(PATIENCE):
        return f"it gave no sign of life for {PATIENCE / 60:g} minutes"
    if who.host == this_host() and who.boot and who.boot != this_boot():
        up = _seconds_up()
        # another machine of the same name that lives would have given a sign since
        if up is not None and signs.none_for(max(_MISSED, up)):
            return "its machine was restarted"
    return ""


def missed(signs: Signs) -> bool:
    """Whether a living supervisor would have given a sign by now."""
    return signs.none_for(_MISSED)


def _touched(directory: Path) -> float | None:
    """When the last sign of life was left, by the clock of the file system; None: there is none."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(directory / ALIVE, flags)  # network file systems ask their server then
    except OSError:
        return None
    try:
        return os.fstat(handle).st_mtime
    finally:
        os.close(handle)


def _now(directory: Path) -> float | None:
    """What the clock of the file system says; None where no file can be written."""
    path = directory / f"clock.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o600)
    except OSError:
        return None
    try:
        os.utime(handle)
        return os.fstat(handle).st_mtime
    except OSError:
        return None
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            path.unlink()


def _has_one_clock(directory: Path) -> bool:
    """Whether whoever touches a file in a directory, one clock stamps it."""
    try:
        device = directory.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        if number in left.split()[2:3]:
            return right.split(" ", 1)[0] in _ONE_CLOCK
    return False


def _seconds_up() -> float | None:
    """How long this machine is up; None where that is unknown."""
    if not sys.platform.startswith("linux"):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _printable(text: str) -> str:
    """A text out of a file, as it may stand in a message."""
    return "".join(c if c.isprintable() else "?" for c in text)[:100]
