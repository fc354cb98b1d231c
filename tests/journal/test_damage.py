"""Journals padded, scratched and mixed up: opened where nothing is lost, named where it is.

Journals that are cut are in tests/faults.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import Tuner
from dsice.errors import DsiceError, JournalError
from dsice.journal import read, repair
from dsice.strategies import Grid, Random
from tests.conftest import bowl, fill, small, state

TRIALS = 30


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 30 trials asked by fives, with a few of everything else."""
    path = tmp_path_factory.mktemp("whole") / "run.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner:
        for round in range(TRIALS // 5):
            trials = tuner.ask(5)
            tuner.step(trials[0], 0, float(round))
            for t in reversed(trials):
                tuner.tell(t, bowl(dict(t.params)), seconds=1.0) if t.id % 7 else tuner.tell(
                    t, error="crash"
                )
    return path


def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    # journals are opened hundreds of times, and the disk is not under test
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.mark.parametrize("nuls", [1, 64, 5000])
def test_nul_bytes_at_the_end_are_cut_off(whole: Path, tmp_path: Path, nuls: int) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(whole.read_bytes() + b"\0" * nuls)
    with Tuner(small(), Random(), journal=path) as tuner:
        assert state(tuner) == state(Tuner.read(whole))
    assert path.read_bytes() == whole.read_bytes()
    assert [f.read_bytes() for f in tmp_path.glob("*.torn-*")] == [b"\0" * nuls]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b'{"kind":"he',
        b'{"kind":"header","format":1,"spa',
        b'{"kind"\0\0\0\0\0\0\0\0\0\0\0\0',
    ],
)
def test_a_journal_that_never_began_begins(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(data)
    with pytest.raises(JournalError, match="no study was started in it yet"):
        Tuner.read(path)
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    assert len(Tuner.read(path).history) == 2


FOREIGN = [
    b"hello\n",
    b"hello",
    b'{"kind":"ask"}\n',
    b"[1, 2]\n",
    b"\x89PNG\r\n\x1a\n",
    b'{"a": 1}\n{"b": 2}\n',
    b"a,b,loss\n1,2,3\n",
]


@pytest.mark.parametrize("data", FOREIGN)
def test_a_file_that_is_no_journal_is_left_untouched_and_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    for open in (
        lambda: Tuner(small(), Grid(), journal=path),
        lambda: Tuner.read(path),
        lambda: repair(path),
    ):
        with pytest.raises(
            JournalError, match=r"is no dsice journal: it starts with .*give another file name"
        ):
            open()
    assert path.read_bytes() == data and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("version", [2, "1", None])
def test_another_format_is_refused_untouched(whole: Path, tmp_path: Path, version: object) -> None:
    path = tmp_path / "run.jsonl"
    header, rest = whole.read_text().split("\n", 1)
    path.write_text(
        json.dumps(json.loads(header) | {"format": version}, separators=(",", ":"))
        + "\n"
        + rest
        + '{"kind":'
    )
    data = path.read_bytes()
    for open in (
        lambda: Tuner(small(), Random(), journal=path),
        lambda: Tuner.read(path),
        lambda: repair(path),
    ):
        with pytest.raises(
            JournalError,
            match=f"has format {version!r}, and this dsice reads format 1; .*update dsice",
        ):
            open()
    assert path.read_bytes() == data


def scratched(whole: Path, path: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"".join(lines))


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "random bytes": lambda line: (
        random.Random(0).randbytes(len(line) - 1).replace(b"\n", b"x") + b"\n"
    ),
    "nuls": lambda line: b"\0" * (len(line) - 1) + b"\n",
    "half": lambda line: line[: len(line) // 2] + b"\n",
    "empty": lambda line: b"\n",
    "merged": lambda line: line[:-1],
    "no record": lambda line: b'{"id": 3}\n',
    "no fields": lambda line: json.dumps({"kind": json.loads(line)["kind"]}).encode() + b"\n",
    "wrong types": lambda line: (
        json.dumps(json.loads(line) | {"id": "x", "trials": 3}).encode() + b"\n"
    ),
    "twice": lambda line: line + line,
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_bad_line_in_the_middle_is_named_and_repaired(
    whole: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_sync(monkeypatch)
    whole_told = {t.id: t for t in Tuner.read(whole).history}
    for number, line in list(enumerate(whole.read_bytes().splitlines(), 1))[1:-1]:
        if json.loads(line)["kind"] == "step" and change == "twice":
            continue  # the same step twice is no contradiction
        path = tmp_path / f"{number}" / "run.jsonl"
        path.parent.mkdir()
        scratched(whole, path, number, CHANGES[change])
        data = path.read_bytes()
        named = number + (change == "twice")
        for open in (
            lambda path=path: Tuner(small(), Random(), journal=path),
            lambda path=path: Tuner.read(path),
        ):
            with pytest.raises(
                JournalError,
                match=rf"damaged in the middle \(line {named}: .*`dsice journal repair ",
            ):
                open()
        assert path.read_bytes() == data
        done = repair(path)
        assert done.copy is not None and done.copy.read_bytes() == data
        assert [n for n, _ in done.removed] == ([] if change == "merged" else [named]) and not read(
            path
        ).bad
        with Tuner(small(), Random(), journal=path) as tuner:
            told = {t.id: t for t in tuner.history if t.value is not None}
            lost = [json.loads(line)["id"]] if b'"tell"' in line else []
            for id, t in whole_told.items():
                if t.value is not None and id not in lost:
                    assert (told[id].point, told[id].values, told[id].seconds) == (
                        t.point,
                        t.values,
                        t.seconds,
                    )
            while trials := tuner.ask(8):
                for t in trials:
                    tuner.tell(t, 1.0)
            assert {t.point for t in tuner.history if t.stage == 0} == set(
                map(tuple, small().points().tolist())
            )


def test_repair_leaves_a_good_journal_alone(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(whole.read_bytes() + b'{"kind":"tell","i')
    done = repair(path)
    assert (done.removed, done.copy, list(tmp_path.iterdir())) == ([], None, [path])


def test_ask_lines_of_which_nothing_was_told_are_taken_out_too(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path))
    count = len(Tuner.read(path).history)
    with path.open("ab") as file:
        for id in range(count, count + 2000, 2):  # every other ask is unreadable
            ask = {"kind": "ask", "trials": [{"id": id + 1, "point": [0, 0, 0], "repeat": id + 9}]}
            file.write(b"?\n" + json.dumps(ask).encode() + b"\n")
    began = time.process_time()
    assert len(repair(path).gone) == 1000
    assert time.process_time() - began < 2
    states = Counter(str(trial.state) for trial in Tuner.read(path).history[count:])
    assert states == {"lost": 1000, "pending": 1000}


def test_repair_saves_a_line_between_nul_bytes(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    scratched(whole, path, 5, lambda line: b"\0" * 512 + line)
    with pytest.raises(JournalError, match="line 5: NUL bytes"):
        Tuner.read(path)
    assert repair(path).removed == []
    assert path.read_bytes() == whole.read_bytes()


def test_a_damaged_header_is_named_and_can_be_put_back(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    scratched(whole, path, 1, CHANGES["random bytes"])
    for open in (
        lambda: Tuner.read(path),
        lambda: repair(path),
        lambda: Tuner(small(), Random(), journal=path),
    ):
        with pytest.raises(
            JournalError,
            match=r"line 1, the header, is damaged, the lines after .*Put a good header",
        ):
            open()
    with Tuner(small(), Random(), journal=tmp_path / "new.jsonl"):
        pass
    path.write_bytes((tmp_path / "new.jsonl").read_bytes() + path.read_bytes().split(b"\n", 1)[1])
    assert state(Tuner.read(path)) == state(Tuner.read(whole))


def test_random_bytes_anywhere_open_or_are_named(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_sync(monkeypatch)
    data, rng = whole.read_bytes(), random.Random(1)
    path = tmp_path / "run.jsonl"
    for _ in range(150):
        place, length = rng.randrange(len(data)), rng.choice([1, 1, 2, 8, 64])
        path.write_bytes(data[:place] + rng.randbytes(length) + data[place + length :])
        for open in (
            lambda: Tuner.read(path),
            lambda: repair(path),
            lambda: Tuner(small(), Random(), journal=path).close(),
        ):
            try:
                open()
            except DsiceError as error:
                assert "run.jsonl" in str(error)
