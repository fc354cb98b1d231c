"""What the texts in the code name that does not exist: commands, options, methods, arguments."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from dsice.cli.main import COMMANDS, _parser

HOLE = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for what an f-string fills in."""
_SCHEDULERS = (
    *("allocations", "array", "choose", "format", "job-name", "jobs", "no-requeue", "noheader"),
    *("exclusive", "open-mode", "parsable", "partition", "states", "time", "user"),
)
_EXAMPLES = ("amp", "limit", "lr", "momentum", "nv", "option")
OTHERS = frozenset((*_SCHEDULERS, *_EXAMPLES))
"""Options of schedulers, and of the programs of examples."""
_COMMAND = re.compile(
    r"`dsice ([a-z]+)(?: ([a-z]+)\b)?|: dsice ([a-z]+)(?= |`|$)"
    rf"|\bdsice ([a-z]+)(?= (?:{HOLE}|--|[A-Z]{{3,}}))"
)
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
_METHOD = re.compile(
    r"\b(Tuner|tuner|Space|History|history|Goal|Source|Table|Journal)\.([a-z_]+)\("
)
_ARGUMENT = re.compile(r"\b([A-Za-z][A-Za-z_.]*)\((?:[^()=]*, )?([a-z_]+)=")
_PLACES = ("dsice", "dsice.strategies", "dsice.launchers", "dsice.stopping", "dsice.plots")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string of a module; what an f-string fills in is a HOLE."""
    tree = ast.parse(source)
    parts = {id(p) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for p in n.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else HOLE
                    for part in node.values
                ),
            )
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.lineno, node.value


def problems(root: Path) -> list[str]:
    """Places that name something which does not exist."""
    found = []
    for path in sorted((root / "dsice").rglob("*.py")):
        for line, text in texts(path.read_text(encoding="utf-8")):
            for wrong in (*commands(text), *options(text), *methods(text), *arguments(text)):
                found.append(f"{path.relative_to(root)}:{line} names {wrong}")
    return found


def commands(text: str) -> Iterator[str]:
    """Commands of dsice that do not exist."""
    for match in _COMMAND.finditer(text):
        name = next(group for group in (match[1], match[3], match[4]) if group)
        action = match[2] if match[1] else None
        if name not in COMMANDS or (name == "journal" and action not in (None, "check", "repair")):
            yield f"dsice {name} {action or ''}".strip()


def options(text: str) -> Iterator[str]:
    """Options that no command of dsice has."""
    for name in _OPTION.findall(text):
        if name not in known_options() | OTHERS:
            yield f"--{name}"


@cache
def known_options() -> frozenset[str]:
    """All options of all commands."""
    found: set[str] = set()
    waiting: list[argparse.ArgumentParser] = [_parser([name]) for name in COMMANDS]
    while waiting:
        for action in waiting.pop()._actions:
            found |= {text.lstrip("-") for text in action.option_strings}
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
    return frozenset(found)


def methods(text: str) -> Iterator[str]:
    """Methods that the classes of dsice do not have."""
    dsice: Any = import_module("dsice")
    kinds = {"Table": import_module("dsice.launchers").Table}
    for owner, name in _METHOD.findall(text):
        kind = kinds.get(owner) or getattr(dsice, owner.capitalize())
        if not hasattr(kind, name):
            yield f"{owner}.{name}()"


def arguments(text: str) -> Iterator[str]:
    """Arguments that the functions and classes of dsice do not take."""
    for name, argument in _ARGUMENT.findall(text):
        function = _public(name)
        if function is None:
            continue
        parameters = inspect.signature(function).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if argument not in parameters and not takes_any:
            yield f"{name}({argument}=)"


def _public(name: str) -> Any:
    """The public function or class of that name, None where there is none."""
    first, *rest = name.removeprefix("dsice.").split(".")
    if first == "tuner":
        first = "Tuner"
    for place in _PLACES:
        found = getattr(import_module(place), first, None)
        for part in rest:
            found = getattr(found, part, None)
        if callable(found):
            return found
    return None
