"""The search under a bound beside the one without, after equally many trials."""

from __future__ import annotations

import pandas as pd


def beside(trials: pd.DataFrame, bound: float, count: int) -> dict[str, object]:
    """The best of each search, within the bound and altogether.

    Parameters
    ----------
    trials
        One row for each trial: ``search`` (bounded or free), ``id``, ``rmse``, ``index``.
    bound
        Bound on the RMSE.
    count
        How many of the first trials of each search count.
    """
    figures: dict[str, object] = {}
    for name in ("bounded", "free"):
        first = trials[trials["search"] == name].sort_values("id").head(count)
        within = first[first["rmse"] <= bound]
        figures[f"{name}, first {count}: share within the bound"] = len(within) / len(first)
        figures[f"{name}, first {count}: least index within the bound"] = float(
            within["index"].min()
        )
        figures[f"{name}, first {count}: least index"] = float(first["index"].min())
    return figures
