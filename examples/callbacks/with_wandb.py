"""A callback that keeps every trial as a run of Weights & Biases: pip install wandb."""

import wandb


class Wandb:
    """Keeps each trial as a run of a project, with its curve."""

    def __init__(self, project):
        self.project, self.runs = project, {}

    def started(self, tuner, trial):
        if trial.id not in self.runs:
            self.runs[trial.id] = wandb.init(
                project=self.project,
                group=tuner.identity[:12],
                name=f"trial {trial.id}",
                config=dict(trial.params),
                reinit="create_new",
            )

    def stepped(self, tuner, trial, step, value):
        self.started(tuner, trial)  # one of an earlier coordinator may not be there
        self.runs[trial.id].log({tuner.history.goal.metric: value}, step=step)

    def told(self, tuner, trial):
        if own := self.runs.pop(trial.id, None):
            own.summary.update({**trial.metrics, "state": str(trial.state)})
            own.finish(exit_code=int(trial.state != "done"))
