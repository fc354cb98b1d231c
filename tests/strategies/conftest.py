"""Marks for the tests of strategies."""

from __future__ import annotations

import pytest

PEERS = ("[tpe", "[cmaes", "[nsga2", "-tpe", "-cmaes", "-nsga2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A search that is not ours is long; its own tests have short ones of each."""
    for item in items:
        if item.path.name in ("test_contract.py", "test_time_goal.py") and any(
            peer in item.name for peer in PEERS
        ):
            item.add_marker(pytest.mark.long)
