"""One trial: a small LSTM learns to predict paths. The only module that needs torch.

The last eight positions go in as seven displacements; an embedding, an LSTM and a linear layer give
the next twelve positions. Windows are turned at random in training, so that the direction of
walking means nothing. The loss is the mean squared distance; ``lambda_param`` weighs the squared
weights (L2). The optimiser is Adam with a rate that falls linearly to zero.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.literature.pedestrian.walks import AHEAD, SEEN, Walks, Windows, errors

if TYPE_CHECKING:
    import torch
    from torch import nn

EMBEDDING, BATCH = 32, 64
UPDATES = 100  # of the weights in a full trial

_WORK: dict[str, tuple[Walks, int]] = {}  # what this worker process trains on


def begin(walks: Walks, updates: int) -> None:
    """Make a worker process ready for trials: one thread, torch imported, the windows at hand."""
    import torch

    torch.set_num_threads(1)
    # torch loads much on its first update, which no trial shall pay for
    _trained(walks.train, 3, 8, 1.0, 0.001, 0.0, 0.0, seed=0)
    _WORK["now"] = walks, updates


def trial(
    rnn_size: int, grad_clip: float, learning_rate: float, dropout: float, lambda_param: float
) -> dict[str, float]:
    """Train and validate with a fixed seed: fde and ade in metres, and the CPU seconds."""
    began = time.process_time()
    walks, updates = _WORK["now"]
    net = _trained(
        walks.train, updates, rnn_size, grad_clip, learning_rate, dropout, lambda_param, seed=0
    )
    found = errors(_predict(net, walks.validation), walks.validation)
    return {**found, "cpu_seconds": time.process_time() - began}


def again(params: dict[str, float], seed: int) -> dict[str, float]:
    """Train once more with another seed: the errors on validation paths and in the unseen place."""
    walks, updates = _WORK["now"]
    net = _net_of(params, walks, updates, seed)
    parts = {"validation": walks.validation, "test": walks.test}
    return {name: errors(_predict(net, part), part)["fde"] for name, part in parts.items()}


def predict(params: dict[str, float], windows: Windows) -> Windows:
    """Train as a trial does and predict windows: positions of shape (windows, 12, 2)."""
    walks, updates = _WORK["now"]
    return _predict(_net_of(params, walks, updates, 0), windows)


def _net_of(params: dict[str, float], walks: Walks, updates: int, seed: int) -> nn.ModuleDict:
    chosen = {name: value for name, value in params.items() if name != "rnn_size"}
    return _trained(walks.train, updates, int(params["rnn_size"]), **chosen, seed=seed)


def _net(rnn_size: int, dropout: float) -> nn.ModuleDict:
    from torch import nn

    return nn.ModuleDict(
        {
            "embed": nn.Linear(2, EMBEDDING),
            "drop": nn.Dropout(dropout),
            "lstm": nn.LSTM(EMBEDDING, rnn_size),
            "ahead": nn.Linear(rnn_size, 2 * AHEAD),
        }
    )


def _positions(net: nn.ModuleDict, seen: torch.Tensor) -> torch.Tensor:
    """Predicted positions, shape (windows, 12, 2), of displacements of shape (7, windows, 2)."""
    _, (state, _) = net["lstm"](net["drop"](net["embed"](seen).relu()))
    steps: torch.Tensor = net["ahead"](net["drop"](state[0]))
    return steps.view(-1, AHEAD, 2).cumsum(dim=1)


def _trained(
    windows: Windows,
    updates: int,
    rnn_size: int,
    grad_clip: float,
    learning_rate: float,
    dropout: float,
    lambda_param: float,
    *,
    seed: int,
) -> nn.ModuleDict:
    import torch
    from torch import nn

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = _net(rnn_size, dropout)
    weights = list(net.parameters())
    adam = torch.optim.Adam(weights, learning_rate, weight_decay=lambda_param)
    for update in range(updates):
        adam.param_groups[0]["lr"] = learning_rate * (1.0 - update / updates)
        drawn = turned(windows[rng.integers(0, len(windows), BATCH)], rng)
        loss = (
            (_positions(net, _displacements(drawn)) - torch.from_numpy(drawn[:, SEEN:]))
            .square()
            .sum(dim=2)
            .mean()
        )
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, grad_clip)
        adam.step()
    return net


def _predict(net: nn.ModuleDict, windows: Windows) -> Windows:
    import torch

    net.eval()
    with torch.no_grad():
        found: Windows = _positions(net, _displacements(windows)).numpy()
    return found


def _displacements(windows: Windows) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.diff(windows[:, :SEEN], axis=1).transpose(1, 0, 2).copy())


def turned(windows: Windows, rng: np.random.Generator) -> Windows:
    """Each window turned about its origin by an angle of its own."""
    angle = rng.uniform(0.0, 2 * np.pi, len(windows))
    matrices = np.stack(
        [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1
    ).reshape(-1, 2, 2)
    found: Windows = np.einsum("nij,ntj->nti", matrices, windows).astype(np.float32)
    return found
