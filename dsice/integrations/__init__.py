"""dsice where its users already are: its search inside other tools.

Each is imported when it is used, and installed as an extra: ``pip install 'dsice[kernel-tuner]'``.

- `kernel_tuner`: `DsiceStrategy`, a strategy of Kernel Tuner.
- `mlflow`: `MLflowCallback`, trials as runs of MLflow.
- `optuna_export`: a study as a storage of Optuna.
- `t4`: a study as results in the T4 format.
"""
