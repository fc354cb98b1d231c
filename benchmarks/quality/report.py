"""The tables of the comparison, in Markdown, and the page that shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.scoring import rounds_to
from dsice.errors import OptionError

if TYPE_CHECKING:
    from pandas import DataFrame

Rows = list[list[str]]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """Figures of a set of results.

    Parameters
    ----------
    results
        One row per round, in the columns of `play.COLUMNS`, all of one batch size.
    hero
        The peer that the others are compared with.
    """

    results: DataFrame
    hero: str

    @cached_property
    def _runs(self) -> dict[tuple[str, str], DataFrame]:
        """Rows of each peer on each table."""
        return {
            (str(peer), str(table)): rows
            for (peer, table), rows in self.results.groupby(["peer", "table"])
        }

    @cached_property
    def peers(self) -> list[str]:
        """Peers with results, in order: most rounds first, then by score.

        A peer without a run on some table comes last.
        """

        def place(peer: str) -> tuple[bool, int, float]:
            mean, _ = self.mean(peer, self.rounds(peer))
            return isnan(mean), -self.rounds(peer), -mean

        return sorted(self._rounds, key=place)

    @cached_property
    def tables(self) -> list[str]:
        """Tables in the order of the results."""
        return [str(name) for name in self.results["table"].unique()]

    @cached_property
    def _rounds(self) -> dict[str, int]:
        return {
            str(peer): int(rounds)
            for peer, rounds in self.results.groupby("peer")["round"].max().items()
        }

    def rounds(self, peer: str) -> int:
        """Rounds that a peer was given."""
        return self._rounds[peer]

    @property
    def spans(self) -> list[int]:
        """Numbers of rounds over which some peers can be compared, the most first."""
        return sorted(set(self._rounds.values()), reverse=True)

    def run(self, peer: str, table: str, column: str) -> Values:
        """A column of the results, shape (runs, rounds); without a run, (0, 0)."""
        rows = self._runs.get((peer, table))
        if rows is None:
            return np.empty((0, 0))
        return np.asarray(
            rows.pivot(index="seed", columns="round", values=column), dtype=np.float64
        )

    def score(self, peer: str, table: str, rounds: int) -> tuple[float, float]:
        """Mean and standard error of score_R on a table; the error is NaN with a single run."""
        found = self.run(peer, table, "score")[:, :rounds]
        if not len(found):
            return float("nan"), float("nan")
        scores = np.nanmean(found, axis=1)  # NaN: rounds that do not count
        return float(scores.mean()), standard_error(scores)

    def mean(self, peer: str, rounds: int) -> tuple[float, float]:
        """Mean over the tables and its standard error; NaN if the peer lacks a run on one."""
        found = np.array([self.score(peer, table, rounds) for table in self.tables])
        return float(found[:, 0].mean()), float(np.sqrt((found[:, 1] ** 2).sum()) / len(found))

    def to_way(self, peer: str, table: str) -> list[float]:
        """Rounds to within 1 % for each run, inf where it did not get there."""
        return [rounds_to(regrets) for regrets in self.run(peer, table, "regret").tolist()]

    def filled(self, peer: str) -> float:
        """Share of the places of its batches that a peer filled with new points."""
        r = self.results[self.results["peer"] == peer]
        last = r[r["round"] == self.rounds(peer)]
        return float((last["measured"] / (last["round"] * last["batch"])).mean())

    def cpu(self, peer: str) -> float:
        """Processor seconds of ask and tell, mean over rounds."""
        return float(self.results.loc[self.results["peer"] == peer, "cpu_s"].mean())

    # ------------------------------------------------------------------ tables
    def overall(self) -> Rows:
        """One row per peer: means over the tables."""
        scores = [f"score_R, {n} rounds" for n in self.spans]
        rows = [
            [
                "peer",
                *scores,
                "runs within 1 %",
                "rounds to 1 %",
                "filled",
                "CPU s per round",
                "runs",
            ]
        ]
        for peer in self.peers:
            ways = [way for table in self.tables if (way := self.to_way(peer, table))]
            runs = np.concatenate(ways)
            scores = [
                plus_minus(*self.mean(peer, n)) if n <= self.rounds(peer) else ""
                for n in self.spans
            ]
            share, middle = (
                np.mean(np.isfinite(runs)),
                float(np.median([np.median(way) for way in ways])),
            )
            cells = [
                f"{share:.0%}",
                self._count(peer, middle),
                f"{self.filled(peer):.0%}",
                seconds(self.cpu(peer)),
            ]
            rows.append([peer, *scores, *cells, str(len(runs))])
        return rows

    def by_table(self) -> Rows:
        """score_R on each table."""
        rows = [["table", *map(self._titled, self.peers)]]
        for table in self.tables:
            rows.append(
                [
                    table,
                    *(
                        plus_minus(*self.score(peer, table, self.rounds(peer)))
                        for peer in self.peers
                    ),
                ]
            )
        return rows

    def ways(self) -> Rows:
        """Rounds to within 1 % on each table, and the share of runs that got there."""
        rows = [["table", *map(self._titled, self.peers)]]
        for table in self.tables:
            rows.append(
                [table, *(self._way(peer, self.to_way(peer, table)) for peer in self.peers)]
            )
        return rows

    def losses(self) -> list[str]:
        """A line per peer that is ahead of the hero somewhere, over the rounds that both have."""
        lines = []
        for peer in (peer for peer in self.peers if peer != self.hero):
            rounds, ahead = min(self.rounds(peer), self.rounds(self.hero)), list[str]()
            for table in self.tables:
                (theirs, e), (ours, f) = (
                    self.score(peer, table, rounds),
                    self.score(self.hero, table, rounds),
                )
                if theirs > ours:
                    # e is NaN for a single run
                    sure = "" if theirs - ours > 2 * np.hypot(e, f) else ", not certain"
                    ahead.append(f"{table} ({theirs:.2f} against {ours:.2f}{sure})")
            if ahead:
                lines.append(f"- {peer}, first {rounds} rounds: {'; '.join(ahead)}")
        return lines or ["- nobody, on no table"]

    def _count(self, peer: str, rounds: float) -> str:
        return f"{rounds:g}" if isfinite(rounds) else f"> {self.rounds(peer)}"

    def _way(self, peer: str, found: list[float]) -> str:
        return (
            f"{self._count(peer, float(np.median(found)))} ({np.mean(np.isfinite(found)):.0%})"
            if found
            else "no run"
        )

    def _titled(self, peer: str) -> str:
        rounds, most = self.rounds(peer), self.spans[0]
        return peer if rounds == most else f"{peer} ({rounds} rounds)"

    def ahead(self) -> str:
        """Who is ahead of the hero where, with a line that says so; empty without a hero."""
        if self.hero not in self.peers:
            return ""
        note = "not certain: by less than 2 standard errors, or in a single run"
        return f"Ahead of {self.hero} ({note}):\n\n" + "\n".join(self.losses())

    def details(self) -> str:
        """The figures of each table."""
        return "\n\n".join(
            [
                "score_R on each table:",
                markdown(self.by_table()),
                "Rounds to within 1 %, median (runs that got there):",
                markdown(self.ways()),
            ]
        )

    def text(self) -> str:
        """All tables."""
        parts = [markdown(self.overall()), self.details(), self.ahead()]
        return "\n\n".join(filter(None, parts)) + "\n"


def standard_error(values: Values) -> float:
    """Standard error of the mean; NaN for a single value."""
    return float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def plus_minus(mean: float, error: float) -> str:
    """A mean and its standard error, where there is one; NaN means missing runs."""
    if isnan(mean):
        return "no run"
    shown = f"{round(mean, 2) + 0.0:.2f}"  # no -0.00
    return f"{shown} ± {error:.2f}" if isfinite(error) else shown


def seconds(value: float) -> str:
    """Seconds with two significant digits."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def markdown(rows: Rows) -> str:
    """An aligned Markdown table; the first row is its head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join(
        [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
    )


def fill(page: Path, part: str, text: str) -> None:
    """Put `text` between the markers of `part` in a page; the rest stays.

    Raises
    ------
    OptionError
        The page has no such markers.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(old):
        raise OptionError(
            f"{page}: expected the lines {begin!r} and {end!r}, in this order; "
            "put them where the results belong"
        )
    page.write_text(
        pattern.sub(lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", old), encoding="utf-8"
    )
