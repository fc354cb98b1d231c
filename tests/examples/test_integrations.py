"""The examples of dsice inside Optuna and scikit-learn run as written."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.examples.test_examples import example

pytestmark = [
    pytest.mark.skipif(not find_spec(package), reason=f"pip install 'dsice[{extra}]'")
    for package, extra in (("optuna", "optuna"), ("sklearn", "sklearn"))
] + [pytest.mark.long]


def test_optuna_goes_on_where_it_stopped_and_keeps_the_rule(tmp_path: Path) -> None:
    arguments = ["optuna/tune.py", "--storage", "sqlite:///digits.db", "--trials"]
    assert example([*arguments, "3"], tmp_path).startswith("3 trials of 3 settings")
    shown = example([*arguments, "3"], tmp_path)
    assert shown.startswith("6 trials of 6 settings")
    best = ast.literal_eval(shown[shown.index("{") : shown.index("}") + 1])
    assert best["layers"] * best["width"] * best["batch"] <= 32768


def test_scikit_learn_chooses_between_pipelines(tmp_path: Path) -> None:
    shown = example(["scikit_learn/tune.py", "--settings", "8"], tmp_path)
    assert shown.startswith("8 settings") and "'classify'" in shown
    assert float(shown.split()[-1]) > 0.9
