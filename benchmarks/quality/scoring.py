"""How good a search is: ranks, the score relative to random search, and the regret.

The *rank* of a value is the number of points of the table that are strictly better. After each
round the rank of the best value so far is compared with what random search without repetition has
after as many points:

    score of a round = 1 - log(1 + rank) / E[log(1 + rank)] under random search

0 is random search, 1 the optimum, below 0 worse than random. *score_R* is its mean over the rounds.
It stays the same under every monotone change of the objective.

*Regret* is (best - optimum) / (median - optimum): 0 at the optimum, 1 at a typical point.
"Within 1 %" is a regret of at most 0.01.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
WAY = 0.01
ROUNDING = 1e-12


@dataclass(frozen=True)
class Yardstick:
    """Rates the values of a table.

    Parameters
    ----------
    values
        All values of the table, any shape, NaN for failed points. A failed point counts as a draw
        of random search and as worse than every other point.
    """

    values: Values

    @cached_property
    def _sorted(self) -> Values:
        known = self.values[np.isfinite(self.values)]
        return np.sort(known)

    @cached_property
    def _rank_of_place(self) -> NDArray[np.int64]:
        """Rank of each point in ascending order of values, shape (points,).

        Equal values share the lowest place.
        """
        known, failed = self._sorted, self.values.size - self._sorted.size
        ranks: NDArray[np.int64] = np.full(known.size + failed, known.size, dtype=np.int64)
        ranks[: known.size] = np.searchsorted(known, known, side="left")
        return ranks

    @property
    def optimum(self) -> float:
        """The lowest value."""
        return float(self._sorted[0])

    @property
    def median(self) -> float:
        """The median of the points that did not fail."""
        return float(np.median(self._sorted))

    def rank(self, best: float) -> int:
        """Number of points that are strictly better than `best`.

        For inf or NaN (nothing measured yet) these are all points that did not fail.
        """
        return int(np.searchsorted(self._sorted, best if isfinite(best) else inf, side="left"))

    def regret(self, best: float) -> float:
        """(best - optimum) / (median - optimum); inf if nothing was measured yet."""
        return (best - self.optimum) / (self.median - self.optimum) if isfinite(best) else inf

    def expected(self, draws: int) -> float:
        """E[log(1 + rank)] of the best of `draws` points drawn without repetition.

        The best of them has place i with probability C(N - 1 - i, draws - 1) / C(N, draws).
        """
        from scipy.special import gammaln

        count = self.values.size
        draws = min(draws, count)
        place = np.arange(count - draws + 1)
        log_chance = (
            gammaln(count - place) - gammaln(count - place - draws + 1) - gammaln(draws)
        ) - (gammaln(count + 1) - gammaln(draws + 1) - gammaln(count - draws + 1))
        return float(np.exp(log_chance) @ np.log1p(self._rank_of_place[place]))

    def chance_of_optimum(self, draws: int) -> float:
        """Chance that random search has found the optimum after `draws` points."""
        from scipy.special import gammaln

        count, best = self.values.size, int(np.sum(self._sorted == self.optimum))
        if draws > count - best:
            return 1.0
        log_miss = (
            gammaln(count - best + 1)
            - gammaln(count - best - draws + 1)
            - gammaln(count + 1)
            + gammaln(count - draws + 1)
        )
        return float(1.0 - np.exp(log_miss))

    def scores(self, ranks: list[int], batch: int) -> list[float]:
        """Score of each round, given the rank of the best so far after it.

        NaN for rounds that do not count: where random search has found the optimum with a chance
        over one half, the comparison says nothing any more.
        """
        scores = []
        for number, rank in enumerate(ranks, 1):
            fair = self.chance_of_optimum(number * batch) <= 0.5
            scores.append(
                1.0 - float(np.log1p(rank)) / self.expected(number * batch)
                if fair
                else float("nan")
            )
        return scores


def rounds_to(regrets: list[float], way: float = WAY) -> float:
    """Number of the first round with a regret of at most `way`; inf if there is none."""
    return next(
        (float(number) for number, regret in enumerate(regrets, 1) if regret <= way + ROUNDING), inf
    )
