"""No text of the code names a command, an option, a method or an argument that does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import messages
from tests.house.circles import ROOT


def test_what_the_texts_name_exists() -> None:
    assert messages.problems(ROOT) == []


PLANTED = [
    ('"record it with `dsice add`"', "dsice add"),
    ('f"go on with: dsice rune {path}"', "dsice rune"),
    ('f"then dsice journal mend {path}"', None),
    ('"`dsice journal mend FILE` does it"', "dsice journal mend"),
    ('"give dsice tell --form FILE"', "--form"),
    ('"call tuner.withdrawn(3) first"', "tuner.withdrawn()"),
    ('f"give it to Tuner(strategie={x})"', "Tuner(strategie=)"),
    ('"use run(max_hours=3)"', "run(max_hours=)"),
    ('"dsice does what dsice can; `dsice retry s.toml --failed`, Tuner.retry(3)"', None),
    ('"Tuner(space, strategy, goal=None) and tuner.tell(trial, value, seconds=3)"', None),
]


@pytest.mark.parametrize(("planted", "named"), PLANTED)
def test_what_does_not_exist_is_found(tmp_path: Path, planted: str, named: str | None) -> None:
    (tmp_path / "dsice").mkdir()
    (tmp_path / "dsice/a.py").write_text(f"path = x = ''\ntext = {planted}\n", encoding="utf-8")
    expected = [] if named is None else [f"dsice/a.py:2 names {named}"]
    assert messages.problems(tmp_path) == expected
