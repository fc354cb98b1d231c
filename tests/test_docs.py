"""Every block of the README and of docs/*.md runs, and every example in a docstring.

A page is run in a directory of its own that holds the repository's `benchmarks` and `examples`:

- a block whose first line is ``# NAME.py``, ``# NAME.toml``, ``# NAME.sh`` or ``// NAME.c`` is that
  file; below ``# NAME.csv`` stands what is in it;
- the other ``python`` blocks are one script, run in the order in which they stand;
- then the lines ``$ ...`` of the ``console`` blocks are run by a shell, one after another;
- the output must be the one that the page shows: in a ``text`` block right after a ``python``
  block, or in the lines below ``$ ...``; there ``...`` stands for anything.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import re
import subprocess
import sys
import time
import tomllib
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from docs.site.api import INTEGRATIONS
from dsice import DsiceWarning
from tests.prompt import Prompt

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [
    *PAGES,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
    *sorted((ROOT / "tests").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:#|//) ([\w.-]+\.(?:py|toml|sh|c|csv))(?:\n|:)")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
BREAK = "\x1e"  # between the outputs of two blocks
SECONDS = 150  # for one page or command, on a busy machine


@dataclass
class Block:
    """A fenced block of a page; `line` is the number of its first line in the page."""

    kind: str
    text: str
    line: int
    after: int  # characters between the previous block and this one

    @property
    def file(self) -> str | None:
        """Name of the file that this block holds, if any."""
        found = FILE.match(self.text)
        return found[1] if found else None

    @property
    def content(self) -> str:
        """What is in that file: all of the block, but a table has no line with its name."""
        if self.file and self.file.endswith(".csv"):
            return self.text.partition("\n")[2]
        return self.text


def blocks(page: Path) -> list[Block]:
    text, found, end = page.read_text(encoding="utf-8"), [], 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        found.append(Block(match[1], match[2], line, len(text[end : match.start()].strip())))
        end = match.end()
    return found


def scripted(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind == "python" and not block.file]


def script(page: Path) -> str:
    """The python blocks as one script.

    Each line keeps its number in the page, so that a traceback shows where it is.
    """
    lines = [""] * (page.read_text(encoding="utf-8").count("\n") + 2)
    for block in scripted(page):
        code = block.text.splitlines()
        lines[block.line - 1 : block.line - 1 + len(code)] = code
        # in place of the fence below the block
        lines[block.line - 1 + len(code)] = f"print({BREAK!r}, flush=True)"
    return "\n".join(lines)


def expected(page: Path) -> list[str | None]:
    """Output that the page shows after each python block."""
    found: list[str | None] = []
    for block in blocks(page):
        if block.kind == "python" and not block.file:
            found.append(None)
        elif block.kind == "text" and found and found[-1] is None and not block.after:
            found[-1] = block.text
    return found


def check(shown: str, came: str, where: str) -> None:
    checker, flags = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert checker.check_output(shown.strip() + "\n", came.strip() + "\n", flags), (
        f"{where} shows\n{shown}\nand what came is\n{came}"
    )


@pytest.fixture(scope="module")
def prompt() -> Iterator[Prompt]:
    """Where commands and scripts run without importing dsice each time."""
    started = Prompt()
    yield started
    started.close()


@pytest.fixture
def place(tmp_path: Path, prompt: Prompt) -> Path:
    """A directory as a reader has it.

    It holds the data and examples of the repository; `python` and `dsice` are on the path.
    """
    for name in ("benchmarks", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_programs(tmp_path, prompt)
    return tmp_path


def write_programs(place: Path, prompt: Prompt) -> None:
    """Put `python`, `dsice` and `script` where the commands of `shell` find them first."""
    programs = place / ".bin"
    programs.mkdir()
    for name in ("python", "python3"):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (programs / name).chmod(0o755)
    prompt.write_program(programs / "dsice", "dsice")
    prompt.write_program(programs / "script", "script")


def shell(
    command: str | list[str], place: Path, *, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """A command run in a place, whose programs and the dsice of the checkout it finds."""
    ranks = ("RANK", "WORLD_SIZE", "SLURM_PROCID", "PMI_RANK", "OMPI_COMM_WORLD_RANK")
    env = {name: value for name, value in os.environ.items() if name not in ranks}
    env |= {
        "PATH": f"{place / '.bin'}:{env.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "agg",
        "COLUMNS": "120",
    }
    return subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_runs_and_prints_what_the_page_shows(page: Path, place: Path) -> None:
    for block in blocks(page):
        if block.file:
            (place / block.file).write_text(block.content)
        if block.kind == "toml":
            tomllib.loads(block.text)
    if scripted(page):
        source = place / f"{page.stem.replace('-', '_')}_page.py"
        source.write_text(script(page))
        done = shell([str(place / ".bin/script"), source.name], place)
        assert done.returncode == 0, (
            f"{page.name} (the line numbers are those of the page):\n{done.stderr[-3000:]}"
        )
        for block, shown, came in zip(
            scripted(page), expected(page), done.stdout.split(BREAK), strict=False
        ):
            if shown is not None:
                check(shown, came, f"{page.name}, line {block.line}")
    for block in blocks(page):
        if block.kind == "console":
            run_console(block, place, page.name)


def run_console(
    block: Block,
    place: Path,
    name: str,
    run: Callable[[str, Path], subprocess.CompletedProcess[str]] = shell,
    codes: Collection[int] = (0, 1),
) -> None:
    """Run the commands of a block by `run`: their exit codes and output must be right."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        done = run(command, place)
        assert done.returncode in codes and "Traceback" not in done.stderr, (
            f"{name}, line {block.line}, {command}:\n{done.stderr[-2000:]}"
        )
        if shown.strip():
            check(shown, done.stdout, f"{name}, line {block.line}, {command}")


SLOW = """
import os, time
open("pid", "w").write(str(os.getpid()))
time.sleep(100)
"""


def test_what_fails_or_hangs_is_noticed(place: Path) -> None:
    script = str(place / ".bin/script")
    (place / "bad.py").write_text(
        "import sys\n\nprint(__name__, sys.argv)\nraise OSError('full')\n"
    )
    bad = shell([script, "bad.py"], place)
    assert (bad.returncode, bad.stdout) == (1, "__main__ ['bad.py']\n")
    assert 'bad.py", line 4' in bad.stderr and bad.stderr.endswith("OSError: full\n")
    assert shell("dsice run none.toml", place).returncode == 2
    assert int(shell("dsice --help | wc -l", place).stdout) > 20
    (place / "slow.py").write_text(SLOW)
    with pytest.raises(subprocess.TimeoutExpired):
        shell([script, "slow.py"], place, seconds=5)
    pid, end = int((place / "pid").read_text()), time.monotonic() + 30
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = [
        found[1]
        for found in LINK.finditer(page.read_text(encoding="utf-8"))
        if "://" not in found[1]
    ]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing, f"{page.name} links to {missing}"


def test_the_readme_shows_its_loop_first() -> None:
    first = scripted(PAGES[0])[0].text
    assert first.startswith("from dsice import Ordinal, Tuner\n") and "tuner.ask(40)" in first


MODULES = [
    path
    for path in sorted((ROOT / "dsice").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_in_docstrings(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for integration, packages in INTEGRATIONS.items():
        if integration == name or name.startswith(f"{integration}."):
            for package in packages:
                pytest.importorskip(package, reason=f"the example of {name} needs {package}")
            warnings.simplefilter("ignore")  # those of the other tools
            warnings.simplefilter("error", DsiceWarning)
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    found += examples_of_aliases(path, vars(module))
    runner = doctest.DocTestRunner(optionflags=flags)
    for number, test in enumerate(found):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        test.globs["__name__"] = "__main__"  # as typed at a prompt: functions belong to __main__
        assert not runner.run(test).failed
    assert found


def examples_of_aliases(path: Path, names: dict[str, object]) -> list[doctest.DocTest]:
    """The examples in strings below assignments, which no object has as its docstring."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    texts = [
        (below.value.value, below.lineno)
        for above, below in pairwise(body)
        if isinstance(above, ast.Assign | ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    ]
    parse = doctest.DocTestParser().get_doctest
    found = [parse(text, dict(names), path.name, str(path), line) for text, line in texts]
    return [test for test in found if test.examples]
