"""Fixtures of the launchers' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import cases


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories of launchers go: they keep the logs of failed trials."""
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


@pytest.fixture(autouse=True, scope="session")
def engines() -> Iterator[None]:
    """End the dask client, ray and the MPI pool that tests have started."""
    yield
    cases.end_shared()
