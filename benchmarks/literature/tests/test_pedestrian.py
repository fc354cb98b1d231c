"""The pedestrian reproduction: windows, errors, the simulation, the searches, the short form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.literature.pedestrian import clock, simulation, study, walks

pytestmark = pytest.mark.literature

ROOT = Path(__file__).parents[3]


def path(scene: str, ped: int, frames: list[int], split: str = "train") -> pd.DataFrame:
    """Somebody who walks 0.5 m per frame in x, at a y of their own."""
    x = 0.05 * np.array(frames, float)
    return pd.DataFrame(
        {"scene": scene, "split": split, "frame": frames, "ped": ped, "x": x, "y": float(ped)}
    )


def plain_windows(paths: pd.DataFrame) -> list[np.ndarray]:
    """The definition, person by person and start by start."""
    found = []
    for _, walk in paths.groupby(["scene", "split", "ped"], sort=True):
        places = {
            int(frame): (x, y)
            for frame, x, y in zip(walk["frame"], walk["x"], walk["y"], strict=True)
        }
        for first in sorted(places):
            frames = [first + walks.FRAMES * step for step in range(walks.SEEN + walks.AHEAD)]
            if all(frame in places for frame in frames):
                window = np.array([places[frame] for frame in frames])
                found.append(window - window[walks.SEEN - 1])
    return found


# ------------------------------------------------------------------ windows


def test_windows_are_those_of_the_definition() -> None:
    # any order, and with gaps
    paths = simulation.paths(3, share=0.12).sample(frac=0.97, random_state=0)
    expected = plain_windows(paths)
    found = walks.windows(paths)
    assert len(expected) > 20
    assert found.shape == (len(expected), 20, 2)
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)


def test_a_window_never_joins_two_people_two_scenes_or_two_parts() -> None:
    frames = list(range(0, 100, 10))
    later = list(range(100, 200, 10))
    for other in (path("a", 2, later), path("b", 1, later), path("a", 1, later, "val")):
        assert len(walks.windows(pd.concat([path("a", 1, frames), other]))) == 0
    assert len(walks.windows(pd.concat([path("a", 1, frames), path("a", 1, later)]))) == 1


def test_paths_that_are_too_short_give_no_window() -> None:
    assert walks.windows(path("a", 1, list(range(0, 190, 10)))).shape == (0, 20, 2)
    assert walks.windows(path("a", 1, []).iloc[:0]).shape == (0, 20, 2)


def test_the_held_out_place_is_in_no_other_part() -> None:
    known, away = (
        path("a", 1, list(range(0, 250, 10))),
        path("crossing", 2, list(range(0, 200, 10))),
    )
    later = path("a", 3, list(range(0, 210, 10)), "val")
    away_later = path("crossing", 4, list(range(0, 220, 10)), "val")
    cut = walks.cut(pd.concat([known, away, later, away_later]), "a test")
    assert (len(cut.train), len(cut.validation), len(cut.test)) == (6, 2, 1 + 3)


def test_straight_on_is_right_about_who_walks_straight() -> None:
    truth = walks.windows(path("a", 1, list(range(0, 230, 10))))
    assert walks.errors(walks.straight_on(truth), truth)["fde"] == pytest.approx(0.0, abs=1e-5)


def test_errors_are_mean_distances_in_metres() -> None:
    truth = np.zeros((2, 20, 2), np.float32)
    predicted = np.zeros((2, 12, 2), np.float32)
    predicted[0, -1] = (3.0, 4.0)  # 5 m off at the end
    assert walks.errors(predicted, truth) == {
        "fde": pytest.approx(2.5),
        "ade": pytest.approx(5.0 / 24),
    }


# ------------------------------------------------------------------ simulation


def test_simulated_people_walk_as_people_do() -> None:
    paths = simulation.paths(0, share=0.3).sort_values(["scene", "ped", "frame"])
    step = paths.groupby(["scene", "ped"])[["x", "y"]].diff().dropna().to_numpy()
    speed = np.linalg.norm(step, axis=1) / 0.4
    assert 1.0 < np.median(speed) < 1.6  # m/s
    assert speed.max() < 2.2 * simulation.FASTEST + 1e-6
    assert set(paths["split"]) == {"train", "val"}


def test_simulated_people_keep_apart_and_out_of_walls() -> None:
    corridor = simulation.SCENES[0]
    paths = simulation.paths(0).query("scene == @corridor.name")
    assert paths["y"].abs().max() < corridor.width / 2 + 0.6
    nearest = []
    for _, now in paths.groupby("frame"):
        places = now[["x", "y"]].to_numpy()
        apart = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag(
            np.full(len(places), np.inf)
        )
        nearest.append(apart.min())
    # m; without the push it is 0.21
    assert np.quantile(np.array(nearest)[np.isfinite(nearest)], 0.05) > 0.27


def test_a_simulation_is_that_of_its_seed() -> None:
    first, second, other = (simulation.paths(seed, share=0.05) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


# ------------------------------------------------------------------ searches


def measured(search: study.Search) -> pd.DataFrame:
    """The rows of a search on a smooth function, not trainings; larger networks take longer."""
    tuner, rows = search.tuner(), []
    while trials := tuner.ask(search.batch):
        for trial in trials:
            value = 1.0 + float(np.sum((np.array(trial.point) - (3, 1, 2, 0, 2)) ** 2))
            tuner.tell(trial, value)
            took = 1.0 + trial.point[0]
            row = {"search": search.label, "id": trial.id, "round": trial.round, **trial.params}
            rows.append(
                {
                    **row,
                    "fde": value,
                    "ade": value / 2,
                    "seconds": 2 * took,
                    "cpu_seconds": took,
                    "typical_seconds": 3 * took,
                }
            )
    return pd.DataFrame(rows)


def test_the_grid_is_the_published_one_and_the_start_lies_on_it() -> None:
    assert [len(levels) for levels in study.AXES.values()] == [5] * 5
    assert study.searches(study.QUICK)[0].tuner().ask(1)[0].params == study.START


def test_shares_and_the_initial_value() -> None:
    rows = pd.DataFrame(
        [{**study.START, "fde": 2.0}]
        + [{**study.START, "dropout": 0.0, "fde": v} for v in (1.0, 3.0, np.nan, 1.5)]
    )
    assert study.initial(rows) == 2.0
    assert study.better(rows, 2.0) == 0.5  # the start does not count, the failed one does
    assert study.best(rows) == {**study.START, "dropout": 0.0}


@pytest.mark.parametrize("place", range(4))
def test_a_search_is_replayed_from_its_own_log_on_the_clock(place: int) -> None:
    search = study.searches(study.QUICK)[place]
    rows = measured(search)
    replayed, shown = clock.rounds(search, rows)
    assert [dict(trial.params) for trial in replayed.history] == rows[list(study.AXES)].to_dict(
        "records"
    )
    assert shown.busy == pytest.approx(rows["cpu_seconds"].sum())
    # a round waits for its slowest
    assert shown.elapsed == pytest.approx(rows.groupby("round")["cpu_seconds"].max().sum())
    account = clock.account(search, rows, rows["fde"].min())
    assert account["speedup_of_wall_seconds"] == pytest.approx(account["speedup"])
    assert account["elapsed_at_typical_costs_s"] == pytest.approx(3 * float(account["elapsed_s"]))
    assert 0 < float(account["to_target_s"]) <= float(account["elapsed_s"])
    assert np.isnan(clock.reached(replayed, 0.5))
    assert clock.reached(replayed, rows["fde"][0]) <= rows["cpu_seconds"][: search.batch].max()
    assert float(account["speedup_without_rounds"]) >= float(account["speedup"])


# ------------------------------------------------------------------ the short form


def test_the_short_form_runs_and_keeps_what_it_must() -> None:
    pytest.importorskip(
        "torch", reason="the LSTM of the pedestrian reproduction needs torch (dsice[literature])"
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.literature.pedestrian", "--quick", "--workers", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1].split("results in ")[1])
    names = {"trials.csv.gz", "times.csv", "retrained.csv", "DSICE_0.jsonl", "summary.json"}
    names |= {
        f"{name}.png" for name in ("transition", "timeline", "searches", "retrained", "paths")
    }
    assert {file.name for file in folder.iterdir()} == names
    found = json.loads((folder / "summary.json").read_text())["figures"]
    assert found["data"].startswith("simulated")
    trials = pd.read_csv(folder / "trials.csv.gz")
    dsice = trials[trials["search"] == "DSICE_0"]
    assert len(dsice) == study.QUICK.trials and not dsice.duplicated(list(study.AXES)).any()
    # the start is measured first
    assert dsice["fde"].iloc[0] == pytest.approx(found["fde_initial_m"], rel=1e-5)
    assert found["fde_tuned_m"]["DSICE_0"] <= found["fde_initial_m"]
    same = trials.dropna().groupby(list(study.AXES))["fde"]
    # a point is one number, whichever search asks
    assert (same.max() == same.min()).all() and (same.size() > 1).any()
