"""Two-step learning: one pre-training shared by all trials, and a short fine-tuning per trial."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import dsice
from benchmarks.literature.super_resolution import images
from benchmarks.literature.super_resolution.losses import Losses
from benchmarks.literature.super_resolution.network import SCALE, BackProjection, enlarged, shrunk
from benchmarks.literature.super_resolution.quality import Naturalness, rmse

# small patches a step, and their side; the large ones are SCALE times as large
BATCH, PATCH = 8, 12
RATE = 2e-3  # learning rate of the pre-training
MODEL, STATISTICS = "model.pt", "naturalness.npz"


@dataclass(frozen=True)
class Lengths:
    """Steps of the pre-training and of a fine-tuning (published: 1000 and 250 epochs).

    A training in full is as long as both together.
    """

    pretrain: int = 320
    tune: int = 80


def pretrain(lengths: Lengths) -> None:
    """Train on the difference of pixels alone.

    Writes the network and the statistics of true photographs to the trial's directory.
    """
    torch.set_num_threads(1)
    directory = Path(dsice.environment()["DSICE_DIR"])
    warm()
    began = time.process_time()
    torch.manual_seed(0)
    network = BackProjection()
    train(network, steps=lengths.pretrain, rate=RATE, weights={}, seed=0)
    torch.save(network.state_dict(), directory / MODEL)
    seconds = time.process_time() - began
    natural = Naturalness.of(images.training())
    np.savez(
        directory / STATISTICS,
        mean=natural.mean,
        covariance=natural.covariance,
        cpu_seconds=seconds,
    )


def trial(
    prepared: str,
    *,
    lengths: Lengths,
    learning_rate: float,
    feature: float,
    gradient: float,
    texture: float,
) -> dict[str, float]:
    """Fine-tune the pre-trained network (stage 0), or train from scratch in full (stage 1).

    Returns the measurements of the network. ``cpu_seconds`` is the processor time of the training
    and of one measurement, which depends little on what else the machine does.
    """
    torch.set_num_threads(1)
    warm()
    began = time.process_time()
    full = dsice.environment()["DSICE_STAGE"] == "1"
    weights = {"feature": feature, "gradient": gradient, "texture": texture}
    network = tuned(prepared, lengths, learning_rate, weights, full=full)
    found = measured(network, prepared, "search")
    found["cpu_seconds"] = time.process_time() - began
    return found | {
        f"test_{name}": value for name, value in measured(network, prepared, "test").items()
    }


def measured(network: BackProjection | None, prepared: str, which: str) -> dict[str, float]:
    """RMSE and index of a network (None: bicubic interpolation) on held-out crops."""
    true = images.crops(which)
    large = enlargement(network, true)
    return {"rmse": rmse(large, true), "index": statistics(prepared)(large)}


def tuned(
    prepared: str,
    lengths: Lengths,
    rate: float,
    weights: Mapping[str, float],
    *,
    full: bool = False,
    seed: int = 1,
) -> BackProjection:
    """The network of a trial; `seed` draws the patches of a fine-tuning."""
    torch.manual_seed(0)
    network = BackProjection() if full else checkpoint(prepared)
    steps = lengths.pretrain + lengths.tune if full else lengths.tune
    train(network, steps=steps, rate=rate, weights=weights, seed=0 if full else seed)
    return network


def train(
    network: BackProjection, *, steps: int, rate: float, weights: Mapping[str, float], seed: int
) -> None:
    """Train by Adam, with a rate that falls to a tenth along a cosine.

    Every trial of a kind sees the same patches.
    """
    losses, rng = Losses(weights), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=rate / 10)
    for _ in range(steps):
        small, large = patches(rng)
        optimizer.zero_grad()
        losses(network(small), large).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def patches(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random patches of the photographs trained on, small and large, some of them mirrored."""
    smalls, larges = [], []
    for _ in range(BATCH):
        small, large = pairs()[rng.integers(len(pairs()))]
        top, left = (int(rng.integers(side - PATCH + 1)) for side in small.shape)
        a = small[top : top + PATCH, left : left + PATCH]
        b = large[SCALE * top : SCALE * (top + PATCH), SCALE * left : SCALE * (left + PATCH)]
        turn = [dim for dim in (0, 1) if rng.random() < 0.5]
        smalls.append(a.flip(turn))
        larges.append(b.flip(turn))
    return torch.stack(smalls)[:, None], torch.stack(larges)[:, None]


@cache
def warm() -> None:
    """Read the photographs, and let torch load what a first step needs.

    A process does this once; it does not count as part of a training.
    """
    weights = {"feature": 1.0, "gradient": 1.0, "texture": 1.0}
    train(BackProjection(), steps=1, rate=RATE, weights=weights, seed=0)
    images.crops("search")


@cache
def pairs() -> list[tuple[Tensor, Tensor]]:
    """The training photographs, small and large, 0 to 1.

    The sides of the large ones are multiples of SCALE.
    """
    found = []
    for image in images.training():
        height, width = (side // SCALE * SCALE for side in image.shape)
        large = _tensor(image[None, :height, :width])
        found.append((shrunk(large)[0, 0], large[0, 0]))
    return found


def checkpoint(prepared: str) -> BackProjection:
    """The pre-trained network."""
    network = BackProjection()
    network.load_state_dict(torch.load(Path(prepared, MODEL), weights_only=True))
    return network


def statistics(prepared: str) -> Naturalness:
    """The statistics of true photographs."""
    with np.load(Path(prepared, STATISTICS)) as found:
        return Naturalness(found["mean"], found["covariance"])


def enlargement(network: BackProjection | None, true: NDArray[np.float64]) -> NDArray[np.float64]:
    """The reduced images, enlarged by the network (None: bicubic interpolation).

    The result has the shape (images, height, width) and values from 0 to 255.
    """
    with torch.no_grad():
        small = shrunk(_tensor(true))
        large = enlarged(small) if network is None else network(small)
    result: Any = large[:, 0].clamp(0, 1).double().numpy() * 255
    return np.asarray(result)


def _tensor(images_: NDArray[np.float64]) -> Tensor:
    """Shape (images, height, width), 0 to 255, as (images, 1, height, width), 0 to 1."""
    return torch.tensor(images_ / 255, dtype=torch.float32)[:, None]
