"""Uniform samples of valid points, also where the grid is far beyond enumeration.

Small grids are enumerated once. Large ones are sampled by rejection; where that would reject nearly
everything, the axes that string rules tie together are drawn jointly from the list of their allowed
combinations, so that only the other rules reject. Both draw every valid point with the same
probability. The only exception: parameters that are conditional on a *function*, in a space where
less than 1 % of the grid is valid. There, inactive parameters are put to level 0 after drawing, so
that branches with few parameters come up more often than their share of the points.

What is drawn depends on the generator, the space and the arguments only, never on earlier calls.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dsice.errors import SpaceError
from dsice.space.points import DIMENSIONS, PointSet, tuples, unravel
from dsice.space.tabulated import FALSE, MAX_CELLS, TabulatedRule
from dsice.space.validity import Validity
from dsice.typing import Array, Bools, Floats, Ints, Point

TRIES: Final = 1_000_000
"""After so many tries without a new point, sampling ends."""
_CHUNK: Final = 65_536
"""So many points are looked at at once."""
_PROBES: Final = 2048
"""So many points estimate the valid share of a grid."""
_RARE: Final = 0.01
"""Where less than this share of the grid is valid, axes are drawn jointly."""


def enumerate_valid(rules: Validity) -> PointSet:
    """Return all valid points, of an explicit set or of a grid of up to MAX_CELLS points.

    Raises
    ------
    SpaceError
        There are none.
    """
    return _of_a_set(rules) if rules.sets else _of_the_grid(rules)


def _of_a_set(rules: Validity) -> PointSet:
    smallest = rules.sets[0].points
    if len(rules.sets) == 1 and not rules.requires and not rules.conditions:
        return smallest
    good = np.zeros(len(smallest), dtype=np.bool_)
    with rules.stopwatch.question():
        for start in range(0, len(smallest), _CHUNK):
            places = np.arange(start, min(start + _CHUNK, len(smallest)))
            good[places] = rules.valid(smallest.rows(places))
    if not good.any():
        raise _unsatisfiable(rules, smallest.rows(np.arange(min(len(smallest), _CHUNK))))
    return smallest.only(good)


def _of_the_grid(rules: Validity) -> PointSet:
    size = math.prod(rules.shape)
    parts = []
    with rules.stopwatch.question():
        grid, done = rules.on_grid() if len(rules.shape) <= DIMENSIONS else (None, 0)
        for start in range(0, size, _CHUNK):
            flat = np.arange(start, min(start + _CHUNK, size), dtype=np.int64)
            if grid is not None:
                flat = flat[grid.ravel()[start : start + _CHUNK]]
            if done < len(rules.requires) or rules.conditions:
                flat = flat[rules.valid(unravel(flat, rules.shape), skip=done)]
            parts.append(flat)
    cells = np.concatenate(parts)
    if not cells.size:
        raise _unsatisfiable(rules, unravel(np.arange(size), rules.shape))
    return PointSet(rules.shape, [cells])


def _unsatisfiable(rules: Validity, points: Ints) -> SpaceError:
    """The error for rules that no point satisfies; `points` are some of the grid, shape (k, d)."""
    cause = rules.explain_rejection(points)
    return SpaceError(f"no point of the space satisfies all its rules: {cause}")


@dataclass(frozen=True)
class Block:
    """Axes drawn jointly.

    Attributes
    ----------
    columns
        The axes.
    shape
        How many levels each of them has.
    cells
        Flat indices of the allowed cells of their sub-grid, shape (k,).
    cumulative
        Cumulative probabilities of the cells, shape (k,); None where all are equal.
    """

    columns: NDArray[np.intp]
    shape: tuple[int, ...]
    cells: Ints
    cumulative: Floats | None

    def draw(self, rng: np.random.Generator, k: int) -> Ints:
        """Return k rows of levels of the block's axes."""
        if self.cumulative is None:
            which = rng.integers(0, len(self.cells), size=k)
        else:
            which = np.searchsorted(self.cumulative, rng.random(k), side="right")
            which = np.minimum(which, len(self.cells) - 1)
        return unravel(self.cells[which], self.shape)


class RejectionSampler:
    """Sampling by rejection, for a grid too large to enumerate."""

    def __init__(self, rules: Validity) -> None:
        self._rules = rules
        self._blocks: list[Block] = []
        # functions may be slow, and no block helps against them
        with rules.stopwatch.question():
            share = rules.valid(_probes(rules), functions=False).mean()
            self._is_rare = bool(share < _RARE)
            if self._is_rare:
                self._blocks = _blocks(rules)

    def sample(
        self,
        rng: np.random.Generator,
        n: int,
        exclude: Collection[Point] | Array,
        enough: int | None = None,
    ) -> list[Point]:
        """Return up to n distinct valid points, none of `exclude`.

        Parameters
        ----------
        exclude
            Points not to be returned, or an array of them, shape (k, d).
        enough
            Stop after that many tries, once at least one point was found.
        """
        with self._rules.stopwatch.question():
            return self._sample(rng, n, exclude, enough)

    def _sample(
        self,
        rng: np.random.Generator,
        n: int,
        exclude: Collection[Point] | Array,
        enough: int | None,
    ) -> list[Point]:
        found: dict[Point, None] = {}
        taken = set(tuples(exclude) if isinstance(exclude, np.ndarray) else exclude)
        tries = 0  # since the last new point
        spent = 0  # in all
        seen = False  # whether any point was valid
        size = max(64, 2 * n)
        while len(found) < n and (enough is None or spent < enough or not found):
            size = size if enough is None else min(size, max(64, enough - spent))
            spent += size
            drawn = self._draw(rng, size)
            good = tuples(drawn[self._rules.valid(drawn)])
            fresh = [point for point in good if point not in taken]
            seen = seen or bool(good)
            taken.update(fresh)
            found.update(dict.fromkeys(fresh))
            tries = 0 if fresh else tries + size
            if tries >= TRIES:
                if seen:  # all that could be found are excluded or already here
                    break
                cause = self._rules.explain_rejection(_probes(self._rules))
                raise SpaceError(f"{TRIES:,} random points were tried, none is valid: {cause}")
            size = min(2 * size, _CHUNK)
        return list(found)[:n]

    def _draw(self, rng: np.random.Generator, k: int) -> Ints:
        size = (k, len(self._rules.shape))
        points: Ints = rng.integers(0, self._rules.shape, size=size)
        for block in self._blocks:
            points[:, block.columns] = block.draw(rng, k)
        if self._is_rare and self._rules.conditions:
            points[~self._rules.active(points)] = 0
        return points


def _probes(rules: Validity) -> Ints:
    """A few points of the whole grid, always the same."""
    return np.random.default_rng(0).integers(0, rules.shape, size=(_PROBES, len(rules.shape)))


def _blocks(rules: Validity) -> list[Block]:
    """Group the axes that string rules tie together into sub-grids of at most MAX_CELLS cells.

    The strictest rules come first.
    """
    blocks = []
    conditions = [condition for own in rules.conditions.values() for condition in own]
    control = sorted({int(j) for condition in conditions for j in condition.columns})
    has_functions = not all(condition.is_text for condition in conditions)
    if conditions and not has_functions and _cells(rules, control) <= MAX_CELLS:
        blocks.append(_control_block(rules, control))
    free = set(range(len(rules.shape))) - set(control) - rules.conditions.keys()
    requires = [rule for rule in rules.requires if free.issuperset(rule.columns.tolist())]
    for columns in _merge(rules, requires):
        cells, _ = _allowed(rules, columns)
        blocks.append(Block(np.array(columns), _shape(rules, columns), cells, None))
    for block in blocks:
        if not block.cells.size:
            raise _unsatisfiable(rules, _probes(rules))
    return blocks


def _merge(rules: Validity, requires: Iterable[TabulatedRule]) -> list[list[int]]:
    """Join the axes of string rules, strictest first, while their sub-grid stays small enough."""
    tied = [
        tuple(sorted(rule.columns.tolist()))
        for rule in requires
        if rule.cells <= MAX_CELLS and rule.is_text
    ]
    shares = {columns: _share(rules, columns) for columns in dict.fromkeys(tied)}
    groups: list[set[int]] = []
    for _, columns in sorted((shares[columns], columns) for columns in tied):
        touched = [group for group in groups if group & set(columns)]
        joint = set(columns).union(*touched)
        if _cells(rules, joint) <= MAX_CELLS:
            groups = [group for group in groups if group not in touched] + [joint]
    return [sorted(group) for group in groups]


def _control_block(rules: Validity, columns: list[int]) -> Block:
    """The axes that conditions mention: a cell is as likely as it has points.

    An inactive parameter has one level.
    """
    cells, active = _allowed(rules, columns)
    others = [j for j in rules.conditions if j not in columns]
    logs = active[:, others] @ np.log([rules.shape[j] for j in others])
    weights = np.exp(logs - logs.max(initial=0.0))
    total = np.cumsum(weights)
    cumulative = total / total[-1] if total.size else None
    return Block(np.array(columns), _shape(rules, columns), cells, cumulative)


def _allowed(rules: Validity, columns: list[int]) -> tuple[Ints, Bools]:
    """Cells of a sub-grid that its own rules allow, and what is active there, shape (k, d).

    The other axes are at level 0.
    """
    shape = _shape(rules, columns)
    inner = [rule for rule in rules.requires if rule.is_text and _is_within(rule, columns)]
    cells = []
    actives = []
    size = math.prod(shape)
    for start in range(0, size, _CHUNK):
        flat = np.arange(start, min(start + _CHUNK, size), dtype=np.int64)
        points = np.zeros((len(flat), len(rules.shape)), dtype=np.int64)
        points[:, columns] = unravel(flat, shape)
        active = rules.active(points)
        good = (active | (points == 0)).all(axis=1)
        for rule in inner:
            rows = np.flatnonzero(active[:, rule.columns].all(axis=1) & good)
            good[rows] = rule.outcomes(points[rows], active[rows]) != FALSE
        cells.append(flat[good])
        actives.append(active[good])
    return np.concatenate(cells), np.concatenate(actives)


def _share(rules: Validity, columns: tuple[int, ...]) -> float:
    return len(_allowed(rules, list(columns))[0]) / _cells(rules, columns)


def _is_within(rule: TabulatedRule, columns: Iterable[int]) -> bool:
    return set(rule.columns.tolist()) <= set(columns)


def _shape(rules: Validity, columns: Iterable[int]) -> tuple[int, ...]:
    return tuple(rules.shape[j] for j in columns)


def _cells(rules: Validity, columns: Iterable[int]) -> int:
    return math.prod(_shape(rules, columns))
