"""Trials as jobs of a batch scheduler: Slurm, PJM (Fujitsu TCS), PBS, or templates of the user's.

A batch scheduler runs shell scripts on the machines of a cluster and keeps those that wait in a
queue. Its commands submit a script (``sbatch``), list the queue (``squeue``) and cancel a job
(``scancel``). `Batch` writes such a script for each trial, submits it, and learns from files on a
shared file system how the trial ended; the queue is only asked which jobs are still there, to find
those that vanished. A job outlives the coordinator, and a later one takes it over.

- `launcher`: `Batch` itself, the hooks of a launcher.
- `scheduler`: what is known of a scheduler, as templates: `Scheduler`, and those built in.
- `command`: one command of a scheduler, run for a limited time.
- `scheduler_client`: the scheduler's commands, parsed.
- `script`: the text of a job script, and each trial as a member of one.
- `submitter`: the queue of what waits for its submission, with throttle and patience.
- `monitor`: what was submitted: which trials ended, which are lost, which are to be cancelled.
- `roll_call`: what the scheduler says about them, and how far it is believed.
- `submission`: what is kept of one trial, on the disk and in memory; `record`: what is written
  down of its job.
- `ending`: its result.
- `patience`: looks that come again.
"""

from dsice.launchers.batch.launcher import Batch
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.script import Script

__all__ = ["Batch", "Scheduler", "Script"]
