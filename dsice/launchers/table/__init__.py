"""Trials answered from a log, at once or on a virtual clock."""

from dsice.launchers.table.clock import Clock
from dsice.launchers.table.launcher import Table

__all__ = ["Clock", "Table"]
