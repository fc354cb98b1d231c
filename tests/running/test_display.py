"""Where progress is shown: a line of a notebook that changes, a bar on a terminal, a log."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, ClassVar

import pytest

from dsice import Tuner
from dsice.running.display import Bar, NotebookLine
from dsice.running.options import RunOptions
from dsice.running.progress import Progress


class Shell:
    """What rich takes for the shell of a notebook's kernel."""

    @property
    def kernel(self) -> None:
        return None


Shell.__name__ = "ZMQInteractiveShell"


class Handle:
    """An output of a cell."""

    shown: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def display(self, content: dict[str, str], *, raw: bool) -> None:
        self.shown.append(("new", content))

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        self.shown.append(("again", content))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What a cell of a notebook shows, in turn."""
    module: Any = ModuleType("IPython.display")
    module.DisplayHandle = Handle
    package: Any = ModuleType("IPython")
    package.display = module
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("builtins.get_ipython", Shell, raising=False)
    monkeypatch.setattr(Handle, "shown", [])
    return Handle.shown


def test_a_notebook_has_one_line_that_is_written_anew(
    notebook: list[tuple[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Progress, "OFTEN", 0.0)
    tuner = Tuner({"x": range(4)}, max_trials=4)
    with Progress(tuner, RunOptions()) as progress:
        assert isinstance(progress.display, NotebookLine)
        tuner.tell(tuner.ask()[0], 0.5)
        progress.update(1, last_error="<b>no</b> \x1b[2J")
    assert [kind for kind, _ in notebook] == ["new", "again", "again"]
    last = notebook[-1][1]
    assert last["text/plain"].startswith("1/4 trials, 0 running, best 0.5")
    assert 'value="0.2500"' in last["text/html"]
    assert "&lt;b&gt;no&lt;/b&gt; \\x1b[2J" in last["text/html"]


@pytest.mark.parametrize(("variable", "kind"), [("FORCE_COLOR", Bar), ("NO_COLOR", type(None))])
def test_elsewhere_a_bar_or_lines_of_a_log(
    variable: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    assert isinstance(Progress(Tuner({"x": range(3)}), RunOptions()).display, kind)
