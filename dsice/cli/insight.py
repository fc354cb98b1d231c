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
    output.table(
        ("parameter", "alone", "with interactions"),
        [
            (name, _percent(share), _percent(total))
            for name, share, total in zip(
                alone["parameter"], alone["share"], alone["total"], strict=True
            )
        ],
        title="share of the variance of the score over the grid:",
    )
    pairs = frame[is_pair & (frame["share"] >= LEAST)].head(PAIRS)
    if len(pairs):
        output.say()
        columns = zip(pairs["parameter"], pairs["other"], pairs["share"], strict=True)
        rows = [(f"{a} x {b}", _percent(share)) for a, b, share in columns]
        output.table(("interaction", "share"), rows)
    output.say()
    output.facts(
        {
            "interactions of three and more": _percent(frame.attrs["higher"]),
            "standard deviation over the grid": frame.attrs["sd"],
            "standard deviation of the noise": frame.attrs["noise_sd"],
        }
    )
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


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
