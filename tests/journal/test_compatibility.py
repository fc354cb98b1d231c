"""Journals between versions: 0.1.0 and today's code read, continue and write the same lines.

The code of 0.1.0 is unpacked and run in a process of its own (`record.py`), beside one with today's
code; both run without the JIT, so that neither compiles and both compute the same bits.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceWarning, Space
from tests.journal.studies import STUDIES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ARCHIVE = HERE / "dsice-0.1.0.tar.xz"
COMMIT = "79ae3c9"
RECORDED = {path.stem: path for path in sorted((HERE / "fixtures").glob("*.jsonl"))}
DIFFERS = ("at", "created", "dsice")  # between two runs of the same study
ADDED = ("identity", "repeats")  # to what `extend` notes, and to what was told, since 0.2.0

Record = dict[str, Any]


# -------------------------------------------------------- opening what 0.1.0 wrote
def test_every_study_has_a_journal_of_0_1_0() -> None:
    assert set(RECORDED) == set(STUDIES)
    for path in RECORDED.values():
        assert json.loads(path.read_text().partition("\n")[0])["dsice"] == "0.1.0"


@pytest.mark.parametrize("name", STUDIES)
def test_opening_and_closing_a_journal_of_0_1_0_changes_no_byte(name: str, tmp_path: Path) -> None:
    study, path = STUDIES[name], tmp_path / "run.jsonl"
    shutil.copy(RECORDED[name], path)
    for open_it in (study.open, study.resume):
        with warnings.catch_warnings():
            warnings.simplefilter("error", DsiceWarning)
            open_it(path).close()
        assert path.read_bytes() == RECORDED[name].read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "run.jsonl",
        "run.jsonl.lock",
        "run.jsonl.owner",
    ]


# -------------------------------------------------------- both versions, side by side
@dataclass(frozen=True)
class Both:
    """Folders of the journals that the two versions wrote.

    Attributes
    ----------
    old, new
        Of 0.1.0 and of today's code: the studies, written anew (``studies``); the fixtures,
        continued (``continued``).
    by_old, exchanged
        The studies of today's code, continued by 0.1.0; and then by today's code.
    edited
        Journals that were edited by hand, and what became of them under 0.1.0.
    """

    old: Path
    new: Path
    by_old: Path
    exchanged: Path
    edited: Path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Made once, also where pytest-xdist gives the tests of this file to several workers."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "versions"
    with home.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not home.exists():
            side_by_side(tmp_path_factory.mktemp("making")).rename(home)
    return folders(home)


def folders(home: Path) -> Both:
    return Both(home / "old", home / "new", home / "by-old", home / "exchanged", home / "edited")


def side_by_side(home: Path) -> Path:
    """Let both versions write, continue and try journals in that folder."""
    found = folders(home)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(home / "0.1.0", filter="data")
    for folder in (found.old, found.new):
        (folder / "studies").mkdir(parents=True)
        shutil.copytree(HERE / "fixtures", folder / "continued")
    write_edited(found.edited)

    own = ("write:{0}/studies", "go-on:{0}/continued")
    meet = ("wait", f"go-on:{found.exchanged}")
    old = started(home / "0.1.0", *(c.format(found.old) for c in own), f"try:{found.edited}", *meet)
    new = started(ROOT, *(c.format(found.new) for c in own), *meet)
    try:
        is_ready(new)
        is_ready(old)
        shutil.copytree(found.new / "studies", found.exchanged)
        finish(old)
        shutil.copytree(found.exchanged, found.by_old)
        finish(new)
    finally:
        for process in (old, new):
            process.kill()
            process.wait()
    return home


def started(code: Path, *commands: str) -> subprocess.Popen[str]:
    """A process with the dsice of that folder."""
    command = [sys.executable, "-I", str(HERE / "record.py"), str(code), *commands]
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def is_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None and process.stderr is not None
    if process.stdout.readline() != "ready\n":
        pytest.fail(process.stderr.read())


def finish(process: subprocess.Popen[str]) -> None:
    """Let it go on from where it waits, to its end."""
    said, errors = process.communicate("\n", timeout=200)
    assert process.returncode == 0, said + errors


def lines(path: Path) -> list[str]:
    """The lines of a journal but for what differs between two runs; the order of fields counts."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    records = [record for record in records if record["kind"] != "end"]  # since 0.2.0, of `run`
    for record in records:
        for about in (record, record.get("trial", {}), *record.get("extended", ())):
            for name in (*DIFFERS, *ADDED):
                about.pop(name, None)
    return [json.dumps(record) for record in records]


def same(first: Path, second: Path) -> None:
    """All journals of two folders are the same, line by line."""
    for name in STUDIES:
        one, other = (lines(folder / f"{name}.jsonl") for folder in (first, second))
        if '"name": "DSICE"' in one[0]:
            one, other = list(map(outline, one)), list(map(outline, other))
        assert one == other, name


def outline(line: str) -> str:
    """What a line of a default search says but for what is proposed, which differs since 0.2.0."""
    record = json.loads(line)
    if record["kind"] not in ("ask", "tell"):
        return line
    ids = [trial["id"] for trial in record.get("trials", ())]
    return repr((record["kind"], sorted(record), record.get("id"), record.get("state"), ids))


def test_the_same_calls_write_the_lines_that_0_1_0_writes(both: Both) -> None:
    same(both.new / "studies", both.old / "studies")


def test_a_journal_of_0_1_0_says_the_same_to_both_and_goes_on_alike(both: Both) -> None:
    told = [
        json.loads((folder / "continued" / "known.json").read_text())
        for folder in (both.old, both.new)
    ]
    assert told[0] == told[1] and set(told[0]) == set(STUDIES)
    same(both.new / "continued", both.old / "continued")
    for name, path in RECORDED.items():
        assert (both.new / "continued" / path.name).read_bytes().startswith(path.read_bytes()), name


def test_0_1_0_goes_on_with_a_new_journal_and_this_version_after_it(both: Both) -> None:
    for name in STUDIES:
        new, by_old, last = (
            folder / f"{name}.jsonl"
            for folder in (both.new / "studies", both.by_old, both.exchanged)
        )
        assert by_old.read_bytes().startswith(new.read_bytes()), name
        assert last.read_bytes().startswith(by_old.read_bytes()), name
    before, after = (
        json.loads((folder / "known.json").read_text()) for folder in (both.by_old, both.exchanged)
    )
    assert not [name for name in STUDIES if len(after[name]) <= len(before[name])], (
        "0.1.0 asked nothing more of these"
    )
    assert len(after["strategy-random"]) == len(before["strategy-random"]) + 4


def test_the_code_of_0_1_0_is_that_of_its_commit() -> None:
    asked = subprocess.run(
        ["git", "ls-tree", "-r", COMMIT, "dsice"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        pytest.skip(f"commit {COMMIT} is not in this clone")
    blobs = {
        name: about.split()[2]
        for about, _, name in (x.partition("\t") for x in asked.stdout.splitlines())
    }
    assert dict(packed()) == blobs


def packed() -> Iterator[tuple[str, str]]:
    """Names and git hashes of the files of the archive."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if member.isfile():
                handle = archive.extractfile(member)
                assert handle is not None
                data = handle.read()
                yield member.name, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


# -------------------------------------------------------- what is read, passed over and refused
Edit = Callable[[list[Record]], object]


def everywhere(records: list[Record]) -> None:
    """A field that nobody knows, wherever there is an object of the format."""
    for record in records:
        record["new"] = {"a": [1]}
        for trial in (
            *record.get("trials", ()),
            *((record["trial"],) if "trial" in record else ()),
        ):
            trial["new"] = 1
    header = records[0]
    header["space"]["new"] = 1
    for axis in header["space"]["axes"]:
        axis["new"] = 1


def without_times(records: list[Record]) -> None:
    for record in records:
        record.pop("at", None)


def without_points(records: list[Record]) -> None:
    for record in records:
        if record["kind"] == "tell":
            del record["point"]


def tells(records: list[Record]) -> Iterator[Record]:
    return (record for record in records if record["kind"] == "tell")


def listed(records: list[Record]) -> None:
    """A set of valid points, all of them."""
    space = Space.from_dict(records[0]["space"])
    records[0]["space"] = space.among(space.points()).to_dict()


NEXT = 13  # the id of the next trial
EDITS: dict[str, tuple[str, Edit]] = {
    "unchanged": ("asked 3", len),
    "a kind that nobody knows": (
        "asked 3",
        lambda r: r.insert(3, {"kind": "weather", "at": 1.0, "sky": [1]}),
    ),
    "fields that nobody knows": ("asked 3", everywhere),
    "an option of a study that nobody knows": (
        "asked 3",
        lambda r: r.append({"kind": "options", "colour": "red"}),
    ),
    "no times": ("asked 3", without_times),
    "tell lines without points": ("asked 3", without_points),
    "an ask without a round": (
        "asked 3",
        lambda r: r.append({"kind": "ask", "trials": [{"id": NEXT, "point": [0, 1]}]}),
    ),
    "a stopper that nobody knows": ("asked 3", lambda r: r[0].update(stopper={"name": "Other"})),
    "an option of a stopper that nobody knows": (
        "asked 3",
        lambda r: r[0].update(stopper={"name": "Median", "new": 1}),
    ),
    "a decision about no trial": ("asked 3", lambda r: r.append({"kind": "decision", "id": 99})),
    "a strategy that nobody knows": (
        "ask: OptionError",
        lambda r: r[0].update(strategy={"name": "Other"}),
    ),
    "an option of a strategy that nobody knows": (
        "ask: OptionError",
        lambda r: r[0].update(strategy={"name": "Random", "new": 1}),
    ),
    "an enqueued point that was asked": (
        "ask: OptionError",
        lambda r: r.append({"kind": "enqueue", "point": [0, 2]}),
    ),
    "another format": ("resume: JournalError", lambda r: r[0].update(format=2)),
    "no space": ("resume: JournalError", lambda r: r[0].pop("space")),
    "a key of a goal that nobody knows": (
        "resume: JournalError",
        lambda r: r[0]["goal"].update(new=1),
    ),
    "a kind of axis that nobody knows": (
        "resume: SpaceError",
        lambda r: r[0]["space"]["axes"][0].update(kind="real"),
    ),
    "a kind of rule that nobody knows": (
        "resume: SpaceError",
        lambda r: r[0]["space"]["where"].append({"kind": "prefer", "rule": "x > 1"}),
    ),
    "a function that is not given": (
        "resume: SpaceError",
        lambda r: r[0]["space"]["where"].append({"kind": "require", "function": "fits"}),
    ),
    "a state that nobody knows": (
        "resume: JournalError",
        lambda r: next(tells(r)).update(state="paused"),
    ),
    "a second header": ("resume: JournalError", lambda r: r.append(r[0])),
    "a withdrawn trial, which 0.1.0 overlooks": ("asked 3", lambda r: withdrawn(r)),
    "why a run ended, which 0.1.0 overlooks": (
        "asked 3",
        lambda r: r.append({"kind": "end", "at": 1.0, "reason": "time", "figures": {}}),
    ),
    "trials that break a rule, which 0.1.0 overlooks": (
        "asked 3",
        lambda r: r[0].update(extended=[{"at": 1.0, "forbidden": [0]}]),
    ),
    "a told trial told again": (
        "resume: JournalError",
        lambda r: r.append({"kind": "tell", "id": 0, "state": "done"}),
    ),
    "a tell of no trial": (
        "resume: JournalError",
        lambda r: r.append({"kind": "tell", "id": NEXT, "state": "done"}),
    ),
    "a tell at another point": (
        "resume: JournalError",
        lambda r: next(tells(r)).update(point=[0, 0]),
    ),
    "a step of a told trial": (
        "resume: JournalError",
        lambda r: r.append({"kind": "step", "id": 0, "step": 9, "value": 1.0}),
    ),
    "a gap in the ids": (
        "resume: JournalError",
        lambda r: r.append(
            {"kind": "ask", "round": 2, "trials": [{"id": NEXT + 1, "point": [0, 1]}]}
        ),
    ),
    "an id asked twice": (
        "resume: JournalError",
        lambda r: r.append({"kind": "ask", "round": 2, "trials": [{"id": 0, "point": [0, 1]}]}),
    ),
    "a point that is not on the grid": (
        "resume: JournalError",
        lambda r: r.append({"kind": "ask", "round": 2, "trials": [{"id": NEXT, "point": [0, 5]}]}),
    ),
    "a value of the wrong kind": (
        "resume: JournalError",
        lambda r: next(tells(r)).update(values=[True]),
    ),
    "a preparation without a directory": (
        "resume: JournalError",
        lambda r: r.append({"kind": "prepared", "name": "data"}),
    ),
    "a lost run of no trial": (
        "resume: JournalError",
        lambda r: r.append({"kind": "again", "id": 99}),
    ),
    "an option that cannot be": (
        "resume: JournalError",
        lambda r: r.append({"kind": "options", "max_trials": -1}),
    ),
    "kind is not the first field of the header": (
        "resume: JournalError",
        lambda r: r.__setitem__(0, {name: r[0][name] for name in reversed(r[0])}),
    ),
}


def other_values(*values: object) -> Edit:
    """A choice of these and more values in the place of the second axis."""

    def edit(records: list[Record]) -> None:
        axis = records[0]["space"]["axes"][1]
        count = len(axis["values"])
        axis |= {"kind": "choice", "values": [*values, *range(len(values), count)]}

    return edit


def dotted(records: list[Record]) -> None:
    space = records[0]["space"]
    space["axes"][0]["name"] = "model.lr"
    space["where"].append({"kind": "require", "rule": "model.lr == model.lr"})


def withdrawn(records: list[Record]) -> None:
    records.append({"kind": "withdraw", "at": 1.0, "id": 0, "reason": "a broken node"})


def retried(records: list[Record]) -> None:
    withdrawn(records)
    records.extend({"kind": "retry", "at": 1.0, "id": id} for id in (0, 3))
    records.extend({"kind": "tell", "id": id, "state": "done", "values": [1.0]} for id in (0, 3))


NEWER: dict[str, tuple[str, Edit]] = {
    "a trial that was tried again": ("resume: JournalError", retried),
    "a set of points": ("resume: SpaceError", listed),
    "values that are lists": ("resume: SpaceError", other_values([16, 16])),
    "values that are objects": ("resume: SpaceError", other_values({"a": [1]}, None)),
    "a rule about a dotted name": ("resume: SpaceError", dotted),
}
"""What 0.1.0 refuses, and this version reads."""


def write_edited(folder: Path) -> None:
    folder.mkdir()
    for name, (_, edit) in (EDITS | NEWER).items():
        records = [json.loads(line) for line in RECORDED["told"].read_text().splitlines()]
        edit(records)
        text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text)


def test_what_is_read_passed_over_and_refused_is_the_same_for_both_but_for_what_is_new(
    both: Both, tmp_path: Path
) -> None:
    from tests.journal.record import attempt

    expected = {name: outcome for name, (outcome, _) in (EDITS | NEWER).items()}
    assert json.loads((both.edited / "outcomes.json").read_text()) == expected
    expected |= dict.fromkeys(NEWER, "asked 3")
    write_edited(tmp_path / "edited")
    attempt(tmp_path / "edited")
    assert json.loads((tmp_path / "edited" / "outcomes.json").read_text()) == expected
