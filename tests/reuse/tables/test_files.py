"""Files of logs: separators, decimal commas, encodings, torn rows, and what is refused by name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dsice.errors import DsiceWarning, OptionError, TableError
from dsice.reuse.tables.delimited import Spelling
from dsice.reuse.tables.files import is_journal, read_frame


def written(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def cells(path: Path, spelling: Spelling | None = None) -> list[list[Any]]:
    frame = read_frame(path, spelling)
    return [list(frame.columns), *frame.to_numpy(dtype=object).tolist()]


READ: list[list[Any]] = [["x", "loss", "word"], [1, 0.5, "a"], [2, 1234.25, "b c"]]


LINES = "".join(json.dumps(dict(zip(READ[0], row, strict=True))) + "\n" for row in READ[1:])


@pytest.mark.parametrize(
    ("name", "data", "spelling"),
    [
        ("a.csv", "x,loss,word\n1,0.5,a\n2,1234.25,b c\n", None),
        ("a.csv", "x;loss;word\r\n1;0.5;a\r\n2;1234.25;b c", None),
        ("a.csv", " x , loss, word \n 1 , 0.5 , a \n2, 1234.25,b c\n", None),
        ("a.tsv", "x\tloss\tword\n1\t0.5\ta\n2\t1234.25\tb c\n", None),
        ("a.csv", "x|loss|word\n1|0.5|a\n2|1234.25|b c\n", None),
        ("a.csv", '"x","loss","word"\n"1","0.5","a"\n"2","1234.25","b c"\n', None),
        ("a.csv", ",x,loss,word\n0,1,0.5,a\n1,2,1234.25,b c\n", None),  # with pandas' index
        ("a.csv", "\n\nx,loss,word\n\n1,0.5,a\n,,\n2,1234.25,b c\n,,\n", None),
        ("a.csv", "\ufeffx,loss,word\n1,0.5,a\n2,1234.25,b c\n", None),
        ("a.csv", "x,loss,word\n1,0.5,a\n2,1234.25,b c\n".encode("utf-16"), None),
        ("a.csv", "x;loss;word\n1;0,5;a\n2;1.234,25;b c\n", Spelling(decimal=",", thousands=".")),
        ("a.csv", 'x,loss,word\n1,0.5,a\n2,"1,234.25",b c\n', Spelling(thousands=",")),
        ("a.csv.gz", gzip.compress(b"x,loss,word\n1,0.5,a\n2,1234.25,b c\n", mtime=0), None),
        (
            "a.jsonl",
            LINES,
            None,
        ),
    ],
)
def test_the_same_table_is_read_however_it_is_written(
    tmp_path: Path, name: str, data: str | bytes, spelling: Spelling | None
) -> None:
    assert cells(written(tmp_path / name, data), spelling) == READ


def test_words_for_empty_cells_and_encodings_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "größe,loss\n1,?\n2,3\n".encode("latin-1"))
    with pytest.raises(TableError, match=r"a.csv is no utf-8 text.*--encoding latin-1"):
        read_frame(path)
    frame = read_frame(path, Spelling(encoding="latin-1", na=("?",)))
    assert list(frame.columns) == ["größe", "loss"] and frame["loss"].isna().tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ("", "is empty"),
        ("x,y\n1\n2,3\n", r"line 2 has 1 cell, and the header 2"),
        ("x,y\n1,2\n2,3,4\n5,6\n", r"line 3 has 3 cells, and the header 2"),
        ("x,y\n1,\0\n", "NUL"),
        (b"\x1f\x8bno gzip", "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, data: str | bytes, match: str) -> None:
    with pytest.raises(TableError, match=rf"a\.csv.*{match}"):
        read_frame(written(tmp_path / "a.csv", data))


@pytest.mark.parametrize("end", ["3", "3,", "3,4,"[:3], '3,"4'])
def test_a_last_row_that_is_cut_short_is_named_and_left_out(tmp_path: Path, end: str) -> None:
    path = written(tmp_path / "a.csv", f"x,y,z\n0,1,2\n{end}")
    with pytest.warns(DsiceWarning, match=r"its last row, line 3, .*left out"):
        assert cells(path) == [["x", "y", "z"], [0, 1, 2]]


def test_a_last_line_of_json_that_is_cut_short_is_named_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"x": 1}\n{"x": 2')
    with pytest.warns(DsiceWarning, match=r"its last line, 2, is cut short"):
        assert cells(path) == [["x"], [1]]
    for data in ('{"x": 1}\n{"x": \n{"x": 3}\n', '{"x": 1}\n[2]\n', "", "[" * 100_000 + "\n{}\n"):
        with pytest.raises(TableError, match=r"a\.jsonl"):
            read_frame(written(path, data))


def test_floats_are_read_to_the_last_bit(tmp_path: Path) -> None:
    numbers = [0.1 + 0.2, 1e-300, 1 / 3, 123456.789e-7, 5e-324]
    path = written(tmp_path / "a.csv", "x,y\n" + "".join(f"{x!r},1\n" for x in numbers))
    assert read_frame(path)["x"].tolist() == numbers


@pytest.mark.parametrize(
    "wrong",
    [{"separator": "ab"}, {"decimal": ""}, {"decimal": ",", "separator": ","}, {"encoding": "x"}],
)
def test_a_wrong_spelling_is_an_option_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Spelling(**wrong)


@pytest.mark.parametrize(
    ("name", "data", "journal"),
    [
        ("a.jsonl", '{"kind":"header","format":1}\n', True),
        ("a.jsonl", '{"kind":"head', True),  # cut in its first line
        ("a.jsonl", "", True),
        ("a.jsonl", '{"x": 1, "loss": 2}\n', False),
        ("a.csv", '{"kind":"header","format":1}\n', True),
        ("a.csv", "kind,header\n", False),
    ],
)
def test_a_journal_is_told_from_lines_of_json(
    tmp_path: Path, name: str, data: str, journal: bool
) -> None:
    assert is_journal(written(tmp_path / name, data)) == journal
