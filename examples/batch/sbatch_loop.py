"""Ask and tell around a launcher of your own: here a plain loop over sbatch, in rounds of eight.

    python sbatch_loop.py          on a login node of a Slurm cluster

Everything told is in the journal. Run the script again after an interruption, and the trials of
the interrupted round are handed out once more. `Batch` does the same and more (see slurm_gpu.py);
use a loop like this for schedulers that `Batch` does not know.
"""

import argparse
import json
import subprocess
from pathlib import Path

from dsice import Goal, Ordinal, Tuner

SPACE = {"lr": Ordinal.log(1e-4, 1e-1, 7), "batch": [16, 32, 64, 128, 256]}

parser = argparse.ArgumentParser()
parser.add_argument("--trials", type=int, default=24)
options = parser.parse_args()
logs = Path("sbatch_loop.logs")
logs.mkdir(exist_ok=True)

with Tuner(
    SPACE, goal=Goal("loss"), journal="sbatch_loop.jsonl", max_trials=options.trials
) as tuner:
    while trials := tuner.ask(8):
        jobs = []
        for trial in trials:
            train = f"python3 train.py --lr {trial.params['lr']} --batch {trial.params['batch']}"
            submit = [
                "sbatch",
                "--quiet",
                "--wait",
                f"--output={logs}/{trial.id}.out",
                f"--wrap={train}",
            ]
            jobs.append((trial, subprocess.Popen(submit)))
        for trial, job in jobs:
            if job.wait() == 0:
                last = (logs / f"{trial.id}.out").read_text().splitlines()[-1]
                tuner.tell(trial, metrics=json.loads(last))
            else:
                tuner.tell(
                    trial,
                    error=f"sbatch ended with code {job.returncode}; log: {logs}/{trial.id}.out",
                )
    print(f"best loss {tuner.best.value:.4g} at {tuner.best.params}, {len(tuner.history)} trials")
