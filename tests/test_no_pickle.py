"""No pickle and no foreign code is ever loaded from a journal or the directory of a trial."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "dsice"
LOADERS = {"load", "loads", "Unpickler", "read_pickle", "eval", "exec"}
ALLOWED = {
    # the trial's own process: the function that its coordinator wrote for it
    "launchers/standalone/_call.py": 2,
    # a worker of Futures: the function that its coordinator sends it
    "launchers/futures/remote.py": 1,
    # a rule's syntax tree, whose nodes were all checked before (tests/space/test_expression.py)
    "space/expression.py": 1,
}


def test_pickles_and_code_are_loaded_in_known_places_only() -> None:
    found: dict[str, int] = {}
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            safe = called.startswith(("json.", "tomllib.")) or called in (
                "self.load",
                "history.load",
            )
            allows = any(word.arg == "allow_pickle" for word in node.keywords)
            if (called.rpartition(".")[2] in LOADERS and not safe) or allows:
                found[file.relative_to(ROOT).as_posix()] = (
                    found.get(file.relative_to(ROOT).as_posix(), 0) + 1
                )
    assert found == ALLOWED
