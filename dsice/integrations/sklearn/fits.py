"""What was measured in other fits, as sources of a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from dsice.checks import shown
from dsice.errors import OptionError
from dsice.integrations.sklearn.parameters import OWNER, ParameterGrid
from dsice.reuse import Source
from dsice.reuse.source import as_sources

SCORE = "score of the fit"


def metric_of(results: Mapping[str, Any], refit: object) -> str:
    """The key of `cv_results_` that is maximised: that of `refit`, or the first."""
    own = f"mean_test_{refit}"
    if isinstance(refit, str) and own in results:
        return own
    return next(key for key in results if key.startswith("mean_test_"))


def sources_of(given: Iterable[Any], grid: ParameterGrid) -> list[Source]:
    """What ``reuse=`` was given: fitted searches, their ``cv_results_``, or sources of dsice."""
    if isinstance(given, Mapping) or hasattr(given, "get_params"):
        given = [given]
    if not isinstance(given, (list, tuple)):
        return list(as_sources(given))
    return list(as_sources([_as_source(one, k, grid) for k, one in enumerate(given)]))


def _as_source(given: Any, k: int, grid: ParameterGrid) -> Any:
    refit: object = None
    if hasattr(given, "get_params"):
        if not hasattr(given, "cv_results_"):
            raise OptionError(
                f"{OWNER}(reuse=[{shown(given)}]): this search is not fitted, perhaps since "
                "scikit-learn has copied it; give reuse=[search.cv_results_]"
            )
        refit, given = given.refit, given.cv_results_
    if not isinstance(given, Mapping):
        return given
    if "params" not in given or not any(key.startswith("mean_test_") for key in given):
        raise OptionError(
            f"{OWNER}(reuse=[{shown(given)}]): expected the cv_results_ of a search, with 'params' "
            "and 'mean_test_score'"
        )
    scores = np.asarray(given[metric_of(given, refit)], dtype=float)
    rows = [
        {**grid.row(params), SCORE: score}
        for params, score in zip(given["params"], scores.tolist(), strict=True)
    ]
    frame = pd.DataFrame([row for row in rows if len(row) > 1])
    if frame.empty:
        raise OptionError(
            f"{OWNER}(reuse=...): fit {k} says nothing of these parameters: its settings have "
            f"{sorted({name for params in given['params'] for name in params})}"
        )
    return Source(frame, metric=SCORE, maximize=True, name=f"fit {k}")
