"""Trials answered from a log of measurements, at once or on a virtual clock.

A tabular benchmark replaces hours of training by looking results up in a table that was measured
once; search strategies can be compared on it in seconds. `Table` is such a table as a launcher: a
CSV file, a DataFrame or a journal. With a virtual clock it also behaves in time as real workers
would: 40 of them are busy for the logged run times of their trials, while nobody waits.

- `launcher`: `Table` itself, the hooks of a launcher and what can be asked about the log.
- `log`: measurements as arrays, whatever they were read from.
- `read_table`: a DataFrame, CSV or Parquet file as a log.
- `read_journal`: a journal of dsice as a log.
- `clock`: the virtual clock, and the immediate one.
"""

from dsice.launchers.table.clock import Clock
from dsice.launchers.table.launcher import Table

__all__ = ["Clock", "Table"]
