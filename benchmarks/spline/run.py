"""make bench-spline: times and errors of dsice beside other libraries, and every bar, in one run on one core.

Prints Markdown and, with ``--write``, puts it into docs/spline-benchmark.md. Takes about three minutes.
"""

from __future__ import annotations

import os

for name in ("NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import platform
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import numpy as np
from bars import bars
from rivals import Curve, Line
from timing import median, readable, rotate

SIZES = (16, 64, 1024, 65_536, 1_000_000)


def columns(line: Line) -> dict[str, Curve]:
    """What is run on a line of this size; what would take minutes is left out."""
    n, k = line.n, line.k
    found: dict[str, Curve] = {"dsice kernel": line.kernel_curve}
    if k <= 65_536:
        found["dsice fit"] = _public_curve(line)
    found["solveh_banded"] = line.banded()
    found["make_smoothing_spline"] = line.scipy_spline(line.lam)
    if k <= 1024:
        found["the same, GCV"] = line.scipy_spline(None)
    found["csaps"] = line.csaps()
    found["whittaker-eilers"] = line.whittaker(fresh=True)
    found["the same, reused"] = line.whittaker(fresh=False)
    if n <= 1024:
        found["numpy dense"] = line.dense()
    return found


def _public_curve(line: Line) -> Curve:
    from dsice.spline import fit

    levels, values, alpha = line.levels.tolist(), line.values.tolist(), line.lam**0.5
    return lambda: fit(levels, values, line.n, alpha=alpha).curve(line.out)


def table() -> list[str]:
    """Time to the values at all levels, and their error against 60 digits, for each size and library."""
    names = list(columns(Line(16, 8)))
    rows = ["| n | k | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for n in SIZES:
        for k in (8, 30, n):
            if k > n:
                continue
            line = Line(n, k)
            tasks = columns(line)
            times = rotate(tasks, rounds=40, budget=2.5)
            cells = []
            for name in names:
                if name not in tasks:
                    cells.append("")
                    continue
                off = error_of(
                    line, tasks[name], continuous=name in ("make_smoothing_spline", "csaps"), free=name.endswith("GCV")
                )
                cells.append(f"{readable(median(times[name]))} {off}".strip())
            rows.append(f"| {n} | {'all' if k == n else k} | " + " | ".join(cells) + " |")
            print(rows[-1], flush=True)
    return rows


def error_of(line: Line, task: Curve, *, continuous: bool, free: bool) -> str:
    """In brackets: largest error between first and last measured level over the largest value, at up to 60 levels."""
    if free or line.k > 65_536:
        return ""
    try:
        curve = np.asarray(task())
    except Exception as failure:  # a library may refuse: say so in the table
        return f"({type(failure).__name__})"
    from tests.spline.oracles import error, exact_knots

    rng = np.random.default_rng(0)
    inside = rng.integers(line.levels[0], line.levels[-1] + 1, 30)
    at = np.unique(np.r_[line.levels[:: max(1, line.k // 30)], inside])
    return f"({error(curve[at], exact_knots(line.levels, line.values, line.lam, at, continuous=continuous)):.0e})"


def main() -> None:
    """Print the tables; exit with 1 when a bar is missed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one core; medians\n")
    rows, missed = bars(str(Path(__file__).parent))
    print("\nTime to the values at all n levels, lam = 0.25 (in brackets: error against 60 digits)\n")
    sizes = table()
    if "--write" in sys.argv:
        page = ROOT / "docs" / "spline-benchmark.md"
        head = "# The d-spline beside other libraries\n\nWritten by `benchmarks/spline/run.py --write`.\n\n"
        page.write_text(head + "\n".join(rows) + "\n\n" + "\n".join(sizes) + "\n")
    print(f"\n{missed} bars missed" if missed else "\nevery bar met")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
