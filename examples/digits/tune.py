"""Tune the five hyperparameters of train.py, with as many trainings at once as there are cores.

    python examples/digits/tune.py

Interrupt it (Ctrl-C, kill -9, a power cut) and run it again: it goes on where it stopped.
"""

import argparse
import shlex
import sys
from pathlib import Path

from dsice import Goal, Ordinal, Trial, Tuner, run
from dsice.launchers import Local
from dsice.plots import progress
from dsice.strategies import DSICE

SPACE = {
    "lr": Ordinal([0.01, 0.03, 0.1, 0.3, 1.0]),
    "batch": Ordinal([16, 32, 64, 128, 256]),
    "momentum": Ordinal([0.0, 0.5, 0.8, 0.9, 0.95]),
    "dropout": Ordinal([0.0, 0.1, 0.2, 0.4, 0.6]),
    "l2": Ordinal([0.0001, 0.0003, 0.001, 0.003, 0.01]),
}
START = {"lr": 0.01, "batch": 64, "momentum": 0.9, "dropout": 0.4, "l2": 0.0001}  # common defaults
TRAIN = (
    shlex.join([sys.executable, str(Path(__file__).with_name("train.py"))])
    .replace("{", "{{")
    .replace("}", "}}")
)
OPTIONS = "--lr {lr} --batch {batch} --momentum {momentum} --dropout {dropout} --l2 {l2}"


def tune(options: argparse.Namespace) -> None:
    directory = Path(options.directory)
    tuner = Tuner(
        SPACE,
        DSICE(start=START),
        goal=Goal(metric="loss"),  # of the JSON line that train.py prints
        journal=directory / "digits.jsonl",
        max_trials=options.trials,
    )
    launcher = Local(
        f"{options.command} {OPTIONS}", slots=options.slots, directory=directory / "trials"
    )
    with tuner, launcher:
        print(where_it_is(tuner), flush=True)
        run(tuner, launcher)
    show(tuner, directory)


def where_it_is(tuner: Tuner) -> str:
    told = len(tuner.history) - len(tuner.pending)
    if told == tuner.max_trials:
        return f"all {told} trials were measured before; here is the result again"
    if told:
        return f"going on where it was: {told} of {tuner.max_trials} trials are measured"
    return f"tuning train.py: {tuner.max_trials} of the {tuner.space.count} points of the grid"


def show(tuner: Tuner, directory: Path) -> None:
    best = tuner.best
    if best is None:
        sys.exit(f"no training gave a loss; see the logs in {directory / 'trials'}")
    start = tuner.history[0]
    print(f"\n{'':8} {'validation loss':>15} {'test error':>11}   settings")
    print(line("initial", start))
    print(line("best", best))
    if start.value is not None:
        better = sum(
            trial.value is not None and trial.value < start.value for trial in tuner.history
        )
        print(
            f"\n{better / len(tuner.history):.0%} of {len(tuner.history)} trials "
            "are better than the initial settings"
        )
    progress(tuner, directory / "progress.png")
    print(
        f"journal: {directory / 'digits.jsonl'}    "
        f"picture of the search: {directory / 'progress.png'}"
    )


def line(name: str, trial: Trial) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in trial.params.items())
    if trial.value is None:
        return f"{name:8} {trial.state!s:>15} {'':>11}   {settings}"
    error = f"{trial.metrics['test_error']:.1%}" if "test_error" in trial.metrics else ""
    return f"{name:8} {trial.value:15.4f} {error:>11}   {settings}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tune train.py.")
    parser.add_argument("--trials", type=int, default=160, help="trainings in all")
    parser.add_argument(
        "--slots", type=int, help="trainings at the same time (default: one per core)"
    )
    parser.add_argument(
        "--directory", default="demo", help="where the journal, the logs and the picture go"
    )
    parser.add_argument("--command", default=TRAIN, help="the training script, as a shell command")
    try:
        tune(parser.parse_args())
    except KeyboardInterrupt:
        print("\ninterrupted; run it again to go on where it was", file=sys.stderr)
        sys.exit(130)
