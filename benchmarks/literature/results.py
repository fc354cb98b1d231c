"""The results of a reproduction: CSV and PNG files beside its code, with machine and date."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

PACKAGES = ("dsice", "numpy", "scikit-learn", "torch")


class Results:
    """The folder of one reproduction's results.

    Parameters
    ----------
    folder
        The package of the reproduction (``Path(__file__).parent``). Results of a full run go to
        ``results`` below it.
    quick
        Whether this is the short form for tests. Its results go to a folder of their own, which is
        printed at the end, and never overwrite those of a full run.
    """

    def __init__(self, folder: Path, *, quick: bool = False) -> None:
        self.quick = quick
        self.folder = (
            Path(tempfile.mkdtemp(prefix="dsice-literature-")) if quick else folder / "results"
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._began = time.monotonic()

    def path(self, name: str) -> Path:
        """The path of a result, say of a picture to draw."""
        return self.folder / name

    def table(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table as ``name.csv``, to 6 digits."""
        path = self.path(f"{name}.csv")
        frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        return path

    def finish(self, figures: Mapping[str, object]) -> None:
        """Write and print ``summary.json``.

        It has the figures with the machine, the date, the packages and how long everything took.
        """
        seconds = round(time.monotonic() - self._began, 1)
        about = {
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "seconds": seconds,
            "quick": self.quick,
        }
        text = json.dumps({**about, "figures": dict(figures)}, indent=2, default=float)
        self.path("summary.json").write_text(text + "\n", encoding="utf-8")
        for name, value in figures.items():
            print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
        print(f"{seconds:.0f} s; results in {self.folder}")


def machine(packages: Iterable[str] = PACKAGES) -> str:
    """The processor and its cores, Python and the packages that matter, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    found = [f"{name} {version}" for name in packages if (version := _version(name))]
    return (
        f"{processor}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {', '.join(found)}"
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def arguments(about: str, *, flags: Mapping[str, str] | None = None) -> argparse.Namespace:
    """The command line that all reproductions have in common: ``--quick`` and ``--workers``.

    `flags` are further flags of one reproduction, each with its help: ``{"--kept": "..."}``.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--quick", action="store_true", help="a short form that shows that all works; results apart"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)"
    )
    for flag, effect in (flags or {}).items():
        parser.add_argument(flag, action="store_true", help=effect)
    return parser.parse_args()


def need(package: str, why: str, *, extra: str = "literature") -> None:
    """End with a sentence where a package is not installed.

    This is not a failure of the reproduction; nothing is run. `extra` names the extra of dsice that
    installs the package.
    """
    if importlib.util.find_spec(package) is None:
        print(f"skipped: {why} needs {package}: pip install 'dsice[{extra}]'")
        sys.exit(0)
