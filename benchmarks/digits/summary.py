"""Print the figures of README.md from the table: `python benchmarks/digits/summary.py`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

TABLE = Path(__file__).resolve().parent / "digits_5x5x5x5x5.csv.gz"
AXES = ["lr", "batch", "momentum", "dropout", "l2"]
# the defaults of train.py
INITIAL = {"lr": 0.01, "batch": 64, "momentum": 0.9, "dropout": 0.4, "l2": 0.0001}


def main() -> None:
    table = pd.read_csv(TABLE)
    done = table.dropna(subset=["loss"]).sort_values("loss")
    best, median = done["loss"].iloc[0], done["loss"].median()
    print(f"{len(table)} configurations, {len(table) - len(done)} diverged with a seed")
    print(f"loss: best {best:.4f}, median {median:.4f}, worst {done['loss'].iloc[-1]:.4f}")
    for share in (0.01, 0.02, 0.05, 0.10):
        count = int((done["loss"] <= best + share * (median - best)).sum())
        print(
            f"within {share:.0%} of the way from best to median: "
            f"{count} configurations, {count / len(table):.2%} of the grid"
        )
    print(
        f"Spearman of the two seeds: {done['loss_s0'].corr(done['loss_s1'], method='spearman'):.4f}"
    )
    gap = done["loss_s0"] - done["loss_s1"]
    for name, part in (("all", gap), ("the best 100", gap.iloc[:100])):
        # all configurations share the initial weights of a seed, so a common offset is no noise;
        # the mean of two has half the spread of their difference
        print(
            f"noise of a mean of two, {name}: "
            f"median {(part - part.median()).abs().median() / 0.6745 / 2:.4f}"
        )
    chosen = done[(done[list(INITIAL)] == pd.Series(INITIAL)).all(axis=1)].iloc[0]
    rank = int((done["loss"] < chosen["loss"]).sum()) + 1
    print(f"initial: loss {chosen['loss']:.4f}, test error {chosen['test_error']:.4f}, rank {rank}")
    print(
        f"seconds of a training: mean {table['seconds'].mean():.3f}, "
        f"most {table['seconds'].max():.3f}"
    )
    print(
        done[[*AXES, "loss", "loss_s0", "loss_s1", "test_error", "seconds"]]
        .head(12)
        .to_string(index=False)
    )


if __name__ == "__main__":
    main()
