"""Measurements that need processes of their own: imports, Python without numba, memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median

PLAIN = """
import json, sys, time
from statistics import median
import numpy as np
from scipy.linalg import solveh_banded
from dsice.spline import fit
levels, values, n = [0, 2, 3, 6, 9, 11, 12, 15], [3.1, 2.2, 1.9, 1.0, 1.4, 2.2, 2.1, 4.0], 16
array, where, rows = np.array(values), np.array(levels), np.diff(np.eye(n), 2, axis=0)
dense = 0.25 * rows.T @ rows
band = np.array([
    np.r_[[0.0] * (2 - d), np.diag(dense, 2 - d)] if d < 2 else np.diag(dense) for d in range(3)
])
def ours():
    return fit(levels, values, n, alpha=0.5).argmin
def scipys():
    system, right = band.copy(), np.zeros(n)
    system[2, where] += 1.0
    right[where] = array
    solved = solveh_banded(system, right, overwrite_ab=True, overwrite_b=True, check_finite=False)
    return int(solved.argmin())
assert ours() == scipys()
times = {ours: [], scipys: []}
for _ in range(400):
    for task, found in times.items():
        start = time.perf_counter()
        for _ in range(40):
            task()
        found.append((time.perf_counter() - start) / 40)
assert "numba" not in sys.modules
print(json.dumps([median(found) for found in times.values()]))
"""

MEMORY = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
from rivals import Line
def read(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))
# the small line first: what a first call loads does not count
for line in (Line(64, 30), Line(1_000_000, 30)):
    run = {task}
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the peak begins anew
    before = read("VmRSS")
    result = run()
print((read("VmHWM") - before) / 1024)
"""


def plain() -> tuple[float, float]:
    """Median seconds of ``fit`` + argmin and of scipy's banded solve + argmin.

    n = 16, k = 8, in a process without numba.
    """
    ours, scipys = json.loads(_run(PLAIN))
    return ours, scipys


def imports(rounds: int = 15) -> dict[str, float]:
    """Median seconds of an interpreter that imports nothing, numpy or dsice.spline."""
    programs = {"nothing": "pass", "numpy": "import numpy", "dsice.spline": "import dsice.spline"}
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            start = time.perf_counter()
            _run(program)
            found[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in found.items()}


def memory(folder: str, task: str) -> float:
    """MiB by which the peak of resident memory exceeds the level before the task.

    On a line of 1e6 levels with 30 measured; Linux only.
    """
    return float(_run(MEMORY.format(folder=folder, task=task)))


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
