"""A journal carried over to a larger space."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Require, Space, Tuner, When, extend
from dsice.cli.extend import _parse
from dsice.cli.main import main
from dsice.errors import JournalError, OptionError, OtherStudyError, SpaceError
from dsice.strategies import DSICE, Random
from tests.conftest import bowl, conditional, fill

OLD: dict[str, Any] = {"x": [1, 2, 4, 8], "y": [0.0, 0.5, 1.0]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """12 points, most of them told; one pending, one lost, one added twice, one enqueued."""
    path = tmp_path / "run.jsonl"
    with Tuner(OLD, Random(), journal=path) as tuner:
        fill(tuner, 6)
        trial, lost = tuner.ask(2)
        tuner.step(trial, 1, 0.5)
        tuner.tell(lost, state="lost")
        params = next(
            p
            for p in map(tuner.space.params, map(tuple, tuner.space.points().tolist()))
            if p not in [t.params for t in tuner.history]
        )
        tuner.enqueue(params)
        tuner.add(tuner.history[0].params, 3.0)
    return path


def known(tuner: Tuner, *names: str) -> list[Any]:
    return [
        (
            {k: v for k, v in t.params.items() if not names or k in names},
            t.state,
            t.values,
            t.curve,
            t.repeat,
            t.round,
        )
        for t in tuner.history
    ]


def test_new_levels_on_both_sides_and_between(path: Path) -> None:
    before, data = known(Tuner.read(path)), path.read_bytes()
    space = Space({"x": [0, 1, 2, 3, 4, 8, 16], "y": [-1.0, 0.0, 0.25, 0.5, 1.0]})
    done = extend(path, space)
    assert done.trials == 9 and done.copy is not None and done.copy.read_bytes() == data
    with Tuner(space, Random(), journal=path) as tuner:
        assert known(tuner) == before and [t.id for t in tuner.orphans] == [6]
        tuner.tell(6, 1.0)
        queued = tuner.ask(1)[0]
        assert queued.note == {"phase": "enqueued"}
        fill(tuner, 99)
        assert len({t.point for t in tuner.history}) == 35  # the rest of the grid, nothing twice
    assert extend(path, space).copy is None  # and again: nothing to do


def test_a_new_axis_needs_a_stated_value(path: Path) -> None:
    before, data = known(Tuner.read(path)), path.read_bytes()
    space = Space({"z": Choice(["a", "b"]), **OLD})
    with pytest.raises(
        OtherStudyError, match=r"trial 0 at .*'z' is new; state the value.*Nothing was changed"
    ):
        extend(path, space)
    with pytest.raises(SpaceError, match="the value of 'z' for the old trials"):
        extend(path, space, given={"z": "c"})
    with pytest.raises(OptionError, match="'x' is no new axis"):
        extend(path, space, given={"x": 1})
    with pytest.raises(OptionError, match="'w' is no axis"):
        extend(path, space, given={"w": 1})
    assert path.read_bytes() == data
    extend(path, space, given={"z": "b"})
    with Tuner(space, Random(), journal=path) as tuner:
        assert known(tuner, "x", "y") == before and {t.params["z"] for t in tuner.history} == {"b"}
        fill(tuner, 99)
        assert len({t.point for t in tuner.history}) == 24


REFUSED = [
    (Space({"x": [1, 2, 4, 8]}), "axis 'y' is missing in the new space"),
    (
        Space({"x": [2, 4, 8, 16], "y": [0.0, 0.5, 1.0]}),
        r"trial \d+ at .*parameter 'x': 1 is not on the axis",
    ),
    (Space(OLD, where=[When("x > 2", "y")]), r"trial \d+ at .*'y' is inactive here"),
]


@pytest.mark.parametrize(("space", "reason"), REFUSED)
def test_what_would_not_mean_the_same_is_refused(path: Path, space: Space, reason: str) -> None:
    data, files = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(OtherStudyError, match=f"cannot be extended to the new space: {reason}"):
        extend(path, space)
    assert path.read_bytes() == data and sorted(path.parent.iterdir()) == files


def test_rules_may_change_where_nothing_measured_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    old = Space(OLD, where=[Require("x * y <= 4"), Require(lambda p: p["x"] < 9, name="fits")])
    fill(Tuner(old, Random(), journal=path), 5).close()
    before = known(Tuner.read(path, rules={"fits": lambda p: True}))
    extend(path, Space(OLD))
    assert known(Tuner.read(path)) == before


def test_a_new_conditional_axis_counts_where_it_is_active(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    fill(Tuner(conditional(), Random(), journal=path), 16).close()
    before = known(Tuner.read(path))
    axes: dict[str, Any] = {**conditional().axes, "beta": [0.9, 0.99]}
    space = Space(axes, where=[*conditional().where, When("opt == 'adam'", "beta")])
    with pytest.raises(OtherStudyError, match="'beta' is new; state the value"):
        extend(path, space)
    extend(path, space, given={"beta": 0.99})
    seen = Tuner.read(path)
    assert known(seen, "opt", "lr", "momentum") == before
    assert all(
        t.params.get("beta") == (0.99 if t.params["opt"] == "adam" else None) for t in seen.history
    )


def test_notes_starts_and_unknown_fields_come_along(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    fill(
        Tuner(OLD, DSICE(start={"x": 2, "y": 0.5}, tolerance=None), journal=path), 11, batch=3
    ).close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["shard"] = 7
    path.write_text(
        "".join(
            json.dumps(line, separators=(",", ":")) + "\n"
            for line in [*lines, {"kind": "sealed", "name": "d"}]
        )
    )
    before = [dict(t.note) for t in Tuner.read(path).history]
    assert any("direction" in note for note in before)
    extend(path, Space({"new": [1, 2], **OLD}), given={"new": 2})
    after = [json.loads(line) for line in path.read_text().splitlines()]
    assert after[1]["shard"] == 7 and after[-1] == {"kind": "sealed", "name": "d"}
    assert after[0]["extended"][0]["given"] == {"new": 2} and after[0]["strategy"]["start"] == {
        "new": 2,
        "x": 2,
        "y": 0.5,
    }
    assert any("through" in note for note in before)
    for old, new in zip(before, Tuner.read(path).history, strict=True):
        if "direction" in old:
            old["direction"] = [0, *old["direction"]]
        if "through" in old:  # the new parameter at its level of 2
            old["through"] = [1, *old["through"]]
        assert new.note == old


def test_values_that_are_lists_or_none_keep_their_level(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    old = Space({"x": ["a", None], "y": [1, 2]}, where=When("x == None", "y"))
    with Tuner(old, DSICE(start={"x": None, "y": 2}), journal=path) as tuner:
        fill(tuner, 3, objective=lambda params: len(params))
    before = [t.params for t in Tuner.read(path).history]
    assert {"x": None, "y": 2} in before
    new = Space(
        {"tile": [(8, 8), (16, 16)], "x": ["a", None], "y": [1, 2], "z": [5, 6]},
        where=When("x == None", "y", "z"),
    )
    extend(path, new, given={"tile": [16, 16], "z": 6})
    start = {"tile": (16, 16), "x": None, "y": 2, "z": 6}
    with Tuner(new, DSICE(start=start), journal=path) as tuner:
        with_z = [p | ({"z": 6} if p["x"] is None else {}) for p in map(dict, before)]
        assert [t.params for t in tuner.history] == [{"tile": (16, 16), **p} for p in with_z]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["extended"][0]["given"] == {"tile": [16, 16], "z": 6}
    assert "options" not in {line["kind"] for line in lines}  # the start was carried over, too


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=[16, 16]", (16, 16)),
        ("a=[16,16]", (16, 16)),
        ("a=(16, 16)", (16, 16)),
        ('a={"k": [1.0], "j": null}', {"j": None, "k": (1.0,)}),
        ("a=None", None),
        ("a=9007199254740993", 2**53 + 1),
        ("b=0.3", 0.1 + 0.2),
        ("b=0.30000000000000004", 0.1 + 0.2),
        ("b=1", 1.0),
    ],
)
def test_what_a_value_on_a_command_line_means(text: str, value: object) -> None:
    space = Space(
        {
            "a": Choice([(16, 16), {"k": [1.0], "j": None}, None, 2**53, 2**53 + 1]),
            "b": [0.1 + 0.2, 1.0],
        }
    )
    assert _parse(text, space) == (text[0], value)


def test_a_value_with_two_meanings_is_refused() -> None:
    space = Space({"a": Choice(["1", 1, "None", None])})
    for text in ("a=1", "a=None"):
        with pytest.raises(OptionError, match="may mean each of"):
            _parse(text, space)


def test_a_damaged_or_busy_journal_stays_as_it_is(path: Path) -> None:
    space = Space({**OLD, "z": [1, 2]})
    with (
        Tuner(OLD, Random(), journal=path),
        pytest.raises(JournalError, match="open in this process"),
    ):
        extend(path, space, given={"z": 1})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], b"x\n", *lines[5:]]))
    data = path.read_bytes()
    with pytest.raises(JournalError, match="line 5"):
        extend(path, space, given={"z": 1})
    assert path.read_bytes() == data


def test_from_a_study_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.toml"
    text = (
        '[study]\ncommand = "true"\nmax_trials = 6\n[space]\nx = [1, 2, 4, 8]\n'
        '[strategy]\nname = "random"\n'
    )
    study.write_text(text)
    from dsice.study.file import read_study

    with read_study(study).tuner() as tuner:
        fill(tuner, 4, objective=bowl)
    study.write_text(
        text.replace(
            "8]", "8, 16]\nflag = [true, false]\nrate = {log = [1e-3, 1e-1], n = 3}"
        ).replace("= 6", "= 20")
    )
    assert main(["run", str(study)]) == 2
    assert "`dsice extend` carries them over" in capsys.readouterr().err
    for values, message in (
        ([], "state the value"),
        (["flag=1"], "not on the axis; 'flag' has the values True, False"),
        (["rate"], "NAME=VALUE"),
        (["rate=5"], "not on the axis"),
        (["q=1"], "no axis"),
    ):
        assert main(["extend", str(study), *(f"--value={v}" for v in values)]) == 2
        assert message in capsys.readouterr().err
    assert main(["extend", str(study), "--value", "flag=false", "--value", "rate=0.01"]) == 0
    assert "4 trials carried over to 30 grid points" in capsys.readouterr().out
    seen = Tuner.read(study.with_suffix(".jsonl"))
    assert seen.max_trials == 20 and {
        (t.params["flag"], t.params["rate"]) for t in seen.history
    } == {(False, 0.01)}
    assert main(["extend", str(study)]) == 0 and "nothing to do" in capsys.readouterr().out


def test_the_identity_of_a_study_stays_the_same(path: Path) -> None:
    first = hashlib.sha256(path.read_bytes().partition(b"\n")[0]).hexdigest()
    assert Tuner.read(path).identity == first
    for size in (5, 6):
        space = Space({"x": [1, 2, 4, 8, *range(9, 4 + size)], "y": [0.0, 0.5, 1.0]})
        extend(path, space)
        with Tuner(space, Random(), journal=path) as tuner:
            assert tuner.identity == Tuner.read(path).identity == first
    assert Tuner(OLD).identity != Tuner(OLD).identity


def test_a_journal_that_0_1_0_extended_keeps_the_identity_that_it_has_now(path: Path) -> None:
    extend(path, Space({"x": [1, 2, 4, 8, 16], "y": [0.0, 0.5, 1.0]}))
    header, _, rest = path.read_text().partition("\n")
    changed = json.loads(header)
    del changed["extended"][0]["identity"]  # which 0.1.0 does not write
    path.write_text(json.dumps(changed, separators=(",", ":")) + "\n" + rest)
    now = Tuner.read(path).identity
    assert now == hashlib.sha256(path.read_bytes().partition(b"\n")[0]).hexdigest()
    for top in (32, 64):
        extend(
            path, Space({"x": [1, 2, 4, 8, 16, 32, top][: 6 + (top == 64)], "y": [0.0, 0.5, 1.0]})
        )
        assert Tuner.read(path).identity == now


def test_a_set_of_valid_points_is_mapped_to_the_new_grid(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    points = [{"x": x, "y": y} for x, y in [(1, 0.0), (2, 1.0), (8, 0.5), (4, 0.5)]]
    old = Space(OLD).among(points)
    fill(Tuner(old, Random(), journal=path), 3).close()
    before = known(Tuner.read(path))
    grown: dict[str, Any] = {"x": [0, 1, 2, 3, 4, 8], "y": [0.0, 0.25, 0.5, 1.0]}
    extend(path, Space(grown, where=old.where))  # the same points, at other levels
    with Tuner.resume(path) as tuner:
        assert known(tuner) == before and tuner.space.count == 4
        found = [tuner.space.params(tuple(p)) for p in tuner.space.points().tolist()]
        assert sorted(found, key=str) == sorted(points, key=str)
        fill(tuner, 9)
        assert len(tuner.history) == 4
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["extended"][0]["space"] == json.loads(json.dumps(old.to_dict()))
    more = Space({**grown, "gpus": [1, 4]}).among(
        [p | {"gpus": 1} for p in points] + [{"x": 0, "y": 0.25, "gpus": 4}]
    )
    extend(path, more, given={"gpus": 1})
    assert [t.params["gpus"] for t in Tuner.read(path).history] == [1] * 4
    fewer = Space(more.axes).among([{"x": 0, "y": 0.25, "gpus": 4}])
    assert extend(path, fewer).forbidden == (0, 1, 2, 3)
    extend(path, Space(more.axes))  # and without a set, as without any other rule
    assert Tuner.read(path).space == Space(more.axes)


def test_a_set_of_valid_points_may_come_with_the_new_space(path: Path) -> None:
    before = known(Tuner.read(path))
    grid = Space({"x": [1, 2, 4, 8, 16], "y": [0.0, 0.5, 1.0]})
    measured = Tuner.read(path).history
    queued = [t.params for t in measured] + [
        p for p in map(grid.params, map(tuple, grid.points().tolist())) if p["x"] < 16
    ]
    extend(path, grid.among(queued))
    with Tuner.resume(path) as tuner:
        assert known(tuner) == before and tuner.space.count == 12
