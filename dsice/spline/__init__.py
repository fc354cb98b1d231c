"""The d-spline on a line, usable alone: one fit (:func:`fit`) or tens of thousands at once (:func:`fit_many`)."""

from dsice.spline.line import SplineFit, fit
from dsice.spline.many import ManyFits, fit_many
from dsice.spline.scores import Scores, score_alphas

__all__ = ["ManyFits", "Scores", "SplineFit", "fit", "fit_many", "score_alphas"]
