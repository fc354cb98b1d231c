"""Figures of the shape of the code beside their bars.

``python -m tests.house.measure [--root DIR] [--list]`` prints them as a table.

Each figure's exact rule stands in the docstring of its function. Where a rule speaks of a file, it
means a ``.py`` file of ``dsice/``, in its packages too. The figures of 0.1.0 (commit 79ae3c9) that
the bars were set by are in `ROWS`.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.circles import ROOT, circles

WIDTH, LENGTH = 100, 400
LONG = {"dsice/spline/kernels.py"}
"""Files that may be longer than LENGTH: all jitted code is in one."""

PROTOCOLS = {"Strategy", "Launcher", "Stopper"}
ADAPTERS = {"as_strategy", "as_launcher", "as_stopper"}
STRATEGY_HOOKS = {"ask", "check", "recommend", "last_stage", "foreign"}
LAUNCHER_HOOKS = {"detach", "directory", "cannot_step", "cannot_continue"}
STOPPER_HOOKS = {"stop", "decide"}
OLD_HOOKS = STRATEGY_HOOKS | LAUNCHER_HOOKS | STOPPER_HOOKS
"""What 0.1.0 asks objects for; most of it stands in no class there."""


# ---------------------------------------------------------------- the tree


@cache
def texts(root: Path) -> dict[str, str]:
    """The text of each file of ``dsice/``, by its path from the root."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / "dsice").rglob("*.py"))
    }


@cache
def parsed(root: Path) -> dict[str, ast.Module]:
    """The syntax tree of each file."""
    return {file: ast.parse(text) for file, text in texts(root).items()}


def top_level(root: Path) -> tuple[int, int]:
    """Modules and packages directly in ``dsice/``.

    A module is a file there, ``__init__.py`` and ``__main__.py`` among them; a package is a folder
    there that holds an ``__init__.py``.
    """
    within = root / "dsice"
    return len(list(within.glob("*.py"))), len(list(within.glob("*/__init__.py")))


# ---------------------------------------------------------------- what is entered


def entered(root: Path, act: str) -> list[str]:
    """Files that one act enters: ``run``, ``first``, ``later`` or ``tell``.

    A file is entered when a function, lambda or comprehension defined in it is called in any thread
    of the coordinating process (``sys.setprofile``, ``threading.setprofile``) between the start and
    the end of the act. What runs while a module is imported, its body included, does not count: it
    depends on what was imported before.

    The acts, each in a process and an empty folder of its own (`entered.py`):

    - ``run``: the function of the console script with ``run study.toml``: four trials of ``echo``,
      two slots, progress shown, an axis of four levels.
    - ``first``: the first ``ask(8)`` of a tuner with a journal, on the space of the README.
    - ``tell``: the first ``tell`` after that.
    - ``later``: the fourth ``ask(8)``, all before it told: after the initial design.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    script = Path(__file__).with_name("entered.py")
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, script, root.resolve(), project["scripts"]["dsice"], act],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
    if done.returncode:
        raise RuntimeError(f"{act}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    found: list[str] = json.loads(done.stdout)
    return found


# ---------------------------------------------------------------- lines and functions


def wide_lines(root: Path) -> list[str]:
    """``file:line`` of each line over 100 characters, of code, docstrings and comments alike."""
    return [
        f"{file}:{number}"
        for file, text in texts(root).items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > WIDTH
    ]


def long_files(root: Path) -> dict[str, int]:
    """Files of more than 400 lines, empty ones and docstrings included."""
    lengths = {file: len(text.splitlines()) for file, text in texts(root).items()}
    return {file: lines for file, lines in lengths.items() if lines > LENGTH}


def function_lines(root: Path) -> list[tuple[int, str]]:
    """Lines of each function, methods and inner functions among them, ascending.

    From the line of its ``def`` (decorators left out) to its last, without the lines of its
    docstring; an inner function counts by itself and in the outer one.
    """
    found = []
    for file, tree in parsed(root).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = _last(node) - node.lineno + 1 - len(_docstring(node))
                found.append((lines, f"{file}:{node.lineno} {node.name}"))
    return sorted(found)


def p90(values: list[int]) -> int:
    """The smallest of the ascending values that at least 90 % of them do not exceed."""
    return values[math.ceil(0.9 * len(values)) - 1]


def comments(root: Path) -> float:
    """Comments, alone on a line or after code, per 100 lines of code (`_code_lines`)."""
    count = sum(
        token.type == tokenize.COMMENT
        for text in texts(root).values()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    )
    return 100 * count / len(_code_lines(root))


def characters(root: Path) -> float:
    """Mean characters of a line of code (`_code_lines`), without its indentation."""
    return statistics.fmean(len(line.strip()) for line in _code_lines(root))


def _code_lines(root: Path) -> list[str]:
    """Lines that are neither empty, nor part of a string that stands alone, nor a comment alone."""
    found = []
    for file, text in texts(root).items():
        prose = {
            number
            for node in ast.walk(parsed(root)[file])
            if isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            for number in range(node.lineno, _last(node) + 1)
        }
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and number not in prose and not line.lstrip().startswith("#"):
                found.append(line)
    return found


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> range:
    """The lines of a function's docstring."""
    if ast.get_docstring(node, clean=False) is None:
        return range(0)
    return range(node.body[0].lineno, _last(node.body[0]) + 1)


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


# ---------------------------------------------------------------- protocols


def hook_probes(root: Path) -> list[str]:
    """Calls of ``getattr`` and ``hasattr`` that ask an object for a hook, outside the adapters.

    The hooks are the public names in the classes Strategy, Launcher and Stopper, and those of
    `OLD_HOOKS`; not ``submit``, which is a method of executors too. A call counts where its name
    is a hook written as a string, or where what it asks is called strategy, launcher or stopper,
    whatever the name. What stands in a function `as_strategy`, `as_launcher` or `as_stopper`
    does not.

    0.1.0 has 17: getattr for an optional hook 13 times, for a method that must be there twice, and
    hasattr twice.
    """
    trees = parsed(root)
    hooks = (OLD_HOOKS | _hooks(trees)) - {"submit"}
    return [
        f"{file}:{call.lineno} {ast.unparse(call)}"
        for file, tree in trees.items()
        for call in _calls(tree, {"getattr", "hasattr"})
        if _constant(call.args[1]) in hooks
        or _called(call.args[0]) in {"strategy", "launcher", "stopper"}
    ]


def launcher_checks(root: Path) -> list[str]:
    """Calls of ``isinstance`` with a concrete launcher, outside its own package and the adapters.

    A concrete launcher is a class in ``dsice/launchers/`` with methods submit and collect that is
    not a protocol; it is known by its name. Its own package is the folder of its file below
    ``launchers/``; of a file directly in ``launchers/`` it is the file alone.
    """
    trees = parsed(root)
    homes = {
        node.name: file if file.count("/") == 2 else file.rpartition("/")[0]
        for file, tree in trees.items()
        if file.startswith("dsice/launchers/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name not in PROTOCOLS and _launches(node)
    }
    return [
        f"{file}:{call.lineno} {ast.unparse(call)}"
        for file, tree in trees.items()
        for call in _calls(tree, {"isinstance"})
        if any(
            _called(part) in homes and not file.startswith(homes[_called(part)])
            for part in ast.walk(call.args[1])
        )
    ]


def _hooks(trees: dict[str, ast.Module]) -> set[str]:
    """Public names in the bodies of the protocols."""
    members = [
        member
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name in PROTOCOLS
        for member in node.body
    ]
    methods = {member.name for member in members if isinstance(member, ast.FunctionDef)}
    fields = {_called(member.target) for member in members if isinstance(member, ast.AnnAssign)}
    return {name for name in methods | fields if not name.startswith("_")}


def _launches(node: ast.ClassDef) -> bool:
    methods = {member.name for member in node.body if isinstance(member, ast.FunctionDef)}
    return {"submit", "collect"} <= methods


def _calls(node: ast.AST, functions: set[str]) -> Iterator[ast.Call]:
    """Calls of one of the functions, but for those in an adapter."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name in ADAPTERS:
            continue
        if isinstance(child, ast.Call) and _called(child.func) in functions and len(child.args) > 1:
            yield child
        yield from _calls(child, functions)


def _called(node: ast.AST) -> str:
    """The last name of an expression such as ``launcher`` or ``self.launcher``."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _constant(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Row:
    """A figure beside its bar."""

    what: str
    old: str
    bar: str
    measured: str


def rows(root: Path) -> Iterator[Row]:
    """All figures of a tree."""
    modules, packages = top_level(root)
    yield Row("top-level modules / packages", "20 / 12", "<= 9 / <= 16", f"{modules} / {packages}")
    yield Row("circles of files", "3", "0", str(len(circles(root))))
    counts = " / ".join(str(len(entered(root, act))) for act in ("run", "first", "later", "tell"))
    yield Row(
        "files entered: run / first ask / later ask / tell",
        "54 / 18 / 28 / 12",
        "<= 41 / 14 / 20 / 8",
        counts,
    )
    yield Row("lines over 100 characters", "1900", "0", str(len(wide_lines(root))))
    yield Row("files over 400 lines", "2", "only kernels.py", ", ".join(long_files(root)) or "none")
    lines = [count for count, _ in function_lines(root)]
    yield Row(
        "lines of a function: p90 / max", "17 / 72", "<= 22 / 60", f"{p90(lines)} / {lines[-1]}"
    )
    yield Row("hook probes outside the adapters", "17", "0", str(len(hook_probes(root))))
    yield Row(
        "isinstance of a concrete launcher elsewhere", "3", "0", str(len(launcher_checks(root)))
    )
    yield Row("comments per 100 lines of code", "2.9", "reported", f"{comments(root):.1f}")
    yield Row("characters in a line of code", "41.8", "reported", f"{characters(root):.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The figures of the code beside their bars.")
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the folder that holds dsice/ and pyproject.toml"
    )
    parser.add_argument("--list", action="store_true", help="name what is counted, too")
    args = parser.parse_args()
    print("| what | 0.1.0 | bar | measured |\n|---|---|---|---|")
    for row in rows(args.root):
        print(f"| {row.what} | {row.old} | {row.bar} | {row.measured} |")
    if args.list:
        print(*circles(args.root), *wide_lines(args.root), sep="\n")
        print(*(f"{file} {lines} lines" for file, lines in long_files(args.root).items()), sep="\n")
        print(
            *(f"{place} {lines} lines" for lines, place in function_lines(args.root)[-10:]),
            sep="\n",
        )
        print(*hook_probes(args.root), *launcher_checks(args.root), sep="\n")


if __name__ == "__main__":
    main()
