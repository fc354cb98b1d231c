"""Circles of files that import one another; part of ``make check``.

``python -m tests.house.circles [--root DIR]`` names them and exits with 1 where there is one.

The rule. A file imports another wherever one of its import statements says so: at the top, inside a
function, under ``if TYPE_CHECKING``. ``from dsice.part import name`` imports the file that defines
`name`, found by following what the ``__init__.py`` of the package imports, or the module `name` of
the package; it imports the ``__init__.py`` itself only where that defines `name`.
``import dsice.part`` imports the ``__init__.py``. A circle is a strongly connected component of
more than one file.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Import:
    """One import statement of a file: where it stands, and the module that it needs."""

    module: str
    line: int


class Imports:
    """Which module of ``dsice/`` imports which.

    Attributes
    ----------
    files
        Path of each module, relative to the root.
    of
        The imports of each module.
    """

    def __init__(self, root: Path) -> None:
        self.files: dict[str, Path] = {}
        trees: dict[str, ast.Module] = {}
        for path in sorted((root / "dsice").rglob("*.py")):
            relative = path.relative_to(root)
            parts = relative.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.files[name] = relative
            trees[name] = ast.parse(path.read_text(encoding="utf-8"))
        self._exported = {
            name: {alias: origin for alias, origin, _ in self._names(name, tree)}
            for name, tree in trees.items()
            if self._is_package(name)
        }
        self.of = {name: self._imports(name, tree) for name, tree in trees.items()}

    def circles(self) -> list[list[str]]:
        """The modules of each circle."""
        reach = {name: self._reached_from(name) for name in self.files}
        found = {
            tuple(sorted(other for other in reach[name] if name in reach[other]))
            for name in self.files
            if name in reach[name]
        }
        return sorted(list(circle) for circle in found)

    def _reached_from(self, start: str) -> set[str]:
        reached: set[str] = set()
        waiting = [start]
        while waiting:
            for needed in self.of[waiting.pop()]:
                if needed.module not in reached:
                    reached.add(needed.module)
                    waiting.append(needed.module)
        return reached

    def _imports(self, name: str, tree: ast.Module) -> list[Import]:
        found = [
            Import(alias.name, node.lineno)
            for node in _statements(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name in self.files
        ]
        for _, (module, wanted), line in self._names(name, tree):
            if module in self.files:
                found.append(Import(self._home(module, wanted), line))
        return [needed for needed in dict.fromkeys(found) if needed.module != name]

    def _names(self, name: str, tree: ast.Module) -> Iterator[tuple[str, tuple[str, str], int]]:
        """Each ``from module import wanted as alias``: (alias, (module, wanted), line)."""
        for node in _statements(tree):
            if isinstance(node, ast.ImportFrom):
                module = self._absolute(name, node)
                for alias in node.names:
                    yield alias.asname or alias.name, (module, alias.name), node.lineno

    def _absolute(self, name: str, node: ast.ImportFrom) -> str:
        """The module that a ``from`` means, for relative imports too."""
        if not node.level:
            return node.module or ""
        parts = name.split(".")
        above = parts[: len(parts) - node.level + self._is_package(name)]
        return ".".join([*above, node.module] if node.module else above)

    def _home(self, module: str, wanted: str) -> str:
        """The module that defines `wanted`, which `module` offers."""
        origin = self._exported.get(module, {}).get(wanted)
        if origin is not None and origin[0] in self.files and origin != (module, wanted):
            return self._home(*origin)
        inner = f"{module}.{wanted}"
        return inner if inner in self.files else module

    def _is_package(self, name: str) -> bool:
        return self.files[name].name == "__init__.py"


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements below a node; expressions hold none, and looking through them takes long."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            if isinstance(child, ast.stmt):
                yield child
            yield from _statements(child)


def circles(root: Path = ROOT) -> list[str]:
    """Each circle as text: its imports, one a line."""
    imports = Imports(root)
    return [
        "\n".join(
            f"{imports.files[name]}:{needed.line} imports {imports.files[needed.module]}"
            for name in circle
            for needed in imports.of[name]
            if needed.module in circle
        )
        for circle in imports.circles()
    ]


def main() -> int:
    """Name the circles; 1 where there is one."""
    parser = argparse.ArgumentParser(
        description="Name the circles of files that import one another."
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that holds dsice/")
    found = circles(parser.parse_args().root)
    for number, circle in enumerate(found, 1):
        print(f"circle {number} of files:\n{circle}")
    print(f"{len(found)} circles of files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
