"""A new axis type needs one class and one registry entry; nothing else checks axis classes."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

import dsice
from dsice import Choice, Ordinal, Space, Tuner
from dsice.errors import SpaceError
from dsice.space import Axis, axes
from dsice.strategies import DSICE, Population


class Grades(Axis):
    """Words in order, such as small, medium, large."""

    kind: ClassVar[str] = "grades"
    ordered: ClassVar[bool] = True
    numeric: ClassVar[bool] = False

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)

    def level(self, value: object) -> int:
        if value not in self.values:
            raise SpaceError(f"expected one of {list(self.values)}, got {value!r}")
        return self.values.index(value)


def test_each_type_is_registered_by_its_kind() -> None:
    assert {"ordinal": Ordinal, "choice": Choice} == axes.AXIS_TYPES


@pytest.mark.parametrize("axis", [Ordinal([1, 2.5]), Choice(["a", None, True, 3])])
def test_an_axis_survives_json(axis: Axis) -> None:
    assert axes.axis_from_dict(axis.to_dict()) == axis and axes.axis_from_dict(axis.to_dict()).same(
        axis
    )


def test_a_new_type_is_stored_searched_and_read_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(axes, "AXIS_TYPES", {**axes.AXIS_TYPES, Grades.kind: Grades})
    space = Space({"size": Grades(["small", "medium", "large"]), "x": range(6)})
    assert space.ordered == (True, True) and space.params((2, 1)) == {"size": "large", "x": 1}
    record = space.to_dict()
    assert record["axes"][0] == {
        "name": "size",
        "kind": "grades",
        "values": ["small", "medium", "large"],
    }
    assert Space.from_dict(record).difference(record) is None
    assert "'size' is Grades" in str(
        Space({"size": Grades(["small", "tiny"]), "x": range(6)}).difference(record)
    )
    path = tmp_path / "j.jsonl"
    with Tuner(space, DSICE(), journal=path, max_trials=15) as tuner:
        while trials := tuner.ask(3):
            for trial in trials:
                tuner.tell(
                    trial,
                    abs(space.axes["size"].level(trial.params["size"]) - 1)
                    + (trial.params["x"] - 4) ** 2,
                )
    assert tuner.best is not None and tuner.best.params == {"size": "medium", "x": 4}
    assert [t.params for t in Tuner.read(path).history] == [t.params for t in tuner.history]
    with pytest.raises(
        dsice.errors.OptionError, match=r"'size' is none of the numeric axes \['x'\]"
    ):
        Population(perturb=["size"]).check(space)


def test_nothing_outside_the_space_asks_for_the_class_of_an_axis() -> None:
    root = Path(dsice.__file__).parent
    found = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in root.rglob("*.py")
        if path.parent.name != "space"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        if {"Ordinal", "Choice"}
        & {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
    ]
    assert found == []
