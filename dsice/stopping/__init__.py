"""Early stopping: which running trials to end before they are complete.

A program that trains step by step reports its learning curve, (step, value) pairs. Much of a
tuning budget goes to trainings whose curve shows early that they will end badly; a *stopper* looks
at the curve of a running trial and at the complete ones, and says whether to go on. The median
stopping rule of Google Vizier is the best known example: stop a training whose best value so far is
worse than the median of what the others averaged up to the same step.

A stopper is an object with frozen options whose answer follows from (curve, history) alone.
``Tuner(stopper=...)`` asks it at every `step` and writes each decision into the journal.

- `base`: the protocol `Stopper`, `Decision`, the adapter `as_stopper`, how curves are read;
- `matching`: `LearningCurveMatching`, prediction by the most similar complete curve;
- `median`: `Median`, the median stopping rule;
- `halving`: `SuccessiveHalving`, asynchronous successive halving;
- `savings`: how many steps of training a stopper saved.

This file writes stoppers to JSON and reads them from a study file or a journal.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any

from dsice.errors import OptionError
from dsice.stopping.base import (
    Decision,
    ReasonedStopper,
    Stopper,
    SupportsStop,
    as_stopper,
    decide,
)
from dsice.stopping.halving import SuccessiveHalving
from dsice.stopping.matching import LearningCurveMatching
from dsice.stopping.median import Median
from dsice.stopping.savings import Savings, savings
from dsice.typing import Curve

__all__ = [
    "Curve",
    "Decision",
    "LearningCurveMatching",
    "Median",
    "ReasonedStopper",
    "Savings",
    "Stopper",
    "SuccessiveHalving",
    "SupportsStop",
    "as_stopper",
    "decide",
    "savings",
]

_BY_NAME: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (LearningCurveMatching, Median, SuccessiveHalving)
}


def stopper_names() -> dict[str, str]:
    """Names of the stoppers as a study file has them (lower case), with their class names."""
    return {name.lower(): name for name in _BY_NAME}


def stopper_dict(stopper: SupportsStop | None) -> dict[str, Any] | None:
    """JSON form of a stopper: its class name and, of a dataclass, its options."""
    if stopper is None:
        return None
    options: dict[str, Any] = {}
    if is_dataclass(stopper) and not isinstance(stopper, type):
        options = asdict(stopper)
    return {"name": type(stopper).__name__, **options}


def stopper_from_dict(record: Mapping[str, Any] | None) -> Stopper | None:
    """The stopper of that name with those options, from a study file or a journal.

    Raises
    ------
    OptionError
        An unknown name or option, or one that is missing.
    """
    if record is None:
        return None
    name = record.get("name")
    options = {key: value for key, value in record.items() if key != "name"}
    if name not in _BY_NAME:
        raise OptionError(f"stopper {name!r} is not known; known are {sorted(_BY_NAME)}")
    kind = _BY_NAME[name]
    known = {option.name for option in fields(kind)}
    if unknown := set(options) - known:
        raise OptionError(
            f"stopper {name}: unknown options {sorted(unknown)}; it takes {sorted(known)}"
        )
    required = [option.name for option in fields(kind) if _is_required(option)]
    if missing := [option for option in required if option not in options]:
        raise OptionError(
            f"stopper {name}: {' and '.join(missing)} missing; it takes {sorted(known)}"
        )
    stopper: Stopper = kind(**options)
    return stopper


def _is_required(option: Field[Any]) -> bool:
    return option.default is MISSING and option.default_factory is MISSING
