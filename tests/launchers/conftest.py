"""What all tests of launchers share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _temporary(temporary: Path) -> Path:
    return temporary
