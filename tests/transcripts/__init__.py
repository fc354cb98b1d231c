"""What a newcomer types, from the end of `pip install` to the first own tuned script.

Each page of this folder is one newcomer: what they want, their files, what they type, and what
must come. The blocks are those of the docs (`tests/test_docs.py` says how they run), and every
command must succeed at the first try. A line ``Needs: cc`` names a program that must be there.

`make test` runs them on the checkout. ``python -m tests.transcripts.run BIN`` runs them with the
`dsice` and the `python` of a folder, outside of the checkout, and says how long each took.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.test_docs import blocks, run_console

PAGES = sorted(Path(__file__).parent.glob("*.md"))
_NEEDS = re.compile(r"^Needs: (\S+)$", re.MULTILINE)


def lacking(page: Path) -> str:
    """Why a page cannot run on this machine; empty: it can."""
    needed = _NEEDS.findall(page.read_text(encoding="utf-8"))
    missing = [name for name in needed if shutil.which(name) is None]
    return f"needs {', '.join(missing)} on PATH" if missing else ""


def follow(
    page: Path, place: Path, run: Callable[[str, Path], subprocess.CompletedProcess[str]]
) -> None:
    """Do what a page says in an empty folder; AssertionError where something else comes of it.

    Files are written and commands are run in the order of the page.
    """
    for block in blocks(page):
        if block.file:
            (place / block.file).write_text(block.content)
        elif block.kind == "console":
            run_console(block, place, page.name, run, codes=(0,))
