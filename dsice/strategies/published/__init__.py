"""The published algorithms of the d-spline search, rule by rule, to compare and to reproduce.

They are direct searches like coordinate descent: from a base point they probe neighbours, choose
lines, fit a d-spline to the measurements on a line and measure where it is low. Each is a small
state machine over points of integer levels (`Search`), which knows neither a space nor a tuner; a
strategy runs it over the history. docs/published.md has the rules, their sources and what is our
reading.

- `strategies`: their options, and the strategies of `dsice.strategies`.
- `search`: what the state machines have in common, and the replay of a history.
- `lattice`: starts, neighbours, lines and initial levels.
- `marker_fit`: the authors' d-spline on a line.
- `ippe`: one parameter; and the rule for a line, which the others use.
- `sequential`, `parallel`, `radial`: S_2017 and S_2018; the parallel DSICE of 2021-22; P_2024B.
"""

from dsice.strategies.published.strategies import (
    IPPE,
    Parallel2022,
    Radial2024,
    Sequential2017,
    Sequential2018,
)

__all__ = ["IPPE", "Parallel2022", "Radial2024", "Sequential2017", "Sequential2018"]
