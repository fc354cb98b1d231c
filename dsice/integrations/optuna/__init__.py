"""dsice's search as a sampler of Optuna: ``optuna.create_study(sampler=DsiceSampler())``.

- `sampler`: what Optuna calls.
- `distributions`: a search space of Optuna as a grid, and params as points of it.
- `trials`: the trials of a study as a history, and what was proposed and is not measured yet.
- `reused`: other studies, as sources.
"""

from dsice.errors import MissingPackageError

try:
    import optuna as _  # noqa: F401
except ImportError as error:
    raise MissingPackageError("DsiceSampler needs Optuna: pip install 'dsice[optuna]'") from error

from dsice.integrations.optuna.sampler import DsiceSampler

__all__ = ["DsiceSampler"]
