"""A program of a user, which mypy reads strictly beside the installed wheel, and which runs."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import dsice
from dsice import Goal, History, Ordinal, Require, Space, Trial, Tuner, minimize
from dsice.errors import OptionError
from dsice.launchers import Local
from dsice.stopping import Median
from dsice.strategies import DSICE


def train(batch: int, lr: float) -> float:
    return (lr - 3e-3) ** 2 + 1 / batch


def search(journal: Path) -> Trial:
    space = Space(
        {"batch": [16, 32, 64, 128], "lr": Ordinal.log(1e-5, 1e-1, 9)},
        where=[Require("batch * lr < 10")],
    )
    tuner = Tuner(space, goal=Goal(of="median"), strategy=DSICE(), journal=journal, max_trials=20)
    while trials := tuner.ask(8):
        assert_type(trials, list[Trial])
        for trial in trials:
            tuner.tell(trial, train(**trial.params))
    assert_type(tuner.history, History)
    assert tuner.best is not None
    return tuner.best


def main() -> None:
    best = search(Path("typed.jsonl"))
    print(best.id, best.params)
    assert_type(
        minimize(train, {"batch": [1, 2], "lr": [0.1, 0.2]}, max_trials=3, progress=False), Tuner
    )
    try:
        Tuner({"x": range(3)}, max_trials=-1)
    except OptionError as error:
        print(error)
    print(Local, Median(), dsice.effects(Tuner.read("typed.jsonl")).shape)


if __name__ == "__main__":
    main()
