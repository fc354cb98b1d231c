"""dsice where its users already are: its search inside other tools.

Other tools keep the trials, start them and store what they bring; here each gets what it asks for
from the same pure functions that a `dsice.Tuner` calls: a history made of the tool's own trials
(`History.of`), and the strategy's next points. No journal is written and no tuner is made, so
nothing stands beside the tool's own storage, and any of its processes may ask. Each of them is
imported when it is used, and installed as an extra: ``pip install 'dsice[optuna]'``.

- `optuna`: `DsiceSampler`, a sampler of Optuna.
- `sklearn`: `DsiceSearchCV`, a hyperparameter search of scikit-learn.
- `kernel_tuner`: `DsiceStrategy`, a strategy of Kernel Tuner.
- `mlflow`: `MLflowCallback`, trials as runs of MLflow.
- `optuna_export`: a study as a storage of Optuna.
- `t4`: a study as results in the T4 format.
"""
