"""Trials as processes of this machine, each under a supervisor of its own."""

from dsice.launchers.local.launcher import Local

__all__ = ["Local"]
