"""`write_report` and `dsice report`: what they take, write and refuse."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsice import Tuner, write_report
from dsice.cli.main import main
from dsice.errors import JournalError, OptionError
from dsice.strategies import Random
from tests.conftest import fill, small

pytestmark = pytest.mark.usefixtures("few_halves")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner:
        fill(tuner, 10)
    return path


def test_from_a_tuner_and_from_its_journal(journal: Path, tmp_path: Path) -> None:
    first = write_report(journal, tmp_path / "new" / "a.html")
    second = write_report(Tuner.read(journal), tmp_path / "b.html")
    assert first.read_text().startswith("<!DOCTYPE html>") and second.exists()
    digest = hashlib.sha256(journal.read_bytes()).hexdigest()
    assert digest in first.read_text()
    assert not list(tmp_path.glob("**/*.new"))


def test_a_tuner_whose_journal_was_moved_away(journal: Path, tmp_path: Path) -> None:
    tuner = Tuner.resume(journal)
    journal.rename(tmp_path / "elsewhere.jsonl")
    assert write_report(tuner, tmp_path / "a.html").exists()


def test_a_journal_that_is_being_written_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Random(), journal=path) as tuner:
        fill(tuner, 5)
        with path.open("ab") as file:
            file.write(b'{"kind":"tell","id":')  # half a line, as another process writes it
        before = path.read_bytes()
        write_report(path, tmp_path / "a.html")
        assert path.read_bytes() == before
        path.write_bytes(before[: before.rindex(b"\n") + 1])


def test_what_cannot_be_reported_is_refused(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="expected a tuner or the path"):
        write_report(3, tmp_path / "a.html")  # type: ignore[arg-type]
    with pytest.raises(JournalError):
        write_report(tmp_path / "none.jsonl", tmp_path / "a.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        write_report(journal, tmp_path / "file" / "a.html")
    assert main(["report", str(journal), "-o", str(journal)]) == 2
    assert main(["report", str(journal), "--watch", "0"]) == 2


def test_the_command_writes_beside_the_journal(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(journal)]) == 0
    page = journal.with_suffix(".html")
    assert capsys.readouterr().out == f"{page}\n" and page.exists()


def test_a_study_file_gives_the_command_line(journal: Path, capsys: object) -> None:
    study = journal.parent / "study.toml"
    study.write_text(
        "[study]\ncommand = 'prog {a} --b={b}{c?}'\njournal = 'run.jsonl'\n"
        "[space]\na = [1, 2, 4, 8]\nb = [0.0, 0.5, 1.0]\nc = [0, 1, 2]\n".replace("{c?}", " -c {c}")
    )
    page = journal.parent / "study.html"
    assert main(["report", str(study), "-o", str(page)]) == 0
    best = Tuner.read(journal).best
    assert best is not None
    a, b, c = best.params.values()
    assert f"prog {a} --b={b} -c {c}" in page.read_text()


def test_watching_rewrites_when_the_journal_grows_and_ends_quietly(tmp_path: Path) -> None:
    path, page = tmp_path / "run.jsonl", tmp_path / "run.html"
    command = [sys.executable, "-m", "dsice", "report", str(path), "--watch", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            with Tuner(small(), Random(), journal=path) as tuner:
                fill(tuner, 4)
                first = wait_for(page, '"count":4')
                assert '"reload":0.05' in first
                fill(tuner, 4)
                wait_for(page, '"count":8')
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0 and "Ctrl-C ends this" in out
    assert '"reload"' not in page.read_text()
    assert not list(tmp_path.glob("*.new"))


def wait_for(page: Path, text: str) -> str:
    """The page, once it has the text; a reader never sees half of it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = page.read_text() if page.exists() else ""
        assert found == "" or found.endswith("</html>\n")
        if text in found:
            return found
        time.sleep(0.02)
    raise TimeoutError(text)


def test_importing_dsice_does_not_load_the_report() -> None:
    code = "import dsice, sys; assert 'dsice.report' not in sys.modules; dsice.write_report"
    subprocess.run([sys.executable, "-c", code], check=True)
