"""Random search without repetition: the plainest search, and the oracle of the contract tests."""

from __future__ import annotations

from dataclasses import dataclass

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.trial import Proposal


@dataclass(frozen=True)
class Random:
    """Uniform over the valid points that were not asked or added (Bergstra and Bengio, JMLR 2012)."""

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` points, each drawn from the stream of its own trial id; fewer only when the points run out."""
        taken, proposals = set(history.taken()), list[Proposal]()
        for id in range(len(history), len(history) + n):
            drawn = space.sample(stream(id), 1, exclude=taken)
            if not drawn:
                break
            taken.add(drawn[0])
            proposals.append(Proposal(drawn[0], {"phase": "random"}))
        return proposals
