"""The published algorithms, rule by rule. See docs/published.md."""

from dsice.strategies.published.strategies import (
    IPPE,
    Parallel2022,
    Radial2024,
    Sequential2017,
    Sequential2018,
)

__all__ = ["IPPE", "Parallel2022", "Radial2024", "Sequential2017", "Sequential2018"]
