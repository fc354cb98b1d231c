"""What importing a log of 100,000 rows and 8 columns costs: time, processor, memory; and again.

    python -m benchmarks.journal.importing [--rows 100000]

Each command is a process of its own. The bars are seconds on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARAMS = "abcdef"
_MEASURED = """
import resource, sys
from dsice.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    """Write a log, import it twice, look at it, and take what was exported back in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(dir=os.environ.get("DSICE_BENCH_DIR")) as folder:
        log, journal, table = (Path(folder) / n for n in ("log.csv", "log.jsonl", "all.csv"))
        _write(log, rows)
        new = ("-o", str(journal), "--objective", "loss", "--params", ",".join(PARAMS))
        _run("import (bar: 20 s, 600 MB)", "import", str(log), *new)
        _run("the same again (bar: 0 added, 5 s)", "import", str(log), *new)
        _run("best", "best", str(journal))
        _run("status", "status", str(journal))
        _run("ask", "ask", str(journal))
        _run("tell", "tell", str(journal), str(rows), "0.5")
        _run("export", "export", str(journal), "-o", str(table))
        _run("import of the export", "import", str(table), str(journal))


def _write(path: Path, rows: int) -> None:
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join((*PARAMS, "loss", "seconds")) + "\n")
        for cell in rng.sample(range(10**6), rows):
            file.write(
                ",".join((*f"{cell:06d}", repr(rng.random()), repr(9 * rng.random()))) + "\n"
            )


def _run(title: str, *command: str) -> None:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    seconds = time.perf_counter() - start
    processor, memory = map(float, done.stderr.split()[-2:])
    counted = [line for line in done.stdout.splitlines() if "added" in line]
    print(
        f"{title:<36}{seconds:8.2f} s {processor:8.2f} s processor {memory:6.0f} MB  "
        + "; ".join(line.partition(": ")[2] for line in counted)
    )


if __name__ == "__main__":
    main()
