"""What a newcomer types works at the first try, and prints what the transcript shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prompt import Prompt
from tests.test_docs import shell, write_programs
from tests.transcripts import PAGES, follow, lacking


@pytest.fixture(scope="module")
def prompt() -> Iterator[Prompt]:
    started = Prompt()
    yield started
    started.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_newcomer_succeeds_at_the_first_try(page: Path, tmp_path: Path, prompt: Prompt) -> None:
    if reason := lacking(page):
        pytest.skip(reason)
    write_programs(tmp_path, prompt)
    follow(page, tmp_path, shell)


def test_what_a_transcript_does_not_show_is_noticed(tmp_path: Path, prompt: Prompt) -> None:
    write_programs(tmp_path, prompt)
    page = tmp_path / "page.md"
    for typed, match in (
        ("$ echo 0.5\n0.7\n", r"page.md, line 2, echo 0.5 shows\s+0.7"),
        ("$ dsice status none.toml\n", "No such file"),
        ("$ false\n", "page.md, line 2, false"),
    ):
        page.write_text(f"```console\n{typed}```\n")
        with pytest.raises(AssertionError, match=match):
            follow(page, tmp_path, shell)
    page.write_text("Needs: sh\nNeeds: no-such-compiler\n")
    assert lacking(page) == "needs no-such-compiler on PATH"
