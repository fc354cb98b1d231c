"""The bars that the d-spline has to clear, each measured against its rivals in the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apart
import numpy as np
import whittaker_eilers
from regret import regrets
from rivals import Line
from timing import median, readable, rotate

from dsice.spline import fit, fit_many, kernels, quick
from tests.spline.lines import arrangements
from tests.spline.oracles import error, exact_knots


class Bars:
    """Rows of the table of bars, printed as they come."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.missed = 0
        self._print("| what | bar | measured | met |")
        self._print("|---|---|---|---|")

    def add(
        self, what: str, value: float, bar: float, *, least: bool, show: Callable[[float], str]
    ) -> None:
        """A bar that ``value`` has to reach (least) or must not pass."""
        met = value >= bar if least else value <= bar
        self.missed += not met
        sign = "at least" if least else "at most"
        self._print(
            f"| {what} | {sign} {show(bar)} | {show(value)} | {'yes' if met else '**no**'} |"
        )

    def note(self, what: str, measured: str) -> None:
        """A row without a bar."""
        self._print(f"| {what} | | {measured} | |")

    def _print(self, row: str) -> None:
        self.rows.append(row)
        print(row, flush=True)


def times_as_fast(ratio: float) -> str:
    """A ratio for reading."""
    return f"{ratio:.3g}x"


def bars(folder: str) -> tuple[list[str], int]:
    """All rows, and how many bars are missed."""
    found = Bars()
    _single(found)
    _large(found)
    _plain(found)
    _many(found)
    _alphas(found)
    _error(found)
    mean = regrets()
    ratio = float(mean["reml"].mean() / mean["authors' 0.1"].mean())
    found.add(
        "mean regret on 18 cells, REML over the authors' fixed alpha",
        ratio,
        0.75,
        least=False,
        show=lambda v: f"{v:.3f}",
    )
    took = apart.imports()
    own = took["dsice.spline"] - took["numpy"]
    found.add("`import dsice.spline` beyond numpy's import", own, 0.030, least=False, show=readable)
    if Path("/proc/self/clear_refs").exists():
        for what, task in [
            ("dsice kernel into a touched array", "line.kernel_curve"),
            ("solveh_banded", "line.banded()"),
            ("csaps", "line.csaps()"),
            ("whittaker-eilers", "line.whittaker(fresh=True)"),
        ]:
            found.note(
                f"memory above the start, values at all levels, n=1e6 k=30: {what}",
                f"{apart.memory(folder, task):.0f} MiB",
            )
    return found.rows, found.missed


def _compare(
    found: Bars, what: str, times: dict[str, np.ndarray], ours: str, least: dict[str, float]
) -> None:
    own = median(times[ours])
    for rival, bar in least.items():
        other = median(times[rival])
        text = f"{what} ({readable(own)}): {rival} ({readable(other)})"
        found.add(text, other / own, bar, least=True, show=times_as_fast)


def _single(found: Bars) -> None:
    for n, k, kernel_bars in [
        (16, 8, {"solveh_banded": 12, "whittaker-eilers": 6, "make_smoothing_spline": 300}),
        (64, 30, {"solveh_banded": 7, "whittaker-eilers": 8, "make_smoothing_spline": 250}),
    ]:
        line = Line(n, k)
        banded, whittaker, scipys = (
            line.banded(),
            line.whittaker(fresh=True),
            line.scipy_spline(line.lam),
        )
        tasks: dict[str, Callable[[], object]] = {
            "kernel": line.kernel,
            "public": line.public(),
            "solveh_banded": lambda f=banded: int(f().argmin()),
            "whittaker-eilers": lambda f=whittaker: min(f()),
            "make_smoothing_spline": lambda f=scipys: int(f().argmin()),
        }
        for _ in range(quick.SWITCH_AFTER // k + 1):
            tasks["public"]()  # until it is fitted in compiled code, as after so many fits
        times = rotate(tasks, rounds=300, turn=5e-4, budget=8.0)
        _compare(found, f"fit + argmin, kernel, n={n} k={k}", times, "kernel", kernel_bars)
        _compare(
            found,
            "the same, public `fit`",
            times,
            "public",
            {"solveh_banded": 2, "make_smoothing_spline": 20},
        )


def _large(found: Bars) -> None:
    line = Line(1_000_000, 30)
    tasks: dict[str, Callable[[], object]] = {
        "kernel": line.kernel_curve,
        "solveh_banded": line.banded(),
        "csaps": line.csaps(),
        "write": lambda: line.out.fill(1.0),
    }
    times = rotate(tasks, turn=2e-2, rounds=25, budget=15.0)
    _compare(
        found,
        "values at all levels, n=1e6 k=30",
        times,
        "kernel",
        {"solveh_banded": 100, "csaps": 12},
    )
    ratio = median(times["kernel"]) / median(times["write"])
    text = f"the same, over writing the array ({readable(median(times['write']))})"
    found.add(text, ratio, 2.0, least=False, show=times_as_fast)


def _plain(found: Bars) -> None:
    ours, scipys = apart.plain()
    found.add(
        "fit + argmin in plain Python, n=16 k=8, no numba imported",
        ours,
        15e-6,
        least=False,
        show=readable,
    )
    text = f"the same: numpy + scipy.linalg.solveh_banded ({readable(scipys)})"
    found.add(text, scipys / ours, 1.0, least=True, show=times_as_fast)


def _many(found: Bars) -> None:
    rng = np.random.default_rng(0)
    sizes, counts = rng.integers(16, 65, 10_000), rng.integers(4, 17, 10_000)
    levels = np.concatenate(
        [np.sort(rng.choice(n, k, replace=False)) for n, k in zip(sizes, counts, strict=True)]
    )
    offsets, values = np.concatenate([[0], np.cumsum(counts)]), rng.normal(size=counts.sum())
    n = 40  # whittaker-eilers takes lines of one length and one set of weights only
    at = np.sort(rng.choice(n, 10, replace=False))
    weights, rows = np.zeros(n), np.zeros((10_000, n))
    weights[at], rows[:, at] = 1.0, rng.normal(size=(10_000, 10))
    smoother, listed = (
        whittaker_eilers.WhittakerSmoother(0.25, 2, n, weights=weights.tolist()),
        rows.tolist(),
    )
    tasks: dict[str, Callable[[], object]] = {
        "fit_many": lambda: fit_many(offsets, levels, values, sizes, alpha=0.5, curves=True),
        "whittaker-eilers": lambda: smoother.smooth_parallel(listed),
        "fit_many, REML": lambda: fit_many(offsets, levels, values, sizes),
        "fit_many, REML and bands": lambda: fit_many(
            offsets, levels, values, sizes, curves=True, variances=True
        ),
    }
    times = rotate(tasks, turn=6e-2, rounds=25, budget=30.0)
    each = median(times["fit_many"]) / float(sizes.sum())
    text = (
        "10,000 ragged lines, argmin and curves "
        f"({readable(median(times['fit_many']))}): per grid point"
    )
    found.add(text, each, 20e-9, least=False, show=readable)
    theirs = median(times["whittaker-eilers"]) / rows.size
    text = (
        "the same: whittaker-eilers smooth_parallel, one thread "
        f"({readable(theirs)} per grid point)"
    )
    found.add(text, theirs / each, 4.0, least=True, show=times_as_fast)
    for name in ("fit_many, REML", "fit_many, REML and bands"):
        found.note(f"the same lines, {name}", readable(median(times[name])))


def _alphas(found: Bars) -> None:
    for n, k in [(16, 8), (64, 30)]:
        line = Line(n, k)
        x, w, lams, out = (
            line.levels.astype(float),
            np.ones(k),
            np.geomspace(1e-4, 1e4, 20),
            np.empty((20, 3)),
        )
        search = line.scipy_spline(None)
        tasks: dict[str, Callable[[], object]] = {
            "scores": lambda x=x, y=line.values, w=w, lams=lams, out=out: kernels.score_lams(
                x, y, w, lams, out
            ),
            "make_smoothing_spline, lam=None": search,
        }
        times = rotate(tasks, rounds=60, budget=6.0)
        _compare(
            found,
            f"20 alphas: REML, GCV, LOO, k={k}",
            times,
            "scores",
            {"make_smoothing_spline, lam=None": 300},
        )


def _error(found: Bars) -> None:
    worst = 0.0
    rng = np.random.default_rng(0)
    for n in (16, 64, 1024, 65_536, 1_000_000):
        for k in (4, 8, 30):
            if k > n:
                continue
            for levels in arrangements(n, k, rng).values():
                values = rng.normal(size=len(levels))
                at = np.unique(np.r_[levels, rng.integers(levels[0], levels[-1] + 1, 20)])
                for alpha in (1e-6, 1e-3, 0.5, 30.0, 1e4, 1e6):
                    exact = exact_knots(levels, values, alpha**2, at)
                    out = np.empty(n)
                    kernels.fit_one(levels, values, n, alpha**2, out)
                    worst = max(
                        worst,
                        error(out[at], exact),
                        error(fit(levels, values, n, alpha=alpha).at(at), exact),
                    )
    found.add(
        "error against 60 digits, alpha 1e-6..1e6, n to 1e6, k to 30",
        worst,
        1e-10,
        least=False,
        show=lambda v: f"{v:.1e}",
    )
