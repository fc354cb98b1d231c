"""A browser for the tests of the report, and pages to look at in it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.report.browser import Browser, missing
from benchmarks.report.journals import make
from dsice import write_report

Pages = Callable[[str], Path]


@pytest.fixture(scope="session")
def started() -> Iterator[Browser]:
    """A real Chromium, one for each process that runs tests."""
    if reason := missing():
        if os.environ.get("DSICE_NEEDS_CHROMIUM"):
            pytest.fail(f"DSICE_NEEDS_CHROMIUM is set: {reason}")
        pytest.skip(reason)
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """The browser, wide and light; in the end the page must have logged nothing."""
    started.show()
    yield started
    assert started.errors() == []
    assert started.requests() == []


@pytest.fixture(scope="session")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """From the kind of a journal to its path; each is made once."""
    folder = tmp_path_factory.mktemp("journals")
    return lambda kind: make(kind, folder)


@pytest.fixture(scope="session")
def pages(journals: Pages) -> Pages:
    """From the kind of a journal to its report; each is made once."""

    def page(kind: str) -> Path:
        journal = journals(kind)
        file = journal.with_suffix(".html")
        if not file.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                write_report(journal, file)
        return file

    return page
