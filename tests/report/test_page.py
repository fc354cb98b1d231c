"""The page in a real browser: what a person marks, types, prints and reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.report.browser import Browser
from benchmarks.report.journals import HOSTILE, KINDS
from dsice import Choice, Goal, Tuner
from dsice.report.contents import About, contents
from dsice.report.joining import page
from dsice.report.writing import write
from dsice.strategies import Random
from dsice.trial import Trial
from tests.conftest import fill, small
from tests.report.conftest import Pages

ROWS = "return [...document.querySelectorAll('table.trials tbody tr')].map(r => r.textContent)"
CELLS = ROWS.replace("r.textContent", "r.cells[arguments[0]].textContent")
HEADS = "return [...document.querySelectorAll('table.trials thead th')].map(h => h.textContent)"


def query(browser: Browser) -> str:
    return str(browser.run("return document.getElementById('filter').value"))


def selected(browser: Browser) -> str:
    """What stands beside the filter: how many trials are shown."""
    return str(browser.run("return document.querySelector('.bar output').textContent"))


def type_filter(browser: Browser, text: str) -> None:
    browser.run(
        "const box = document.getElementById('filter'); box.value = arguments[0];"
        "box.dispatchEvent(new Event('change'));",
        text,
    )
    browser.settle()


def press(browser: Browser, selector: str, *keys: str, shift: bool = False) -> None:
    browser.run("document.querySelector(arguments[0]).focus()", selector)
    for key in keys:
        browser.run(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
            "{key: arguments[0], shiftKey: arguments[1], bubbles: true}))",
            key,
            shift,
        )
    browser.settle()


def column(browser: Browser, name: str) -> list[str]:
    """The cells of a column of the table, as far as they are shown."""
    names = [head.rstrip(" \u2191\u2193") for head in browser.run(HEADS)]
    found: list[str] = browser.run(CELLS, names.index(name))
    return found


def pixels(browser: Browser, selector: str) -> str:
    return str(browser.run("return document.querySelector(arguments[0]).toDataURL()", selector))


def test_a_mark_in_one_chart_filters_the_table_and_all_other_charts(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages("noisy"))
    others = ["#effects canvas", "#parallel canvas", "#tradeoff canvas", "#timeline canvas"]
    before = [pixels(browser, one) for one in others]
    browser.drag("#progress .plot", (0.3, 0.5), (0.6, 0.5))
    assert query(browser).startswith("id=")
    low, high = (float(end) for end in query(browser).removeprefix("id=").split(".."))
    ids = [int(id) for id in column(browser, "id")]
    assert ids == [id for id in range(120) if low <= id <= high]
    assert selected(browser) == f"{len(ids)} of 120"
    assert all(pixels(browser, one) != old for one, old in zip(others, before, strict=True))
    browser.drag("#progress .plot", (0.5, 0.5), (0.5, 0.5))  # a click takes the mark away
    assert query(browser) == "" and selected(browser) == "all 120"
    assert [pixels(browser, one) for one in others] == before


MARKS = [
    ("#effects figure:nth-child(2) .plot", (0.3, 0.5), (0.7, 0.5), "learning rate"),
    ("#effects figure:nth-child(1) .plot", (0.2, 0.5), (0.5, 0.5), "optimizer"),
    ("#parallel .plot", (0.3, 0.2), (0.6, 0.2), "learning rate"),
    ("#lines figure .plot", (0.2, 0.5), (0.8, 0.5), "@line"),
    ("#tradeoff .plot", (0.2, 0.2), (0.6, 0.7), "memory"),
    ("#curves .plot", (0.4, 0.3), (0.6, 0.6), "@curve"),
    ("#timeline .plot", (0.3, 0.7), (0.6, 0.7), "start"),
]


def test_every_chart_marks(browser: Browser, pages: Pages) -> None:
    browser.open(pages("noisy"))
    for plot, begin, end, name in MARKS:
        browser.drag(plot, begin, end)
        assert name in query(browser)
        assert selected(browser).endswith(" of 120") and not selected(browser).startswith("0 ")
        assert browser.run(f"return document.querySelectorAll('{plot} .mark').length")
        type_filter(browser, "")


def test_marks_by_finger_and_scrolling_stays_possible(browser: Browser, pages: Pages) -> None:
    browser.show(390, touch=True)
    browser.open(pages("noisy"))
    browser.swipe("#progress .plot", (0.3, 0.5), (0.8, 0.52))
    assert query(browser).startswith("id=")
    action = "return getComputedStyle(document.querySelector('#progress .plot')).touchAction"
    assert browser.run(action) == "pan-y"


def test_marks_by_keyboard(browser: Browser, pages: Pages) -> None:
    browser.open(pages("noisy"))
    press(browser, "#progress .plot", "ArrowRight")
    first = query(browser)
    press(browser, "#progress .plot", "ArrowRight")
    assert first.startswith("id=") and query(browser) != first
    said = browser.run("return document.querySelector('[role=status]').textContent")
    assert said.endswith("of 120 trials selected")
    press(browser, "#progress .plot", "Escape")
    assert query(browser) == ""
    press(browser, "#parallel .plot", "ArrowDown", "ArrowRight")
    assert query(browser).startswith("`learning rate`=")


FILTERS: dict[str, Callable[[Trial], bool]] = {
    "state=failed": lambda t: t.state == "failed",
    "state=failed|lost": lambda t: t.state in ("failed", "lost"),
    "`learning rate`<0.001, amp=True": lambda t: (
        t.params["learning rate"] < 9e-4 and t.params["amp"]
    ),
    "batch=64..256, state!=done": lambda t: 64 <= t.params["batch"] <= 256 and t.state != "done",
    "momentum>=0.9": lambda t: t.params.get("momentum", -1) >= 0.9,
    "optimizer~D": lambda t: "d" in t.params["optimizer"],
    "memory>11": lambda t: t.metrics.get("memory", 0) > 11,
    "id=3|17": lambda t: t.id in (3, 17),
    "state=never": lambda t: False,
}


def test_filters_are_those_of_the_history(browser: Browser, pages: Pages, journals: Pages) -> None:
    browser.open(pages("noisy"))
    history = Tuner.read(journals("noisy")).history
    for text, holds in FILTERS.items():
        type_filter(browser, text)
        expected = [str(trial.id) for trial in history if holds(trial)]
        assert column(browser, "id") == expected[:50], text
        assert selected(browser) == f"{len(expected)} of 120"


def test_a_wrong_filter_says_what_is_wrong_and_changes_nothing(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages("noisy"))
    for text in ("nonsense", "lr<1", "batch<many", "`batch", '"'):
        type_filter(browser, text)
        assert browser.run("return document.getElementById('wrong').textContent"), text
        assert selected(browser) == "all 120"


def test_the_table_sorts_and_the_address_keeps_everything(browser: Browser, pages: Pages) -> None:
    browser.open(pages("noisy"))
    type_filter(browser, "state=done")
    click = "document.querySelectorAll('table.trials th button')[arguments[0]].click()"
    place = [head.strip() for head in browser.run(HEADS)].index("accuracy")
    browser.run(click, place)
    browser.run(click, place)
    values = [float(cell) for cell in column(browser, "accuracy")]
    assert values == sorted(values, reverse=True) and len(values) == 50
    browser.run(
        "const s = document.querySelector('.bar select');"
        "s.value = 'dark'; s.dispatchEvent(new Event('change'));"
    )
    fragment = str(browser.run("return location.hash"))
    browser.open(pages("noisy"), fragment)
    assert query(browser) == "state=done"
    assert [float(cell) for cell in column(browser, "accuracy")] == values
    assert browser.run("return document.documentElement.dataset.shown") == "dark"


def test_a_failure_is_one_click_from_its_trials(
    browser: Browser, pages: Pages, journals: Pages
) -> None:
    browser.open(pages("noisy"))
    browser.run("document.querySelector('#failures .groups button').click()")
    browser.settle()
    states = {trial.id: str(trial.state) for trial in Tuner.read(journals("noisy")).history}
    ids = [int(id) for id in column(browser, "id")]
    assert ids and {states[id] for id in ids} == {"timed_out"}


def test_a_page_that_is_watched_loads_itself_again_where_it_was(
    browser: Browser, tmp_path: Path
) -> None:
    tuner, file = fill(Tuner(small(), Random()), 9), tmp_path / "a.html"
    write(tuner, file, About("first", reload=0.4))
    browser.show(390)
    browser.open(file, "#q=state%3Ddone")
    browser.run("scrollTo(0, 700)")
    fill(tuner, 9)
    write(tuner, file, About("second", reload=0.4))
    browser.wait_for("return document.querySelector('h1')?.textContent === 'second'")
    browser.wait_for("return document.documentElement.dataset.ready")
    assert query(browser) == "state=done"
    assert browser.run("return scrollY") == 700
    browser.driver.get("about:blank")


def test_on_paper_it_is_light_with_all_charts_and_as_many_rows_as_wanted(
    browser: Browser, pages: Pages, tmp_path: Path
) -> None:
    browser.show(dark=True)
    seen = (
        "window.seen = [];"
        "addEventListener('beforeprint', () => seen.push(["
        "document.documentElement.dataset.shown,"
        "document.querySelectorAll('.trials tbody tr').length,"
        "document.querySelector('#progress canvas').width]))"
    )
    for fragment, rows in (("", 50), ("#print=all", 120)):
        browser.open(pages("noisy"), fragment)
        browser.run(seen)
        browser.print_to(tmp_path / "a.pdf")
        assert browser.run("return window.seen") == [["light", rows, 1400]]
        assert browser.run("return document.documentElement.dataset.shown") == "dark"
        assert len(browser.run(ROWS)) == 50
        assert (tmp_path / "a.pdf").stat().st_size > 20_000


def test_every_chart_has_words_and_a_table(browser: Browser, pages: Pages) -> None:
    browser.open(pages("noisy"))
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.settle()
    labels = browser.run(
        "return [...document.querySelectorAll('canvas')].map(c => c.getAttribute('aria-label'))"
    )
    words = browser.run("return [...document.querySelectorAll('.words p')].map(p => p.textContent)")
    assert len(words) == len(labels) > 15 and all(len(text) > 30 for text in words)
    assert all(text in label for text, label in zip(words, labels, strict=True))


def test_whole_numbers_beyond_floats_are_shown_and_copied_whole(
    browser: Browser, tmp_path: Path
) -> None:
    tuner = Tuner({"n": [2**53 + 1, 2**60 + 1, 2**62 + 1]}, Random())
    for trial in tuner.ask(3):
        tuner.tell(trial, float(trial.params["n"]))
    write(tuner, tmp_path / "a.html", About("big"))
    browser.open(tmp_path / "a.html")
    shown = browser.run("return document.body.innerText")
    for n in (2**53 + 1, 2**60 + 1, 2**62 + 1):
        assert str(n) in column(browser, "n")
    assert f"--n {2**53 + 1}" in shown
    type_filter(browser, f"n={2**60 + 1}")
    assert column(browser, "n") == [str(2**60 + 1)]


def test_hostile_texts_stay_texts(browser: Browser, pages: Pages) -> None:
    browser.open(pages("hostile"))
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for plot in ("#effects figure:nth-child(2) .plot", "#progress .plot", "#parallel .plot"):
        browser.drag(plot, (0.3, 0.45), (0.8, 0.5))
    browser.run("document.querySelectorAll('.chip, .groups button').forEach((one) => one.click())")
    browser.settle()
    assert browser.run("return window.hacked ?? null") is None
    assert browser.run("return document.images.length + document.scripts.length") == 4
    shown = browser.run("return document.body.textContent")
    assert HOSTILE["script"] in shown and HOSTILE["image"] in shown
    assert browser.overflow() == 0


def test_parts_that_this_dsice_does_not_know_are_shown_as_they_come(
    browser: Browser, tmp_path: Path
) -> None:
    data = json.loads(json.dumps(contents(fill(Tuner(small(), Random()), 9), About("a"))))
    data["trials"]["states"] = ["done", "withdrawn"]
    data["trials"]["state"] = "010000000"
    data["end"] |= {
        "states": {"done": 8, "withdrawn": 1},
        "why": "Its deadline came.",
        "over": True,
    }
    data["sources"] = [{"name": "<b>old.jsonl", "trials": 70, "weight": 0.25}]
    file = tmp_path / "a.html"
    file.write_text(page("a", data))
    browser.open(file)
    shown = browser.run("return document.body.innerText")
    assert "1 withdrawn" in shown and "Its deadline came." in shown
    assert "<b>old.jsonl: 70 trials, weight 0.25" in shown
    type_filter(browser, "state=withdrawn")
    assert column(browser, "id") == ["1"]


def test_trials_with_no_value_say_why_a_chart_is_empty(browser: Browser, tmp_path: Path) -> None:
    tuner = Tuner({"x": Choice(["a", "b"])}, Random(), goal=Goal("loss", maximize=True))
    for trial in tuner.ask(2):
        tuner.tell(trial, error="no")
    write(tuner, tmp_path / "a.html", About("a"))
    browser.open(tmp_path / "a.html")
    assert "look at the failures" in browser.run("return document.body.innerText")


def test_the_bars_hold_for_a_hundred_trials(browser: Browser, journals: Pages) -> None:
    from benchmarks.report.journals import many
    from benchmarks.report.run import answered

    journal = journals("nothing").with_name("hundred.jsonl")
    many(journal, 100, 100)
    file = journal.with_suffix(".html")
    write(Tuner.read(journal), file, About("hundred", journal))
    assert file.stat().st_size <= 60_000
    begin = time.monotonic()
    browser.open(file)
    assert answered(browser, file) < 3000  # of 300 ms, on a busy machine
    assert time.monotonic() - begin < 20


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_each_journal_at_each_size(
    browser: Browser, pages: Pages, tmp_path: Path, kind: str
) -> None:
    for width, dark in ((1280, False), (390, False), (1280, True), (390, True)):
        browser.show(width, dark=dark)
        browser.open(pages(kind))
        assert browser.overflow() == 0
        if dark == (width == 390):
            if kind != "many":
                browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
                browser.settle()
            assert browser.axe() == []
            assert browser.overflow() == 0
    browser.print_to(tmp_path / "a.pdf")


def test_axe_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    file.write_text(
        "<!DOCTYPE html><html><title>a</title><img src='data:,'><script>"
        "document.documentElement.dataset.ready = 1</script>"
    )
    browser.open(file)
    assert {one["id"] for one in browser.axe()} >= {"image-alt", "html-has-lang"}


@pytest.mark.long
def test_the_bars_hold_for_ten_thousand_trials(browser: Browser, pages: Pages) -> None:
    from benchmarks.report.run import answered

    file = pages("many")
    assert file.stat().st_size <= 1_300_000
    assert browser.open(file) < 10_000  # of 1500 ms
    assert answered(browser, file) < 5000  # of 800 ms
