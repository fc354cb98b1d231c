"""The journal keeps what was read of sources: what counts when a study goes on."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dsice import DsiceWarning, Goal, Ordinal, Source, Space, Tuner, extend
from dsice.errors import DsiceError, JournalError
from dsice.history.sources import SourceTrials
from dsice.journal import read, repair
from dsice.journal.sources import reuse_line
from tests.reuse.conftest import measured

SPACE = Space({"x": range(9), "z": [1, 2, 3]})
TIME = Goal("time")


def open_with(journal: Path, *reuse: Any) -> Tuner:
    return Tuner(SPACE, goal=TIME, journal=journal, reuse=reuse)


def kinds(journal: Path) -> list[str]:
    return [record["kind"] for record in read(journal).records]


def names(tuner: Tuner) -> list[str]:
    return [Path(source.name).name for source in tuner.sources]


def digests(tuner: Tuner) -> list[str]:
    """All that a search takes from the sources."""
    return [json.dumps(reuse_line(source)) for source in tuner.history.sources]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "new.jsonl"


def test_the_sources_stand_behind_the_header_before_the_first_ask(
    old: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    with open_with(journal, old, Source(old, "time", maximize=True, name="again")) as tuner:
        sizes.append(journal.read_bytes().count(b"\n"))
        tuner.ask(2)
    assert sizes == [3] and kinds(journal) == ["reuse", "reuse", "ask"]
    line = read(journal).records[0]
    assert line["params"][0].keys() == {"x", "y", "mode"}  # values, also of what is not tuned now
    assert len(line["params"]) == len(line["values"]) == len(line["states"]) == len(line["scores"])


def test_a_study_with_sources_is_the_same_study_when_it_goes_on(old: Path, journal: Path) -> None:
    with open_with(journal, old) as tuner:
        identity = tuner.identity
    assert Tuner.read(journal).identity == identity


def test_a_journal_without_sources_is_as_it_was(journal: Path, tmp_path: Path) -> None:
    Tuner(SPACE, goal=TIME, journal=journal).close()
    before = journal.read_bytes()
    open_with(journal).close()
    Tuner(SPACE, goal=TIME, journal=journal, reuse=None).close()
    assert journal.read_bytes() == before and b"reuse" not in before


def test_a_source_that_is_the_same_is_not_written_again(old: Path, journal: Path) -> None:
    with open_with(journal, old) as tuner:
        known = digests(tuner)
    before = journal.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for opened in (lambda: open_with(journal, old), lambda: Tuner.resume(journal)):
            with opened() as again:
                assert digests(again) == known
        assert digests(Tuner.read(journal)) == known
        Tuner(SPACE, goal=TIME, journal=journal).close()  # None: what the journal has
    assert journal.read_bytes() == before


@pytest.mark.parametrize("what", ["changed", "gone", "moved", "other options"])
def test_what_became_of_a_file_is_said_and_the_journal_counts(
    what: str, old: Path, journal: Path
) -> None:
    with open_with(journal, old) as tuner:
        known = digests(tuner)
    before = journal.read_bytes()
    given: Any = old
    if what == "changed":
        measured(old, 60)
    elif what == "gone":
        old.unlink()
    elif what == "moved":
        given = old.rename(old.with_name("elsewhere.jsonl"))
    else:
        given = Source(old, metric="value")
    said = {"moved": "is what the journal has as", "other options": "has other options"}
    with (
        pytest.warns(DsiceWarning, match=said.get(what, f"{what}.*is not read again")) as caught,
        open_with(journal, given) as tuner,
    ):
        assert digests(tuner) == known
    assert len(caught) == 1 and caught[0].filename == __file__
    assert journal.read_bytes() == before


def test_one_added_later_is_a_new_line_and_one_left_out_an_options_line(
    old: Path, journal: Path
) -> None:
    with open_with(journal, old) as tuner:
        tuner.ask(2)
    sweep = Source(pd.DataFrame({"x": [1, 2], "time": [2.0, 1.0]}), name="sweep")
    with open_with(journal, sweep, old) as tuner:
        assert names(tuner) == ["old.jsonl", "sweep"]  # in the order of their lines
    assert kinds(journal) == ["reuse", "ask", "reuse"]
    with pytest.warns(DsiceWarning, match=r"old.jsonl' is left out"):
        open_with(journal, sweep).close()
    assert read(journal).records[-1]["reuse"] == ["sweep"]
    with Tuner.resume(journal) as tuner:
        assert names(tuner) == ["sweep"]
    with open_with(journal, old, sweep) as tuner:  # and back, as it was read then
        assert names(tuner) == ["old.jsonl", "sweep"]
    assert kinds(journal) == ["reuse", "ask", "reuse", "options", "options"]
    with pytest.warns(DsiceWarning, match="are left out"), open_with(journal) as tuner:
        assert tuner.sources == ()


def test_a_new_source_that_cannot_be_used_changes_nothing(old: Path, journal: Path) -> None:
    with pytest.raises(DsiceError, match="cannot be read"):
        open_with(journal, old, "nowhere.jsonl")
    assert not journal.exists()
    open_with(journal, old).close()
    before = journal.read_bytes()
    with pytest.raises(DsiceError, match="cannot be read"):
        open_with(journal, old, "nowhere.jsonl")
    assert journal.read_bytes() == before
    open_with(journal, old).close()  # nobody holds the lock


def test_the_own_journal_is_refused_also_as_a_copy(old: Path) -> None:
    space, copy = Tuner.read(old).space, old.with_name("copy.jsonl")
    copy.write_bytes(old.read_bytes())
    link = old.with_name("link.jsonl")
    link.symlink_to(old)
    before = old.read_bytes()
    for own in (old, link, copy):
        with pytest.raises(DsiceError, match="is the study's own journal"):
            Tuner(space, goal=TIME, journal=old, reuse=[own])
    assert old.read_bytes() == before


def test_sources_are_no_trials(old: Path, journal: Path) -> None:
    with open_with(journal, old) as tuner:
        assert len(tuner.history) == 0 and tuner.best is None and tuner.pending == []
        assert tuner.asked == 0 and not tuner.history.taken()
        seen = set()
        while trials := tuner.ask(10):
            seen |= {trial.point for trial in trials}
            for trial in trials:
                tuner.tell(trial, trial.params["z"])
        assert len(seen) == 27 and tuner.exhausted


def test_a_journal_that_grows_keeps_its_sources(old: Path, journal: Path) -> None:
    with open_with(journal, old) as tuner:
        known = digests(tuner)
        for trial in tuner.ask(3):
            tuner.tell(trial, 1.0)
    extend(journal, Space({"x": range(9), "z": [1, 2, 3], "y": Ordinal(range(9))}), given={"y": 4})
    grown = Tuner.read(journal)
    assert digests(grown) == known
    assert len(grown.sources[0].parameters) == 2  # the values of y were there all the time


def test_a_damaged_line_of_a_source_is_named_and_taken_out(old: Path, journal: Path) -> None:
    with open_with(journal, old) as tuner:
        tuner.ask(2)
    lines = journal.read_text().splitlines()
    for wrong in (
        lines[1].replace('"scores":[', '"scores":[1.0,'),
        lines[1].replace('"maximize":false', '"maximize":0'),
        lines[1][:-9],
    ):
        journal.write_text("\n".join([lines[0], wrong, *lines[2:]]) + "\n")
        with pytest.raises(JournalError, match="line 2"):
            Tuner.read(journal)
        assert [number for number, _ in repair(journal).removed] == [2]
        assert len(Tuner.read(journal).history) == 2
    with open_with(journal, old) as tuner:
        assert names(tuner) == ["old.jsonl"]


@pytest.mark.parametrize("field", ["params", "values", "scores"])
def test_a_line_whose_numbers_are_none_is_refused_by_name(
    old: Path, journal: Path, field: str
) -> None:
    open_with(journal, old).close()
    header, line = journal.read_text().splitlines()
    record = json.loads(line)
    record[field][0] = {"x": 1e999} if field == "params" else 1e999
    journal.write_text(f"{header}\n{json.dumps(record)}\n")
    with pytest.raises(JournalError, match="line 2: this reuse line cannot be used"):
        Tuner.read(journal)


def test_a_strategy_says_what_a_source_weighs(old: Path) -> None:
    class Weighing:
        def ask(self, n: int, *_: object) -> list[Any]:
            return []

        def source_weights(self, space: Space, history: Any) -> list[float]:
            assert all(isinstance(source, SourceTrials) for source in history.sources)
            return [0.25] * len(history.sources)

    tuner = Tuner(SPACE, Weighing(), goal=TIME, reuse=[old])
    assert [source.weight for source in tuner.sources] == [0.25]
    assert str(tuner.sources[0]).endswith("minimising time, weight 0.25")
    assert Tuner(SPACE, Weighing()).sources == ()
