"""A coordinator on a node of a cluster: ``python -m tests.faults.nodes FOLDER NODE CLOCK TRIALS``.

The nodes are this machine: each has a name, a boot id and a clock (off by CLOCK seconds) of its
own, and sees no processes but its own. Its supervisors show that they live five times a second
instead of every 10 seconds, and are dead after 2 seconds of silence instead of 3 minutes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from dsice import Tuner, run
from dsice.launchers import Local, elsewhere, processes
from dsice.launchers.local import elsewhere as trials
from dsice.launchers.local import process
from dsice.launchers.program import script
from dsice.strategies import Random

SLOTS = 4
# the lock goes with its holder: whoever does not get it runs beside another
PROGRAM = (
    'exec 9>> "$FOLDER/lock-$DSICE_TRIAL"; '
    'flock -n 9 || echo "beside $DSICE_TRIAL" >> "$FOLDER/runs"; '
    'echo "begin $DSICE_TRIAL" >> "$FOLDER/runs"; sleep $((2 + {a} % 3)); '
    'echo "end $DSICE_TRIAL" >> "$FOLDER/runs"; echo {a}'
)
SIGNS, PATIENCE = 0.2, 2.0


def boot(node: str) -> str:
    """Boot id of a node."""
    return f"{int(node):08d}-0000-0000-0000-000000000000"


def be(node: str, clock: float) -> None:
    """Let this process be on a node, with its clock."""
    host = f"node{node}"
    now, born = time.time, processes.birth
    time.time = lambda: now() + clock
    elsewhere.this_host = lambda: host
    elsewhere.this_boot = lambda: boot(node)
    elsewhere.PATIENCE = PATIENCE
    trials._LOOK = trials._SIGNS = 0.1
    before = f"""
import os, types
_supervise = module
_supervise.SIGN_SECONDS = {SIGNS}
uname, born, now = os.uname, _supervise.processes.birth, _supervise.time.time
os.uname = lambda: types.SimpleNamespace(nodename={host!r})
_supervise.processes.birth = lambda pid: {boot(node)!r} + ":" + born(pid).partition(":")[2]
_supervise.time.time = lambda: now() + {clock}
"""

    def on_node(module: str, *options: str) -> list[str]:
        *words, code = script(module, *options)
        start = "module.run()"
        assert code.endswith(start)
        if module != "_supervise":
            return [*words, code]
        return [*words, f"{code.removesuffix(start)}\n{before}\n{start}"]

    def birth(pid: int) -> str | None:
        found = born(pid)
        return None if found is None else f"{boot(node)}:{found.partition(':')[2]}"

    for module, name, function in (
        (process, "script", on_node),
        (processes, "birth", birth),
        (processes, "sweep", lambda *_: 0),
    ):
        setattr(module, name, function)


def main(folder: Path, node: str, clock: float, wanted: int) -> None:
    """Go on with the study in `folder` until `wanted` trials were asked and none is pending."""
    be(node, clock)
    axes: dict[str, Any] = {"a": range(1, 10), "b": range(40)}
    env = {"FOLDER": str(folder)}
    with (
        Tuner(axes, Random(), journal=folder / "run.jsonl") as tuner,
        Local(PROGRAM, slots=SLOTS, directory=folder / "trials", env=env) as launcher,
    ):
        run(tuner, launcher, max_trials=wanted, progress=False)


def runs_on(directory: Path) -> str:
    """The node that a trial runs on, as it is written down; empty: it is not."""
    try:
        return str(json.loads((directory / "process.json").read_text())["host"])
    except (OSError, ValueError, KeyError):
        return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
