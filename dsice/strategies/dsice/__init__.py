"""The default search."""

from dsice.strategies.dsice.strategy import DSICE

__all__ = ["DSICE"]
