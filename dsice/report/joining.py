"""The page: its modules and styles as one file, with a policy that lets nothing else run.

The modules in ``page/`` are JavaScript modules as browsers load them. Here they become one script:
each comes after those that it imports, and its imports, the word ``export`` and comments fall away.
So all share one scope, and the names at their top must be unique.
Script and styles are packed by deflate, which takes two thirds of a small report, and unpacked by
a few lines (``loader.js``) when the page opens. The Content-Security-Policy names these lines, the
script and the styles by their hashes and allows nothing else, so that no text of a journal can run,
load or send anything, and what was unpacked is what was packed.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

from dsice.report.encode import to_json

MAIN: Final = "main.js"
_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*//[^\n]*\n", re.MULTILINE)
_EMPTY = re.compile(r"\n(?=\n)")

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="dsice">
<title>{title}</title>
</head>
<body>
<noscript>This report draws itself with JavaScript, which is switched off here.</noscript>
<main id="page"></main>
<script type="application/json" id="data">{data}</script>
<script type="text/plain" id="packed">{packed}</script>
<script>{loader}</script>
</body>
</html>
"""


def page(title: str, data: object) -> str:
    """The HTML of a report.

    Parameters
    ----------
    title
        Of the window.
    data
        What the page shows, as JSON can hold it.
    """
    return _PAGE.format(
        policy=_policy(),
        title=escape(title),
        data=to_json(data),
        packed=_packed(),
        loader=loader(),
    )


@cache
def _policy() -> str:
    return (
        f"default-src 'none'; script-src '{_hashed(loader())}' '{_hashed(script())}'; "
        f"style-src '{_hashed(stylesheet())}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _packed() -> str:
    packed = zlib.compress(f"{stylesheet()}\0{script()}".encode(), 9)
    return base64.b64encode(packed).decode()


@cache
def loader() -> str:
    """The lines that unpack the page."""
    return _COMMENT.sub("", _read("loader.js")).strip()


@cache
def script() -> str:
    """All modules as one script."""
    return _script({name: _read(name) for name in _names(".js")})


@cache
def stylesheet() -> str:
    """The styles without comments."""
    return _EMPTY.sub("", re.sub(r"/\*.*?\*/", "", _read("report.css"), flags=re.DOTALL)).strip()


def joined(modules: Mapping[str, str], main: str = MAIN) -> list[str]:
    """Names of the modules that `main` needs, each after those that it imports, and itself.

    Raises
    ------
    ValueError
        Modules import one another in a circle, or one that is not there.
    """
    order: list[str] = []
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in order:
            return
        if name in begun or name not in modules:
            raise ValueError(f"page/{name} is missing, or imports itself by others")
        begun.add(name)
        for imported in _IMPORT.findall(modules[name]):
            visit(imported)
        order.append(name)

    visit(main)
    return order


def _script(modules: Mapping[str, str]) -> str:
    parts = []
    for name in joined(modules):
        text = _EXPORT.sub("", _IMPORT.sub("", modules[name]))
        parts.append(_EMPTY.sub("", _COMMENT.sub("", text)).strip())
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


def _names(suffix: str) -> list[str]:
    folder = files("dsice.report") / "page"
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(suffix))


def _read(name: str) -> str:
    return (files("dsice.report") / "page" / name).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
