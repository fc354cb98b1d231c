"""The modules become one script, and the policy lets that one run and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from pathlib import Path

import pytest

import dsice.report
from dsice.report import joining

FOLDER = Path(dsice.report.__file__).with_name("page")
DECLARED = re.compile(r"^(?:export )?(?:const|let|function|class|async function) (\w+)", re.M)


def hashed(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_each_module_comes_after_those_that_it_imports() -> None:
    modules = {
        "main.js": 'import { a } from "./a.js";\nimport { b } from "./b.js";\n',
        "a.js": 'import { b } from "./b.js";\n',
        "b.js": "export const b = 1;\n",
    }
    assert joining.joined(modules) == ["b.js", "a.js", "main.js"]
    modules["b.js"] = 'import { a } from "./a.js";\n'
    with pytest.raises(ValueError, match=r"a\.js"):
        joining.joined(modules)


def test_all_modules_are_joined_without_comments() -> None:
    names = {file.name for file in FOLDER.glob("*.js")} - {"loader.js"}
    modules = {name: (FOLDER / name).read_text() for name in names}
    assert set(joining.joined(modules)) == names
    assert not re.search(r"^ *(//|import |export )", joining.script(), re.M)


def test_no_two_modules_declare_the_same_name() -> None:
    names = [name for file in FOLDER.glob("*.js") for name in DECLARED.findall(file.read_text())]
    assert sorted(names) == sorted(set(names))


def test_every_import_is_exported() -> None:
    for file in FOLDER.glob("*.js"):
        for names, module in re.findall(r'import \{([^}]*)\} from "\./([\w.]+)"', file.read_text()):
            offered = DECLARED.findall(
                re.sub(r"(?m)^(?!export ).*$", "", (FOLDER / module).read_text())
            )
            assert {name.strip() for name in names.split(",")} <= set(offered), (file.name, module)


def test_modules_say_what_they_are_and_stay_short() -> None:
    for file in FOLDER.glob("*.js"):
        lines = file.read_text().splitlines()
        assert lines[0].startswith("// "), file.name
        assert len(lines) <= 400, file.name


def test_the_policy_names_what_runs_and_nothing_else() -> None:
    page = joining.page("<b>", {"title": "</script>"})
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    (packed,) = re.findall(r'id="packed">([^<]*)<', page)
    styles, script = zlib.decompress(base64.b64decode(packed)).decode().split("\0")
    (loader,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src '{hashed(loader)}' '{hashed(script)}'",
        f"style-src '{hashed(styles)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "<title>&lt;b&gt;</title>" in page and page.count("<script") == 3
    assert not re.search(r"https?:|@import|url\(", page + styles + script)


def test_texts_become_nodes_by_their_text_only() -> None:
    for file in FOLDER.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", file.read_text()
        )
