"""Launchers whose trials cannot go on from the checkpoint of another trial."""

from __future__ import annotations

from collections.abc import Sequence

from dsice.errors import LaunchError
from dsice.launchers.base import Job


def check_continuing(jobs: Sequence[Job], reason: str) -> None:
    """Check that no job continues another one where that cannot be.

    Parameters
    ----------
    reason
        Why it cannot be (`Launcher.cannot_continue`); empty: it can.

    Raises
    ------
    LaunchError
        A job has a parent.
    """
    for job in jobs:
        if reason and job.parent is not None:
            raise LaunchError(
                f"trial {job.id} continues from the checkpoint of trial {job.parent}: {reason}"
            )
