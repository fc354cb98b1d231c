"""Tune a training on a Slurm cluster, four trials at a time, each with a GPU of its own.

    python slurm_gpu.py              on a login node of a Slurm cluster
    python slurm_gpu.py --dry-run    show the job script and submit nothing

When it is interrupted - by Ctrl-C, or because the login node restarts - the jobs go on; the same
command takes them over.
"""

import argparse

from dsice import Goal, Ordinal, Tuner, run
from dsice.launchers import Batch, Job

SPACE = {
    "lr": Ordinal.log(1e-4, 1e-1, 7),
    "batch": [16, 32, 64, 128, 256],
    "dropout": [0.0, 0.1, 0.2, 0.3],
}

parser = argparse.ArgumentParser()
parser.add_argument("--dry-run", action="store_true")
parser.add_argument("--trials", type=int, default=16)
options = parser.parse_args()

launcher = Batch(
    "python3 train.py --lr {lr} --batch {batch} --dropout {dropout}",
    scheduler="slurm",
    resources={"gres": "gpu:1", "cpus-per-task": 4},
    slots=4,
    timeout=3600,  # seconds of one trial
    requeue=3,  # an interrupted trial goes on from its checkpoint
    directory="slurm_gpu.trials",
)
if options.dry_run:
    print(launcher.dry_run([Job(0, {"lr": 0.01, "batch": 64, "dropout": 0.2})])[0])
else:
    with (
        Tuner(
            SPACE, goal=Goal("loss"), journal="slurm_gpu.jsonl", max_trials=options.trials
        ) as tuner,
        launcher,
    ):
        run(tuner, launcher)
    print(f"best loss {tuner.best.value:.4g} at {tuner.best.params}")
