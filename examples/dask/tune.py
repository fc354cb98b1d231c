"""Tune on a dask cluster: the one whose scheduler you name, or a few processes of this machine.

    pip install 'dsice[dask]'
    python examples/dask/tune.py                                # three processes here, about 15 s
    python examples/dask/tune.py --scheduler tcp://head:8786    # your cluster

On a cluster `train` is sent to the workers, which need dsice installed. Learning curves
(`dsice.step`), and with them early stopping, go through a directory that all workers see:
--directory. A trial whose worker dies is run again.
"""

import argparse
import time

from distributed import Client, LocalCluster

import dsice
from dsice import Goal, Ordinal, Tuner, run
from dsice.launchers import Futures

SPACE = {"lr": Ordinal.log(1e-4, 1.0, 9), "layers": range(1, 9), "width": [32, 64, 128, 256]}


def train(lr, layers, width):
    """A stand-in for a training of 5 epochs."""
    best = abs(layers - 4) / 10 + abs(width - 128) / 500 + abs(lr - 0.01) ** 0.5
    for epoch in range(5):
        time.sleep(0.02)
        loss = best + 1 / (epoch + 1)
        if dsice.step(epoch, loss):  # True: this trial is hopeless
            break
    return {"loss": loss, "parameters": layers * width**2}


class Hopeless:
    """Stop a trial whose curve is more than 0.5 behind the best trial's after its second epoch."""

    def stop(self, curve, history):
        best = history.best
        epoch, loss = curve[-1]
        return (
            epoch >= 2
            and best is not None
            and epoch < len(best.curve)
            and loss > best.curve[epoch][1] + 0.5
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scheduler", help="address of a dask scheduler")
    parser.add_argument("--directory", default="demo/dask", help="seen by all workers")
    parser.add_argument("--trials", type=int, default=60)
    options = parser.parse_args()
    cluster = options.scheduler or LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=None
    )
    tuner = Tuner(
        SPACE,
        goal=Goal("loss", at_most={"parameters": 100_000}),
        stopper=Hopeless(),
        max_trials=options.trials,
    )
    with (
        Client(cluster) as client,
        tuner,
        Futures(train, client, directory=options.directory) as launcher,
    ):
        run(tuner, launcher)
    if not options.scheduler:
        cluster.close()
    stopped = sum(trial.state == "stopped" for trial in tuner.history)
    print(f"{len(tuner.history)} trials, {stopped} of them stopped early")
    print(f"best: {dict(tuner.best.params)}, loss {tuner.best.value:.3f}")


if __name__ == "__main__":  # dask's worker processes import this file
    main()
