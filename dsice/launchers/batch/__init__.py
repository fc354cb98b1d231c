"""Trials as jobs of a batch scheduler: Slurm, PJM (Fujitsu TCS), PBS, or templates of one's own."""

from dsice.launchers.batch.launcher import Batch
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.script import Script

__all__ = ["Batch", "Scheduler", "Script"]
