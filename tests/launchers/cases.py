"""Every launcher, as the contract tests need it.

A launcher joins by one `register(Case(...))` below, or in a module that `test_contract.py` imports.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dsice.launchers import Batch, Futures, Launcher, Local, Table
from tests.launchers import programs

SLOTS = 3
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "square": programs.square,
    "nap": programs.nap,
    "beat": programs.beat,
    "climb": programs.climb,
    "kill": programs.kill,
}
COMMANDS = {
    "square": "test {x} -lt 90 || {{ echo no such thing >&2; exit 7; }}; echo $(({x} * {x}))",
    "nap": "sleep 0.3; echo {x}",
    "beat": "while :; do echo {x} >> {path}; sleep 0.02; done",
    "kill": "if [ {x} = 1 ]; then kill -9 $$; fi; sleep 0.1; echo {x}",
}


@dataclass(frozen=True)
class Case:
    """One launcher under the contract.

    Attributes
    ----------
    make
        (name of a program, a fresh directory) -> a launcher of `SLOTS` slots that runs it.
    programs
        Which programs it can run: keys of `FUNCTIONS`.
    needs
        Modules without which its tests are skipped.
    logs
        Whether a failed trial has a log.
    pickles
        A launcher of a function that cannot be pickled; None where functions do not travel.
    leaves
        Whether trials are to go on after `close`.
    scheduler
        Fixture of the scheduler that it needs.
    """

    name: str
    make: Callable[[str, Path], Launcher]
    programs: frozenset[str] = frozenset(FUNCTIONS)
    needs: tuple[str, ...] = ()
    logs: bool = True
    pickles: Callable[[Callable[..., Any]], Launcher] | None = None
    leaves: bool = False
    scheduler: str | None = None

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


CASES: dict[str, Case] = {}


def register(case: Case) -> None:
    """Put a launcher under the contract."""
    CASES[case.name] = case


# ------------------------------------------------------------------ the launchers
def table() -> pd.DataFrame:
    rows = list(range(10)) + list(range(90, 95))
    return pd.DataFrame({"x": rows, "objective": [x * x if x < 90 else None for x in rows]})


def clock() -> Table:
    return Table(table().assign(seconds=range(1, 16)), workers=SLOTS)


_engines: dict[str, Any] = {}


def shared(name: str) -> Any:
    """A dask client, ray or an MPI pool, started once for all tests: starting takes seconds."""
    if name not in _engines:
        if name == "dask":
            from dsice.launchers.futures.dask import local_client

            _engines[name] = local_client(SLOTS)
        elif name == "ray":
            import ray

            # Sockets go there, and the tests' own temporary directories have long names.
            short = tempfile.mkdtemp(prefix="dsice-", dir="/tmp")
            atexit.register(shutil.rmtree, short, ignore_errors=True)
            os.environ["RAY_TMPDIR"] = short
            ray.init(
                num_cpus=SLOTS,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
            )
            _engines[name] = ray
        else:
            from dsice.launchers.futures.engines import local_pool

            _engines[name] = local_pool(SLOTS)
    return _engines[name]


def end_shared() -> None:
    """End what `shared` has started."""
    while _engines:
        name, engine = _engines.popitem()
        if name == "dask":
            cluster = engine.cluster
            engine.close()
            cluster.close()
        else:
            engine.shutdown()


def loky() -> Executor:
    from loky import ProcessPoolExecutor as Loky

    made: Executor = Loky(SLOTS)
    return made


def on(executor: Callable[[], object], **options: Any) -> Callable[[str, Path], Launcher]:
    return lambda program, place: Futures(
        FUNCTIONS[program], executor(), directory=place, **options
    )


def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SLOTS)


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(SLOTS)


ONLY = frozenset({"square"})
ALIVE = frozenset(FUNCTIONS) - {"kill"}
register(Case("table", lambda program, place: Table(table(), slots=SLOTS), ONLY))
register(Case("clock", lambda program, place: clock(), ONLY))
register(
    Case(
        "shell",
        lambda program, place: Local(COMMANDS[program], slots=SLOTS, directory=place),
        frozenset(COMMANDS),
    )
)
register(
    Case(
        "function",
        lambda program, place: Local(FUNCTIONS[program], slots=SLOTS, directory=place),
        pickles=lambda function: Local(function),
    )
)
register(Case("threads", on(lambda: threads), ALIVE))
register(
    Case("processes", on(lambda: processes), pickles=lambda function: Futures(function, processes))
)
register(
    Case(
        "no directory",
        lambda program, place: Futures(FUNCTIONS[program], processes),
        frozenset(FUNCTIONS) - {"climb"},
        logs=False,
    )
)
register(
    Case(
        "loky", on(lambda: loky), needs=("loky",), pickles=lambda function: Futures(function, loky)
    )
)
register(
    Case(
        "dask",
        on(lambda: shared("dask")),
        needs=("distributed",),
        pickles=lambda function: Futures(function, shared("dask")),
    )
)
register(
    Case(
        "ray",
        on(lambda: shared("ray")),
        needs=("ray",),
        pickles=lambda function: Futures(function, shared("ray")),
    )
)
register(
    Case(
        "mpi",
        on(lambda: shared("mpi")),
        ALIVE,
        needs=("mpi4py",),
        pickles=lambda function: Futures(function, shared("mpi")),
    )
)


def batch(scheduler: str, work: Mapping[str, Any]) -> Callable[[str, Path], Launcher]:
    quick: dict[str, Any] = (
        {"poll": 0.3, "throttle": 0.0} if scheduler != "slurm" else {"poll": 1.0}
    )
    return lambda program, place: Batch(
        work[program],
        scheduler=scheduler,
        slots=SLOTS,
        directory=place,
        lost_after=3.0,
        python=sys.executable,
        **quick,
    )


for _name, _fixture, _kind in (
    ("slurm", "slurm", "function"),
    ("pjm", "commands", "shell"),
    ("pbs", "commands", "function"),
):
    register(
        Case(
            f"{_name}, {_kind}",
            batch(_name, COMMANDS if _kind == "shell" else FUNCTIONS),
            frozenset(COMMANDS if _kind == "shell" else FUNCTIONS),
            pickles=None if _kind == "shell" else lambda function: Batch(function),
            leaves=True,
            scheduler=_fixture,
        )
    )
