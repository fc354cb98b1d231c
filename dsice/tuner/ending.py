"""Whether a search goes on, and why not: as `run` recorded it, else as follows from now."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from dsice.errors import DsiceError
from dsice.journal.format import encode_mapping, end_line
from dsice.strategies import as_strategy
from dsice.tuner.importing import ImportingStudy
from dsice.typing import Record

MOST_FOR_END: Final = 3000
"""Trials up to which a look asks the strategy whether it has more: with many it takes long."""

_SAID: Final = {
    "budget": (
        "the budget of {max_trials} trials is used up",
        "a larger max_trials goes on from here",
    ),
    "time": ("its time, max_seconds, was over", "run it again to go on"),
    "cost": (
        "its trials took {hours} worker-hours, and max_cost = {max_cost} pays for no more",
        "a larger max_cost goes on from here",
    ),
    "grid": (
        "all {points} points of the grid were asked",
        "more levels go on from here: write them into a study file whose journal is this one, "
        "then `dsice extend STUDY.toml`; in Python, dsice.extend()",
    ),
    "converged": (
        "the chance that any point not yet measured beats the best by more than {percent} % of "
        "the way from the best to the median is {chance}, under {under}",
        "a smaller tolerance searches on; confirm = 3 measures the best ones anew",
    ),
    "complete": (
        "the strategy {strategy} has nothing more to ask",
        "another strategy, or other options of this one, goes on from here",
    ),
    "failures": (
        "all {count} trials ended in the same way, and nothing was ever measured; the last, {last}",
        "put that right, and `dsice retry STUDY.toml --failed` lets them be measured anew",
    ),
    "error": ("it ended with an error: {error}", "put that right and run it again"),
}
"""What each reason means, and what to try next."""


@dataclass(frozen=True)
class End:
    """Why a search asks for nothing more.

    ``str(end)`` says it as a sentence.

    Attributes
    ----------
    reason
        ``"budget"`` (max_trials), ``"time"`` (max_seconds), ``"cost"`` (max_cost), ``"grid"`` (all
        points were asked), ``"converged"`` (little chance that anything better is left),
        ``"complete"`` (the strategy is at its end), ``"failures"`` (everything failed alike) or
        ``"error"``.
    figures
        The numbers and words that it was decided from.
    at
        When a run recorded it, as a Unix time; None: it follows from now.
    """

    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    at: float | None = None

    @property
    def advice(self) -> str:
        """What to try next; empty for a reason of a newer dsice."""
        return _SAID.get(self.reason, ("", ""))[1]

    @property
    def with_advice(self) -> str:
        """The reason and what to try next."""
        return f"{self}; {self.advice}" if self.advice else str(self)

    def __str__(self) -> str:
        said = _SAID.get(self.reason)
        if said is None:
            return f"{self.reason} {dict(self.figures)}"
        words = {name: _in_words(figure) for name, figure in self.figures.items()}
        tolerance = self.figures.get("tolerance")
        if isinstance(tolerance, (int, float)):
            words["percent"] = _in_words(100.0 * tolerance)
        return said[0].format_map(defaultdict(lambda: "?", words))


def _in_words(figure: object) -> str:
    """A figure for a sentence: numbers with 3 digits, whole ones whole."""
    return f"{figure:.3g}" if isinstance(figure, float) else str(figure)


class EndingStudy(ImportingStudy):
    """A study that knows whether and why its search has ended; a part of `Tuner`."""

    @abstractmethod
    def _stream(self, *key: int) -> np.random.Generator: ...

    @property
    def exhausted(self) -> bool:
        """No ask will bring another trial, whatever is told: the search is over, or the budget.

        Trials may still be pending. `end` says why.
        """
        with self._mutex:
            if self._handout.ids(self._recorder):
                return False
            if self._budget_is_used:
                return True
            strategy = as_strategy(self.strategy)
            history = self._recorder.history
            return not self._queue and strategy.exhausted(self.space, history, self._stream)

    @property
    def finished(self) -> bool:
        """Nothing is pending and the next ask would be empty."""
        with self._mutex:
            return not self._recorder.history.pending() and self.exhausted

    @property
    def end(self) -> End | None:
        """Why the search goes no further: as the last `run` recorded it, else as follows from now.

        None where the next ask may bring a trial, or could after something is told. Nothing is
        written; the strategy is asked, as by `exhausted`.
        """
        with self._mutex:
            noted = self.noted_end
            if noted is not None or not self.exhausted:
                return noted
            return self._derived()

    @property
    def noted_end(self) -> End | None:
        """The end that the last `run` recorded; None where trials were asked or told since."""
        with self._mutex:
            if self._noted_end is None or self._noted_end[1] != self._standing():
                return None
            line = self._noted_end[0]
            at = line.get("at")
            when = float(at) if isinstance(at, (int, float)) else None
            return End(line["reason"], line["figures"], when)

    def note_end(self, end: End) -> None:
        """Record why a run asks for nothing more, unless that is what the journal says already.

        Raises
        ------
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            self._recorder.check()
            self._recorder.flush()
            noted = self.noted_end
            figures = encode_mapping("note_end", "figures", end.figures)
            if noted is not None and (noted.reason, noted.figures) == (end.reason, figures):
                return
            line = end_line(time.time(), end.reason, figures)
            self._recorder.commit([line], [], lambda: self._take_end(line))

    def _take_end(self, line: Record) -> None:
        self._noted_end = (line, self._standing())

    @property
    def _budget_is_used(self) -> bool:
        return self.max_trials is not None and self._recorder.history.asked >= self.max_trials

    def _derived(self) -> End:
        """Why an exhausted search goes no further."""
        history, space = self._recorder.history, self.space
        if self._budget_is_used:
            return End("budget", {"max_trials": self.max_trials})
        taken = history.taken()
        count = space.count if space.enumerable else None
        if count is not None and len(taken) >= count:
            allowed = space.valid(history.taken_points()) if history.forbidden else None
            points = history.taken_points() if allowed is None else history.taken_points()[allowed]
            if len(set(map(tuple, points.tolist()))) >= count:
                return End("grid", {"points": count})
        strategy = as_strategy(self.strategy)
        figures = strategy.convergence(space, history, self._stream)
        if figures is not None:
            return End("converged", figures)
        return End("complete", {"strategy": type(self.strategy).__name__})


def end_to_show(study: EndingStudy) -> End | None:
    """Why a study has ended, for a command that only looks; None: it has not, or who knows.

    A search of which trials are pending has not ended, unless a run said so. A strategy of
    somebody's own, or a rule that is a function, may not be here to be asked.
    """
    noted = study.noted_end
    if noted is not None or study.pending_ids():
        return noted
    history = study._recorder.history
    used = study._budget_is_used
    if not len(history) or (not used and (study.lacks_rules or len(history) > MOST_FOR_END)):
        return None
    try:
        return study.end
    except DsiceError:
        return None
