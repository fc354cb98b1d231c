"""Run examples and pages of the integrations where the wheel and the named extras are installed.

``python -m tests.packaging.examples`` (part of `make test-extras`) makes an environment for each,
outside the checkout, with what the page or the example says to install and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.packaging.environments import ROOT, environment, interpreter, run, supported
from tests.packaging.package import build, source
from tests.test_docs import BREAK, blocks, check, expected, script, scripted

USES: dict[str, tuple[list[str], list[str]]] = {  # extras: pages of docs/, programs of examples/
    "optuna": (["optuna"], []),
    "optuna,sklearn": ([], ["optuna/tune.py"]),
    "sklearn": (["scikit-learn"], ["scikit_learn/tune.py"]),
    "kernel-tuner": (["kernel-tuner"], []),
    "mlflow,optuna": (["callbacks"], []),
    "demo": ([], ["reuse/tune.py"]),
}
NOT_OURS = {"lightning"}  # what files of pages need that is in no extra: compiled only


def try_page(name: str, python: Path, place: Path) -> None:
    """Run the blocks of a page as `tests.test_docs` does, but with what is installed."""
    page = ROOT / "docs" / f"{name}.md"
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    for block in blocks(page):
        if block.file:
            (place / block.file).write_text(block.text)
    (place / "page.py").write_text(script(page))
    came = run([python, "page.py"], place, PATH=path).split(BREAK)
    for block, shown, output in zip(scripted(page), expected(page), came, strict=False):
        if shown is not None:
            check(shown, output, f"{page.name}, line {block.line}")
    for block in blocks(page):
        if block.file and block.file.endswith(".py"):
            compile(block.text, block.file, "exec")
            if not any(f"import {name}\n" in block.text for name in NOT_OURS):
                run([python, block.file], place, PATH=path)
        for line in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE):
            run(["sh", "-c", line], place, PATH=path)


def main() -> None:
    oldest = supported()[0]
    found = interpreter(oldest)
    if found is None:
        sys.exit(f"Python {oldest}, the oldest that dsice supports, is not on this machine")
    with tempfile.TemporaryDirectory(prefix="dsice-examples-") as name:
        place = Path(name)
        tree = source(place / "source")
        wheel, _ = build(tree, place)
        for extras, (pages, examples) in USES.items():
            began = time.monotonic()
            own = place / extras
            python = environment(own / "env", found, f"dsice[{extras}] @ {wheel.as_uri()}")
            shutil.copytree(tree / "examples", own / "examples")
            for page in pages:
                (own / page).mkdir()
                try_page(page, python, own / page)
            for example in examples:
                run([python, Path("examples") / example], own)
            done = [f"docs/{page}.md" for page in pages] + [f"examples/{part}" for part in examples]
            spent = time.monotonic() - began
            print(f"dsice[{extras}]: {', '.join(done)}, {spent:.0f} s", flush=True)


if __name__ == "__main__":
    main()
