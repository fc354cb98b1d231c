"""Studies of Optuna, and what dsice takes itself, as sources of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
from optuna import Study
from optuna.study import StudyDirection

from dsice.checks import shown
from dsice.errors import OptionError
from dsice.integrations.optuna.trials import VALUE, outcome
from dsice.reuse import Source
from dsice.reuse.source import as_sources


def sources_of(given: Iterable[Any]) -> tuple[Source, ...]:
    """What ``reuse=`` was given; studies of Optuna as tables of their ended trials."""
    if isinstance(given, Study):
        given = [given]
    if isinstance(given, (list, tuple)):
        given = [_of_study(one) if isinstance(one, Study) else one for one in given]
    return as_sources(given)


def _of_study(study: Study) -> Source:
    if study._is_multi_objective():
        raise OptionError(
            f"DsiceSampler(reuse={shown(study.study_name)}): the study has several objectives; "
            "give a DataFrame of its trials and say which column counts: Source(frame, metric=...)"
        )
    maximize = study.direction is StudyDirection.MAXIMIZE
    rows = [
        {**trial.params, VALUE: math.nan if value is None else value}
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
        for value in [outcome(trial)[1]]
    ]
    return Source(pd.DataFrame(rows), metric=VALUE, maximize=maximize, name=study.study_name)
