"""The reference of the public names: one page a module, made of the docstrings by autodoc."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import dsice

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


def names_of(module: str) -> list[str]:
    """The public names of a module, without those that the page of ``dsice`` has already."""
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


def _directive(value: object) -> str:
    if inspect.isclass(value) and not hasattr(value, "__origin__"):
        return "autoclass"
    return "autofunction" if inspect.isfunction(value) else "autodata"
