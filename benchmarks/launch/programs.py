"""Functions that are run as trials; this module loads fast in their processes."""

from __future__ import annotations

import os
import signal
import time


def sleeps(i: int) -> float:
    time.sleep(1)
    return i


def nothing(i: int) -> float:
    return i


def kills(i: int) -> float:
    """Trial 7 kills its process."""
    time.sleep(0.05)
    if i == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return i
