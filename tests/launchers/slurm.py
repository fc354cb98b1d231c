"""A real Slurm on this machine, started and ended by the tests.

Controller, node daemon and munge use the loopback interface. ``python -m tests.launchers.slurm
COMMAND...`` runs a command with it, for instance ``sinfo`` or a shell.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psutil

from dsice.launchers.standalone._processes import PR_SET_PDEATHSIG, prctl

CPUS = 40
GPUS = 4  # links to /dev/null in their place: Slurm hands out their numbers, as it does for devices
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel")
CONF = """\
ClusterName=dsice
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={place}/munge/socket
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no Slurm can be started here; empty if it can."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} on this machine (Debian: apt-get install slurm-wlm munge)"
    return (
        "" if os.geteuid() == 0 else "only root can start slurmd and submit to it as in production"
    )


class Slurm:
    """A cluster of one node that pretends to have 40 CPUs and 4 GPUs; further jobs wait."""

    def __init__(self) -> None:
        # a short path, since names of sockets must be short
        self.place = Path(tempfile.mkdtemp(prefix="dsice-slurm-", dir="/tmp"))
        self.conf = self.place / "slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Slurm:
        try:
            self._write()
            socket_file = self.place / "munge" / "socket"
            files = [
                f"--{name}-file={self.place}/munge/{name}" for name in ("key", "pid", "log", "seed")
            ]
            self._start("munged", "--foreground", f"--socket={socket_file}", *files)
            self._until(socket_file.exists, "munged")
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._until(
                lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T"),
                "slurmctld and slurmd",
            )
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment to use this cluster."""
        return {"SLURM_CONF": str(self.conf)}

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    def jobs(self) -> list[str]:
        """Ids of the jobs that wait or run."""
        return self.ask("squeue", "--noheader", "--array", "--format=%i").split()

    def clear(self) -> None:
        """End all jobs."""
        self.ask("scancel", f"--user={getpass.getuser()}")
        self._until(lambda: not self.jobs(), "the end of all jobs", 45.0)

    def end(self) -> None:
        """End the jobs and the daemons, and whatever they left."""
        if len(self._daemons) == 3:
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                self.clear()
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self._left():
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.place, ignore_errors=True)

    def _left(self) -> Iterator[psutil.Process]:
        """Processes of this cluster's jobs, recognised by their environment."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get("SLURM_CONF") == str(
                    self.conf
                ):
                    yield process

    def _write(self) -> None:
        self.place.chmod(0o755)  # munged insists
        for name in ("munge", "state", "spool"):
            (self.place / name).mkdir(mode=0o755)
        key = self.place / "munge" / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        first, second = _free_ports()
        names = {
            "host": host,
            "user": getpass.getuser(),
            "place": self.place,
            "cpus": CPUS,
            "gpus": GPUS,
        }
        self.conf.write_text(CONF.format(controller_port=first, node_port=second, **names))
        for number in range(GPUS):
            (self.place / f"gpu{number}").symlink_to("/dev/null")
        (self.place / "gres.conf").write_text(f"Name=gpu File={self.place}/gpu[0-{GPUS - 1}]\n")

    def _start(self, *command: str) -> None:
        with (self.place / f"{command[0]}.out").open("wb") as out:
            daemon = subprocess.Popen(
                command,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self._daemons.append(daemon)

    def _until(self, check: object, what: str, seconds: float = 30.0) -> None:
        assert callable(check)
        until = time.monotonic() + seconds
        while not check():
            if time.monotonic() > until:
                said = "\n".join(
                    f"{path.name}: {path.read_text(errors='replace')[-800:]}"
                    for path in self.place.glob("*.*")
                )
                raise RuntimeError(f"waited {seconds} s for {what}\n{said}")
            time.sleep(0.05)


def _end_with_parent() -> None:
    """A run of the tests that is killed leaves no daemon behind."""
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    with Slurm() as cluster:
        sys.exit(
            subprocess.run(
                sys.argv[1:] or ["sinfo"], env={**os.environ, **cluster.variables}
            ).returncode
        )
