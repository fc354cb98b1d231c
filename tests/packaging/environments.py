"""Virtual environments for trying dsice out, made by uv, and the Pythons of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def run(command: Sequence[str | Path], directory: Path = ROOT, **more: str) -> str:
    """What a command prints, run without the caller's Python settings.

    All of its output is shown where it fails.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV") and "DSICE_" not in name
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env={**env, **more},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        line = " ".join(str(part) for part in command)
        sys.exit(
            f"{line}\nin {directory} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def uv(*arguments: str | Path, directory: Path = ROOT) -> str:
    return run([sys.executable, "-m", "uv", *arguments], directory)


def supported() -> list[str]:
    """The Pythons of the classifiers, such as 3.11, the oldest first."""
    found = [re.fullmatch(r".* :: (3\.\d+)", text) for text in PROJECT["classifiers"]]
    return [match[1] for match in found if match]


def interpreter(version: str) -> Path | None:
    """A Python of this version, on PATH or of pyenv; None where there is none that runs."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates: list[str | Path | None] = [
        shutil.which(f"python{version}"),
        *sorted(versions.glob(f"{version}.*/bin/python")),
    ]
    for candidate in candidates:
        if candidate is None:
            continue
        asked = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([candidate, "-c", asked], capture_output=True, text=True)
        if done.stdout.strip() == version:  # a shim of pyenv may be there for a Python that is not
            return Path(candidate)
    return None


def environment(place: Path, python: Path, *install: str | Path) -> Path:
    """A new virtual environment with `install` in it, which pip finds consistent; its Python."""
    uv("venv", "--quiet", "--clear", "--python", python, place)
    own = place / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", own, *install)
    run([sys.executable, "-m", "pip", "--python", own, "check"])
    return own
