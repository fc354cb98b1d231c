"""Build the wheel and the sdist, look at what is in them, and use the wheel as a user would.

``python -m tests.packaging.package`` (`make package`) does it for every Python at hand, with the
sdist on the newest. It exits with 1 and says why where something is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.packaging.environments import ROOT, environment, interpreter, run, supported
from tests.test_docs import blocks

PROGRAM = Path(__file__).with_name("typed_program.py")
WRONG = "import dsice\n\ndsice.Tuner({'x': range(9)}).ask('forty')\n"  # mypy must refuse it
NOT_SOURCE = shutil.ignore_patterns(
    *(".venv", ".git", "build", "dist", "demo", "__pycache__", "*.egg-info", ".*_cache"),
    *(".hypothesis", ".coverage*", ".ipynb_checkpoints", "journals"),
)


def source(place: Path) -> Path:
    """A copy of the files that git knows, changed ones as they are; all where there is no git."""
    if not (ROOT / ".git").exists():
        return Path(shutil.copytree(ROOT, place, ignore=NOT_SOURCE))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def differences(found: set[str], expected: set[str], what: str) -> list[str]:
    return [f"not in {what}: {name}" for name in sorted(expected - found)] + [
        f"in {what}, but not of it: {name}" for name in sorted(found - expected)
    ]


def faults_of_wheel(names: set[str], checkout: set[str]) -> list[str]:
    """What a wheel lacks or has too much: it holds the files of ``dsice/`` and its metadata."""
    expected = {name for name in checkout if name.startswith("dsice/")}
    return differences({name for name in names if ".dist-info/" not in name}, expected, "the wheel")


def faults_of_sdist(names: set[str], checkout: set[str]) -> list[str]:
    """The same of an sdist: it is the checkout, with its metadata."""
    found = {name for name in names if not name.startswith("dsice.egg-info/")}
    return differences(found, checkout | {"PKG-INFO", "setup.cfg"}, "the sdist")


def build(tree: Path, place: Path) -> tuple[Path, Path]:
    """Wheel and sdist, by `build`; the wheel of the sdist is the one of the checkout."""
    checkout = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "build", "--installer", "uv"]
    run([*command, "--outdir", place / "dist", tree])
    (sdist,) = (place / "dist").glob("*.tar.gz")
    (wheel,) = (place / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive:
        members = [member.name for member in archive.getmembers() if member.isfile()]
    packed = {name.partition("/")[2] for name in members}
    run([*command, "--wheel", "--outdir", place / "direct", tree])
    (direct,) = (place / "direct").glob("*.whl")
    faults = faults_of_wheel(set(contents(wheel)), checkout) + faults_of_sdist(packed, checkout)
    if contents(wheel) != contents(direct):
        faults.append("the wheel built from the sdist is not the one built from the checkout")
    if faults:
        sys.exit("\n".join(faults))
    run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist])
    print(f"{sdist.name} {sdist.stat().st_size // 1000} kB, {len(packed)} files: the checkout")
    number = len(contents(wheel))
    print(f"{wheel.name} {wheel.stat().st_size // 1000} kB, {number} files; the same from both")
    return wheel, sdist


def use(python: Path, empty: Path) -> None:
    """What a user does first: the loop and the study of the README, and a look at what came."""
    empty.mkdir()
    where = run([python, "-c", "import dsice; print(dsice.__file__)"], empty).strip()
    if not Path(where).is_relative_to(python.parents[1]):
        sys.exit(f"dsice was imported from {where}, not from what was installed")
    readme = blocks(ROOT / "README.md")
    loop = next(block.text for block in readme if block.kind == "python")
    study = next(block.text for block in readme if block.file == "study.toml")
    (empty / "loop.py").write_text(loop)
    (empty / "study.toml").write_text(study.replace("max_trials = 120", "max_trials = 12"))
    (empty / "train.py").write_text("import sys\nprint(abs(float(sys.argv[4]) - 3e-3))\n")
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    told = run([python, "loop.py"], empty)
    run(["dsice", "run", "study.toml"], empty, PATH=path)
    for name in ("run.jsonl", "study.toml"):
        shown = run(["dsice", "status", name], empty, PATH=path)
        if "\nended " not in shown or "pending" in shown or "best value" not in shown:
            sys.exit(f"the README's {name} did not come to its end:\n{told}{shown}")
    run(["dsice", "--help"], empty, PATH=path)
    run(["dsice", "report", "study.toml", "-o", "report.html"], empty, PATH=path)
    if (empty / "report.html").stat().st_size < 25_000:
        sys.exit("the report has no page")


def check_types(python: Path, empty: Path) -> None:
    """Mypy reads the types of the installed wheel: a right program passes, a wrong one does not."""
    shutil.copy(PROGRAM, empty / "program.py")
    (empty / "wrong.py").write_text(WRONG)
    mypy = [str(python), "-m", "mypy", "--strict", "--no-incremental"]
    run([*mypy, "program.py"], empty)
    run([python, "program.py"], empty)
    done = subprocess.run([*mypy, "wrong.py"], cwd=empty, capture_output=True, text=True)
    if done.returncode != 1 or "[arg-type]" not in done.stdout:
        sys.exit(f"mypy lets a wrong program pass:\n{done.stdout}{done.stderr}")


def try_out(dist: Path, python: Path, place: Path, *, typed: bool) -> str:
    """Install and use a distribution on a Python; says what was done."""
    own = environment(place / "environment", python, dist, *(["mypy"] if typed else []))
    use(own, place / "empty")
    if typed:
        check_types(own, place / "empty")
    return f"{dist.name} installed and used" + ("; types checked" if typed else "")


def main() -> None:
    began = time.monotonic()
    found = {version: interpreter(version) for version in supported()}
    here = {version: python for version, python in found.items() if python is not None}
    if not here:
        sys.exit(f"none of the Pythons that dsice supports, {', '.join(found)}, was found")
    for version in found.keys() - here.keys():
        print(f"Python {version}: not on this machine, not tried")
    with tempfile.TemporaryDirectory(prefix="dsice-package-") as name:
        place = Path(name)
        wheel, sdist = build(source(place / "source"), place)
        oldest, newest = next(iter(here)), list(here)[-1]

        def tried(version: str) -> str:
            (place / version).mkdir()
            dist = sdist if oldest != version == newest else wheel
            return try_out(dist, here[version], place / version, typed=version == oldest)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for version, done in zip(here, pool.map(tried, here), strict=True):
                print(f"Python {version}: {done}", flush=True)
    print(f"{time.monotonic() - began:.0f} s, {sum(os.times()[:4]):.0f} s of processor time")


if __name__ == "__main__":
    main()
