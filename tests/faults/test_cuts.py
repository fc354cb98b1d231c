"""A journal of 60 trials cut anywhere, padded with NULs, or overwritten.

Nothing that was told is lost without a message.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsice import Space, Tuner
from dsice.errors import JournalError
from dsice.journal import read
from dsice.strategies import DSICE, Random
from tests.conftest import all_fields, bowl, state
from tests.faults.bench import FULL, scaled
from tests.faults.conftest import Note
from tests.journal.test_damage import no_sync

BAR = "2 journal of 60 trials, damaged"
TRIALS, BATCH = 60, 6
# bytes between two cuts; the cuts around an eighth of the line ends come on top
STRIDE = scaled(151, 1)
# one in so many cuts is also continued to the end, which costs five times as much
CONTINUED = scaled(1, 4)
SHARES = scaled(1, 4)  # parts of the bytes, each for one process
SCRATCHES = scaled(2, 60)  # per line


def opened(path: Path, strategy: object) -> Tuner:
    return Tuner(
        Space({name: range(5) for name in "abcd"}),
        strategy,  # type: ignore[arg-type]
        journal=path,
        max_trials=TRIALS,
        seed=5,
    )


def finish(tuner: Tuner) -> list[str]:
    """Measure to the end, pending trials first; return everything that the tuner then knows."""
    while trials := tuner.ask(BATCH):
        for t in reversed(trials):
            if t.id % 5 == 0:
                tuner.step(t, 0, float(t.id))
            tuner.tell(t, error="crash") if t.id % 7 == 3 else tuner.tell(
                t, bowl(dict(t.params)), metrics={"m": 1.0}, seconds=2.0
            )
    assert len({t.point for t in tuner.history}) == len(tuner.history) == TRIALS
    return state(tuner)


@pytest.fixture(params=["random", "dsice"])
def strategy(request: pytest.FixtureRequest) -> object:
    return {"random": Random(), "dsice": DSICE(tolerance=None)}[request.param]


@pytest.fixture(autouse=True)
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    no_sync(monkeypatch)


def whole(folder: Path, strategy: object) -> tuple[bytes, list[str]]:
    """A journal and all that its tuner knew at the end."""
    path = folder / "whole.jsonl"
    with opened(path, strategy) as tuner:
        known = finish(tuner)
    return path.read_bytes(), known


def line_ends(data: bytes) -> list[int]:
    return [i for i, byte in enumerate(data) if byte == 10]


@pytest.mark.parametrize("share", range(SHARES))
def test_cut_at_every_byte(tmp_path: Path, note: Note, share: int) -> None:
    data, uncut = whole(tmp_path, Random())
    records, ends = [json.loads(line) for line in data.splitlines()], line_ends(data)
    path, cuts, unlike, complete, ended = tmp_path / "cut.jsonl", 0, 0, 0, 0
    known: dict[int, list[str]] = {}
    for cut in range(len(data) + 1):
        # a line without its newline is complete too
        complete += complete < len(ends) and ends[complete] <= cut
        start = ends[complete - 1] + 1 if complete else 0
        near = cut - start <= 1 and complete % 8 == 0
        if cut % SHARES != share or not (near or cut % STRIDE == 0):
            continue
        path.write_bytes(data[:cut])
        contents = read(path)
        assert ([contents.header] if complete else []) + contents.records == records[:complete]
        assert contents.torn == data[start:cut] and not contents.bad
        if not complete:
            check_without_header(path)
        with opened(path, Random()) as tuner:
            check_opened(tuner, records[:complete])
            copies = list(tmp_path.glob("cut.jsonl.torn-*"))
            assert [copy.read_bytes() for copy in copies] == (
                [data[start:cut]] if cut > start else []
            )
            # all cuts within a line leave the same trials, and thus the same future
            if complete:
                assert path.read_bytes() == b"".join(data.splitlines(keepends=True)[:complete])
                assert state(tuner) == known.setdefault(complete, state(tuner))
            if near or cut // SHARES % CONTINUED == 0:
                unlike += finish(tuner) != uncut
                ended += 1
        for copy in copies:
            copy.unlink()
        cuts += 1
    note(BAR, "cuts at bytes (Random)", cuts, f"{len(data) + 1}: every byte" if FULL else "")
    note(BAR, "   measured on from to the end", ended)
    note(BAR, "told lost, or another future than uncut", unlike, "0")
    assert unlike == 0


def check_without_header(path: Path) -> None:
    """It is refused untouched; without the traces of a study beside it, it begins one."""
    traces = [path.with_name(path.name + end) for end in (".owner", ".lock")]
    if any(trace.exists() for trace in traces):
        data = path.read_bytes()
        with pytest.raises(JournalError, match=r"is empty|no whole header"):
            opened(path, Random())
        assert path.read_bytes() == data
    for trace in traces:
        trace.unlink(missing_ok=True)


def check_opened(tuner: Tuner, records: list[dict[str, Any]]) -> None:
    """Everything in these lines came back: what was asked, what was told, what is pending."""
    told = {r["id"] for r in records if r["kind"] == "tell"}
    asked = sum(len(r["trials"]) for r in records if r["kind"] == "ask")
    assert len(tuner.history) == asked
    assert [t.id for t in tuner.orphans] == sorted(set(range(asked)) - told)


@pytest.mark.parametrize("nuls", [0, 64])
def test_cut_at_line_ends_and_padded(
    tmp_path: Path, note: Note, strategy: object, nuls: int
) -> None:
    data, uncut = whole(tmp_path, strategy)
    ends = [end + 1 for end in line_ends(data)][:: scaled(9, 1)]
    path, unlike = tmp_path / "cut.jsonl", 0
    for end in ends:
        path.write_bytes(data[:end] + b"\0" * nuls)
        with opened(path, strategy) as tuner:
            unlike += finish(tuner) != uncut
    name = type(strategy).__name__
    note(
        BAR,
        f"cuts at line ends ({name}){', 64 NULs appended' if nuls else ''}",
        len(ends),
        "every line" if FULL else "",
    )
    note(BAR, "told lost, or another future than uncut", unlike, "0")
    assert unlike == 0


def scratches(data: bytes, chance: random.Random) -> Iterator[tuple[int, bytes]]:
    """Random bytes over a random part of each middle line.

    Newlines are left alone, so that lines keep their numbers.
    """
    lines = data.splitlines(keepends=True)
    for number in range(2, len(lines)):
        for _ in range(SCRATCHES):
            line = lines[number - 1]
            length = min(len(line) - 1, chance.choice([1, 2, 8, 64, len(line)]))
            at = chance.randint(0, len(line) - 1 - length)
            noise = chance.randbytes(length).replace(b"\n", b"x")
            yield (
                number,
                b"".join(
                    [*lines[: number - 1], line[:at], noise, line[at + length :], *lines[number:]]
                ),
            )


def test_random_bytes_over_any_middle_line(tmp_path: Path, note: Note) -> None:
    data, _ = whole(tmp_path, Random())
    intact = Tuner.read(tmp_path / "whole.jsonl").history
    path, counts, wrong = tmp_path / "run.jsonl", {"here": 0, "elsewhere": 0, "opened": 0}, []
    for number, damaged in scratches(data, random.Random(2)):
        path.write_bytes(damaged)
        try:
            history = Tuner.read(path).history
        except JournalError as error:
            named = [int(n) for n in re.findall(r"line (\d+)", str(error))]
            counts["here" if number in named[:1] else "elsewhere"] += 1
            wrong += [] if named else [str(error)]
        else:
            counts["opened"] += 1
            other = sum(
                all_fields(a) != all_fields(b) for a, b in zip(history, intact, strict=True)
            )
            if other > BATCH:  # as many trials as one line is about
                wrong.append(f"line {number}: {other} trials differ")
    note(BAR, "random bytes over a middle line", sum(counts.values()))
    note(BAR, "   the line named", counts["here"])
    note(BAR, "   a later line named, which no longer fits", counts["elsewhere"])
    note(BAR, "   opened: still a line that fits", counts["opened"])
    note(BAR, "neither opened nor a line named", len(wrong), "0")
    assert not wrong
