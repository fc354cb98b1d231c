"""Results that other tuners of kernels wrote, as tables: one reader for each format.

Kernel Tuner keeps what it measured in a cache file, KTT writes its output as JSON or XML, and T4 is
the format that tuners exchange results in (the third of the interfaces T1 to T4 of
autotuning). All become the same table: a row for each result with the parameters, the objective
(run times in milliseconds), the seconds that it took to measure it, and whether it was measured.

`reading` recognises a format by its content; `results` is the table. A new format is a file of its
own with a `Format`, and its entry in `reading.FORMATS`.
"""

from dsice.reuse.results.reading import is_results, read_results
from dsice.reuse.results.results import Results

__all__ = ["Results", "is_results", "read_results"]
