"""Resolve every extra of pyproject.toml, and all together, on the oldest and the newest Python.

``python -m tests.packaging.extras`` (`make test-extras`) downloads the packages' metadata only.
"""

from __future__ import annotations

import time

from tests.packaging.environments import PROJECT, supported, uv


def main() -> None:
    extras = [*PROJECT["optional-dependencies"]]
    for version in (supported()[0], supported()[-1]):
        for chosen in [*([extra] for extra in extras), extras]:
            began = time.monotonic()
            flags = [part for extra in chosen for part in ("--extra", extra)]
            plan = uv(
                "pip", "compile", "--quiet", "--python-version", version, *flags, "pyproject.toml"
            )
            packages = sum("==" in line for line in plan.splitlines())
            name = chosen[0] if len(chosen) == 1 else "all extras"
            spent = time.monotonic() - began
            print(f"Python {version}, {name}: {packages} packages, {spent:.1f} s", flush=True)


if __name__ == "__main__":
    main()
