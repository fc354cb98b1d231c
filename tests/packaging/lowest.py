"""Run tests with the lowest versions that pyproject.toml allows, on the oldest Python.

``python -m tests.packaging.lowest [pytest options]`` (`make test-lowest`) makes an environment of
its own in ``build/lowest``.
"""

from __future__ import annotations

import os
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.version import Version

from tests.packaging.environments import PROJECT, ROOT, environment, interpreter, supported, uv

EXTRAS = ("mlflow", "optuna", "parquet", "sklearn")  # Kernel Tuner needs numpy 2
TOOLS = ("hypothesis", "mpmath", "pytest", "pytest-timeout", "pytest-xdist")  # as new as they come


def bounds(requirements: list[str]) -> dict[str, Version]:
    """The lower bound of each requirement; every one must have one."""
    found = {}
    for text in requirements:
        needed = Requirement(text)
        lower = [part.version for part in needed.specifier if part.operator == ">="]
        if len(lower) != 1:
            sys.exit(f"pyproject.toml: {text} has no lower bound: write {needed.name}>=...")
        found[needed.name.lower()] = Version(lower[0])
    return found


def main() -> None:
    oldest = supported()[0]
    python = interpreter(oldest)
    if python is None:
        sys.exit(f"Python {oldest}, the oldest that dsice supports, is not on this machine")
    optional = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *(text for extra in EXTRAS for text in optional[extra])]
    chosen = [part for extra in EXTRAS for part in ("--extra", extra)]
    lowest = ["--resolution", "lowest-direct", "--requirements", "pyproject.toml", *chosen]
    own = environment(ROOT / "build" / "lowest", python, *lowest)
    uv("pip", "install", "--quiet", "--python", own, *TOOLS)
    frozen = uv("pip", "freeze", "--python", own).splitlines()
    installed = dict(line.split("==") for line in frozen if "==" in line)
    print(", ".join(f"{name} {installed.get(name)}" for name in bounds(needed)), flush=True)
    for name, bound in bounds(needed).items():
        if Version(installed[name]) != bound:
            sys.exit(f"{name} {installed[name]} was installed, pyproject.toml allows {bound}")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    old = ["-W", "ignore::DeprecationWarning"]  # what old packages warn of newer ones is not ours
    sys.exit(
        subprocess.run([own, "-m", "pytest", *old, *sys.argv[1:]], cwd=ROOT, env=env).returncode
    )


if __name__ == "__main__":
    main()
