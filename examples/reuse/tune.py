"""Tune a network on digits, then on another data set of scikit-learn, with and without reuse.

    python examples/reuse/tune.py

Interrupt it and run it again: it goes on where it stopped.
"""

import argparse
import math
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer, load_wine

from dsice import Goal, Ordinal, Tuner

sys.path.insert(0, str(Path(__file__).parents[1] / "digits"))
import train

SPACE = {
    "lr": Ordinal([0.01, 0.03, 0.1, 0.3, 1.0]),
    "batch": Ordinal([16, 32, 64, 128, 256]),
    "momentum": Ordinal([0.0, 0.5, 0.8, 0.9, 0.95]),
    "dropout": Ordinal([0.0, 0.1, 0.2, 0.4, 0.6]),
    "l2": Ordinal([0.0001, 0.0003, 0.001, 0.003, 0.01]),
}
OTHERS = {"wine": load_wine, "breast_cancer": load_breast_cancer}


def parts(name):
    """Training, validation and test rows of a data set, standardised, in a fixed random order."""
    x, y = OTHERS[name](return_X_y=True)
    order = train.np.random.default_rng(0).permutation(len(x))
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")[order]
    first, second = len(x) // 3, 2 * len(x) // 3
    rows = (slice(0, first), slice(first, second), slice(second, None))
    return tuple((x[part], y[order][part]) for part in rows)


def search(data, journal, trials, batch, epochs, reuse=()):
    """Tune on one data set; the best loss after each batch."""
    train.data = data
    found = []
    with Tuner(SPACE, goal=Goal("loss"), journal=journal, max_trials=trials, reuse=reuse) as tuner:
        for source in tuner.sources:
            print(f"reuse {source.name}: {source}\n")
        while asked := tuner.ask(batch):
            for trial in asked:
                result = train.train(**trial.params, epochs=epochs)
                if math.isfinite(result["loss"]):
                    tuner.tell(trial, metrics={"loss": result["loss"]}, seconds=result["seconds"])
                else:
                    tuner.tell(trial, error="diverged")
        for end in range(batch, trials + 1, batch):
            losses = [t.value for t in tuner.history[:end] if t.state == "done"]
            found.append(min(losses))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=OTHERS, default="wine", help="the next data set")
    parser.add_argument("--digits", type=int, default=80, help="trials on the digits")
    parser.add_argument("--trials", type=int, default=24, help="trials on the next data set")
    parser.add_argument("--batch", type=int, default=8, help="trials at a time")
    parser.add_argument("--epochs", type=int, default=20, help="of a training")
    parser.add_argument(
        "--directory", type=Path, default=Path("demo/reuse"), help="of the journals"
    )
    o = parser.parse_args()
    digits, next_data = train.data, lambda: parts(o.dataset)
    old = o.directory / "digits.jsonl"
    search(digits, old, o.digits, o.batch, o.epochs)
    cold = search(next_data, o.directory / f"{o.dataset}.jsonl", o.trials, o.batch, o.epochs)
    warm_journal = o.directory / f"{o.dataset}-reuse.jsonl"
    warm = search(next_data, warm_journal, o.trials, o.batch, o.epochs, reuse=[old])
    ends = "".join(f"{f'after {end}':>10}" for end in range(o.batch, o.trials + 1, o.batch))
    print(f"{f'best validation loss on {o.dataset}':36}{ends}")
    for name, losses in (("from nothing", cold), ("reusing the digits", warm)):
        print(f"{name:36}" + "".join(f"{loss:10.4f}" for loss in losses))


if __name__ == "__main__":
    main()
