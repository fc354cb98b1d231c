"""Running a tuning: the only room that knows both a tuner and a launcher."""

from dsice.running.run import advance, minimize, run

__all__ = ["advance", "minimize", "run"]
