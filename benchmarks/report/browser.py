"""Chromium without a window, driven by selenium: what a report does in it."""

from __future__ import annotations

import base64
import json
import shutil
import time
from pathlib import Path
from typing import Any

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
READY = "return document.documentElement.dataset.ready"


def missing() -> str:
    """What is lacking to drive a browser; empty if nothing is."""
    if not any(map(shutil.which, CHROMIUM)) or shutil.which("chromedriver") is None:
        return "no Chromium with its driver (Debian: apt-get install chromium chromium-driver)"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "no selenium (pip install selenium)"
    return ""


class Browser:
    """A browser with one page; what the page logs and asks the network for is noted."""

    def __init__(self) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = next(filter(None, map(shutil.which, CHROMIUM)))
        for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        self.width = 1280

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()

    def show(self, width: int = 1280, *, dark: bool = False, touch: bool = False) -> None:
        """Set the size of the page, the scheme that the system prefers, and whether by fingers."""
        self.width = width
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=touch)

    def open(self, page: Path, fragment: str = "") -> int:
        """Load a page and wait until it is ready; the milliseconds that took by its own clock."""
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.driver.get(page.resolve().as_uri() + fragment)
        return int(self.wait_for(READY))

    def wait_for(self, script: str, seconds: float = 20.0) -> Any:
        """What a script returns, once that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script):
                return found
            time.sleep(0.02)
        raise TimeoutError(f"not within {seconds:g} s: {script}")

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def cdp(self, command: str, **arguments: Any) -> dict[str, Any]:
        """A command of the protocol for developers' tools."""
        found: dict[str, Any] = self.driver.execute_cdp_cmd(command, arguments)
        return found

    def errors(self) -> list[str]:
        """What the page has logged: errors and warnings, those of its policy too."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that the page has asked for, itself left out."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return [url for url in found if not url.startswith(("file:", "about:", "data:"))]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.run("return document.documentElement.scrollWidth") - self.width)

    def drag(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the mouse between two places of an element, as shares of its size."""
        begun, ended = self._place(selector, begin), self._place(selector, end)
        self._mouse("mousePressed", *begun, buttons=1)
        for k in range(1, 5):
            at = [a + (b - a) * k / 4 for a, b in zip(begun, ended, strict=True)]
            self._mouse("mouseMoved", *at, buttons=1)
        self._mouse("mouseReleased", *ended)
        self.settle()

    def swipe(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with a finger."""
        begun, ended = self._place(selector, begin), self._place(selector, end)
        for k in range(6):
            x, y = (a + (b - a) * k / 5 for a, b in zip(begun, ended, strict=True))
            kind = "touchMove" if k else "touchStart"
            self.cdp("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.settle()

    def settle(self) -> None:
        """Wait until all is drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
        )

    def _mouse(self, kind: str, x: float, y: float, buttons: int = 0) -> None:
        button = "left" if buttons or kind == "mouseReleased" else "none"
        event = {"x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1}
        self.cdp("Input.dispatchMouseEvent", type=kind, **event)

    def _place(self, selector: str, share: tuple[float, float]) -> tuple[float, float]:
        box = self.run(
            "const node = document.querySelector(arguments[0]);"
            "node.scrollIntoView({block: 'center'});"
            "const box = node.getBoundingClientRect();"
            "return [box.x, box.y, box.width, box.height];",
            selector,
        )
        return box[0] + share[0] * box[2], box[1] + share[1] * box[3]

    def screenshot(self, file: Path) -> None:
        """All of the page as a picture."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(shot["data"]))

    def print_to(self, file: Path) -> None:
        """Print the page as a PDF file."""
        file.write_bytes(base64.b64decode(self.cdp("Page.printToPDF")["data"]))

    def axe(self) -> list[dict[str, Any]]:
        """What axe-core finds in the page that is serious or critical."""
        import axe_core_python

        source = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        self.cdp("Runtime.evaluate", expression=source)  # the page's policy keeps scripts out
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run({resultTypes: ['violations']}).then((found) => done(found.violations));"
        )
        return [one for one in found if one["impact"] in ("serious", "critical")]
