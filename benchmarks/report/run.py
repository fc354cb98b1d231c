"""The report beside its bars: size, time to make, to be ready, to answer a mark; six journals.

``python -m benchmarks.report.run [FOLDER]`` prints the table; the journals, pages, pictures and
prints are left in the folder to look at.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report.browser import Browser, missing
from benchmarks.report.journals import KINDS, make, many

SIX = ("replay", "noisy", "many", "one", "sixteen", "nothing")
TIMES = 3
MAKE = "import sys, dsice; dsice.write_report(sys.argv[1], sys.argv[2])"


def page_of(journal: Path) -> tuple[Path, float]:
    """The report of a journal, and the seconds that a new process took to make it."""
    page = journal.with_suffix(".html")
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", MAKE, journal, page], check=True)
    return page, time.perf_counter() - begin


MARK = """
const [axis, done] = arguments;
const plot = document.querySelector("#progress .plot");
const box = plot.getBoundingClientRect();
const at = (kind, x) => plot.dispatchEvent(new PointerEvent(kind, {pointerId: 1, button: 0,
  clientX: box.x + x * box.width, clientY: box.y + 0.5 * box.height, bubbles: true}));
plot.setPointerCapture = () => {};
const begin = performance.now();
at("pointerdown", 0.2); at("pointermove", axis); at("pointerup", axis);
requestAnimationFrame(() => requestAnimationFrame(() => {
  // reading a pixel waits until all that was drawn is there
  document.querySelectorAll("canvas").forEach((c) => c.getContext("2d").getImageData(0, 0, 1, 1));
  done(performance.now() - begin);
}));
"""


def answered(browser: Browser, page: Path) -> float:
    """Milliseconds from a mark in one chart until all charts show it."""
    found = []
    for k in range(TIMES):
        browser.open(page)
        found.append(float(browser.driver.execute_async_script(MARK, 0.4 + 0.1 * k)))
    return statistics.median(found)


def sizes(browser: Browser, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Rows of the table for 100 and for 10 000 trials."""
    bars = {100: (60e3, 3.0, 300, 300), 10_000: (1.3e6, 6.0, 1500, 800)}
    for trials, (bytes_, seconds, ready, drawn) in bars.items():
        journal = folder / f"trials-{trials}.jsonl"
        if not journal.exists():
            many(journal, trials, min(trials, 500))
        pages = [page_of(journal) for _ in range(TIMES)]
        page = pages[0][0]
        took = statistics.median(t for _, t in pages)
        opened = statistics.median(browser.open(page) for _ in range(TIMES))
        size = page.stat().st_size
        yield f"{trials} trials: kB", f"{size / 1e3:.1f}", f"{bytes_ / 1e3:g}"
        yield f"{trials} trials: made in a new process, s", f"{took:.2f}", f"{seconds:g}"
        yield f"{trials} trials: ready, ms", f"{opened:.0f}", f"{ready}"
        yield (
            f"{trials} trials: mark to all drawn, ms",
            f"{answered(browser, page):.0f}",
            f"{drawn}",
        )


def looks(browser: Browser, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Rows of the table for each journal: at two widths, dark, printed; and what axe finds."""
    for kind in KINDS:
        page, _ = page_of(make(kind, folder))
        errors, requests, overflow, findings = 0, 0, 0, 0
        for width, dark in ((1280, False), (390, False), (1280, True), (390, True)):
            browser.show(width, dark=dark)
            browser.open(page)
            overflow = max(overflow, browser.overflow())
            findings += len(browser.axe())
            name = f"{kind}-{width}-{'dark' if dark else 'light'}.png"
            browser.screenshot(folder / name)
            browser.print_to(folder / f"{kind}.pdf")
            errors += len(browser.errors())
            requests += len(browser.requests())
        found = f"{errors}, {requests}, {overflow}, {findings}"
        yield f"{kind}: errors, requests, overflow, axe", found, "0, 0, 0, 0"


def main() -> None:
    """Print the table."""
    if reason := missing():
        sys.exit(reason)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="report-"))
    folder.mkdir(parents=True, exist_ok=True)
    browser = Browser()
    try:
        browser.show()
        print("| what | measured | bar |\n|---|---|---|")
        for rows in (sizes, looks):
            for what, measured, bar in rows(browser, folder):
                print(f"| {what} | {measured} | {bar} |", flush=True)
    finally:
        browser.close()
    print(f"\npages and pictures: {folder}")


if __name__ == "__main__":
    main()
