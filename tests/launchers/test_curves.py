"""A trial's file of steps may be a flood, huge, or no steps at all; others never wait for it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from dsice.errors import DsiceWarning
from dsice.launchers import outcome
from dsice.launchers.outcome import CurveReader
from dsice.worker import STEPS


def write(directory: Path, data: bytes) -> Path:
    with (directory / STEPS).open("ab") as file:
        file.write(data)
    return directory


def steps(first: int, last: int) -> bytes:
    return b"".join(b'{"step": %d, "value": 0.5}\n' % i for i in range(first, last))


def read(reader: CurveReader, among: int = 1, looks: int = 10_000) -> tuple[list[int], int]:
    """All steps that there are, and how many looks they took."""
    found: list[int] = []
    for look in range(1, looks):
        found += [s.step for s in reader.new_steps(among)]
        if not reader.behind:
            return found, look
    raise AssertionError("never at the end")


@pytest.mark.parametrize(("among", "most"), [(1, 3000), (40, 1200), (100_000, 700)])
def test_a_flood_is_read_in_shares_which_are_smaller_where_many_trials_run(
    tmp_path: Path, among: int, most: int
) -> None:
    reader = CurveReader(3, write(tmp_path, steps(0, 50_000)))
    assert 100 < len(reader.new_steps(among)) < most and reader.behind
    found, looks = read(reader, among)
    assert found[-1] == 49_999 and looks > 10
    write(tmp_path, steps(50_000, 50_003))
    assert read(reader) == ([50_000, 50_001, 50_002], 1)


def test_an_unfinished_line_waits_and_nobody_waits_for_it(tmp_path: Path) -> None:
    reader = CurveReader(3, write(tmp_path, steps(0, 2) + b'{"step": 2, "va'))
    assert read(reader) == ([0, 1], 1)
    write(tmp_path, b'lue": 1}\n')
    assert read(reader) == ([2], 1)


def test_what_is_no_step_is_passed_over(tmp_path: Path) -> None:
    odd = [
        b"[" * 12_000,  # deeper than Python's stack
        b"9" * 12_000,  # more digits than Python reads
        b'{"step": -1, "value": 1}',
        b'{"step": %d, "value": 1}' % 2**63,
        b'{"step": 1e300, "value": 1}',
        b'{"step": Infinity, "value": 1}',
        b'{"step": 1, "value": %s}' % (b"9" * 400),
        b'{"step": 1, "value": [1]}',
        b'{"step": null, "value": 1}',
        b'"step"',
        bytes(range(11, 256)),
        b"\0" * 500,
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader = CurveReader(
            3, write(tmp_path, steps(0, 1) + b"\n".join(odd) + b"\n" + steps(1, 2))
        )
        assert read(reader)[0] == [0, 1]


@pytest.mark.parametrize("among", [1, 40, 1000])
@pytest.mark.parametrize("length", [16_300, 16_384, 16_385, 65_536, 70_000, 4_000_000])
def test_a_line_that_is_too_long_is_passed_over_and_said_once(
    tmp_path: Path, among: int, length: int
) -> None:
    long = b"x" * (length - 1) + b"\n"
    reader = CurveReader(3, write(tmp_path, steps(0, 5) + long + steps(5, 9) + long + steps(9, 12)))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert read(reader, among)[0] == list(range(12))
    assert len(said) <= 1
    if length > 2 * 65_536:
        assert issubclass(said[0].category, DsiceWarning) and "longer than 16 KiB" in str(
            said[0].message
        )
        assert "trial 3" in str(said[0].message)


def test_a_line_without_end_is_no_end(tmp_path: Path) -> None:
    reader = CurveReader(3, write(tmp_path, steps(0, 2) + b"x" * 300_000))
    with pytest.warns(DsiceWarning, match="longer than 16 KiB"):
        assert read(reader)[0] == [0, 1]
    write(tmp_path, b"x" * 100 + b"\n" + steps(2, 3))
    assert read(reader)[0] == [2]


def test_a_file_that_grows_for_ever_is_read_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "_LONGEST_CURVE", 200_000)
    reader = CurveReader(3, write(tmp_path, steps(0, 50_000)))
    with pytest.warns(DsiceWarning, match="longer than 32 MiB; the rest of it is passed over"):
        found, _ = read(reader)
    assert found == list(range(len(found))) and 5000 < len(found) < 20_000
    write(tmp_path, steps(0, 50_000))
    assert reader.new_steps() == [] and not reader.behind
