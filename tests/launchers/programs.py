"""Functions that the tests send to trial processes; this module loads fast there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any


def square(x: int) -> int:
    if x >= 90:
        raise ValueError("no such thing")
    return x * x


def nap(x: float) -> float:
    time.sleep(0.3)
    return x


def kill(x: int) -> float:
    """The trial with x = 1 kills its worker."""
    import signal

    if x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return x


def beat(x: int, path: str) -> float:
    """Write to a file as long as it runs."""
    for _ in range(50):
        with open(path, "a") as file:  # noqa: PTH123
            file.write("beat\n")
        time.sleep(0.02)
    return x


def climb(x: int) -> float:
    """Report a learning curve until told to stop; the last step is the value."""
    import dsice

    step = 0
    while not dsice.step(step, step / 2) and step < 500:
        step += 1
        time.sleep(0.02)
    return step


def report(**params: Any) -> dict[str, float]:
    """Every kind of number at once."""
    print("not the result: 5")
    return {"count": len(params), "yes": True, "nothing": None, "inf": float("inf")}  # type: ignore[dict-item]


def returns(code: str) -> Any:
    return eval(code)  # noqa: S307  (the tests' own expressions)


def leaves(mark: str) -> float:
    """End well and leave processes behind: a child, and one that left session and parent."""
    subprocess.Popen(["sleep", mark])
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvpe("sleep", ["sleep", mark], {"PATH": os.environ["PATH"]})
        os._exit(0)
    time.sleep(0.2)
    return 1.0


def unkind(mark: str) -> float:
    """Deaf to SIGTERM, with a deaf child and a detached one."""
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", mark])
    subprocess.Popen(["setsid", "sleep", mark])
    time.sleep(3600)
    return 1.0


def curve(steps: int) -> float:
    """A learning curve written without importing dsice."""
    for step in range(steps):
        with open(os.environ["DSICE_DIR"] + "/steps", "a") as file:  # noqa: PTH123
            file.write(f'{{"step": {step}, "value": {1 / (step + 1)}}}\n')
    return 0.5


def loads() -> list[int]:
    """Which heavy modules a fresh trial process has loaded."""
    return [int(name in sys.modules) for name in ("dsice", "numpy", "pandas")]


def flawed(x: int) -> float:
    import dsice

    raise dsice.Invalid("the residual is 3")


def flawed_silently(x: int) -> dict[str, Any]:
    return {"loss": [0.5, 1.5], "invalid": "no physics"}


def rich(x: int) -> dict[str, Any]:
    import numpy as np

    return {"loss": np.array([1.0, 2.0]), "net": "a", "layers": ("x", 3), "on": True, "what": {1}}


def flags(x: int) -> dict[str, Any]:
    return {"loss": 1.5, "on": True}


def yes(x: int) -> bool:
    return True


def named_yes(x: int) -> dict[str, Any]:
    return {"loss": True, "n": 1}


def texts(x: int) -> dict[str, Any]:
    return {"loss": "0.5", "n": 1}


class Locked:
    """What cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def run(self) -> float:
        return float(self.lock.locked())
