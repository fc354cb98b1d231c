"""Search quality of dsice beside other optimisers, on tables of real trainings.

    python -m benchmarks.quality.run                     # the comparison, see --help for its size
    python -m benchmarks.quality.run --ablation          # variants of the default search instead
    python -m benchmarks.quality.run --peers DSICE --add # one peer anew, the other results kept
    python -m benchmarks.quality.run --report --docs     # run nothing; fill the pages

Prints the tables and keeps, in the folder of --out, every round of every run (results.csv), the
tables (report.md) and the curves (quality.png). What is compared and how: docs/benchmarks.md, which
has the means; README.md beside this file has the figures of each table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.quality import play, tables
from benchmarks.quality.peers import PEERS, Kind
from benchmarks.quality.picture import draw
from benchmarks.quality.play import COLUMNS, Task, play_all, read
from benchmarks.quality.report import Report, fill, markdown
from benchmarks.quality.scoring import Yardstick
from benchmarks.quality.variants import VARIANTS
from dsice.errors import DsiceError, MissingPackageError, OptionError

if TYPE_CHECKING:
    from pandas import DataFrame

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
PICTURE = DOCS / "img" / "quality.png"


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = parser.add_argument_group("what is run")
    names.add_argument(
        "--tables", help=f"names with commas between; default {','.join(tables.USUAL)}"
    )
    names.add_argument("--all", action="store_true", help=f"all {len(tables.TABLES)} tables")
    names.add_argument("--peers", help=f"names with commas between; default all: {','.join(PEERS)}")
    names.add_argument("--without", default="", help="peers to leave out")
    names.add_argument(
        "--ablation",
        action="store_true",
        help=f"variants of DSICE in place of the peers: {', '.join(VARIANTS)}",
    )
    sizes = parser.add_argument_group("how much")
    slow = " and ".join(
        f"{name} ({kind.rounds} rounds)" for name, kind in PEERS.items() if kind.slow
    )
    for name, default, text in (
        ("--batch", 40, "points of a round"),
        ("--rounds", 15, "rounds of a run"),
        ("--repeats", 5, "runs per table, seeds 0, 1, ..."),
        ("--slow-repeats", 1, f"runs per table of {slow}, which take minutes"),
        ("--jobs", 2, "processes"),
    ):
        sizes.add_argument(name, type=int, default=default, help=f"{text}; default {default}")
    sizes.add_argument("--slow-rounds", type=int, help="another number of rounds for those")
    kept = parser.add_argument_group("results")
    kept.add_argument(
        "--out",
        type=Path,
        help="folder; default benchmarks/quality/results, with --ablation its subfolder ablation",
    )
    kept.add_argument(
        "--add",
        action="store_true",
        help="keep the results that are there; the peers run now replace their own",
    )
    kept.add_argument("--report", action="store_true", help="run nothing, report what is there")
    kept.add_argument(
        "--docs",
        action="store_true",
        help="put tables and curves into docs/benchmarks.md and benchmarks/quality/README.md",
    )
    return parser.parse_args(arguments)


def chosen_peers(asked: argparse.Namespace) -> dict[str, Kind]:
    """The peers to run.

    Peers whose packages are missing are named and left out, unless they were asked for.

    Raises
    ------
    OptionError
        An unknown name.
    MissingPackageError
        A peer that was asked for by name cannot run.
    """
    known = VARIANTS if asked.ablation else PEERS
    names = asked.peers.split(",") if asked.peers else list(known)
    without = asked.without.split(",") if asked.without else []
    if unknown := [name for name in [*names, *without] if name not in known]:
        raise OptionError(f"peers: {unknown[0]!r} is not known; choose from {', '.join(known)}")
    found = {name: known[name] for name in names if name not in without}
    for name, kind in list(found.items()):
        if kind.missing:
            text = f"{name} needs {', '.join(kind.missing)}: pip install 'dsice[{kind.extra}]'"
            if asked.peers:
                raise MissingPackageError(text)
            print(f"left out: {text}", flush=True)
            del found[name]
    return found


def tasks(asked: argparse.Namespace, peers: dict[str, Kind]) -> list[Task]:
    """All searches to run.

    Raises
    ------
    OptionError
        A size below 1 or a batch that is too large, or an unknown table.
    MissingPackageError
        The package with the tables is not installed.
    """
    for size in ("batch", "rounds", "repeats", "slow_rounds", "slow_repeats", "jobs"):
        if getattr(asked, size) is not None and getattr(asked, size) < 1:
            raise OptionError(
                f"--{size.replace('_', '-')} {getattr(asked, size)}: expected a whole number >= 1"
            )
    names = (
        list(tables.TABLES)
        if asked.all
        else asked.tables.split(",")
        if asked.tables
        else tables.USUAL
    )
    for name in names:
        if Yardstick(tables.load(name).values).chance_of_optimum(asked.batch) > 0.5:
            raise OptionError(
                f"--batch {asked.batch}: one batch of random points is half of table {name}; "
                "take a smaller batch"
            )
    return [
        Task(
            peer,
            table,
            seed,
            asked.batch,
            min(asked.rounds, asked.slow_rounds or kind.rounds) if kind.rounds else asked.rounds,
        )
        for table in names
        for peer, kind in peers.items()
        for seed in range(asked.slow_repeats if kind.slow else asked.repeats)
    ]


def measure(todo: list[Task], jobs: int, path: Path, *, add: bool) -> int:
    """Run the searches and write their results to the file as they come.

    Names each search that crashed, and returns their number.
    """
    import pandas as pd

    path.parent.mkdir(parents=True, exist_ok=True)
    kept = pd.DataFrame(columns=COLUMNS)
    if add and path.exists():
        kept = read(path)
        again = {(task.peer, task.table, task.batch) for task in todo}
        kept = kept[
            [
                key not in again
                for key in zip(kept["peer"], kept["table"], kept["batch"], strict=True)
            ]
        ]
    kept.to_csv(path, index=False)
    (path.parent / "setting.txt").write_text(play.setting(jobs), encoding="utf-8")
    began, crashed = time.monotonic(), 0
    for count, outcome in enumerate(play_all(todo, jobs), 1):
        pd.DataFrame(outcome.rows, columns=COLUMNS).to_csv(
            path, mode="a", header=False, index=False
        )
        task, crashed = outcome.task, crashed + bool(outcome.error)
        what = (
            f"crashed: {outcome.error}"
            if outcome.error
            else f"{sum(row['cpu_s'] for row in outcome.rows):.1f} s"
        )
        place = f"{count}/{len(todo)}, {(time.monotonic() - began) / 60:.1f} min"
        print(
            f"{place}: {task.peer} on {task.table}, seed {task.seed}: {what}",
            file=sys.stderr,
            flush=True,
        )
    return crashed


def results(path: Path, batch: int) -> DataFrame:
    """The kept results of one batch size, in the order of peers and tables.

    Raises
    ------
    OptionError
        There are none.
    """
    if not path.exists():
        raise OptionError(
            f"{path} does not exist: run the comparison without --report first, "
            "or give its folder with --out"
        )
    found = read(path)
    found = found[found["batch"] == batch]
    if found.empty:
        raise OptionError(f"{path} has no results with --batch {batch}")
    order = {name: place for place, name in enumerate(tables.TABLES)}
    places = found["table"].map(order)
    ordered: DataFrame = (
        found.assign(place=places)
        .sort_values(["place", "peer", "seed", "round"])
        .drop(columns="place")
    )
    return ordered


def into_pages(report: Report, head: str, *, ablation: bool) -> None:
    """Fill the marked parts of docs/benchmarks.md (the means) and of README.md beside this."""
    part, known = ("ablation", VARIANTS) if ablation else ("results", PEERS)
    names = markdown(
        [
            ["peer", "set up as"],
            *([name, known[name].settings] for name in report.peers if name in known),
        ]
    )
    means, details = [head, markdown(report.overall())], [names, report.details()]
    if ablation:
        details.append(report.ahead())
    else:
        draw(report, PICTURE)
        picture = "![Score of each round, one panel per table and their mean](img/quality.png)"
        means = [picture, *means, report.ahead()]
    fill(DOCS / "benchmarks.md", part, "\n\n".join(means))
    fill(HERE / "README.md", part, "\n\n".join(details))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, draw."""
    asked = options(arguments)
    folder = asked.out or HERE / "results" / ("ablation" if asked.ablation else "")
    crashed = 0
    try:
        if not asked.report:
            crashed = measure(
                tasks(asked, chosen_peers(asked)), asked.jobs, folder / "results.csv", add=asked.add
            )
        report = Report(
            results(folder / "results.csv", asked.batch), "as is" if asked.ablation else "DSICE"
        )
        setting = folder / "setting.txt"
        where = setting.read_text(encoding="utf-8") if setting.exists() else ""
        head = f"Batches of {asked.batch}; means ± standard errors. {where}".strip()
        text = report.text()
        (folder / "report.md").write_text(f"{head}\n\n{text}", encoding="utf-8")
        draw(report, folder / "quality.png")
        if asked.docs:
            into_pages(report, head, ablation=asked.ablation)
    except DsiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"interrupted; --report shows what was measured until now, kept in {folder}",
            file=sys.stderr,
        )
        return 130
    print(text)
    print(f"{folder}: results.csv, report.md, quality.png")
    if crashed:
        print(
            f"{crashed} runs crashed and are left out; the lines above name them", file=sys.stderr
        )
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
