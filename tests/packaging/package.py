"""Build the wheel and the sdist, look at what is in them, and use the wheel as a user would.

``python -m tests.packaging.package`` (`make package`) does it for every Python at hand; about a
minute. It exits with 1 and says why where something is wrong.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

from tests.packaging.environments import ROOT, environment, interpreter, run, supported
from tests.test_docs import blocks

PROGRAM = Path(__file__).with_name("typed_program.py")
WRONG = "import dsice\n\ndsice.Tuner({'x': range(9)}).ask('forty')\n"  # mypy must refuse it
NOT_SOURCE = shutil.ignore_patterns(".venv", ".git", "build", "dist", "__pycache__", "*.egg-info")


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


def faults_of_wheel(names: set[str], tree: Path) -> list[str]:
    """What a wheel lacks or has too much: it holds the files of ``dsice/`` and its metadata."""
    expected = {
        path.relative_to(tree).as_posix()
        for path in (tree / "dsice").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return differences({name for name in names if ".dist-info/" not in name}, expected, "the wheel")


def faults_of_sdist(names: set[str], tree: Path) -> list[str]:
    """The same of an sdist: it holds ``dsice/`` and what a build and a reader need."""
    packed = {
        path.relative_to(tree).as_posix()
        for path in (tree / "dsice").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    beside = {
        "pyproject.toml",
        "MANIFEST.in",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
    }
    made = {"PKG-INFO", "setup.cfg"}
    found = {name for name in names if not name.startswith("dsice.egg-info/")}
    return differences(found, packed | beside | made, "the sdist")


def build(tree: Path, place: Path) -> Path:
    """Both distributions, by `build`; the wheel of the sdist is the one of the checkout."""
    build = [sys.executable, "-m", "build", "--installer", "uv"]
    run([*build, "--outdir", place / "dist", tree])
    (sdist,) = (place / "dist").glob("*.tar.gz")
    (wheel,) = (place / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive:
        packed = {
            name.partition("/")[2]
            for name in archive.getnames()
            if archive.getmember(name).isfile()
        }
    run([*build, "--wheel", "--outdir", place / "direct", tree])
    (direct,) = (place / "direct").glob("*.whl")
    faults = faults_of_wheel(set(contents(wheel)), tree) + faults_of_sdist(packed, tree)
    if contents(wheel) != contents(direct):
        faults.append("the wheel built from the sdist is not the one built from the checkout")
    if faults:
        sys.exit("\n".join(faults))
    print(f"{sdist.name} {sdist.stat().st_size // 1000} kB, {len(packed)} files")
    files = len(contents(wheel))
    print(f"{wheel.name} {wheel.stat().st_size // 1000} kB, {files} files; the same from both")
    return wheel


def use(python: Path, wheel: Path, empty: Path) -> None:
    """What a user does first: help, the loop of the README, and a look at what came of it."""
    empty.mkdir()
    where = run([python, "-c", "import dsice; print(dsice.__file__)"], empty).strip()
    if not Path(where).is_relative_to(python.parents[1]):
        sys.exit(f"dsice was imported from {where}, not from the wheel")
    loop = next(block.text for block in blocks(ROOT / "README.md") if block.kind == "python")
    (empty / "loop.py").write_text(loop)
    dsice = python.with_name("dsice")
    told = run([python, "loop.py"], empty)
    shown = run([dsice, "best", "run.jsonl"], empty)
    run([dsice, "--help"], empty)
    run([dsice, "report", "run.jsonl", "-o", "report.html"], empty)
    if "batch" not in told or "batch" not in shown:
        sys.exit(f"the loop of the README printed\n{told}\nand dsice best\n{shown}")
    if (empty / "report.html").stat().st_size < 25_000:
        sys.exit("the report of the wheel has no page")


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


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dsice-package-") as name:
        place = Path(name)
        wheel = build(source(place / "source"), place)
        tried, checked = [], False
        for version in supported():
            found = interpreter(version)
            if found is None:
                print(f"Python {version}: not on this machine, not tried")
                continue
            mypy = [] if checked else ["mypy"]
            python = environment(place / version, found, wheel, *mypy)
            use(python, wheel, place / f"empty-{version}")
            if not checked:
                check_types(python, place / f"empty-{version}")
            print(f"Python {version}: installed and used" + ("" if checked else ", types checked"))
            tried.append(version)
            checked = True
    if not tried:
        sys.exit("none of the Pythons that dsice supports was found")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
