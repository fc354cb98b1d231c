"""dsice's search as a hyperparameter search of scikit-learn, in the place of RandomizedSearchCV.

- `search`: `DsiceSearchCV`.
- `parameters`: what is searched, as a grid.
- `fits`: what was measured in other fits.
"""

from dsice.errors import MissingPackageError

try:
    import sklearn as _  # noqa: F401
except ImportError as error:
    raise MissingPackageError(
        "DsiceSearchCV needs scikit-learn: pip install 'dsice[sklearn]'"
    ) from error

from dsice.integrations.sklearn.search import DsiceSearchCV

__all__ = ["DsiceSearchCV"]
