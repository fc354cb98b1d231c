"""The ladder of directions, against a plain enumeration of all vectors of -1, 0, +1."""

from __future__ import annotations

import json
import tracemalloc
from itertools import islice, product
from pathlib import Path

import pytest

from dsice.directions import directions

TRACES = Path(__file__).parents[2].parent / "shared" / "traces"


def plain(ndim: int, width: int) -> list[tuple[int, ...]]:
    """All directions of a width as the paper has them: axes and signs as bit masks, + first."""
    found = []
    for mask in range(1, 2**ndim):
        axes = [axis for axis in range(ndim) if mask >> axis & 1]
        for signs in range(2 ** len(axes)):
            vector = [0] * ndim
            for bit, axis in enumerate(axes):
                vector[axis] = -1 if signs >> bit & 1 else 1
            if len(axes) == width and vector[axes[0]] == 1:
                found.append(tuple(vector))
    return found


@pytest.mark.parametrize("ndim", range(1, 6))
def test_order_and_number_are_those_of_the_published_neighbourhood(ndim: int) -> None:
    for width in range(1, ndim + 1):
        assert list(directions(ndim, width)) == plain(ndim, width)
    listed = sum(len(list(directions(ndim, width))) for width in range(1, ndim + 1))
    assert listed == (3**ndim - 1) // 2


def test_every_direction_or_its_opposite_appears_once() -> None:
    listed = [d for width in range(1, 5) for d in directions(4, width)]
    both = set(listed) | {tuple(-step for step in d) for d in listed}
    assert both == {v for v in product((-1, 0, 1), repeat=4) if any(v)}
    assert len(listed) * 2 == len(both)


def test_only_the_given_axes_move() -> None:
    assert list(directions(4, 2, [1, 3])) == [(0, 1, 0, 1), (0, 1, 0, -1)]
    assert list(directions(4, 3, [1, 3])) == []


def test_wide_ladders_are_walked_lazily() -> None:
    tracemalloc.start()
    first = list(islice(directions(40, 20), 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(first)) == 1000 and peak < 5e6  # of 7e16 directions


@pytest.mark.skipif(
    not TRACES.is_dir(), reason="the recorded traces of the authors' library are not there"
)
def test_first_probes_of_the_authors_library_follow_the_ladder() -> None:
    trace = json.loads((TRACES / "quad_5x5x5x5x5_S2018_0.json").read_text())
    centre = trace["seq"][0][0]
    probes = [
        [a - b for a, b in zip(point, centre, strict=True)] for point, _ in trace["seq"][1:11]
    ]
    assert [tuple(p) for p in probes[::2]] == list(directions(5, 1))
