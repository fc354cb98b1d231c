"""What pyproject.toml promises a user who installs, as far as it shows without installing."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from tests.packaging.environments import PROJECT, ROOT, interpreter, supported
from tests.packaging.package import faults_of_sdist, faults_of_wheel

DATA: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
    "setuptools"
]["package-data"]
UNNAMED = {"IPython", "_sha2"}  # used where a notebook has it; of Python 3.12 and later
MODULE_OF = {"scikit_learn": "sklearn", "mlflow_skinny": "mlflow"}
TEXT = re.compile(r"([A-Za-z0-9_.-]+)(.*)")


def requirements(*, optional: bool) -> Iterator[tuple[str, str]]:
    """Name as a module and constraint of what an installation may bring."""
    lists = [PROJECT["dependencies"]]
    lists += PROJECT["optional-dependencies"].values() if optional else []
    for text in (text for part in lists for text in part):
        match = TEXT.match(text)
        assert match, text
        name = match[1].replace("-", "_").lower()
        yield MODULE_OF.get(name, name), match[2]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_every_file_of_dsice_gets_into_the_wheel() -> None:
    for path in (ROOT / "dsice").rglob("*"):
        if path.is_dir() or path.suffix == ".py" or "__pycache__" in path.parts:
            continue
        taken = [
            (ROOT / package.replace(".", "/"), pattern)
            for package, patterns in DATA.items()
            for pattern in patterns
        ]
        assert any(
            path.is_relative_to(folder) and fnmatch(str(path.relative_to(folder)), pattern)
            for folder, pattern in taken
        ), f"{path} is in no package-data of pyproject.toml"


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "dsice").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_whatever_dsice_imports_is_a_dependency_or_in_an_extra() -> None:
    known = {name for name, _ in requirements(optional=True)}
    known |= {"dsice", *UNNAMED, *sys.stdlib_module_names}
    for path in (ROOT / "dsice").rglob("*.py"):
        beside = {
            other.stem for other in path.parent.glob("*.py")
        }  # scripts, copied to job machines
        unknown = set(imports(ast.parse(path.read_text(encoding="utf-8")))) - known - beside
        assert not unknown, f"{path} imports {unknown}, which nothing in pyproject.toml installs"


def test_every_dependency_has_a_lowest_version() -> None:
    assert [name for name, bound in requirements(optional=False) if ">=" not in bound] == []


def test_the_oldest_python_is_the_same_wherever_it_is_said() -> None:
    whole: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    oldest = supported()[0]
    assert PROJECT["requires-python"] == f">={oldest}"
    assert whole["tool"]["mypy"]["python_version"] == oldest
    assert whole["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_the_version_is_the_one_to_be_cited() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited and cited[1] == PROJECT["version"]


def test_the_running_python_is_found_and_one_that_is_not_there_is_not() -> None:
    assert interpreter("3.0") is None
    own = ".".join(map(str, sys.version_info[:2]))
    if (
        found := interpreter(own)
    ) is not None:  # one that stands neither on PATH nor in pyenv is not
        assert found.exists()


WHEEL = {"dsice/__init__.py", "dsice/py.typed", "dsice/report/page/main.js"}
CHECKOUT = WHEEL | {"Makefile", "pyproject.toml", "tests/test_goal.py"}
MADE = {"PKG-INFO", "setup.cfg", "dsice.egg-info/SOURCES.txt"}


def test_a_wheel_or_sdist_that_lacks_a_file_or_has_one_too_many_is_found() -> None:
    assert faults_of_wheel({*WHEEL, "dsice-1.dist-info/RECORD"}, CHECKOUT) == []
    assert faults_of_sdist(CHECKOUT | MADE, CHECKOUT) == []
    assert faults_of_wheel(WHEEL - {"dsice/py.typed"}, CHECKOUT) == [
        "not in the wheel: dsice/py.typed"
    ]
    assert faults_of_wheel({*WHEEL, "tests/test_goal.py"}, CHECKOUT) == [
        "in the wheel, but not of it: tests/test_goal.py"
    ]
    assert faults_of_sdist((CHECKOUT | MADE) - {"Makefile"}, CHECKOUT) == [
        "not in the sdist: Makefile"
    ]
    assert faults_of_sdist(CHECKOUT | MADE | {"demo/digits.jsonl"}, CHECKOUT) == [
        "in the sdist, but not of it: demo/digits.jsonl"
    ]
