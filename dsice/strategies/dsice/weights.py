"""How much the search takes from each source and from the trials of other stages, for people."""

from __future__ import annotations

from collections.abc import Mapping

from dsice.history import History
from dsice.space import Space
from dsice.spline.numerics import one_thread
from dsice.strategies.dsice.search import SearchModel
from dsice.strategies.dsice.sources import Sources, name_of_stage


def weights(space: Space, history: History, log_lam: float | None) -> dict[str, float]:
    """How far each source and other stage moves what is expected, in normal scores, by its name.

    Parameters
    ----------
    log_lam
        Logarithm of the weight of bending; None: fitted.
    """
    with one_thread():
        sources = Sources.of(space, history)
        if sources is None:
            return {}
        found = dict(zip(sources.names, sources.says().tolist(), strict=True))
        if len(history.order()):
            model = SearchModel.of(space, history, log_lam, sources).sources
            told = [] if model is None else model.says().tolist()
            found = dict(zip(sources.names, told, strict=False))
        return found


def stage_weights(space: Space, history: History, log_lam: float | None) -> Mapping[int, float]:
    """The same of each other stage than the goal's, by stage."""
    found = weights(space, history, log_lam)
    stages = set(history.keys()[:, 0].tolist()) - {history.goal.stage}
    return {stage: found.get(name_of_stage(stage), 0.0) for stage in stages}
