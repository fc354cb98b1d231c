"""The report behind run.py: the table of bars, then times and errors for many sizes."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import numpy as np
from bars import bars
from rivals import Curve, Line
from timing import median, readable, rotate

from dsice.spline import fit
from tests.spline.oracles import error, exact_knots

HERE = Path(__file__).parent
SIZES = (16, 64, 1024, 65_536, 1_000_000)
SHORT = (
    "n",
    "k",
    "dsice kernel",
    "dsice fit",
    "solveh_banded",
    "make_smoothing_spline",
    "csaps",
    "whittaker-eilers",
)
INTRODUCTION = (
    "Written by `run.py --write`; `make bench-spline` prints it. "
    "All sizes, libraries and bars, with memory, many lines at once and regret, are in "
    "[tables.md](tables.md)."
)
CONTINUOUS = ("make_smoothing_spline", "csaps")


def columns(line: Line) -> dict[str, Curve]:
    """The fits to run on a line of this size, without those that would take minutes."""
    n, k = line.n, line.k
    found: dict[str, Curve] = {"dsice kernel": line.kernel_curve}
    if k <= 65_536:
        found["dsice fit"] = _public(line)
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


def _public(line: Line) -> Curve:
    levels, values, alpha = line.levels.tolist(), line.values.tolist(), line.lam**0.5
    return lambda: fit(levels, values, line.n, alpha=alpha).curve(line.out)


def table() -> list[str]:
    """Time to the values at all levels, and their error, for each size and library.

    The error is that against a computation with 60 digits.
    """
    names = list(columns(Line(16, 8)))
    rows = ["| n | k | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    print("\n".join(rows))
    for n in SIZES:
        for k in sorted({8, min(30, n), n}):
            rows.append(
                f"| {n} | {'all' if k == n else k} | "
                + " | ".join(_cells(Line(n, k), names))
                + " |"
            )
            print(rows[-1], flush=True)
    return rows


def _cells(line: Line, names: list[str]) -> list[str]:
    tasks = columns(line)
    cells = dict.fromkeys(names, "")
    for name in list(tasks):
        try:
            tasks[name]()
        except Exception as failure:  # a library may refuse: say so in the table
            cells[name] = type(failure).__name__
            del tasks[name]
    exact = (
        {continuous: _exact(line, continuous) for continuous in (False, True)}
        if line.k <= 1024
        else {}
    )
    for name, times in rotate(tasks, rounds=40, budget=2.5).items():
        cells[name] = readable(median(times))
        if exact and not name.endswith("GCV"):
            curve = np.asarray(tasks[name]())
            cells[name] += f" ({error(curve[_where(line)], exact[name in CONTINUOUS]):.0e})"
    return list(cells.values())


def _where(line: Line) -> np.ndarray:
    """Up to 60 levels at which errors are taken, between the first and the last measured one."""
    inside = np.random.default_rng(0).integers(line.levels[0], line.levels[-1] + 1, 30)
    return np.unique(np.r_[line.levels[:: max(1, line.k // 30)], inside])


def _exact(line: Line, continuous: bool) -> list[object]:
    return exact_knots(line.levels, line.values, line.lam, _where(line), continuous=continuous)


def short(rows: list[str]) -> list[str]:
    """The rows of the table for 30 measured levels (8 on the shortest line), in fewer columns."""
    cells = [row.strip("| ").split(" | ") for row in rows if not row.startswith("|--")]
    kept = [cells[0].index(name) for name in SHORT]
    chosen = [row for row in cells[1:] if row[1] == ("8" if row[0] == "16" else "30")]
    lines = ["| " + " | ".join(row[i] for i in kept) + " |" for row in [cells[0], *chosen]]
    return [lines[0], "|" + "---|" * len(SHORT), *lines[1:]]


def _write(name: str, lines: list[str]) -> None:
    """A page beside this file."""
    page = ["# The d-spline beside other libraries", "", *lines]
    (HERE / name).write_text("\n".join(page) + "\n", encoding="utf-8")


def main() -> int:
    """Print the tables; 1 when a bar is missed."""
    head = (
        f"{_processor()}, Python {platform.python_version()}, one core; "
        "medians of runs in rotation."
    )
    print(head + "\n")
    rows, missed = bars(str(HERE))
    caption = (
        "Time to the values at all n levels from k measured ones, lam = 0.25 "
        "(in brackets: error against 60 digits)."
    )
    print(f"\n{caption}\n")
    sizes = table()
    if "--write" in sys.argv:
        verdict = f"{missed} bars missed" if missed else "every bar met"
        introduced = [INTRODUCTION, "", f"{head} Bars: {verdict}.", "", caption, ""]
        _write("README.md", [*introduced, *short(sizes)])
        _write(
            "tables.md",
            ["Written by `run.py --write`.", "", head, "", *rows, "", caption, "", *sizes],
        )
    print(f"\n{missed} bars missed" if missed else "\nevery bar met")
    return 1 if missed else 0


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


if __name__ == "__main__":
    sys.exit(main())
