"""What every source is read into: its distinct points, and their order as normal scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsice.history.sources import SourceTrials
from dsice.space.values import as_json
from dsice.spline.evidence import representative
from dsice.strategies.dsice.model import normal_scores
from dsice.typing import Bools, Floats, Params

MOST = 400
"""Points of a source that are kept; those of the search's own model are as many."""


@dataclass(frozen=True, eq=False)
class SourcePoints:
    """Distinct points of a task, as far as something became of them.

    Attributes
    ----------
    metric, maximize
        What the task is about, as in `Goal`.
    params
        Values of the parameters of each point.
    values
        The metric at each point, None where it has none.
    states
        What became of each, as in `State`.
    scores
        Score of each, shape (points,): less is better; NaN for one that failed.
    violations
        By how much each breaks the bounds of its task, shape (points,).
    sha256
        Of what they were read from; empty: of the points themselves.
    remarks
        What the user has to know of the reading.
    """

    metric: str
    maximize: bool
    params: Sequence[Params]
    values: Sequence[float | None]
    states: Sequence[str]
    scores: Floats
    violations: Floats
    sha256: str = ""
    remarks: tuple[str, ...] = ()

    def ranked(self) -> Floats:
        """Normal scores in the order of failure, violation and score; ties share their place."""
        failed = np.isnan(self.scores)
        if not len(failed):
            return np.empty(0)
        keys = (failed, self.violations, self.scores)
        columns = [np.where(failed, 0.0, key) if i else key for i, key in enumerate(keys)]
        _, place = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        return normal_scores(place.ravel())

    def digest(self) -> str:
        """SHA-256 of what they were read from."""
        if self.sha256:
            return self.sha256
        params = [as_json(dict(params)) for params in self.params]
        content = json.dumps([params, list(self.values), list(self.states)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def trials(self, name: str, preferred: Bools | None = None) -> SourceTrials:
        """At most `MOST` representative points, with their scores among all of them.

        Parameters
        ----------
        name
            What users call the source.
        preferred
            Points that come before all others, bool of shape (points,): those in the space.
        """
        scores = self.ranked()
        kept = _kept(scores, np.ones(len(scores), dtype=bool) if preferred is None else preferred)
        return SourceTrials(
            name,
            self.digest(),
            self.metric,
            self.maximize,
            tuple(self.params[row] for row in kept),
            tuple(self.values[row] for row in kept),
            tuple(str(self.states[row]) for row in kept),
            scores[kept],
        )


def _kept(scores: Floats, preferred: Bools) -> list[int]:
    """Rows of the points to keep, increasing."""
    first, others = np.flatnonzero(preferred), np.flatnonzero(~preferred)
    kept = first[representative(scores[first], MOST)]
    if (room := MOST - len(kept)) > 0 and len(others):
        kept = np.concatenate([kept, others[representative(scores[others], room)]])
    return np.sort(kept).tolist()  # type: ignore[no-any-return]
