"""Functions that trials take along, instead of importing the module of their test.

A process imports `tests.launchers.test_users` and all that it imports, pytest among it, in about a
second; a module of light functions, as `tests.launchers.programs`, needs no such care.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import cloudpickle

Function = TypeVar("Function", bound=Callable[..., Any])


def by_value(function: Function) -> Function:
    """`function`, which is pickled with its code from now on, and all else of its module."""
    cloudpickle.register_pickle_by_value(sys.modules[function.__module__])
    return function
