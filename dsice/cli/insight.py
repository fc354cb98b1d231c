"""`dsice importance` and `dsice effects`: what the measurements say of the parameters."""

from __future__ import annotations

import argparse

from dsice.cli import output
from dsice.cli.status import view
from dsice.space.values import as_text

PAIRS = 5  # of interactions that are printed
LEAST = 0.005  # share of an interaction that is worth a line


def add_importance(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice importance``."""
    _add_arguments(command)
    command.set_defaults(act=lambda args: importance(args.path, plot=args.plot))


def add_effects(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice effects``."""
    _add_arguments(command)
    command.set_defaults(act=lambda args: effects(args.path, plot=args.plot))


def _add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    command.add_argument("--plot", metavar="FILE", help="draw it too: .png, .svg or .pdf")


def importance(path: str, *, plot: str | None = None) -> int:
    """Print the shares of the parameters and of the strongest pairs."""
    from dsice import insight, plots

    tuner, _ = view(path)
    frame = insight.importance(tuner)
    is_pair = frame["other"].notna()
    alone = frame[~is_pair]
    columns = ["parameter", "share", "low", "high", "total", "total_low", "total_high"]
    output.table(
        ("parameter", "alone", "with interactions"),
        [
            (row[0], _with_interval(*row[1:4]), _with_interval(*row[4:7]))
            for row in alone[columns].itertuples(index=False)
        ],
        title="share of the variance of the score over the grid, and its interval:",
    )
    pairs = frame[is_pair & (frame["share"] >= LEAST)].head(PAIRS)
    if len(pairs):
        output.say()
        rows = [
            (f"{row[0]} x {row[1]}", _with_interval(*row[2:5]))
            for row in pairs[["parameter", "other", "share", "low", "high"]].itertuples(index=False)
        ]
        output.table(("interaction", "share"), rows)
    output.say()
    output.facts(
        {
            "interactions of three and more": _percent(frame.attrs["higher"]),
            "standard deviation over the grid": frame.attrs["sd"],
            "standard deviation of the noise": frame.attrs["noise_sd"],
        }
    )
    if frame.attrs["early"]:
        output.say(f"\ntoo early to trust these shares: {frame.attrs['early']}; measure more")
    if plot is not None:
        plots.importance(tuner, plot)
    return 0


def effects(path: str, *, plot: str | None = None) -> int:
    """Print the main effect of every parameter, level by level."""
    from dsice import insight, plots

    tuner, _ = view(path)
    frame = insight.effects(tuner)
    columns = ["parameter", "value", "effect", "low", "high", "count"]
    rows = [
        [row[0], as_text(row[1]), *(f"{number:+.4g}" for number in row[2:5]), row[5]]
        for row in frame[columns].itertuples(index=False)
    ]
    title = f"expected score at each level less that over the grid, {frame.attrs['mean']:.6g}:"
    output.table(columns, rows, title=title)
    if plot is not None:
        plots.effects(tuner, plot)
    return 0


def _with_interval(share: float, low: float, high: float) -> str:
    return f"{_percent(share)} ({100 * low:.0f} - {100 * high:.0f} %)"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
