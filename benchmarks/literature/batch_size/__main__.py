"""The sweep, searches on the measured table, fresh trainings of the sizes found, pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.literature.batch_size import judging, pictures
from benchmarks.literature.batch_size.search import OBJECTIVES, replay, sweep_elapsed
from benchmarks.literature.batch_size.sweep import FULL, QUICK, Scale, Trainings
from benchmarks.literature.results import Results, arguments, need


def main() -> None:
    """Run all and keep the results."""
    options = arguments(
        "The batch-size sweep of a small network on digits, and DSICE with 5 % of its trainings."
    )
    need("torch", "the batch-size sweep")
    need("sklearn", "the batch-size sweep")
    scale = QUICK if options.quick else FULL
    results = Results(Path(__file__).parent, quick=options.quick)
    with Trainings(scale, options.workers) as trainings:
        sweep = trainings.sweep({"batch": scale.batches})
        results.table("sweep", sweep)
        found = pd.concat(
            [replay(sweep, objective, scale) for objective in OBJECTIVES], ignore_index=True
        )
        again = judging.sizes_to_repeat(sweep, found, scale)
        repeats = trainings.sweep({"batch": again, "repeat": range(1, scale.repeats + 1)})
        results.table("repeats", repeats)
    report(results, scale, sweep, found, repeats)


def report(
    results: Results, scale: Scale, sweep: pd.DataFrame, found: pd.DataFrame, repeats: pd.DataFrame
) -> None:
    """Judge what the searches found, draw, and keep it."""
    noises = {
        column: judging.noise(repeats, column, judging.top(sweep, column, scale.top))
        for column in OBJECTIVES
    }
    judged = judging.judge(found, sweep, repeats, noises)
    shares = judging.shares(judged)
    results.table("searches", judged)
    results.table("shares", shares)
    pictures.sweep(results.path("sweep.png"), sweep, repeats, judged)
    pictures.courses(results.path("courses.png"), sweep, judged, noises["loss"])
    results.finish(figures(scale, sweep, repeats, noises, judged, shares))


def figures(
    scale: Scale,
    sweep: pd.DataFrame,
    repeats: pd.DataFrame,
    noises: dict[str, float],
    judged: pd.DataFrame,
    shares: pd.DataFrame,
) -> dict[str, object]:
    """The figures that the page on this reproduction states."""
    best = judging.top(sweep, "loss", 1)[0]
    medians = repeats.groupby("batch").loss.median()
    found: dict[str, object] = {
        "sizes": len(sweep),
        "diverged": int(sweep.loss.isna().sum()),
        "share_of_the_runs": scale.budget / len(sweep),
        "sweep_best_batch": best,
        "sweep_best_loss": float(sweep.loss.min()),
        "sweep_best_fresh_loss": float(medians[best]),
        "lowest_fresh_loss": float(medians.min()),
        "lowest_fresh_batch": int(medians.index.to_numpy()[medians.to_numpy().argmin()]),
        "sweep_cpu_seconds": float(sweep.cpu_seconds.sum()),
        "sweep_elapsed": sweep_elapsed(sweep, scale.workers),
    }
    for column in OBJECTIVES:
        good = sweep[column] <= sweep[column].min() + 2 * noises[column]
        found |= {
            f"noise_{column}": noises[column],
            f"sizes_good_in_table_{column}": int(good.sum()),
        }
    searched = set(judged.loc[judged.objective == "loss", "batch"])
    found["sizes_found_by_searches_for_loss"] = len(searched)
    for column in ("value", "fresh"):
        found[f"p_of_DSICE_and_random_in_{column}"] = judging.difference(judged, column)
    for row in shares.to_dict("records"):
        name = f"{row['objective']}, {row['search']}"
        kept = (
            "seeds",
            "median_runs",
            "median_rank",
            "median_value",
            "median_fresh",
            "in_table",
            "as_good",
            "median_trained",
            "median_elapsed",
            "near",
        )
        found[name] = {key: round(float(row[key]), 4) for key in kept if pd.notna(row.get(key))}
    return found


if __name__ == "__main__":  # worker processes import this file
    main()
