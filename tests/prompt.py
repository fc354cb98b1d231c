"""Commands and scripts of the docs, without the time that importing takes.

`Prompt` starts one process that imports dsice and what it needs; for each command it forks itself.
So a command has an interpreter of its own, in which the modules are there already. A command is a
small program that hands its arguments, directory, environment and files over, so it stands in pipes
and scripts as any other; what it started ends with it.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

IMPORTED = (
    *("cloudpickle", "matplotlib.figure", "numba", "pandas", "psutil", "rich.live", "scipy.linalg"),
    *("dsice.cli.main", "dsice.insight", "dsice.launchers.batch", "dsice.plots", "dsice.report"),
    *("dsice.running.loop", "dsice.spline", "dsice.stopping", "dsice.strategies", "dsice.study"),
)
CLIENT = """\
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    order = {{"argv": sys.argv, "kind": {kind!r}, "cwd": os.getcwd(), "env": dict(os.environ)}}
    socket.send_fds(server, [json.dumps(order).encode() + b"\\n"], [0, 1, 2])
    sys.exit(int(server.recv(16)))
"""


class Prompt:
    """A process in which dsice is imported, and the programs that use it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="prompt-")
        self.address = str(Path(self._folder.name, "socket"))
        command = [sys.executable, "-m", "tests.prompt", self.address]
        root = Path(__file__).parents[1]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End the process."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def write_program(self, path: Path, kind: str) -> None:
        """Make a program: ``dsice``, the command line; ``script``, which runs a file of Python."""
        code = shlex.quote(CLIENT.format(address=self.address, kind=kind))
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S -c {code} "$@"\n')
        path.chmod(0o755)


def serve(address: str) -> None:
    """Take orders until this process is ended."""
    for module in IMPORTED:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a keeper ended
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                if os.fork() == 0:
                    server.close()
                    _keep(client)


def _keep(client: socket.socket) -> None:
    """Run one command in a process of its own, and end it when its client is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, files, _, _ = socket.recv_fds(client, 1 << 16, 3)
    while not text.endswith(b"\n"):
        text += client.recv(1 << 16)
    child = os.fork()
    if child == 0:
        client.close()
        os.setsid()
        _run(json.loads(text), files)
    for file in files:
        os.close(file)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            client.sendall(str(os.waitstatus_to_exitcode(status) & 0xFF).encode())
            os._exit(0)
        if select.select([client], [], [], 0.01)[0]:  # its client says no more: it has ended
            os.killpg(child, signal.SIGKILL)
            os._exit(0)


def _run(order: dict[str, Any], files: list[int]) -> None:
    """Do what was ordered, as a process that was just started would."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    code = 1
    try:
        code = _do(order["kind"], order["argv"])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(code)


def _do(kind: str, argv: list[str]) -> int:
    if kind == "dsice":
        from dsice.cli.main import main

        sys.argv = argv
        return main()
    sys.argv = argv[1:]
    sys.path[0] = str(Path(argv[1]).resolve().parent)
    runpy.run_path(argv[1], run_name="__main__")
    return 0


def _leave(code: int) -> None:
    """End this process as the interpreter would: functions of `atexit`, files, no more."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
