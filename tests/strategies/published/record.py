"""Write the small traces beside this file anew, from the searches of dsice.

Called as python -m tests.strategies.published.record.

They guard against changes. That the searches are those of the authors' library is shown by the
library's own traces (`test_traces.py`), which are not part of the repository.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dsice.strategies.published.ippe import OneLine, Original
from dsice.strategies.published.parallel import Parallel
from dsice.strategies.published.radial import Radial
from dsice.strategies.published.search import Search
from dsice.strategies.published.sequential import Sequential

HERE = Path(__file__).parent / "traces"
BATCH = 40
SEARCHES: dict[str, Callable[[Sequence[int]], Search]] = {
    "IPPE": OneLine,
    "IPPE-original": Original,
    "S2017": lambda shape: Sequential(shape, narrow=False),
    "S2018": Sequential,
    "P2024B": Radial,
    "P2024B-unstuck": lambda shape: Radial(shape, unstick=True),
    "P2022": Parallel,
}
CASES = [
    *[(mode, (17,)) for mode in SEARCHES if mode != "P2024B-unstuck"],
    *[
        (mode, shape)
        for mode in ("S2017", "S2018", "P2022")
        for shape in ((9, 8), (3, 6, 4), (2, 3, 2, 3))
    ],
    *[("P2024B", (9, 8)), ("P2024B-unstuck", (3, 6, 4)), ("P2024B-unstuck", (2, 3, 2, 3))],
]


def valley(point: Sequence[int]) -> float:
    """An oblique valley with waves; + and * of small numbers give the same bits everywhere."""
    total = 0.0
    for axis, level in enumerate(point):
        before = point[axis - 1] if axis else 3
        total += (level - 0.75 * before - 0.5) * (level - 0.75 * before - 0.5) + 0.25 * (
            (level * level) % 5
        )
    return total


def trace(mode: str, shape: Sequence[int]) -> dict[str, Any]:
    search, seq, rounds = SEARCHES[mode](shape), [], []
    while batch := search.ask(BATCH):
        rounds.append(len(batch))
        for point in batch:
            seq.append([list(point), valley(point)])
            search.tell(point, valley(point))
    return {"shape": list(shape), "mode": mode, "batch": BATCH, "rounds": rounds, "seq": seq}


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for mode, shape in CASES:
        path = HERE / f"{mode}_{'x'.join(map(str, shape))}.json"
        path.write_text(json.dumps(trace(mode, shape)) + "\n")
