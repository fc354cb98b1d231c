"""The layers of pyproject.toml are enforced: a wrong import, or a module in no layer, is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "dsice", tmp_path / "dsice", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.path.insert(0, '.'); "
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_the_layers_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("dsice/goal.py", "from dsice.tuner import Tuner"),
        ("dsice/directions/ladder.py", "from dsice.space import Space"),
        ("dsice/launchers/base.py", "import dsice.tuner"),
        ("dsice/nowhere.py", ""),
    ],
)
def test_a_wrong_import_is_found(copy: Path, module: str, line: str) -> None:
    path = copy / module
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    done = lint(copy)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout or module.removesuffix(".py").rpartition("/")[2] in done.stdout
