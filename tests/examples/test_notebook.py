"""The notebook of the examples runs from its first cell to the last, and shows what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The outputs of each cell of code."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(ROOT / "examples" / "notebook" / "tune.ipynb", as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        patch.delenv("MPLBACKEND", raising=False)  # as in a user's notebook
        resources = {"metadata": {"path": str(folder)}}
        client = nbclient.NotebookClient(notebook, timeout=200, resources=resources)
        client.execute()
    assert (folder / "notebook.jsonl").is_file() and (folder / "notebook.html").is_file()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def data(outputs: list[Any]) -> Any:
    """What the only output of a cell shows, by kind."""
    assert len(outputs) == 1, outputs
    return outputs[0]["data"]


def test_a_run_shows_one_line_and_why_it_ended(cells: list[Any]) -> None:
    line, end = cells[0]
    shown = data([line])
    assert end["text"].startswith("ended: the budget of 24 trials is used up")
    assert shown["text/plain"].startswith("24/24 trials, 0 running, ")
    assert shown["text/html"].startswith("<progress")


def test_a_tuner_and_its_best_are_tables(cells: list[Any]) -> None:
    tuner, best = data(cells[1]), data(cells[2])
    assert (
        "24 of 24 trials" in tuner["text/html"] and "Tuner of 3 parameters" in tuner["text/plain"]
    )
    assert "<table>" in best["text/html"] and best["text/plain"].startswith("<Trial ")
    assert "width = 48" in best["text/plain"]


def test_nothing_is_printed_to_stderr(cells: list[Any]) -> None:
    assert not [output for outputs in cells for output in outputs if output.get("name") == "stderr"]
