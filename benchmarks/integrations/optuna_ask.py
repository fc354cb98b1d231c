"""What asking costs through Optuna, beside its TPE in the same run; about two minutes.

A study in memory of five parameters (two floats, a logarithmic one, a whole number, a category)
holds random trials of a smooth function. Measured is the wall time of ``study.ask`` with all of its
suggestions: of one trial after another, each told, the median of 9; and of 40 that are asked before
any is told. The figures before the first are left out: compiling counts once for each machine.

    python -m benchmarks.integrations.optuna_ask
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from statistics import median

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from dsice.integrations.optuna import DsiceSampler

SPACE: Mapping[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "decay": FloatDistribution(0.0, 0.1),
    "layers": IntDistribution(1, 16),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}
TOLD = (100, 1000, 3000)
ASKS, BATCH = 9, 40
CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter


def value(params: Mapping[str, object]) -> float:
    """A smooth function of the params."""
    internal = {name: SPACE[name].to_internal_repr(params[name]) for name in SPACE}
    return (
        (internal["momentum"] - 0.8) ** 2
        + (10 * internal["decay"] - 0.3) ** 2
        + (internal["rate"] * 100 - 1) ** 2
        + (internal["layers"] - 7) ** 2 / 50
        + internal["kind"] / 10
    )


def study_with(sampler: BaseSampler, told: int) -> optuna.Study:
    """A study that holds so many random trials."""
    study = optuna.create_study(study_name="asks", sampler=RandomSampler(seed=0))
    for _ in range(told):
        trial = study.ask(dict(SPACE))
        study.tell(trial, value(trial.params))
    study.sampler = sampler
    return study


def seconds(study: optuna.Study) -> tuple[float, optuna.Trial]:
    """How long an ask takes."""
    start = CLOCK()
    trial = study.ask(dict(SPACE))
    return CLOCK() - start, trial


def one(study: optuna.Study) -> float:
    """Median of asks, each of which is told before the next."""
    found = []
    for _ in range(ASKS + 1):
        took, trial = seconds(study)
        study.tell(trial, value(trial.params))
        found.append(took)
    return median(found[1:])


def batch(study: optuna.Study) -> float:
    """Single asks in a row, none of them told."""
    return sum(seconds(study)[0] for _ in range(BATCH))


def main() -> None:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    one(study_with(DsiceSampler(), 40))
    print(f"{'':14}" + "".join(f"{told:>8} told" for told in TOLD) + "   40 asks after 1000")
    for name, sampler in (("DsiceSampler", DsiceSampler), ("TPESampler", TPESampler)):
        single = [one(study_with(sampler(), told)) for told in TOLD]
        many = batch(study_with(sampler(), 1000))
        row = "".join(f"{1e3 * took:>10.0f} ms" for took in single)
        print(f"{name:14}{row}{many:>16.2f} s", flush=True)


if __name__ == "__main__":
    main()
