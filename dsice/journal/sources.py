"""Lines about sources: trials of related tasks that inform the search of a study.

A source is read once, when a tuner first gets it, and stands in one line of the journal, as values
of parameters. From then on this line counts, whatever becomes of the file that it was read from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dsice.history.sources import SourceTrials
from dsice.journal.format import Kind, encode
from dsice.space.values import as_json, plain_value
from dsice.typing import Record


def reuse_line(source: SourceTrials) -> Record:
    """A source that informs the search from here on."""
    return {
        "kind": Kind.REUSE,
        "name": source.name,
        "sha256": source.sha256,
        "metric": source.metric,
        "maximize": source.maximize,
        "params": [as_json(dict(params)) for params in source.params],
        "values": list(source.values),
        "states": list(source.states),
        "scores": source.scores.tolist(),
    }


def source_of(record: Mapping[str, Any]) -> SourceTrials:
    """The source of a line.

    Raises
    ------
    LookupError, TypeError, ValueError
        The line is damaged.
    """
    scores = np.array(record["scores"], dtype=float)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError("its scores are no finite numbers")
    values = [None if value is None else float(value) for value in record["values"]]
    if not all(value is None or math.isfinite(value) for value in values):
        raise ValueError("its values are no finite numbers")
    return SourceTrials(
        name=record["name"],
        sha256=record["sha256"],
        metric=record["metric"],
        maximize=record["maximize"],
        params=tuple(
            {name: plain_value(value) for name, value in params.items()}
            for params in record["params"]
        ),
        values=tuple(values),
        states=tuple(record["states"]),
        scores=scores,
    )


def as_written(source: SourceTrials) -> SourceTrials:
    """The source as its line gives it back, so that a search without a journal is the same."""
    return source_of(json.loads(encode(reuse_line(source), allow_nan=False)))


class Sources:
    """The sources of a journal, line by line.

    Attributes
    ----------
    known
        All of them by name, in the order of their lines.
    """

    def __init__(self) -> None:
        self.known: dict[str, SourceTrials] = {}
        self._left_out: set[str] = set()

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in a line of a source, or an options line, which may say which of them count."""
        if record.get("kind") == Kind.REUSE:
            source = source_of(record)
            self.known[source.name] = source
            self._left_out.discard(source.name)
            return
        if "reuse" not in record:
            return
        names = record["reuse"]
        if type(names) is not list:
            raise TypeError("reuse is no list of names")
        self._left_out = self.known.keys() - set(names)

    @property
    def in_force(self) -> tuple[SourceTrials, ...]:
        """Those that count now."""
        return tuple(s for name, s in self.known.items() if name not in self._left_out)
