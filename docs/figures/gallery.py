"""Draw the pictures of docs/figures.md and docs/insight.md.

``python docs/figures/gallery.py`` takes about a minute.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from benchmarks.report.journals import AXES, DIGITS, make
from dsice import Source, Tuner, plots, run
from dsice.launchers import Table
from dsice.strategies import DSICE, Random

PICTURES = Path(__file__).resolve().parents[1] / "img"
SIZES = ((1000, 64), (800, 32), (640, 16), (560, 8))
"""Width of a picture in pixels, and its colours: the first with which it is small enough."""
MOST = 40_000
"""Bytes of a picture."""


def searched(strategy: DSICE | Random, trials: int, seed: int, reuse: object = None) -> Tuner:
    """Trials on the measured grid, in rounds of 40."""
    table = Table(DIGITS, objective="loss", params=AXES, slots=40)
    tuner = Tuner(table.space, strategy, max_trials=trials, seed=seed, reuse=reuse)  # type: ignore[arg-type]
    return run(tuner, table, mode="rounds", progress=False)


def keep(figure: Figure, name: str) -> None:
    """Write a picture with few colours: a fifth of its size."""
    path = PICTURES / f"{name}.png"
    for width, colours in SIZES:
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=width / figure.get_figwidth())
        picture = Image.open(drawn).convert("RGB").quantize(colours, Image.Quantize.MAXCOVERAGE)
        picture.save(path, optimize=True)
        if path.stat().st_size < MOST:
            break
    print(name, path.stat().st_size)


def main() -> None:
    """Draw all of them."""
    example = searched(DSICE(tolerance=None), 200, 0)
    for name in ("effects", "importance", "slices"):
        keep(getattr(plots, name)(example), f"figures_{name}")
    keep(plots.parallel(searched(DSICE(), 40, 0)), "figures_parallel")
    with tempfile.TemporaryDirectory() as folder:
        for kind, names in (
            ("replay", ("progress",)),
            ("noisy", ("line", "tradeoff", "curves", "timeline")),
            ("population", ("lineage",)),
        ):
            journal = make(kind, Path(folder))
            for name in names:
                keep(getattr(plots, name)(journal), f"figures_{name}")
    strategies = {"DSICE": DSICE(tolerance=None), "random": Random()}
    searches = {name: [searched(s, 120, k) for k in range(5)] for name, s in strategies.items()}
    keep(plots.compare(searches), "figures_compare")
    sources = [Source(s, name=f"{k} trials at random") for k, s in _old().items()]
    keep(plots.sources(searched(DSICE(), 40, 9, sources)), "figures_sources")


def _old() -> dict[int, Tuner]:
    return {n: searched(Random(), n, 7 + n) for n in (40, 120)}


if __name__ == "__main__":
    main()
