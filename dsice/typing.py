"""Names of types that many modules share, each defined once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""An array of any type; the docstring beside it says its shape and what it holds."""
Floats = NDArray[np.float64]
"""An array of double precision."""
Ints = NDArray[np.int64]
"""An array of levels, positions or counts."""
Bools = NDArray[np.bool_]
"""An array of truth values."""

Point = tuple[int, ...]
"""Levels, one per axis."""
Params = Mapping[str, Any]
"""Names and values of parameters."""
Curve = Sequence[tuple[int, float]]
"""A learning curve: (step, value), the steps ascending.

>>> curve: Curve = [(0, 0.9), (1, 0.5)]
"""
Record = dict[str, Any]
"""A line of a journal, or another object of JSON."""
PathLike = str | os.PathLike[str]
"""A path as users give it."""
