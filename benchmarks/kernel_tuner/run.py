"""dsice beside the strategies of Kernel Tuner, in its simulation mode on measured kernels.

    python -m benchmarks.kernel_tuner.run FOLDER [--only NAME,NAME] [--seeds 10] [--strategies A,B]

FOLDER holds cache files of Kernel Tuner (.json, .json.gz; those of a whole search space), or tables
(.csv, .parquet: parameters, then ``objective``), which are written as cache files first. Every
strategy may measure each configuration of the cache, one at a time; a configuration that failed
when it was measured costs an evaluation, too.

Printed is how far the best is from the optimum after 50, 100 and 200 evaluations, in percent: the
mean over the seeds and its standard error, the strategies in the order of the last column.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import math
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernel_tuner.caches import cache_of, read_table, write_cache

AT = (50, 100, 200)
LEFT_OUT = ("brute_force", "nsga2", "nsga3")  # all configurations; several objectives


def caches(folder: Path, only: Sequence[str], scratch: Path) -> Iterator[tuple[str, Path]]:
    """The cache files of a folder, and those made of its tables."""
    for path in sorted(folder.iterdir()):
        name = path.name.split(".")[0]
        if only and name not in only:
            continue
        target = scratch / f"{name}.json"
        if path.name.endswith((".csv", ".csv.gz", ".parquet")):
            write_cache(target, cache_of(*read_table(path), device=name))
        elif path.name.endswith(".json.gz"):
            target.write_bytes(gzip.decompress(path.read_bytes()))
        elif path.suffix == ".json":
            target.write_bytes(path.read_bytes())
        else:
            continue
        if b'"tune_params"' in target.read_bytes()[:100_000]:
            yield name, target


def strategies(wanted: Sequence[str]) -> list[str]:
    """dsice and the strategies of Kernel Tuner that can be imported."""
    from kernel_tuner.interface import strategy_map

    found = ["dsice"]
    for name, strategy in strategy_map.items():
        if name in LEFT_OUT or (wanted and name not in wanted):
            continue
        try:
            strategy.tune  # noqa: B018  imports it
        except ImportError as error:
            print(f"left out: {name} ({str(error).splitlines()[0]})")
            continue
        found.append(name)
    return found if not wanted else [name for name in found if name in wanted]


def measured(path: Path, strategy: str, seed: int, evaluations: int) -> list[float]:
    """Best objective after each distinct evaluation of one run; infinite before the first."""
    import kernel_tuner
    from constraint import FunctionConstraint
    from kernel_tuner import util

    from dsice.integrations.kernel_tuner import DsiceStrategy

    cache = util.read_cache(str(path), open_cache=False)
    names = cache["tune_params_keys"]
    known = {tuple(entry[name] for name in names) for entry in cache["cache"].values()}
    objective = cache.get("objective", "time")
    objective = objective if isinstance(objective, str) else objective[0]
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the generator that Kernel Tuner uses
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        results, _ = kernel_tuner.tune_kernel(
            cache["kernel_name"],
            "",
            tuple(np.atleast_1d(cache.get("problem_size", 1)).tolist()),
            [],
            cache["tune_params"],
            restrictions=[FunctionConstraint(lambda *values: values in known)],
            cache=str(path),
            simulation_mode=True,
            strategy=DsiceStrategy(seed=seed) if strategy == "dsice" else strategy,
            strategy_options={"max_fevals": evaluations},
            objective=objective,
            quiet=True,
        )
    seen: set[tuple[Any, ...]] = set()
    best, course = math.inf, []
    for result in results:
        key = tuple(result[name] for name in names)
        if key in seen:
            continue
        seen.add(key)
        value = result.get(objective)
        if "__error__" not in result and isinstance(value, (int, float)):
            best = min(best, float(value))
        course.append(best)
    return course


def optimum(path: Path) -> float:
    """The least objective of a cache file."""
    content = json.loads(path.read_text())
    objective = content.get("objective", "time")
    objective = objective if isinstance(objective, str) else objective[0]
    values = [entry.get(objective) for entry in content["cache"].values()]
    return min(float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v))


def distances(path: Path, strategy: str, seeds: int) -> np.ndarray[Any, Any]:
    """Percent from the optimum, shape (seeds, len(AT))."""
    least = optimum(path)
    rows = []
    for seed in range(seeds):
        try:
            course = measured(path, strategy, seed, AT[-1]) or [math.inf]
        except Exception as error:  # some of them cannot do with some caches
            print(f"left out: {strategy}, seed {seed} ({type(error).__name__}: {error})")
            return np.empty((0, len(AT)))
        rows.append([100 * (course[min(n, len(course)) - 1] / least - 1) for n in AT])
    return np.array(rows)


def main() -> None:
    """Compare, and print a table for each cache."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="names of files, without endings")
    parser.add_argument("--strategies", default="", help="names of strategies")
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    only = [name for name in args.only.split(",") if name]
    wanted = [name for name in args.strategies.split(",") if name]
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in caches(args.folder, only, Path(scratch)):
            print(f"\n{name}: % from the optimum after {AT} evaluations, {args.seeds} seeds")
            rows = []
            for strategy in strategies(wanted):
                began = time.perf_counter()
                found = distances(path, strategy, args.seeds)
                if len(found):
                    rows.append((strategy, found, (time.perf_counter() - began) / args.seeds))
                    print(f"  ... {strategy} {found.mean(axis=0).round(2)}", file=sys.stderr)
            for strategy, found, seconds in sorted(rows, key=lambda row: row[1][:, -1].mean()):
                error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
                cells = [
                    f"{mean:8.2f} +- {own:5.2f}"
                    for mean, own in zip(found.mean(axis=0), error, strict=True)
                ]
                print(f"  {strategy:22s}", *cells, f"{seconds:6.1f} s a run")


if __name__ == "__main__":
    main()
