"""`dsice importance` and `dsice effects`: what the measurements of a study say of its parameters."""

from __future__ import annotations

from dsice.cli import output
from dsice.cli.status import look

PAIRS = 5  # of interactions that are printed
LEAST = 0.005  # share of an interaction that is worth a line


def importance(path: str, *, plot: str | None = None) -> int:
    """Print the shares of the parameters and of the strongest pairs."""
    from dsice import insight, plots

    tuner, _ = look(path)
    frame = insight.importance(tuner)
    alone, pairs = (
        frame[frame["other"].isna()],
        frame[frame["other"].notna() & (frame["share"] >= LEAST)].head(PAIRS),
    )
    rows = zip(
        alone["parameter"],
        map(_percent, alone["share"]),
        map(_percent, alone["total"]),
        strict=True,
    )
    output.table(
        ("parameter", "alone", "with interactions"),
        list(rows),
        title="share of the variance of the score over the grid:",
    )
    if len(pairs):
        print()
        names = [f"{a} x {b}" for a, b in zip(pairs["parameter"], pairs["other"], strict=True)]
        output.table(
            ("interaction", "share"), list(zip(names, map(_percent, pairs["share"]), strict=True))
        )
    print()
    told = frame.attrs
    facts = {
        "interactions of three and more": _percent(told["higher"]),
        "standard deviation over the grid": told["sd"],
    }
    output.facts(facts | {"standard deviation of the noise": told["noise_sd"]})
    if plot is not None:
        plots.importance(tuner, plot)
    return 0


def effects(path: str, *, plot: str | None = None) -> int:
    """Print the main effect of every parameter, level by level."""
    from dsice import insight, plots

    tuner, _ = look(path)
    frame = insight.effects(tuner)
    columns = ["parameter", "value", "effect", "low", "high", "count"]
    rows = [
        [*row[:2], *(f"{x:+.4g}" for x in row[2:5]), row[5]]
        for row in frame[columns].itertuples(index=False)
    ]
    output.table(
        columns,
        rows,
        title=f"expected score at each level less that over the grid, {frame.attrs['mean']:.6g}:",
    )
    if plot is not None:
        plots.effects(tuner, plot)
    return 0


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
