"""The d-spline on a line and on a grid: smoothing splines over levels.

A d-spline is the curve over the levels of a line that passes near the measurements and whose
second differences are small (Tanaka, Katagiri and Yuba, PARA 2006): the discrete form of the cubic
smoothing spline. :func:`fit` fits one line and :func:`fit_many` tens of thousands at once; both can
be used alone. The search uses the n-dimensional form, a Gaussian process on a grid
(smoothing-spline analysis of variance; Wahba 1990, Gu 2013). Only integers and arrays enter.

- `line`: `fit` and `SplineFit`; `plain`: its linear system; `quick`: the same in one compiled call;
  `values`: the curve between the knots; `smoothing`: REML, residual degrees of freedom, posterior
  variance; `knots`: measured levels, and the grids of levels.
- `many`: `fit_many`, `ManyFits`, `score_alphas`; `packing`: lines one after the other in flat
  arrays.
- `evidence`: prior of an axis and covariance tables of all axes, hyperparameters by marginal
  likelihood; `surface`: the model of a grid and its predictions; `anova`: main effects and Sobol
  indices.
- `kernels`: all compiled code; `numerics`: the decorator of kernels, threads of BLAS.

The noise variance is `SplineFit.sigma2` on a line (method.md, eq. (16)) and
`Hyperparameters.noise_variance` on a grid (eqs. (5) and (7)).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dsice.spline.line import SplineFit, fit

if TYPE_CHECKING:
    from dsice.spline.many import ManyFits, Scores, fit_many, score_alphas

__all__ = ["ManyFits", "Scores", "SplineFit", "fit", "fit_many", "score_alphas"]

_LATER = {"ManyFits": "many", "Scores": "many", "fit_many": "many", "score_alphas": "many"}


def __getattr__(name: str) -> Any:
    """Load the functions for many lines or alphas on first access."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value
