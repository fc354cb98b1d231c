"""A script: print how many files of dsice one act enters (run, first, later or tell), and which.

``measure.entered`` runs it, each act in a process and a folder of its own, and states the rule.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

STUDY = '[study]\ncommand = "echo {x}"\nmax_trials = 4\nslots = 2\n[space]\nx = [1, 2, 3, 4]\n'


class Watch:
    """Between start and end: the files of dsice that define a function which is called."""

    def __init__(self, root: str) -> None:
        self.files: set[str] = set()
        self._within = root + "/dsice/"
        self._root = root + "/"
        self._local = threading.local()  # how many modules this thread is just importing

    def __enter__(self) -> Watch:
        threading.setprofile(self._saw)
        sys.setprofile(self._saw)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _saw(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        importing = getattr(self._local, "importing", 0)
        if code.co_name == "<module>":
            self._local.importing = importing + {"call": 1, "return": -1}.get(event, 0)
        elif event == "call" and not importing and self._is_of_dsice(code):
            self.files.add(code.co_filename.removeprefix(self._root))

    def _is_of_dsice(self, code: CodeType) -> bool:
        return code.co_filename.startswith(self._within)


def run(root: str, entry: str) -> Watch:
    """`dsice run` of four trials of `echo`, started as the console script starts it."""
    Path("study.toml").write_text(STUDY, encoding="utf-8")
    module, _, function = entry.partition(":")
    main: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    with Watch(root) as watch, contextlib.redirect_stdout(io.StringIO()):
        code = main(["run", "study.toml"])
    if code:
        raise SystemExit(code)
    return watch


def search(root: str, act: str) -> Watch:
    """One act of a tuner with a journal, on the space of the README, in batches of 8."""
    import dsice

    space: dict[str, Any] = {
        "batch": [16, 32, 64, 128, 256],
        "lr": dsice.Ordinal.log(1e-5, 1e-1, 9),
        "depth": range(1, 9),
    }
    tuner = dsice.Tuner(space, journal="run.jsonl")
    with Watch(root) as watch:
        trials = tuner.ask(8)
    if act == "first":
        return watch
    with Watch(root) as watch:
        tuner.tell(trials[0], loss(trials[0].params))
    if act == "tell":
        return watch
    for trial in trials[1:]:
        tuner.tell(trial, loss(trial.params))
    for _ in range(2):  # 24 trials: the initial design is measured
        for trial in tuner.ask(8):
            tuner.tell(trial, loss(trial.params))
    with Watch(root) as watch:
        tuner.ask(8)
    return watch


def loss(params: Any) -> float:
    """What the README measures."""
    return float((params["lr"] - 3e-3) ** 2 + 1 / params["batch"] + abs(params["depth"] - 4))


if __name__ == "__main__":
    where, console_script, wanted = sys.argv[1:]
    sys.path.insert(0, where)
    done = run(where, console_script) if wanted == "run" else search(where, wanted)
    print(json.dumps(sorted(done.files)))
