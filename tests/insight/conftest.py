"""Fewer halves for the tests that look at no interval: they take most of the time."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def few_halves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "intervals" not in request.node.name:
        monkeypatch.setattr("dsice.insight.resampling.HALVES", 3)
