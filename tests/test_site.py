"""The site: the reference has every name and key, every page has a place, and it works offline."""

from __future__ import annotations

import ast
import inspect
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest

import dsice
from dsice.cli.main import COMMANDS, main
from dsice.errors import DsiceError
from dsice.study import read_study

pytest.importorskip("numpydoc", reason="pip install 'dsice[docs]'")

from benchmarks.report.browser import Browser
from docs.site import api, command_line, pages, stage, study_file
from tests.report.conftest import started

__all__ = ["started"]

ROOT = Path(__file__).parents[1]


# ------------------------------------------------------------------ the reference
def test_the_reference_has_every_public_module_and_name() -> None:
    assert set(api.MODULES) == {"dsice", *(f"dsice.{name}" for name in dsice._PACKAGES)}
    for module in api.MODULES:
        page = api.page_of(module)()
        for name in getattr(import_module(module), "__all__", ()):
            home = "dsice" if name in dsice.__all__ else module
            assert f":: {home}.{name}\n" in page or home != module


def test_the_reference_has_every_public_name_of_the_integrations() -> None:
    named = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "dsice/integrations").rglob("*.py")
        if "\n__all__ = " in path.read_text()
    }
    assert set(api.INTEGRATIONS) == named
    imported = r"dsice\.(integrations\.\w+) import (\w+)"
    pages_and_code = [*(ROOT / "docs").glob("*.md"), *(ROOT / "dsice/cli").glob("*.py")]
    page = api.integrations()
    for path in pages_and_code:
        for module, name in re.findall(imported, path.read_text()):
            assert f":: dsice.{module}.{name}\n" in page, path
    for module in api.INTEGRATIONS:
        assert api.names_of(module), module


def test_every_public_name_has_an_example() -> None:
    missing = []
    for module in [*api.MODULES, *api.INTEGRATIONS]:
        if not all(map(find_spec, api.INTEGRATIONS.get(module, ()))):
            continue  # it cannot be imported
        for name in api.names_of(module):
            value = getattr(import_module(module), name)
            documented = inspect.isclass(value) or inspect.isfunction(value)
            if ">>> " not in (value.__doc__ or "" if documented else alias(name)):
                missing.append(f"{module}.{name}")
    assert missing == []


WITHOUT = """
import runpy, sys
hidden = {"optuna", "sklearn", "kernel_tuner", "mlflow", "sqlalchemy"}
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, *rest)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Hiding, sys.meta_path)
runpy.run_module("sphinx", run_name="__main__")
"""


def test_the_integrations_are_documented_where_the_other_tools_are_missing(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="pip install 'dsice[docs]'")
    source, html = tmp_path / "source", tmp_path / "html"
    source.mkdir()
    (source / "index.md").write_text(api.integrations())
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "-q", "-W", "-c", "docs/site", source, html],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    page = (html / "index.html").read_text()
    for module in api.INTEGRATIONS:
        for name in api.integrated(module):
            described = page.partition(f'id="{module}.{name}"')[2].partition("</dd></dl>")[0]
            assert "&gt;&gt;&gt; " in described, name


def alias(name: str) -> str:
    """What stands below the assignment of a type alias."""
    for path in (ROOT / "dsice/typing.py", ROOT / "dsice/strategies/base.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for above, below in pairwise(body):
            if isinstance(above, ast.Assign) and ast.unparse(above.targets[0]) == name:
                return ast.unparse(below)
    return ""


def test_the_reference_has_every_argument_of_the_command_line() -> None:
    sections = parts(command_line.page(), "## dsice ")
    assert set(sections) == set(COMMANDS)
    for name, text in sections.items():
        shown = helped(name)
        for command in re.findall(r"^    (\w+)  ", shown, re.MULTILINE):  # journal check, ...
            shown += helped(name, command)
        wanted = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown)) - {"-h", "--help"}
        assert {option for option in wanted if option not in text} == set(), name
        for row in re.findall(r"^\|.*$", text, re.MULTILINE):
            assert len(re.findall(r"(?<!\\)\|", row)) == 3, row  # two cells


def helped(*command: str) -> str:
    shown = io.StringIO()
    with redirect_stdout(shown), pytest.raises(SystemExit):
        main([*command, "--help"])
    return shown.getvalue()


def parts(page: str, heading: str) -> dict[str, str]:
    """The sections of a page by what follows the heading's mark."""
    found = re.split(rf"^{re.escape(heading)}", page, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part for part in found}


STUDY = """
[study]
command = "true"
[space]
x = [1, 2]
"""


def known(tmp_path: Path, section: str, *lines: str) -> list[str]:
    """The keys of a section, as the error about an unknown one lists them."""
    file = tmp_path / "study.toml"
    before, found, after = STUDY.partition(f"[{section}]\n")
    added = "\n".join((*lines, "nonsense = 1", ""))
    file.write_text(before + found + added + after if found else f"{STUDY}[{section}]\n{added}")
    with pytest.raises(DsiceError) as error:
        read_study(file)
    listed = re.search(r"known: (.+?)\)|it takes \[(.*?)\]|known are \[(.*?)\]", str(error.value))
    if listed is None:
        assert "it takes none" in str(error.value)
        return []
    return re.findall(r"\w+", next(filter(None, listed.groups())))


def test_the_reference_has_every_key_of_a_study_file(tmp_path: Path) -> None:
    page = parts(study_file.page(), "## [")
    file = tmp_path / "study.toml"
    file.write_text("[nonsense]")
    with pytest.raises(DsiceError, match="known: ") as error:
        read_study(file)
    names = re.findall(r"\w+", str(error.value).partition("known: ")[2])
    assert [f"{name}]" for name in names] == [name for name in page if name[:-1] in names]
    for section in ("study", "rules", "goal"):
        missing = [key for key in known(tmp_path, section) if f"`{key}`" not in page[f"{section}]"]]
        assert missing == [], section


@pytest.mark.parametrize("section", ["strategy", "stopper", "launcher"])
def test_the_reference_has_every_option_of(section: str, tmp_path: Path) -> None:
    page = parts(study_file.page(), "## [")[f"{section}]"]
    word = "kind" if section == "launcher" else "name"
    kinds = parts(page, f"### {word} = ")
    file = tmp_path / "study.toml"
    file.write_text(f'{STUDY}[{section}]\n{word} = "nonsense"\n')
    with pytest.raises(DsiceError, match="known: ") as error:
        read_study(file)
    assert set(re.findall(r"\w+", str(error.value).rpartition("known: ")[2])) == {
        kind.strip('"') for kind in kinds
    }
    for kind, text in kinds.items():
        missing = [
            key for key in known(tmp_path, section, f"{word} = {kind}") if f"`{key}`" not in text
        ]
        assert missing == [], kind


def test_the_page_of_study_files_is_what_the_code_says() -> None:
    kept = (ROOT / "docs/study-file.md").read_text(encoding="utf-8")
    how = "python -m docs.site.study_file > docs/study-file.md"
    assert kept == study_file.page(), f"write it anew: {how}"
    assert how in kept


# ------------------------------------------------------------------ the pages
@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a few pages."""
    for name in ("docs/tables", "data"):
        (tmp_path / "root" / name).mkdir(parents=True)
    root = tmp_path / "root"
    (root / "README.md").write_text("# Home\n\n[a](docs/a.md)\n")
    (root / "docs/a.md").write_text(
        "# A\n\n[home](../README.md#top) [data](../data/) [b](tables/b.md) ![p](p.png)\n\n"
        "```text\n[not a link](../none.md)\n```\n"
    )
    (root / "docs/tables/b.md").write_text("# B\n\n[web](https://example.org) [a](../a.md)\n")
    (root / "docs/p.png").write_bytes(b"\x89PNG")
    (root / "docs/new.md").write_text("# New\n")
    return root


def test_every_page_has_a_place_of_its_own_also_a_new_or_renamed_one(root: Path) -> None:
    written = list(pages.WRITTEN)
    sections = {"Start": ["docs/a.md", "docs/gone.md"], stage.REST: [], "More": ["docs/t*/*.md"]}
    found = stage.ordered(root, sections | {"Reference": [*written, "docs/a.md"]})
    assert found == {
        "Start": ["docs/a.md"],
        stage.REST: ["docs/new.md"],
        "More": ["docs/tables/b.md"],
        "Reference": written,
    }


def test_links_are_followed_and_lead_to_the_copies(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    stage.stage(root, source, ["README.md", "docs/a.md"])
    copied = {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}
    assert copied == {"README.md", "docs/a.md", "docs/p.png", "docs/tables/b.md"}
    text = (source / "docs/a.md").read_text()
    assert "[home](../index.md#top) data [b](tables/b.md) ![p](p.png)" in text
    assert "[not a link](../none.md)" in text
    assert (source / "docs/tables/b.md").read_text().startswith("---\norphan: true\n---\n")


class Links(HTMLParser):
    """What a page refers to and the places in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif name == "href" and value and tag == "a":
                self.links.append(value)
            elif name in ("src", "href") and value and tag in ("img", "script", "link"):
                self.loads.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The whole site, made as `make docs` makes it."""
    pytest.importorskip("furo", reason="pip install 'dsice[docs]'")
    folder = tmp_path_factory.mktemp("site")
    source, html = folder / "source", folder / "html"
    commands = (
        ["docs.site.stage", source],
        ["sphinx", "-q", "-W", "--keep-going", "-c", "docs/site", source, html],
    )
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
    yield html


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_link_of_the_site_is_dead_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = {page: Links(page) for page in site.rglob("*.html")}
    assert len(found) > 30
    for page, links in found.items():
        assert [url for url in links.loads if "://" in url] == [], page
        for link in links.links:
            if "://" in link or link.startswith("mailto:"):
                continue
            target, _, place = unquote(link).partition("#")
            to = (page.parent / target).resolve() if target else page
            assert to.exists(), f"{page.name}: {link}"
            if place and to in found:
                assert place in found[to].places, f"{page.name}: {link}"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("withdraw", "reference/command-line.html"),
        ("restart_elsewhere", "reference/dsice.launchers.html"),
        ("SuccessiveHalving", "reference/dsice.stopping.html"),
    ],
)
def test_the_search_works_without_a_server(
    site: Path, started: Browser, words: str, page: str
) -> None:
    started.driver.get(f"{(site / 'search.html').as_uri()}?q={words}")
    links = "return [...document.querySelectorAll('#search-results li a')].map((a) => a.href)"
    started.wait_for(f"{links.replace('return', 'return (')}).length > 2")
    assert any(page in link for link in started.run(links))
    assert started.errors() == []
    assert started.requests() == []
