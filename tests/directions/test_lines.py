"""Lattice lines, against a search over the whole grid."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dsice.directions import directions, line


@pytest.mark.parametrize("shape", [(5,), (4, 3), (3, 5, 2)])
def test_a_line_holds_exactly_the_grid_points_in_its_direction_in_order(
    shape: tuple[int, ...],
) -> None:
    grid = list(product(*map(range, shape)))
    for point in grid:
        for width in range(1, len(shape) + 1):
            for direction in directions(len(shape), width):
                steps = [
                    (t, tuple(p + t * d for p, d in zip(point, direction, strict=True)))
                    for t in range(-9, 10)
                ]
                expected = [p for _, p in steps if p in grid]
                drawn = line(point, direction, shape)
                assert list(map(tuple, drawn.points.tolist())) == expected
                assert tuple(drawn.points[drawn.base]) == point and drawn.width == width


def test_a_line_along_an_axis_runs_over_all_levels() -> None:
    drawn = line((2, 1), (0, 1), (4, 700))
    assert np.array_equal(drawn.points[:, 1], np.arange(700)) and set(
        drawn.points[:, 0].tolist()
    ) == {2}


def test_opposite_directions_give_the_same_line_from_the_other_end() -> None:
    one, two = line((2, 1), (1, -1), (4, 4)), line((2, 1), (-1, 1), (4, 4))
    assert one.points.tolist() == two.points.tolist()[::-1]
