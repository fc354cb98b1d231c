"""When to stop a running trial, judged by its learning curve.

`LearningCurveMatching` and `Median` are frozen options and a pure function of (curve, history);
``Tuner(stopper=...)`` asks them at every `step` and writes each decision with its inputs into the journal.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any

from dsice.errors import OptionError
from dsice.stopping.base import Decision, Stopper, decide
from dsice.stopping.matching import LearningCurveMatching
from dsice.stopping.median import Median
from dsice.stopping.savings import Savings, savings
from dsice.typing import Curve

__all__ = [
    "Curve",
    "Decision",
    "LearningCurveMatching",
    "Median",
    "Savings",
    "Stopper",
    "decide",
    "savings",
]

_BY_NAME: dict[str, type[Any]] = {kind.__name__: kind for kind in (LearningCurveMatching, Median)}


def stopper_names() -> dict[str, str]:
    """Names of the stoppers as they are typed in a study file (lower case), with those of the classes."""
    return {name.lower(): name for name in _BY_NAME}


def stopper_dict(stopper: Stopper | None) -> dict[str, Any] | None:
    """JSON form of a stopper: its name and its options."""
    if stopper is None:
        return None
    options: dict[str, Any] = (
        asdict(stopper) if is_dataclass(stopper) and not isinstance(stopper, type) else {}
    )
    return {"name": type(stopper).__name__, **options}


def stopper_from_dict(record: Mapping[str, Any] | None) -> Stopper | None:
    """The stopper of that name with those options (from a study file or a journal).

    Raises
    ------
    OptionError
        An unknown name or option, or one that is missing.
    """
    if record is None:
        return None
    name, options = record.get("name"), {k: v for k, v in record.items() if k != "name"}
    if name not in _BY_NAME:
        raise OptionError(f"stopper {name!r} is not known; known are {sorted(_BY_NAME)}")
    known = {f.name for f in fields(_BY_NAME[name])}
    if unknown := set(options) - known:
        raise OptionError(
            f"stopper {name}: unknown options {sorted(unknown)}; it takes {sorted(known)}"
        )
    if missing := [f.name for f in fields(_BY_NAME[name]) if f.name not in options and _needed(f)]:
        raise OptionError(
            f"stopper {name}: {' and '.join(missing)} missing; it takes {sorted(known)}"
        )
    stopper: Stopper = _BY_NAME[name](**options)
    return stopper


def _needed(option: Field[Any]) -> bool:
    return option.default is MISSING and option.default_factory is MISSING
