"""Watch over one trial, with the arguments DIRECTORY TOKEN TIMEOUT GRACE CPUS LIFELINE
PROGRAM..., in a ``python -I -S``.

It stands between the coordinator and the trial, for four reasons:

- the exit status reaches the trial's directory even when the coordinator was killed meanwhile;
- it is the reaper of its descendants (Linux), so a process that left the session and the parent is
  still found and ended;
- it sits in another session than the trial, which may then kill its own process group and harm
  nobody;
- the time limit holds without the coordinator.

LIFELINE: ``1``: stdin is a pipe whose end ends the trial; ``mark``: the file ``stop`` in the
directory does, since no signal from the coordinator can reach this process; ``0``: neither. CPUS:
the cores that the trial is bound to (``0,1``), or ``any``.

Standard library only, few imports, no `json`: starting it is most of what a trial costs.
It writes ``process.json`` when it starts and ``exit.json`` when every process of the trial is gone.
In between it touches ``alive`` every 10 seconds, by which machines that cannot see the process know
that it lives; each time it looks whether the trial is still wanted: not once ``stop`` has a word in
it, or the directory belongs to another submission.
"""

# pathlib would add a fifth to the start-up time
# ruff: noqa: PTH105, PTH108, PTH110, PTH115, PTH116, PTH123, PTH208
from __future__ import annotations

import os
import select
import sys
import time

try:  # the same functions without the enumerations, which take as long as the rest of the start-up
    import _signal as signal  # type: ignore[import-not-found]
except ImportError:  # a private module: another Python may not have it
    import signal

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_SECONDS = 1.0  # between two looks for the mark to stop
SIGN_SECONDS = 10.0  # between two signs of life
CLAIM_BYTES = 1 << 20  # more than any claim has
KILL_SECONDS = (
    5.0  # how long SIGKILL is repeated before giving up on a process in an uninterruptible state
)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


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


class suppress:  # contextlib's takes a quarter of the start-up time to import
    """Go on after the block when one of `errors` happens in it."""

    def __init__(self, *errors: type[BaseException]) -> None:
        self.errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        return kind is not None and issubclass(kind, self.errors)


def birth(pid: int) -> str | None:
    """When process `pid` started, as a text that no other process ever has; None if it is gone."""
    if not sys.platform.startswith("linux"):
        with os.popen(f"ps -o lstart= -p {int(pid)}") as answer:
            return answer.read().strip() or None
    try:
        with open(f"/proc/{int(pid)}/stat", "rb") as file:
            fields = (
                file.read().rpartition(b")")[2].split()
            )  # the name in brackets may hold anything
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
    except OSError:
        return None
    return None if fields[0] in b"ZX" else f"{boot}:{fields[19].decode()}"


def parents() -> dict[int, int]:
    """Parent of every process of this machine."""
    found: dict[int, int] = {}
    if not sys.platform.startswith("linux"):
        with os.popen("ps -Ao pid=,ppid=") as table:
            return {int(pid): int(parent) for pid, parent in (line.split() for line in table)}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def descendants(root: int) -> list[int]:
    """Children of `root`, their children, and so on."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found, rest = [], [root]
    while rest:
        new = children.get(rest.pop(), [])
        found += new
        rest += new
    return found


def prctl(option: int, value: int) -> None:
    """Linux process control; nothing elsewhere."""
    if sys.platform.startswith("linux"):
        import ctypes  # a third of the start-up time, and only needed here

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Watch:
    """One trial: its main process, how it ended, and everything it started."""

    def __init__(
        self, program: list[str], directory: str, token: str, lifeline: str, cpus: list[int]
    ) -> None:
        self.bell, ringer = os.pipe()
        for end in (self.bell, ringer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
        for number in (*ENDING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)  # the bell carries the news
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self.directory, self.token = directory, token
        self.lifeline = lifeline == "1"
        self.next_sign = time.monotonic() + SIGN_SECONDS
        self.mark = f"{directory}/stop" if lifeline == "mark" else None
        self.status: int | None = None
        self.started, self.clock = time.time(), time.monotonic()
        self.main = os.fork()
        if self.main == 0:
            start(program, directory, cpus)

    def reap(self) -> bool:
        """Collect what ended; True while the trial has processes left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.main:
                    self.status = status
        except (
            ChildProcessError
        ):  # on Linux: the whole tree is gone, since orphans become our children
            pass
        if sys.platform.startswith("linux"):
            return False
        try:
            os.killpg(self.main, 0)
        except OSError:
            return False
        return True

    def wait(self, seconds: float | None) -> str | None:
        """Sleep until a signal, the coordinator's end or `seconds`: the reason to end the trial, if
        it is one."""
        if self.mark is not None and os.path.exists(self.mark):
            return "cancel"
        pause = max(0.0, self.next_sign - time.monotonic())
        if self.mark is not None:
            pause = min(pause, LOOK_SECONDS)
        brief = seconds is None or seconds > pause
        ready = select.select(
            [self.bell, 0] if self.lifeline else [self.bell],
            [],
            [],
            pause if brief else seconds,
        )[0]
        if not ready:
            return None if brief else "timeout"
        if 0 in ready:
            return "orphan"
        rung = os.read(self.bell, 4096)
        return "cancel" if any(number in rung for number in ENDING) else None

    def run(self, timeout: float | None) -> str:
        """Wait for the main process; why the waiting was over."""
        while True:
            self.reap()
            if self.status is not None:
                return "exit"
            if self.show_life() and (why := unwanted(self.directory, self.token)):
                return why
            left = None if timeout is None else max(0.0, self.clock + timeout - time.monotonic())
            why = self.wait(left)
            if why:
                return why

    def show_life(self) -> bool:
        """Touch ``alive`` when it is time to; whether it was."""
        now = time.monotonic()
        if now < self.next_sign:
            return False
        self.next_sign = now + SIGN_SECONDS
        touch(self.directory)
        return True

    def send(self, number: int) -> None:
        """Signal the trial's process group and everything descended from it."""
        with suppress(OSError):
            if self.status is None or not sys.platform.startswith("linux"):
                os.killpg(self.main, number)
        for pid in descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, number)

    def end(self, grace: float) -> int:
        """SIGTERM, `grace` seconds, then SIGKILL until nothing is left; the number of processes
        that would not go."""
        if not self.reap():
            return 0
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # a suspended process takes SIGTERM only when it goes on
        until = time.monotonic() + grace
        while self.reap() and time.monotonic() < until:
            self.show_life()
            time.sleep(0.003)
        until = time.monotonic() + KILL_SECONDS
        while self.reap() and time.monotonic() < until:
            self.send(
                signal.SIGKILL
            )  # again and again: a process may fork between the look and the kill
            time.sleep(0.002)
        return len(descendants(os.getpid())) if self.reap() else 0


def start(program: list[str], directory: str, cpus: list[int]) -> None:
    """Become the trial: in the forked child; never returns."""
    try:
        os.setsid()
        for number in range(
            1, signal.NSIG
        ):  # Python ignores SIGPIPE, and a coordinator under nohup ignores SIGHUP
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        supervisor = os.getppid()
        prctl(
            PR_SET_PDEATHSIG, signal.SIGKILL
        )  # should the supervisor be killed, the trial goes with it
        if supervisor == 1 or os.getppid() != supervisor:
            os._exit(127)
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # when memory runs out the trial is to die, not the coordinator
        if cpus:
            os.sched_setaffinity(0, cpus)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name, handle in (("stdout", 1), ("stderr", 2)):
            os.dup2(regular(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), handle)
        os.execvp(program[0], program)
    except BaseException as error:
        os.write(2, f"cannot run {program[0]}: {error}\n".encode(errors="replace"))
    os._exit(127)


def regular(path: str, flags: int) -> int:
    """Open a regular file; it never waits for a FIFO, nor follows a link."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if os.fstat(handle).st_mode & 0o170000 != 0o100000:
        os.close(handle)
        raise OSError(f"{path} is no regular file")
    os.set_blocking(handle, True)
    return handle


def publish(directory: str, token: str, name: str, text: str) -> None:
    """Write a file, whole or not at all, unless the directory is another submission's by now.

    Even a process that was suspended at the worst moment does not write over the file of another
    submission: a link is only made where no file is.
    """
    path = f"{directory}/{name}"
    new = f"{path}.{token}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(new, flags, 0o666), "w") as file:
            file.write(text)
        if superseded(directory, token):
            return
        try:
            os.link(new, path)
        except FileExistsError:  # of this submission, of one before it, or of one after it
            if not superseded(directory, token):
                os.replace(new, path)
        except OSError:  # a file system without links
            os.replace(new, path)
    finally:
        with suppress(OSError):
            os.unlink(new)


def touch(directory: str) -> None:
    """Leave the sign of life: the file system's own clock says when it was."""
    path = f"{directory}/alive"
    with suppress(OSError):
        try:
            os.utime(path, follow_symlinks=False)
        except FileNotFoundError:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(path, flags, 0o666))


def unwanted(directory: str, token: str) -> str:
    """Why the trial is to end, by what is in its directory; empty: it goes on.

    An empty ``stop`` is for the trial itself, a word in it is for this process: it is how a
    coordinator on another machine ends a trial.
    """
    with suppress(OSError):
        if os.stat(f"{directory}/stop", follow_symlinks=False).st_size > 0:
            return "cancel"
    return "superseded" if superseded(directory, token) else ""


def claim(directory: str) -> bytes:
    """What says whose directory it is; empty where that cannot be read."""
    found = b""
    with suppress(OSError):  # neither a pipe nor a device in its place is waited for
        handle = regular(f"{directory}/job.json", os.O_RDONLY)
        try:
            while len(found) < CLAIM_BYTES and (part := os.read(handle, CLAIM_BYTES)):
                found += part
        finally:
            os.close(handle)
    return found


def claimed(directory: str, token: str) -> bool:
    """Whether the directory still belongs to the submission that started this process."""
    return token.encode() in claim(directory)


def superseded(directory: str, token: str) -> bool:
    """Whether the directory belongs to another submission for certain."""
    found = claim(directory)
    return bool(found.strip()) and token.encode() not in found


def whereabouts() -> str:
    """Where this process runs, as fields of JSON: the space of its process ids, and the job of a
    scheduler that it is part of."""
    fields = {}
    with suppress(OSError):
        fields["pids"] = os.readlink("/proc/self/ns/pid")
    for scheduler, variable, needed in ALLOCATIONS:
        if os.environ.get(variable) and (not needed or needed in os.environ):
            fields["scheduler"], fields["job"] = scheduler, os.environ[variable]
            fields["cluster"] = os.environ.get("SLURM_CLUSTER_NAME", "")
            break
    plain = {
        name: "".join(c for c in text if c.isalnum() or c in "._-:[]@+")
        for name, text in fields.items()
    }
    return "".join(f', "{name}": "{text}"' for name, text in plain.items() if text)


def main(arguments: list[str]) -> None:
    """Run one trial to its end."""
    directory, token, timeout, grace, cpus, lifeline, *program = arguments
    me = os.getpid()
    host = os.uname().nodename
    if not claimed(directory, token):
        return
    touch(directory)
    publish(
        directory,
        token,
        "process.json",
        f'{{"pid": {me}, "birth": "{birth(me)}", "host": "{host}", "token": "{token}", '
        f'"alive": {SIGN_SECONDS:g}{whereabouts()}}}\n',
    )
    if not claimed(
        directory, token
    ):  # taken over between the two looks; whoever took it also saw process.json
        return
    os.environ["DSICE_NONCE"] = token  # its processes are known by it, and what they write
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    bound = [] if cpus == "any" else [int(cpu) for cpu in cpus.split(",")]
    watch = Watch(program, directory, token, lifeline, bound)
    why = watch.run(float(timeout) if timeout != "none" else None)
    ended, seconds = time.time(), time.monotonic() - watch.clock
    left = watch.end(float(grace))
    status = watch.status if watch.status is not None else 0
    code = "null" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))
    number = str(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else "null"
    publish(
        directory,
        token,
        "exit.json",
        f'{{"why": "{why}", "code": {code}, "signal": {number}, "pid": {watch.main}, '
        f'"left": {left}, "started": {watch.started:.6f}, "ended": {ended:.6f}, '
        f'"seconds": {seconds:.6f}, "token": "{token}"}}\n',
    )


def run() -> None:
    """What the process does."""
    main(sys.argv[1:])
    os._exit(0)  # nothing to tidy up, and the interpreter's own end takes milliseconds


if __name__ == "__main__":  # where a copy of this file is run, on a machine without dsice
    run()
