"""``make bench-spline``: times and errors beside other libraries, and every bar, on one core.

Prints Markdown and, with ``--write``, puts it into README.md and tables.md beside it.
It takes about four minutes and fails when a bar is missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

THREADS = ("NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def main() -> int:
    """Run the report in a process whose libraries use one thread each, on one core."""
    here = Path(__file__).parent
    root = here.parents[1]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # the exact values come from the tests
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(root)}
    return subprocess.call(
        [sys.executable, str(here / "report.py"), *sys.argv[1:]], env=environment, cwd=root
    )


if __name__ == "__main__":
    sys.exit(main())
