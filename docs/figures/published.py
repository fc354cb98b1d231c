"""Draw docs/img/published_*.png: how each published algorithm searches a 16 x 16 grid.

IPPE searches a line. Run it by

    python docs/figures/published.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dsice.strategies.published.ippe import OneLine
from dsice.strategies.published.lattice import points_along
from dsice.strategies.published.marker_fit import MarkerFit
from dsice.strategies.published.parallel import Parallel
from dsice.strategies.published.radial import Radial
from dsice.strategies.published.search import Entry, Search
from dsice.strategies.published.sequential import Sequential
from dsice.typing import Point

IMAGES = Path(__file__).resolve().parents[1] / "img"
M, SHAPE = 16, (16, 16)
STYLES: dict[str, dict[str, Any]] = {
    "start": {"color": "black", "marker": "s", "label": "start"},
    "probe": {"color": "tab:orange", "marker": "o", "label": "probe, one step from the base"},
    "line": {"color": "tab:blue", "marker": "o", "label": "point of a line"},
    "ahead": {
        "color": "tab:green",
        "marker": "D",
        "label": "first point of a line, before the line is chosen",
    },
}


def valley() -> NDArray[np.float64]:
    """An oblique valley whose bottom lies off the axes through the middle."""
    x, y = np.meshgrid((np.arange(M) - 11.2) / 15, (np.arange(M) - 4.4) / 15, indexing="ij")
    return np.asarray(2.2 * (x + y) ** 2 + 0.7 * (x - y) ** 2)


@dataclass
class Step:
    """A batch, and the base from which it was asked."""

    base: Point
    jobs: list[Entry]


def run(search: Search, batch: int) -> list[Step]:
    steps, values = [], valley()
    while jobs := search.open(islice(search.jobs(), batch)):
        steps.append(Step(search.base, jobs))
        for job in jobs:
            search.tell(job.point, float(values[job.point]))
    return steps


def grid(ax: Axes, title: str) -> None:
    ax.contourf(valley().T, levels=12, cmap="Greys", alpha=0.45)
    ax.set(
        title=title,
        xlabel="first parameter",
        ylabel="second parameter",
        aspect="equal",
        xlim=(-0.7, 15.7),
        ylim=(-0.7, 15.7),
    )
    ax.set_xticks(range(0, M, 5))
    ax.set_yticks(range(0, M, 5))


def dots(ax: Axes, steps: list[Step], numbers: bool) -> None:
    """The points of some batches and the lines they lie on; `numbers` shows each batch's number."""
    drawn = dict[Point, int]()
    for number, step in enumerate(steps, 1):
        for job in step.jobs:
            if job.direction is not None and job.phase != "probe":
                ends = points_along(step.base, job.direction, SHAPE)
                style: dict[str, Any] = {"ls": "-"} if job.phase == "line" else {"ls": ":"}
                ax.plot(
                    *zip(ends[0], ends[-1], strict=True),
                    color=STYLES[job.phase]["color"],
                    lw=0.7,
                    alpha=0.5,
                    **style,
                )
            if job.point not in drawn and job.phase in STYLES:
                drawn[job.point] = number
                style = STYLES[job.phase]
                ax.plot(*job.point, ls="", marker=style["marker"], color=style["color"], ms=5)
                if numbers:
                    ax.annotate(
                        str(number),
                        (job.point[0], job.point[1]),
                        xytext=(3, 3),
                        textcoords="offset points",
                        fontsize=6,
                    )


def moves(ax: Axes, bases: list[Point]) -> None:
    arrow = {"arrowstyle": "->", "color": "tab:red", "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
    for old, new in pairwise(bases):
        ax.annotate("", (new[0], new[1]), (old[0], old[1]), arrowprops=arrow, zorder=5)
    ax.plot(*bases[-1], "*", color="tab:red", ms=13, zorder=6)


def curve(ax: Axes, points: Sequence[Point], measured: Sequence[Point], title: str) -> None:
    """The fit of the authors' library to the measured points of a line."""
    fit, values = MarkerFit(len(points)), valley()
    for level, point in enumerate(points):
        if point in measured:
            fit.add(level, float(values[point]))
            ax.plot(level, values[point], "o", color="tab:blue")
    markers = fit.markers()
    ax.plot((np.arange(len(markers)) - 2) / 3, markers, "-", color="black", lw=1, label="d-spline")
    ax.plot(
        range(len(points)),
        [values[point] for point in points],
        ".",
        color="grey",
        ms=3,
        label="the function",
    )
    ax.axvline(fit.lowest(), color="tab:red", ls=":", lw=1, label="estimated best")
    ax.set(title=title, xlabel="level on the line")
    ax.legend(fontsize=7)


def legend(figure: Figure, steps: list[Step]) -> None:
    used = dict.fromkeys(job.phase for step in steps for job in step.jobs if job.phase in STYLES)
    marks = [Line2D([], [], ls="", **STYLES[phase]) for phase in used]
    marks += [
        Line2D([], [], color="tab:red", label="move of the base"),
        Line2D([], [], ls="", marker="*", color="tab:red", label="end"),
    ]
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), fontsize=8, frameon=False)


def picture(name: str, search: Search, batch: int, first: int, titles: tuple[str, str]) -> None:
    """The first batches; the fit on the first line; the whole search."""
    steps = run(search, batch)
    bases = list(dict.fromkeys([*(step.base for step in steps), search.base]))
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.9))
    grid(axes[0], titles[0])
    dots(axes[0], steps[:first], numbers=True)
    line = next(job for step in steps for job in step.jobs if job.phase == "line")
    assert line.direction is not None
    points = points_along(steps[0].base, line.direction, SHAPE)
    curve(
        axes[1],
        points,
        [job.point for step in steps[:first] for job in step.jobs],
        "d-spline on the first line",
    )
    grid(
        axes[2],
        titles[1].format(
            points=len({job.point for step in steps for job in step.jobs}), rounds=len(steps)
        ),
    )
    dots(axes[2], steps, numbers=False)
    moves(axes[2], bases)
    legend(figure, steps)
    save(figure, name, 0.1)


def ippe() -> None:
    """Three fits of one line."""
    values, points = valley()[:, 8], [(level, 8) for level in range(M)]
    search, asked = OneLine((M,)), list[int]()
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), sharey=True)
    while batch := search.ask():
        asked.append(batch[0][0])
        search.tell(batch[0], float(values[batch[0][0]]))
        if 4 <= len(asked) <= 6:
            following = search.ask()
            after = (
                f"; next: level {following[0][0]}"
                if following
                else "; the estimate was the same 3 times: end"
            )
            curve(
                axes[len(asked) - 4],
                points,
                [(level, 8) for level in asked],
                f"{len(asked)} points{after}",
            )
    save(figure, "ippe", 0.0)


def save(figure: Figure, name: str, bottom: float) -> None:
    IMAGES.mkdir(exist_ok=True)
    figure.tight_layout(rect=(0, bottom * 0.6, 1, 1))
    figure.savefig(IMAGES / f"published_{name}.png", dpi=80)
    plt.close(figure)


def main() -> None:
    ippe()
    whole = "the whole search: {points} points one at a time"
    batches = "the whole search: {points} points, {rounds} rounds of up to 40"
    picture(
        "s2017",
        Sequential(SHAPE, narrow=False),
        1,
        15,
        ("8 probes, then the line through the best", whole),
    )
    picture("s2018", Sequential(SHAPE), 1, 11, ("4 probes along the axes, then the line", whole))
    picture("parallel2022", Parallel(SHAPE), 40, 2, ("the first two batches, numbered", batches))
    picture(
        "radial2024", Radial(SHAPE), 40, 3, ("the first round: all lines through the base", batches)
    )


if __name__ == "__main__":
    main()
