"""The d-spline on a line, usable alone: one fit (:func:`fit`) or tens of thousands at once (:func:`fit_many`)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dsice.spline.line import SplineFit, fit

if TYPE_CHECKING:
    from dsice.spline.many import ManyFits, Scores, fit_many, score_alphas

__all__ = ["ManyFits", "Scores", "SplineFit", "fit", "fit_many", "score_alphas"]

_LATER = {"ManyFits": "many", "Scores": "many", "fit_many": "many", "score_alphas": "many"}


def __getattr__(name: str) -> Any:
    """Load what works on many lines or alphas when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value
