"""What the model says: which parameters matter, and the effect of each with its band."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dsice.errors import FitError
from dsice.insight.frames import main_effect
from dsice.insight.model import Model, model_of
from dsice.insight.resampling import share_intervals
from dsice.report.encode import number, text
from dsice.tuner import Tuner

PAIRS: Final = 5
"""Interactions that are shown, at most."""
LEAST: Final = 0.005
"""Share of an interaction that is worth a line."""


@dataclass(frozen=True)
class Fitted:
    """The model of a search, or why there is none.

    Attributes
    ----------
    notes
        What it warned of.
    """

    model: Model | None
    why_not: str
    notes: list[str]


def fitted(tuner: Tuner) -> Fitted:
    """Fit the model of a tuner's history."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model, why_not = model_of(tuner, None), ""
        except FitError as error:
            model, why_not = None, text(error)
    return Fitted(model, why_not, [text(warning.message) for warning in caught])


def importance(model: Model) -> dict[str, Any]:
    """Shares of the parameters, alone and with interactions, and of the strongest pairs."""
    shares = model.anova.sobol_indices()
    sure = share_intervals(model, shares)
    names = [text(name, 200) for name in model.space.names]

    def with_interval(share: float, interval: tuple[float, float]) -> list[Any]:
        return [number(share, 3), *(number(end, 3) for end in interval)]

    single = [
        {
            "axis": int(j),
            "alone": with_interval(shares.first[j], sure.first.at(int(j))),
            "total": with_interval(shares.total[j], sure.total.at(int(j))),
        }
        for j in np.argsort(-shares.total, kind="stable")
    ]
    pairs = [
        (float(shares.pairs[j, k]), j, k)
        for j in range(len(names))
        for k in range(j + 1, len(names))
        if shares.pairs[j, k] >= LEAST
    ]
    return {
        "single": single,
        "pairs": [
            {"axes": [j, k], "share": with_interval(share, sure.pairs.at((j, k)))}
            for share, j, k in sorted(pairs, reverse=True)[:PAIRS]
        ],
        "higher": number(shares.higher, 3),
        "noise_sd": number(model.unit * model.noise**0.5, 4),
        "sd": number(model.unit * shares.variance**0.5, 4),
        "early": text(sure.early),
    }


def effects(model: Model, axes: list[dict[str, Any]], sign: float) -> list[dict[str, Any]]:
    """The expected value at each level that the page has, averaged over all else, and its band.

    Parameters
    ----------
    axes
        As in `dsice.report.trials.axes`.
    sign
        -1 where more is better: scores are then minus the metric.
    """
    mean = model.mean + model.unit * model.anova.overall()
    found = []
    for j, axis in enumerate(axes):
        effect, half = main_effect(model, j)
        levels = np.array(axis.get("at", range(axis["n"])), dtype=np.int64)
        middle = sign * (mean + effect[levels])
        found.append(
            {
                "mean": [number(v, 6) for v in middle.tolist()],
                "half": [number(v, 3) for v in half[levels].tolist()],
            }
        )
    return found
