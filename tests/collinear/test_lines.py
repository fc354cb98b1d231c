"""Lines through centres, against plain repetition of the definitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dsice.collinear.lines import open_lines
from dsice.directions import directions
from dsice.directions.lines import PackedLines

Point = tuple[int, ...]
SHAPE = (7, 5, 4)


def opened(
    centres: Sequence[Point],
    shape: Sequence[int],
    width: int,
    *,
    movable: Sequence[int] | None = None,
    max_points: int = 10**6,
    seed: int = 0,
) -> PackedLines:
    axes = list(range(len(shape))) if movable is None else movable
    return open_lines(centres, shape, axes, width, max_points, np.random.default_rng(seed))


def walked(centre: Point, direction: Point, shape: Sequence[int]) -> list[Point]:
    """All points of a line, by trial of every step."""
    found = []
    for step in range(-max(shape), max(shape) + 1):
        point = tuple(c + step * d for c, d in zip(centre, direction, strict=True))
        if all(0 <= level < m for level, m in zip(point, shape, strict=True)):
            found.append(point)
    return found


def points_of(lines: PackedLines, i: int) -> list[Point]:
    return [tuple(p) for p in lines.points[lines.offsets[i] : lines.offsets[i + 1]].tolist()]


def test_all_lines_of_a_centre_are_there_whole_and_packed() -> None:
    centre = (2, 3, 1)
    lines = opened([centre], SHAPE, 3)
    assert (
        lines.offsets[0] == 0
        and lines.offsets[-1] == len(lines.points)
        and (np.diff(lines.offsets) > 1).all()
    )
    every = [d for w in (1, 2, 3) for d in directions(3, w)]
    assert lines.directions == [d for d in every if len(walked(centre, d, SHAPE)) > 1]
    for i, direction in enumerate(lines.directions):
        assert points_of(lines, i) == walked(centre, direction, SHAPE)
        assert lines.widths[i] == sum(step != 0 for step in direction) and lines.centres[i] == 0
    np.testing.assert_array_equal(
        lines.line_of(), np.repeat(np.arange(len(every)), np.diff(lines.offsets))
    )


def test_narrow_lines_come_first_for_each_centre() -> None:
    lines = opened([(2, 3, 1), (6, 0, 0), (1, 1, 1)], SHAPE, 3)
    for centre in range(3):
        widths = lines.widths[lines.centres == centre]
        assert (np.diff(widths) >= 0).all() and widths[0] == 1


@pytest.mark.parametrize("width", [1, 2, 3])
def test_no_direction_is_wider_than_allowed(width: int) -> None:
    assert opened([(2, 3, 1)], SHAPE, width).widths.max() == width


def test_unordered_axes_move_alone() -> None:
    lines = opened([(2, 3, 1)], SHAPE, 3, movable=[0, 2])
    assert sum(d[1] != 0 for d in lines.directions) == 1
    assert all(w == 1 for d, w in zip(lines.directions, lines.widths, strict=True) if d[1])
    assert any(d == (1, 0, -1) for d in lines.directions)


def test_a_line_through_two_centres_is_opened_once() -> None:
    """Three centres on a diagonal, two of them on an axis line as well."""
    centres = [(0, 0, 0), (2, 2, 2), (4, 2, 2)]
    lines = opened(centres, SHAPE, 3)
    keys = [(frozenset(points_of(lines, i)), lines.directions[i]) for i in range(len(lines.widths))]
    assert len(set(keys)) == len(keys)
    every = {
        frozenset(walked(c, d, SHAPE)) for c in centres for w in (1, 2, 3) for d in directions(3, w)
    }
    assert {key for key, _ in keys} == {line for line in every if len(line) > 1}
    for i, direction in enumerate(lines.directions):
        first = next(
            n
            for n, c in enumerate(centres)
            if set(walked(c, direction, SHAPE)) == set(points_of(lines, i))
        )
        assert lines.centres[i] == first


def test_room_bounds_the_points_of_a_centre() -> None:
    shape, centres = (30,) * 6, [(3, 5, 7, 9, 11, 13), (20, 21, 22, 23, 24, 25)]
    whole = opened(centres, shape, 2)
    lines = opened(centres, shape, 2, max_points=300)
    for centre in (0, 1):
        there = lines.centres == centre
        # the line that reaches the limit is kept whole
        assert 300 <= np.diff(lines.offsets)[there].sum() - there.sum() < 300 + 30
        assert (lines.widths[there] == 1).sum() == 6  # narrow ones first: all of them fit in
        assert np.diff(whole.offsets)[whole.centres == centre].sum() > 2 * 300
    others = opened(centres, shape, 2, max_points=300, seed=1)
    # oblique directions are drawn at random, anew for every seed
    assert others.directions != lines.directions
    assert opened(centres, shape, 2, max_points=300).directions == lines.directions


def test_more_directions_than_can_be_listed_are_drawn() -> None:
    """40 axes have 79 040 directions of width 3 and 10^18 in all."""
    lines = opened([(1,) * 40], (3,) * 40, 40, max_points=4000)
    assert 4000 <= len(lines.points) < 8000 and set(lines.widths.tolist()) >= {1, 2}
    assert len(set(lines.directions)) == len(lines.directions)
    for i in range(0, len(lines.widths), 50):
        assert points_of(lines, i) == walked((1,) * 40, lines.directions[i], (3,) * 40)
    wide = opened([(1,) * 40], (3,) * 40, 3, max_points=10**6)
    assert 0 < (wide.widths == 3).sum() <= 2000
    firsts = [next(step for step in d if step) for d in wide.directions]
    assert set(firsts) == {1}  # one name per line


def test_no_centres_and_grids_of_one_point_have_no_lines() -> None:
    assert opened([], SHAPE, 2).points.shape == (0, 3)
    lonely = opened([(0, 0)], (1, 1), 2)
    assert (
        lonely.points.shape == (0, 2)
        and lonely.offsets.tolist() == [0]
        and len(lonely.line_of()) == 0
    )


def test_keep_takes_points_off_their_own_lines() -> None:
    lines = opened([(2, 3, 1), (0, 0, 3)], SHAPE, 2)
    wanted = np.random.default_rng(0).random(len(lines.points)) < 0.3
    wanted[lines.offsets[2] : lines.offsets[3]] = False  # a whole line
    kept = lines.keep(wanted)
    number = lines.line_of()
    for i in range(len(lines.widths)):
        assert points_of(kept, i) == [
            tuple(p) for p in lines.points[wanted & (number == i)].tolist()
        ]
    np.testing.assert_array_equal(kept.line_of(), number[wanted])
