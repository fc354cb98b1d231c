"""The reference of the public names, made of the docstrings by autodoc: a page for each module."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import dsice

ROOT = Path(__file__).parents[2]

MODULES: dict[str, str] = {
    "dsice": "spaces, goals, tuners, and running them",
    "dsice.strategies": "what to measure next",
    "dsice.launchers": "where trials run",
    "dsice.stopping": "when to stop a trial early",
    "dsice.plots": "figures",
    "dsice.spline": "the d-spline on a line",
    "dsice.directions": "the lines of a grid",
    "dsice.errors": "errors and warnings",
}
"""The public modules, in the order of the site, and what each is about."""

INTEGRATIONS: dict[str, tuple[str, ...]] = {
    "dsice.integrations.optuna": ("optuna",),
    "dsice.integrations.sklearn": ("sklearn",),
    "dsice.integrations.kernel_tuner": ("kernel_tuner",),
    "dsice.integrations.mlflow": ("mlflow", "sqlalchemy"),
    "dsice.integrations.optuna_export": ("optuna",),
    "dsice.integrations.t4": (),
}
"""The modules for other tools, and the packages that they need beside dsice's own."""


def missing_packages() -> list[str]:
    """Which packages of other tools are not installed; ``conf.py`` has stand-ins made for them."""
    wanted = dict.fromkeys(name for names in INTEGRATIONS.values() for name in names)
    return [name for name in wanted if find_spec(name) is None]


def integrated(module: str) -> list[str]:
    """The public names of a module for another tool, which need not be installed for this."""
    place = ROOT / module.replace(".", "/")
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            found: list[str] = ast.literal_eval(statement.value)
            return found
    return []


def names_of(module: str) -> list[str]:
    """The public names of a module, without those that the page of ``dsice`` has already."""
    if module in INTEGRATIONS:
        return integrated(module)
    found = import_module(module)
    names = getattr(found, "__all__", None) or _classes(found)
    return [name for name in names if module == "dsice" or name not in dsice.__all__]


def _classes(module: ModuleType) -> list[str]:
    """The classes that a module without ``__all__`` defines."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]


def page_of(module: str) -> Callable[[], str]:
    """The function that writes the page of a module."""
    return lambda: "\n".join(_lines(module))


def _lines(module: str) -> list[str]:
    lines = [f"# {module}: {MODULES[module]}", "", "```{eval-rst}", f".. py:module:: {module}", ""]
    for name in names_of(module):
        value = getattr(import_module(module), name)
        lines += [f".. {_directive(value)}:: {module}.{name}"]
        if _directive(value) == "autoclass":
            lines += ["   :members:"]
        lines += [""]
    return [*lines, "```", ""]


def integrations() -> str:
    """The page of all modules for other tools."""
    lines = ["# dsice.integrations: inside other tools", ""]
    for module in INTEGRATIONS:
        lines += [f"## {module}", "", "```{eval-rst}", f".. py:module:: {module}", ""]
        for name in integrated(module):
            kind = "autoclass" if name[0].isupper() else "autofunction"
            lines += [f".. {kind}:: {module}.{name}", ""]
        lines += ["```", ""]
    return "\n".join(lines)


def _directive(value: object) -> str:
    if inspect.isclass(value) and not hasattr(value, "__origin__"):
        return "autoclass"
    return "autofunction" if inspect.isfunction(value) else "autodata"
