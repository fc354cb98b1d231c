"""Processes of this machine, as the supervisor of a trial knows them: standard library only."""

# pathlib would add a fifth to the start-up time
# ruff: noqa: PTH123, PTH208
from __future__ import annotations

import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


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
    """When process `pid` started, as a text that no other process ever has; None if it is gone.

    OSError: that cannot be read now (no file handles left), so it is unknown.
    """
    if not sys.platform.startswith("linux"):
        with os.popen(f"ps -o lstart= -p {int(pid)}") as answer:
            return answer.read().strip() or None
    try:
        with open(f"/proc/{int(pid)}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name in brackets may be anything
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
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
