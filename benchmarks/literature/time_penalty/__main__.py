"""Train the table, replay all searches on it, compare them, draw."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.literature.results import Results, arguments, need
from benchmarks.literature.time_penalty import compare, pictures, training
from benchmarks.literature.time_penalty.design import Sizes, carry_out, other_weights, searches
from benchmarks.literature.time_penalty.study import Axes, replay, table_of, target

TOLD = (  # the pairs of compare.PAIRS in the summary; pairs.csv has all
    ("gp async", "gp async time"),
    ("dsice async", "dsice async time"),
    ("gp rounds", "gp async"),
    ("gp sequential", "gp async"),
    ("dsice rounds", "dsice async"),
    ("dsice sequential", "dsice async"),
)
QUICK = Sizes(workers=3, trials=8, wide_workers=4, wide_trials=8, seeds=2)


def main() -> None:
    """The command."""
    about = "a CNN tuned with a time penalty: asynchronous, in rounds, one after the other"
    options = arguments(
        about,
        flags={
            "--kept": "replay the kept trainings.csv instead of training anew: the same figures"
        },
    )
    need("torch", "a reproduction with trainings of a CNN")
    need("optuna", "Bayesian optimisation", extra="literature,optuna")
    results = Results(Path(__file__).parent, quick=options.quick)
    axes, sizes = (training.QUICK, QUICK) if options.quick else (training.AXES, Sizes())
    with training.pool(options.workers) as executor:
        if options.quick or not options.kept:
            results.table("trainings", training.measure(axes, executor, options.workers))
        # the replays use the kept table, to the digit
        frame = pd.read_csv(results.path("trainings.csv"))
        plan = searches(sizes)
        runs, courses = carry_out(plan, range(sizes.seeds), frame, axes, executor)
        if not options.quick:
            more, _ = carry_out(
                other_weights(frame, sizes), range(sizes.seeds), frame, axes, executor
            )
            runs = pd.concat([runs, more], ignore_index=True)
    results.table("runs", runs)
    results.table("means", compare.means(runs))
    results.table("pairs", compare.all_pairs(runs))
    _draw(results, frame, runs, courses, axes, sizes)
    results.finish(
        {"trained in this run": options.quick or not options.kept, **_summary(frame, runs, axes)}
    )


def _draw(
    results: Results,
    frame: pd.DataFrame,
    runs: pd.DataFrame,
    courses: pd.DataFrame,
    axes: Axes,
    sizes: Sizes,
) -> None:
    from dsice.plots import timeline

    plan, goal = searches(sizes), target(table_of(frame, axes, 1))
    pictures.trainings(frame, results.path("trainings.png"))
    pictures.penalty(courses, runs, goal, results.path("penalty.png"))
    pictures.modes(
        courses,
        goal,
        results.path("modes.png"),
        {name: search.workers for name, search in plan.items()},
    )
    for mode in ("async", "rounds"):
        drawn = timeline(replay(plan[f"dsice {mode}"], frame, axes, 0).tuner)
        drawn.savefig(results.path(f"timeline_{mode}.png"), dpi=70)
    if not results.quick:
        pictures.weights(runs, results.path("weights.png"))


def _summary(frame: pd.DataFrame, runs: pd.DataFrame, axes: Axes) -> dict[str, object]:
    table = table_of(frame, axes, 1)
    params, best = table.optimum()
    told = {
        f"{name}, {a} -> {b}": str(compare.paired(runs, a, b, name))
        for a, b in TOLD
        for name in ("total", "final", "to_target_total", "elapsed", "per_loss")
    }
    equal = {f"equal final loss, {a} -> {b}": compare.equal_loss(runs, a, b) for a, b in TOLD}
    return {
        "trainings": len(frame),
        "diverged": int(frame["loss"].isna().sum()),
        "processor seconds of all trainings": float(frame["seconds"].sum()),
        "seconds of all trainings by the clock": float(frame["wall"].sum()),
        "seconds of a training, 5 %, median, 95 %": [
            round(float(q), 3) for q in frame["seconds"].quantile([0.05, 0.5, 0.95])
        ],
        "best loss": best,
        "best setting": params,
        "median loss": table.median,
        "target": target(table),
        **told,
        **equal,
    }


if __name__ == "__main__":
    main()
