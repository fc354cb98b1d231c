"""Run the recipes of examples/optuna, examples/callbacks and docs/callbacks.md as they stand.

``python -m tests.packaging.recipes [NAME ...]`` (`make test-recipes`) installs the wheel and what a
recipe needs into an environment of its own below build/recipes, 6 GB in all, and runs it there.
Without names it runs all: about 10 minutes on 2 free cores.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.environments import ROOT, environment, interpreter, run, supported
from tests.packaging.package import build, source

FILE = re.compile(r"^```\w+\n(# ([\w./-]+\.(?:py|yaml))[:\n].*?)^```$", re.MULTILINE | re.DOTALL)

WANDB = """\
import dsice
from dsice import Goal, Tuner, run
from dsice.launchers import Local
from with_wandb import Wandb


def train(rate):
    loss = 1.0
    for epoch in range(5):
        loss *= 1 - rate
        dsice.step(epoch, loss)
    if rate == 0.5:
        raise ValueError("diverged")
    return {"loss": loss}


with (
    Tuner({"rate": [0.01, 0.1, 0.5]}, goal=Goal("loss"), journal="run.jsonl") as tuner,
    Local(train, slots=2) as launcher,
):
    run(tuner, launcher, callbacks=[Wandb("recipes")], progress=False)
print([str(trial.state) for trial in tuner.history])
"""
LIGHTNING = """\
import json
import sys

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset
from with_lightning import Report


class Line(lightning.LightningModule):
    def __init__(self, rate):
        super().__init__()
        self.layer, self.rate = torch.nn.Linear(1, 1), rate

    def training_step(self, batch):
        x, y = batch
        return ((self.layer(x) - y) ** 2).mean()

    def validation_step(self, batch):
        self.log("val_loss", self.training_step(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate)


x = torch.linspace(-1, 1, 64)[:, None]
data = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16)
trainer = lightning.Trainer(max_epochs=10, accelerator="cpu", logger=False, callbacks=[Report()])
trainer.fit(Line(float(sys.argv[1])), data, data)
value = float(trainer.callback_metrics["val_loss"])
print(json.dumps({"loss": value, "epochs": trainer.current_epoch}))
"""
TUNE_LIGHTNING = """\
import sys

from dsice import Goal, Tuner, run
from dsice.launchers import Local


class Behind:
    def stop(self, curve, history):
        step, value = curve[-1]
        return step >= 3 and history.best is not None and value > 2 * history.best.value


tuner = Tuner({"rate": [0.001, 0.3]}, goal=Goal("loss"), stopper=Behind())
tuner.enqueue({"rate": 0.3})
command = f"{sys.executable} train.py {{rate}}"
with tuner, Local(command, slots=1, stop_grace=300) as launcher:
    run(tuner, launcher, progress=False)
print([(str(trial.state), len(trial.curve) < 10) for trial in tuner.history])
"""


@dataclass(frozen=True)
class Recipe:
    """A program of a page, with what it needs beside dsice.

    Parameters
    ----------
    page
        Where it stands: a folder of examples, or a page.
    extra
        Of dsice.
    needs
        Other packages.
    command
        What is run.
    shows
        What its output must hold.
    beside
        Files that the page has not: a training to try a callback on.
    """

    page: str
    extra: str
    needs: tuple[str, ...]
    command: tuple[str, ...]
    shows: str
    beside: tuple[tuple[str, str], ...] = ()


RECIPES = {
    "ray": Recipe("examples/optuna", "[optuna]", ("ray[tune]",), ("with_ray.py",), r"'layers': 3"),
    "hydra": Recipe(
        "examples/optuna",
        "[optuna]",
        ("hydra-optuna-sweeper==1.4.0rc3", "hydra-core==1.4.0rc3", "omegaconf>=2.4.0rc0"),
        ("with_hydra.py", "--multirun"),
        r"#39 : .*(\n.*)*'layers': 3",
    ),
    "transformers": Recipe(
        "examples/optuna",
        "[optuna]",
        ("transformers[torch]",),
        ("with_transformers.py",),
        r"Trial 19 (.*\n)*.*'per_device_train_batch_size':",
    ),
    "wandb": Recipe(
        "examples/callbacks",
        "",
        ("wandb",),
        ("tune.py",),
        r"\['done', 'done', 'failed'\]",
        (("tune.py", WANDB),),
    ),
    "lightning": Recipe(
        "docs/callbacks.md",
        "",
        ("lightning",),
        ("tune.py",),
        r"\[\('done', False\), \('(done|stopped)', True\)\]",
        (("train.py", LIGHTNING), ("tune.py", TUNE_LIGHTNING)),
    ),
}


def files(page: str) -> dict[str, str]:
    """The files that a folder holds or a page shows, by name."""
    place = ROOT / page
    if place.is_dir():
        found = (path for path in place.rglob("*") if path.suffix in (".py", ".yaml"))
        return {path.relative_to(place).as_posix(): path.read_text("utf-8") for path in found}
    return {match[2]: match[1] for match in FILE.finditer(place.read_text(encoding="utf-8"))}


def cook(name: str, recipe: Recipe, wheel: Path, place: Path) -> None:
    """Install a recipe and run it; what fails, or shows something else, ends the program."""
    began = time.monotonic()
    found = interpreter(supported()[0])
    if found is None:
        sys.exit(f"Python {supported()[0]}, the oldest that dsice supports, is not on this machine")
    python = environment(
        ROOT / "build" / "recipes" / name, found, f"{wheel}{recipe.extra}", *recipe.needs
    )
    installed = time.monotonic()
    place.mkdir()
    for file, text in [*files(recipe.page).items(), *recipe.beside]:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(text, encoding="utf-8")
    shown = run([python, *recipe.command], place, WANDB_MODE="offline", TQDM_DISABLE="1")
    if not re.search(recipe.shows, shown):
        sys.exit(f"{name}: {recipe.shows!r} is not in what it printed:\n{shown[-3000:]}")
    spent = f"{installed - began:.0f} s to install, {time.monotonic() - installed:.0f} s to run"
    print(f"{name}: {spent}", flush=True)


def main() -> None:
    chosen = sys.argv[1:] or list(RECIPES)
    if unknown := set(chosen) - set(RECIPES):
        sys.exit(f"there is no recipe {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    with tempfile.TemporaryDirectory(prefix="dsice-recipes-") as temporary:
        place = Path(temporary)
        wheel, _ = build(source(place / "source"), place)
        for name in chosen:
            cook(name, RECIPES[name], wheel, place / name)


if __name__ == "__main__":
    main()
