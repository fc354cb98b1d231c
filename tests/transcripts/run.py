"""Run the transcripts with an installed dsice, outside of the checkout, and say how long each took.

``python -m tests.transcripts.run BIN`` takes the `dsice` and the `python` of the folder BIN. It
exits with 1 where a page shows something else than what came, or took longer than `BAR`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.packaging.environments import ROOT
from tests.transcripts import PAGES, follow, lacking

BAR = 300.0  # seconds from the end of the installation to the newcomer's first result


def outside(command: str, place: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """A command run in a place, with these programs first and nothing of the checkout."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "DSICE_"))
    }
    env["PATH"] = f"{programs}:{env.get('PATH', '')}"
    return subprocess.run(
        command, shell=True, cwd=place, env=env, capture_output=True, text=True, timeout=BAR
    )


def versions(programs: Path, place: Path) -> str:
    """The dsice and the Python of a folder; SystemExit where they are not the ones of it."""
    for name in ("dsice", "python"):
        if not (programs / name).exists():
            sys.exit(f"{programs} has no {name}: expected the bin folder of an environment")
    told = outside("dsice --version; python --version", place, programs)
    where = outside("python -c 'import dsice; print(dsice.__file__)'", place, programs)
    if where.returncode or Path(where.stdout.strip()).is_relative_to(ROOT / "dsice"):
        found = where.stdout.strip() or where.stderr
        sys.exit(f"{programs}/python finds dsice in {found}: expected an installed one")
    cc = shutil.which("cc")
    compiler = outside("cc --version", place, programs).stdout.split("\n")[0] if cc else "no cc"
    return ", ".join([*told.stdout.split("\n")[:-1], compiler])


def main(arguments: list[str]) -> int:
    """Run every page; the exit code."""
    if len(arguments) != 1:
        sys.exit("usage: python -m tests.transcripts.run BIN")
    programs = Path(arguments[0]).absolute()
    run = partial(outside, programs=programs)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="transcripts-") as folder:
        print(versions(programs, Path(folder)), flush=True)
        for page in PAGES:
            if reason := lacking(page):
                print(f"{page.stem:10} skipped: {reason}", flush=True)
                continue
            place = Path(folder, page.stem)
            place.mkdir()
            began = time.monotonic()
            try:
                follow(page, place, run)
                said = "right at the first try"
            except (AssertionError, subprocess.TimeoutExpired) as error:
                said = f"WRONG: {error}"
            spent = time.monotonic() - began
            wrong += said.startswith("WRONG") or spent > BAR
            print(f"{page.stem:10} {spent:6.1f} s (bar {BAR:.0f} s): {said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
