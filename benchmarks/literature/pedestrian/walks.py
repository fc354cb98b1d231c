"""Walking paths cut into windows: eight positions seen, twelve to predict, 0.4 s apart."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.literature.pedestrian import simulation
from benchmarks.literature.results import need

Windows = NDArray[np.float32]

# the recordings as a parquet file: scene, split, frame, ped, x, y
RECORDED = os.environ.get("ETH_UCY")
SEEN, AHEAD = 8, 12  # positions
FRAMES = 10  # between two positions of a path
# the place that neither training nor tuning sees: in the recordings, in the simulation
HELD_OUT = ("biwi_hotel", "crossing")
MOST = {"train": 12_000, "validation": 1_500, "test": 1_500}  # windows, drawn once


@dataclass(frozen=True)
class Walks:
    """Windows of paths, each of shape (windows, 20, 2), in metres.

    The last seen position is the origin.

    Attributes
    ----------
    train, validation
        Earlier and later parts of the same places.
    test
        A place that is in neither of them.
    """

    source: str
    train: Windows
    validation: Windows
    test: Windows


def windows(paths: pd.DataFrame) -> Windows:
    """All windows of consecutive positions of one person in one part of one scene.

    Parameters
    ----------
    paths
        Columns scene, split, frame, ped, x, y.

    Returns
    -------
    array, shape (windows, 20, 2)
        A path with a gap gives windows only before and after the gap.
    """
    length = SEEN + AHEAD
    rows = paths.sort_values(["scene", "split", "ped", "frame"])
    same = np.ones(max(len(rows) - 1, 0), bool)
    for column in ("scene", "split", "ped"):
        values = rows[column].to_numpy()
        same &= values[1:] == values[:-1]
    same &= np.diff(rows["frame"].to_numpy()) == FRAMES
    if len(rows) < length:
        return np.zeros((0, length, 2), np.float32)
    whole = sliding_window_view(same, length - 1).all(axis=1)
    places = rows[["x", "y"]].to_numpy(np.float64)
    cut = sliding_window_view(places, length, axis=0)[whole].transpose(0, 2, 1)
    found: Windows = (cut - cut[:, SEEN - 1 : SEEN]).astype(np.float32)
    return found


def cut(paths: pd.DataFrame, source: str, *, seed: int = 0) -> Walks:
    """Windows to train, to validate and to test on, at most `MOST` of each, drawn once."""
    rng = np.random.default_rng(seed)
    away = paths["scene"].isin(HELD_OUT)
    parts = {
        "train": paths[~away & (paths["split"] == "train")],
        "validation": paths[~away & (paths["split"] == "val")],
        "test": paths[away],
    }
    drawn = {}
    for name, part in parts.items():
        every = windows(part)
        drawn[name] = every[np.sort(rng.permutation(len(every))[: MOST[name]])]
    return Walks(source, **drawn)


def load(*, simulated: bool = False, share: float = 1.0) -> Walks:
    """Recorded paths where ETH_UCY names their file, else (or with `simulated`) simulated ones.

    Parameters
    ----------
    share
        Share of the people that are simulated.
    """
    if simulated or not RECORDED:
        return cut(simulation.paths(share=share), "simulated: social-force model")
    need("pyarrow", "reading the recorded paths")
    return cut(pd.read_parquet(RECORDED), "recorded: ETH/UCY")


def errors(predicted: Windows, truth: Windows) -> dict[str, float]:
    """Mean displacement errors in metres: last predicted position (fde), all twelve (ade).

    Parameters
    ----------
    predicted
        Shape (windows, 12, 2), relative to the last seen position.
    truth
        Shape (windows, 20, 2).
    """
    apart = np.linalg.norm(predicted - truth[:, SEEN:], axis=2)
    return {"fde": float(apart[:, -1].mean()), "ade": float(apart.mean())}


def straight_on(truth: Windows) -> Windows:
    """The plainest prediction: everybody goes on as in the last 0.4 s; shape (windows, 12, 2)."""
    last = truth[:, SEEN - 1] - truth[:, SEEN - 2]
    ahead: Windows = np.arange(1, AHEAD + 1, dtype=np.float32)[None, :, None] * last[:, None]
    return ahead
