"""Walking paths by the social-force model, for machines without the recorded ones.

D. Helbing, P. Molnár, Social force model for pedestrian dynamics, Physical Review E 51 (1995) 4282:
people accelerate towards their own speed and goal, and are pushed away by others and by walls.
Speeds, relaxation time and the strength and range of the push are those of the paper, but the
people are circles instead of ellipses, and there are random pushes too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP = 0.1  # seconds of one step of integration
RECORD = 4  # steps between two recorded positions: 0.4 s
# the frame number grows by this from one recorded position to the next, as in the recordings
FRAMES = 10
SPEED, SPREAD, FASTEST = 1.34, 0.26, 1.3  # m/s; the last is a factor of each person's speed
RELAXATION = 0.5  # s
PUSH, RANGE = 2.1, 0.3  # m^2/s^2 and m, from others
WALL, WALL_RANGE = 10.0, 0.2  # m^2/s^2 and m, from walls
TREMBLE = 0.3  # m/s^2, standard deviation of the random pushes


@dataclass(frozen=True)
class Scene:
    """A square of `size` metres and the directions (degrees) in which people cross it.

    A corridor has walls.
    """

    name: str
    directions: tuple[float, ...]
    people: int
    size: float = 14.0
    width: float = 5.0
    corridor: bool = False


SCENES = (
    Scene("corridor", (0.0, 180.0), 110, corridor=True),
    Scene("square", (0.0, 90.0, 180.0, 270.0), 130, width=10.0),
    Scene("diagonal", (45.0, 225.0, 135.0), 110, width=8.0),
    Scene("stream", (20.0,), 100, width=4.0),
    Scene("crossing", (0.0, 90.0), 120),
)


def paths(seed: int = 0, *, share: float = 1.0) -> pd.DataFrame:
    """Paths of all scenes, with one row per person and 0.4 s.

    Parameters
    ----------
    share
        Share of the people of each scene that are simulated.

    Returns
    -------
    pandas.DataFrame
        Columns scene, split, frame, ped, x, y (m). ``split`` is ``val`` in the last fifth of the
        frames of a scene, else ``train``.
    """
    rngs = np.random.default_rng(seed).spawn(len(SCENES))
    return pd.concat(
        [
            _walk(scene, max(6, round(share * scene.people)), rng)
            for scene, rng in zip(SCENES, rngs, strict=True)
        ]
    )


def _walk(scene: Scene, people: int, rng: np.random.Generator) -> pd.DataFrame:
    """Simulate a scene until everybody has crossed it."""
    heading = np.deg2rad(rng.choice(scene.directions, people))
    towards = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    across = np.stack([-towards[:, 1], towards[:, 0]], axis=1)
    aside = rng.uniform(-scene.width / 2, scene.width / 2, (people, 1))
    place = -scene.size / 2 * towards + aside * across
    goal = scene.size / 2 * towards + (0.5 * aside + rng.normal(0.0, 0.8, (people, 1))) * across
    own = np.clip(rng.normal(SPEED, SPREAD, people), 0.6, 2.2)
    speed, enters = own[:, None] * towards, np.sort(rng.uniform(0.0, 1.6 * people, people))
    rows, here, inside = [], np.zeros(people, bool), np.ones(people, bool)
    step = 0
    while inside.any():
        here = inside & (enters <= step * STEP)
        if step % RECORD == 0 and here.any():
            rows.append(
                (np.full(here.sum(), step // RECORD * FRAMES), np.flatnonzero(here), *place[here].T)
            )
        push = _forces(place[here], speed[here], goal[here], own[here], scene) + rng.normal(
            0.0, TREMBLE, (here.sum(), 2)
        )
        faster = speed[here] + STEP * push
        over = np.linalg.norm(faster, axis=1) / (FASTEST * own[here])
        speed[here] = faster / np.maximum(1.0, over)[:, None]
        place[here] += STEP * speed[here]
        inside &= ~(here & (np.sum((goal - place) * towards, axis=1) < 0.3))
        step += 1
    frame, ped, x, y = (np.concatenate(column) for column in zip(*rows, strict=True))
    split = np.where(frame > 0.8 * frame.max(), "val", "train")
    return pd.DataFrame(
        {"scene": scene.name, "split": split, "frame": frame, "ped": ped, "x": x, "y": y}
    )


def _forces(place: Floats, speed: Floats, goal: Floats, own: Floats, scene: Scene) -> Floats:
    """Accelerations in m/s^2, shape (people, 2)."""
    way = goal - place
    wanted = own[:, None] * way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    total: Floats = (wanted - speed) / RELAXATION
    apart = place[:, None] - place[None]
    distance = np.linalg.norm(apart, axis=2) + 1e-9
    strength = PUSH / RANGE * np.exp(-distance / RANGE)
    np.fill_diagonal(strength, 0.0)
    total += np.sum((strength / distance)[..., None] * apart, axis=1)
    if scene.corridor:
        half, side = scene.width / 2 + 0.5, place[:, 1]
        total[:, 1] += WALL * (
            np.exp(-np.maximum(half + side, 0.0) / WALL_RANGE)
            - np.exp(-np.maximum(half - side, 0.0) / WALL_RANGE)
        )
    return total
