"""What of a source lies in a space: how much, in a sentence, and why a source says nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsice.errors import OptionError
from dsice.history.sources import ABSENT, SourceTrials
from dsice.space import Space
from dsice.space.values import brief

_SHOWN = 6  # parameters that a message names


@dataclass(frozen=True)
class MatchedSource:
    """How much of a source lies in a space, and how much it counts.

    Attributes
    ----------
    name
        What users call it.
    points, of_points
        How many of its points lie in the space, and how many of it are kept.
    parameters
        The parameters of the space that it has values of.
    of_parameters
        How many parameters the space has.
    metric, maximize
        What it is about, as in `Goal`.
    weight
        What the search makes of it now; None where the strategy uses no sources.
    remarks
        What is to be known of its reading.
    """

    name: str
    points: int
    of_points: int
    parameters: tuple[str, ...]
    of_parameters: int
    metric: str
    maximize: bool
    weight: float | None = None
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = (
            f"{self.points} of {self.of_points} points, {len(self.parameters)} of "
            f"{self.of_parameters} parameters, {'maximising' if self.maximize else 'minimising'} "
            f"{self.metric}"
        )
        if self.weight is not None:
            text += f", weight {self.weight:.2g}"
        return "; ".join([text, *self.remarks])


def match(
    source: SourceTrials,
    space: Space,
    *,
    weight: float | None = None,
    remarks: tuple[str, ...] = (),
) -> MatchedSource:
    """How much of a source lies in a space.

    Parameters
    ----------
    weight, remarks
        As in `MatchedSource`.
    """
    levels, _ = source.on(space)
    has = (levels != ABSENT).any(axis=0) if len(levels) else np.zeros(space.ndim, dtype=bool)
    names = tuple(name for name, there in zip(space.names, has, strict=True) if there)
    return MatchedSource(
        source.name,
        len(levels),
        len(source.params),
        names,
        space.ndim,
        source.metric,
        source.maximize,
        weight,
        remarks,
    )


def remarks_on(source: SourceTrials, space: Space) -> list[str]:
    """Parameters of which the matched points have one value only, in words."""
    levels, _ = source.on(space)
    found = []
    for name, column in zip(space.names, levels.T, strict=True):
        here = np.unique(column[column != ABSENT])
        if len(here) == 1 and len(space.axes[name]) > 1:
            found.append(f"{name} is always {space.axes[name].values[here[0]]!r}")
    return found


def require_use(source: SourceTrials, space: Space) -> None:
    """Raise OptionError for a source that says nothing about a space; the message says why."""
    who = f"source {source.name!r}"
    if not len(source.params):
        raise OptionError(f"{who}: nothing was measured in it yet; leave it out until then")
    if all(value is None for value in source.values):
        raise OptionError(
            f"{who}: none of its {len(source.params)} points has a finite value of "
            f"{source.metric!r}; give another metric: Source({source.name!r}, metric=...)"
        )
    named = dict.fromkeys(name for params in source.params for name in params)
    common = [name for name in space.names if name in named]
    if not common:
        raise OptionError(
            f"{who} has no parameter of this study: it has {_listed(list(named))}, the study has "
            f"{_listed(list(space.names))}; parameters are matched by their names"
        )
    levels, _ = source.on(space)
    if not len(levels):
        raise OptionError(
            f"{who}: none of its {len(source.params)} points lies in this space; "
            f"{'; '.join(_misses(source, space, common))}. Values of numbers may be off by half a "
            "step, others must be the same"
        )
    if len(np.unique(levels, axis=0)) == 1:
        point = {
            name: space.axes[name].values[level]
            for name, level in zip(space.names, levels[0], strict=True)
            if level != ABSENT
        }
        raise OptionError(
            f"{who}: {len(levels)} of its {len(source.params)} points lie in this space, all at "
            f"{point}: with one level in common it cannot say which is better"
        )


def _misses(source: SourceTrials, space: Space, common: list[str]) -> list[str]:
    """Of each parameter in common, how many of the points have a value of its axis."""
    found = []
    for name in common[:_SHOWN]:
        axis = space.axes[name]
        on, _ = source.on(Space({name: axis}))
        there = [params[name] for params in source.params if name in params]
        if len(on) < len(there):
            off = sorted({repr(value) for value in there})[:3]
            found.append(
                f"of {name!r}, {len(on)} of {len(there)} values are among "
                f"{brief(axis.values)} (it has {', '.join(off)}, ...)"
            )
    return found or ["each point has a value that is on no axis"]


def _listed(names: list[str]) -> str:
    text = ", ".join(map(repr, names[:_SHOWN]))
    return f"{text}, ..." if len(names) > _SHOWN else text or "none"
