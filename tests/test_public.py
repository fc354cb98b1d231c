"""The public names of dsice, and the cost of `import dsice`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dsice

HEAVY = (
    "numba",
    "scipy",
    "pandas",
    "matplotlib",
    "rich",
    "psutil",
    "cloudpickle",
    "dsice.launchers",
)


@pytest.mark.parametrize("name", dsice.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(dsice, name) is not None and name in dir(dsice)


def test_the_function_run_is_not_hidden_by_its_module() -> None:
    code = (
        "import dsice.running.run, dsice; from dsice import run, step\n"
        "assert callable(dsice.run) and callable(run) and callable(step)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_type_checkers_see_the_public_names() -> None:
    tree = ast.parse(Path(dsice.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (str(statement.module).split(".")[1], alias.asname)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == {
        (module.split(".")[0], name) for module, names in dsice._PUBLIC.items() for name in names
    }


@pytest.mark.parametrize(
    "code",
    [
        "import dsice",
        "from dsice import Tuner\ntuner = Tuner({'x': range(9), 'y': range(9)})\n"
        "for trial in tuner.ask(9):\n    tuner.tell(trial, trial.params['x'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    seen = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(seen.stdout.split())
    assert "numpy" in loaded
    unwanted = HEAVY if code == "import dsice" else HEAVY[:-1]
    assert not loaded.intersection(unwanted)


STUDY = """
[study]
command = "echo {x}"
max_trials = 2

[space]
x = [1, 2, 3]
"""
INTEGRATED = {
    "alembic",
    "cmaes",
    "distributed",
    "kernel_tuner",
    "mlflow",
    "mpi4py",
    "optuna",
    "ray",
    "sklearn",
    "sqlalchemy",
    "torch",
}


def test_no_package_of_an_integration_is_imported_to_run_a_study(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    code = (
        "import sys; from dsice.cli.main import main\n"
        "code = main(['run', 'study.toml'])\nprint('loaded', code, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    _, code, *loaded = done.stdout.splitlines()[-1].split()
    assert code == "0" and "dsice.tuner" in loaded
    assert not {*INTEGRATED, "dsice.integrations"}.intersection(loaded)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        dsice.nonsense  # noqa: B018


def test_names_of_the_last_release_work_and_say_where_they_are_now() -> None:
    with pytest.warns(DeprecationWarning, match="from dsice import extend"):
        from dsice.tuner import extend
    assert extend is dsice.extend
