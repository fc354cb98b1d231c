"""Optuna's own suite for samplers, as its package brings it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("optuna", reason="pip install 'dsice[optuna]'")

from optuna.samplers import BaseSampler
from optuna.testing import pytest_samplers

from dsice.integrations.optuna import DsiceSampler

pytestmark = pytest.mark.filterwarnings(
    # spaces that change while they run, and grids that are used up, are said to users
    "ignore::dsice.errors.DsiceWarning",
)


class TestDsiceSampler(
    pytest_samplers.BasicSamplerTestCase,
    pytest_samplers.RelativeSamplerTestCase,
    pytest_samplers.SingleOnlySamplerTestCase,
):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return DsiceSampler
