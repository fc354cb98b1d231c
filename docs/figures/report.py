"""Take the picture of docs/report.md: the first screen of a report.

``python docs/figures/report.py`` needs Chromium and its driver (Debian: chromium, chromium-driver).
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from benchmarks.report.browser import Browser
from benchmarks.report.journals import make
from dsice import write_report

PICTURE = Path(__file__).resolve().parents[1] / "img" / "report.png"


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        page = write_report(make("replay", Path(folder)), Path(folder) / "digits.html")
        browser = Browser()
        try:
            browser.show(1200)
            browser.open(page)
            clip = {"x": 0, "y": 0, "width": 1200, "height": 1180, "scale": 1}
            shot = browser.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        finally:
            browser.close()
    PICTURE.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
