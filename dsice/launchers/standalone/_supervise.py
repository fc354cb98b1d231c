"""Watch over one trial, with the arguments DIRECTORY TOKEN TIMEOUT GRACE CPUS LIFELINE
PROGRAM..., in a ``python -I -S``.

It stands between the coordinator and the trial, for four reasons:

- the exit status reaches the trial's directory even when the coordinator was killed meanwhile;
- as the reaper of its descendants (Linux) it finds and ends those that left session and parent;
- it sits in another session than the trial, which may kill its own process group and harm nobody;
- the time limit holds without the coordinator.

LIFELINE: ``1``: stdin is a pipe whose end ends the trial; ``mark``: the file ``stop`` in the
directory does, since no signal from the coordinator can reach this process; ``0``: neither. CPUS:
the cores that the trial is bound to (``0,1``), or ``any``.

Standard library only, few imports, no `json`: starting it is most of what a trial costs.
It writes ``process.json`` when it starts and ``exit.json`` when every process of the trial is gone.
In between it touches ``alive`` every 10 seconds, by which machines that cannot see the process know
that it lives, and looks whether the trial is still wanted: not once ``stop`` has a word in it, or
the directory belongs to another submission. What the machine lacks is not the trial's fault: in
``exit.json``, ``why`` is ``unstarted`` where the program could not be started, ``fault`` says that
the disk was full or no process could be made at its end, and a full disk is waited for.
"""

# pathlib would add a fifth to the start-up time
# ruff: noqa: PTH105, PTH108, PTH110, PTH115, PTH116, PTH123
from __future__ import annotations

import os
import select
import sys
import time

try:  # the same functions without the enumerations, which take as long as the rest of the start-up
    import _signal as signal  # type: ignore[import-not-found]
except ImportError:  # a private module: another Python may not have it
    import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
if TYPE_CHECKING or __name__.startswith("dsice."):
    from dsice.launchers.standalone import _processes as processes
else:  # found by its bare name, beside this file
    import _processes as processes

suppress = processes.suppress
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_SECONDS = 1.0  # between two looks for the mark to stop
SIGN_SECONDS = 10.0  # between two signs of life
CONFIRM_SECONDS = 1.0  # between two looks at a claim that is another's
HEED_SECONDS = 1.0  # from the first to the last process that a scheduler signals
CLAIM_BYTES = 1 << 20  # more than any claim has
KILL_SECONDS = 5.0  # how long SIGKILL is repeated, for a process that cannot be interrupted
UNSTARTED, UNWANTED, UNRECORDED = 75, 73, 74  # never ran; directory is another's; ran, no record


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
        self.failure, failure = os.pipe()  # exec closes it: what comes out kept exec away
        os.set_blocking(self.failure, False)
        self.main = os.fork()
        if self.main == 0:
            start(program, directory, cpus, failure)
        os.close(failure)

    def why_not(self) -> str:
        """Why the program could not be started; empty: it was."""
        with suppress(OSError):
            return os.read(self.failure, 4096).decode(errors="replace")
        return ""

    def reap(self) -> bool:
        """Collect what ended; True while the trial has processes left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.main:
                    self.status = status
        except ChildProcessError:
            pass  # on Linux: the whole tree is gone, since orphans become our children
        if sys.platform.startswith("linux"):
            return False
        try:
            os.killpg(self.main, 0)
        except OSError:
            return False
        return True

    def wait(self, seconds: float | None) -> str | None:
        """Sleep until a signal, the coordinator's end or `seconds`; a reason to end, or None."""
        if self.mark is not None and os.path.exists(self.mark):
            return "cancel"
        pause = max(0.0, self.next_sign - time.monotonic())
        if self.mark is not None:
            pause = min(pause, LOOK_SECONDS)
        brief = seconds is None or seconds > pause
        sources = [self.bell, 0] if self.lifeline else [self.bell]
        ready = select.select(sources, [], [], pause if brief else seconds)[0]
        if not ready:
            return None if brief else "timeout"
        if 0 in ready:
            return "orphan"
        rung = os.read(self.bell, 4096)
        return "cancel" if any(number in rung for number in ENDING) else None

    def told_to_end(self, seconds: float) -> bool:
        """Whether coordinator or scheduler want this process to go, waiting `seconds` for it."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.show_life()
            if self.wait(min(left, SIGN_SECONDS)) in ("cancel", "orphan"):
                return True
        return False

    def run(self, timeout: float | None) -> str:
        """Wait for the main process; why the waiting was over."""
        while True:
            self.reap()
            if self.status is not None:
                return "exit"
            if self.show_life() and (no := unwanted(self.directory, self.token)):
                return no
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
        for pid in processes.descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, number)

    def end(self, grace: float) -> int:
        """SIGTERM, `grace` seconds, then SIGKILL; how many processes would not go."""
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
            self.send(signal.SIGKILL)  # again: a process may fork between the look and the kill
            time.sleep(0.002)
        return len(processes.descendants(os.getpid())) if self.reap() else 0


def start(program: list[str], directory: str, cpus: list[int], failure: int) -> None:
    """Become the trial: in the forked child; never returns."""
    try:
        os.setsid()
        # Python ignores SIGPIPE, and a coordinator under nohup ignores SIGHUP
        for number in range(1, signal.NSIG):
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        supervisor = os.getppid()
        # should the supervisor be killed, the trial goes with it
        processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
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
        text = f"cannot run {program[0]}: {error}\n".encode(errors="replace")[:4096]
        os.write(failure, text)
        with suppress(OSError):
            os.write(2, text)
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

    An empty ``stop`` is for the trial itself, a word in it, from another machine, for this process.
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


def superseded(directory: str, token: str) -> bool:
    """Whether the directory belongs to another submission for certain.

    A coordinator may take a claim back that it made a moment before: it is looked at twice.
    """
    for again in (False, True):
        if again:
            time.sleep(CONFIRM_SECONDS)
        found = claim(directory)
        # what has no token is of the program's own
        if b'"token"' not in found or token.encode() in found:
            return False
    return True


def whereabouts() -> str:
    """Where this process runs, as fields of JSON: its space of process ids, its scheduler's job."""
    found = ""
    with suppress(OSError):
        found = f', "pids": "{os.readlink("/proc/self/ns/pid")}"'
    if any("JOB" in name or "STEP" in name for name in os.environ):
        found += seldom().allocation(os.environ)
    return found


def main(arguments: list[str]) -> int:
    """Run one trial to its end; the exit code of this process."""
    directory, token, timeout, grace, cpus, lifeline, *program = arguments
    try:
        watch = begin(directory, token, cpus, lifeline, program)
        if watch is None:
            return UNWANTED
    except Exception as error:  # whatever it is: the program has not begun
        return unstarted(directory, token, f"{type(error).__name__}: {error}")
    why = watch.run(float(timeout) if timeout != "none" else None)
    ended, seconds = time.time(), time.monotonic() - watch.clock
    if why == "exit" and watch.status and seldom().allocation(os.environ):
        # a scheduler ends a job process by process: its signal to this one may be on its way
        why = "cancel" if watch.told_to_end(HEED_SECONDS) else why
    left = watch.end(float(grace))
    story = watch.why_not()
    if story:
        return unstarted(directory, token, story.strip())
    status = watch.status if watch.status is not None else 0
    code = "null" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))
    number = str(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else "null"
    record = (
        f'{{"why": "{why}", "code": {code}, "signal": {number}, "pid": {watch.main}, '
        f'"left": {left}, "started": {watch.started:.6f}, "ended": {ended:.6f}, '
        f'"seconds": {seconds:.6f}, "token": "{token}"'
    )
    suspect = why == "timeout" or (why == "exit" and status != 0)
    fault = seldom().fault(directory) if suspect else ""

    def write(problem: str) -> None:
        noted = f', "fault": {seldom().quoted(problem)}' if problem else ""
        publish(directory, token, "exit.json", f"{record}{noted}}}\n")

    try:
        write(fault)
    except OSError as error:
        return 0 if seldom().insist(write, error, watch.told_to_end) else UNRECORDED
    return 0


def begin(directory: str, token: str, cpus: str, lifeline: str, program: list[str]) -> Watch | None:
    """Start the trial; None: it is not wanted any more."""
    me, host = os.getpid(), os.uname().nodename
    if not_ours(directory, token):
        return None
    touch(directory)
    publish(
        directory,
        token,
        "process.json",
        f'{{"pid": {me}, "birth": "{processes.birth(me)}", "host": "{host}", "token": "{token}", '
        f'"alive": {SIGN_SECONDS:g}{whereabouts()}}}\n',
    )
    # whoever took it in between also saw process.json, and may give it back
    if not_ours(directory, token) and superseded(directory, token):
        return None
    os.environ["DSICE_NONCE"] = token  # its processes are known by it, and what they write
    processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
    bound = [] if cpus == "any" else [int(cpu) for cpu in cpus.split(",")]
    return Watch(program, directory, token, lifeline, bound)


def not_ours(directory: str, token: str) -> bool:
    """Whether another submission has the directory; OSError where its claim cannot be read."""
    found = claim(directory)
    if not found.strip():
        raise OSError(f"the claim of {directory} is not there, or cannot be read")
    return token.encode() not in found


def unstarted(directory: str, token: str, reason: str) -> int:
    """Leave word that the program never ran; the exit code says it where no word can be left."""
    text = f'{{"why": "unstarted", "error": {seldom().quoted(reason)}, "token": "{token}"}}\n'
    with suppress(OSError):
        publish(directory, token, "exit.json", text)
    return UNSTARTED


def seldom() -> Any:
    """The module of what few trials need, which is loaded when one does."""
    while True:
        try:
            return sys.modules.get("dsice.launchers.standalone._seldom") or __import__("_seldom")
        except OSError:  # no file handle left on this machine
            time.sleep(LOOK_SECONDS)


def run() -> None:
    """What the process does."""
    os._exit(main(sys.argv[1:]))  # nothing to tidy up; the interpreter's own end takes milliseconds


if __name__ == "__main__":  # where a copy of this file is run, on a machine without dsice
    run()
