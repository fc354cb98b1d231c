"""``make bench-launch``: how fast and how safely trials are launched, each figure beside its bar.

Each launcher has a module with ``measure() -> list[Bar]``.
Name one to run it alone: ``... run.py slurm``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from benchmarks.launch import advance, local, slurm
from benchmarks.launch.bars import Bar, table

MEASURES: dict[str, Callable[[], list[Bar]]] = {
    "local": local.measure,
    "slurm": slurm.measure,
    "advance": advance.measure,
}


def main(names: list[str]) -> int:
    """Measure and print; 1 if a bar was missed."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        print(f"no launcher {unknown[0]!r}; known: {', '.join(MEASURES)}", file=sys.stderr)
        return 2
    print(
        f"load of this machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        flush=True,
    )
    bars = [bar for name in names or MEASURES for bar in MEASURES[name]()]
    print(table(bars))
    return int(not all(bar.holds for bar in bars))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
