"""The bars of the code's shape hold, and what counts against them is found; see `measure`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import measure
from tests.house.circles import ROOT, circles

OUTSIDE = re.compile(rb"""\.\./shared\b|/ *["']shared["']""")  # the folder beside the project


def test_few_modules_and_packages_are_at_the_top() -> None:
    modules, packages = measure.top_level(ROOT)
    assert modules <= 9 and packages <= 18


def test_no_files_import_one_another_in_a_circle() -> None:
    assert circles(ROOT) == []


@pytest.mark.parametrize(("act", "bar"), [("run", 42), ("first", 14), ("later", 20), ("tell", 8)])
def test_few_files_are_entered_by(act: str, bar: int) -> None:
    entered = measure.entered(ROOT, act)
    assert len(entered) <= bar, "\n".join(entered)


def test_no_line_is_over_100_characters() -> None:
    assert measure.wide_lines(ROOT) == []


def test_only_the_kernels_are_over_400_lines() -> None:
    assert set(measure.long_files(ROOT)) <= measure.LONG


def test_functions_are_short() -> None:
    functions = measure.function_lines(ROOT)
    assert measure.p90([lines for lines, _ in functions]) <= 22
    assert functions[-1][0] <= 60, functions[-1]


def test_only_the_adapters_ask_an_object_for_a_hook() -> None:
    assert measure.hook_probes(ROOT) == []


def test_no_launcher_is_told_by_its_class_outside_its_package() -> None:
    assert measure.launcher_checks(ROOT) == []


def test_nothing_but_tests_that_skip_names_the_folder_beside_the_project() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    naming = []
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        path = ROOT / name
        text = path.read_bytes() if path.is_file() else b""
        places = re.findall(rb"(?m)^(\w+) = .*(?:" + OUTSIDE.pattern + rb")", text)
        looked_at = [re.search(rb"skipif\(\s*not " + place + rb"\.\w+\(", text) for place in places]
        skips = name.startswith("tests/") and len(OUTSIDE.findall(text)) == len(places)
        if OUTSIDE.search(text) and not (skips and all(looked_at)):
            naming.append(name)
    assert naming == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "dsice", tmp_path / "dsice", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


PLANTED = [
    "from dsice.goal import Goal",
    "import dsice.goal",
    "from dsice import goal",
    "from . import goal",
    "from dsice import Goal",  # through what the package offers
    "def late() -> None: from dsice.goal import Goal",
    "if TYPE_CHECKING: from dsice.goal import Goal",
    "try: import dsice.goal\nexcept ImportError: pass",
]


def test_a_circle_is_found_and_named(copy: Path) -> None:
    path = copy / "dsice/errors.py"
    text = path.read_text(encoding="utf-8")
    places = []
    for planted in PLANTED:
        places.append(f"dsice/errors.py:{len(text.splitlines()) + 1} imports dsice/goal.py")
        text += planted + "\n"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.house.circles", "--root", copy],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1, done.stderr
    assert set(places) <= set(done.stdout.splitlines())


BATCH = "class Batch:\n    def submit(self): ...\n    def collect(self): ...\n"
ASKS = "reason = getattr(launcher, 'cannot_step', '')"
CHECKS = "known = isinstance(self.launcher, (Batch, int))"


@pytest.mark.parametrize(
    ("file", "text", "probes", "checks"),
    [
        ("cli/run.py", ASKS, 1, 0),
        ("cli/run.py", "hasattr(given, 'recommend')", 1, 0),
        ("cli/run.py", "getattr(strategy, name)", 1, 0),
        ("cli/run.py", "getattr(launcher, 'new_hook')", 1, 0),
        ("cli/run.py", "getattr(trial, name)", 0, 0),
        ("launchers/base.py", f"def as_launcher(launcher):\n    {ASKS}", 0, 0),
        ("cli/run.py", CHECKS, 0, 1),
        ("launchers/local/launcher.py", CHECKS, 0, 1),
        ("launchers/batch/monitor.py", CHECKS, 0, 0),
        ("cli/run.py", "isinstance(launcher, int)", 0, 0),
    ],
)
def test_what_is_known_of_a_hidden_protocol_is_counted(
    tmp_path: Path, file: str, text: str, probes: int, checks: int
) -> None:
    for name, content in (("launchers/batch/launcher.py", BATCH), (file, text)):
        path = tmp_path / "dsice" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    assert len(measure.hook_probes(tmp_path)) == probes
    assert len(measure.launcher_checks(tmp_path)) == checks
