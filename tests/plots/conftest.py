"""What all tests of plots share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _few_halves(few_halves: None) -> None:
    pass
