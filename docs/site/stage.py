"""Put together what Sphinx reads: ``python -m docs.site.stage build/docs/source``.

The pages are copied as they stand, in the tree that they have in the repository, together with
what they link to; so a link works on the site as it does in the repository. `pages` says in which
order they come; a page of ``docs/`` that it does not name joins the how-to pages. The reference is
written from the code.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from docs.site.pages import HOME, SECTIONS, WRITTEN

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
REST = "How to"  # where a page goes that no section names


def main(source: Path) -> None:
    """Write the whole source of the site into an empty directory."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    sections = ordered(ROOT, SECTIONS)
    wanted = [HOME, *(page for pages in sections.values() for page in pages)]
    stage(ROOT, source, [page for page in wanted if page not in WRITTEN])
    for page, write in WRITTEN.items():
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        (source / page).write_text(write(), encoding="utf-8")
    (source / HOME).rename(source / "index.md")
    with (source / "index.md").open("a", encoding="utf-8") as index:
        index.write(contents(sections))


def ordered(root: Path, sections: dict[str, list[str]]) -> dict[str, list[str]]:
    """The pages of each section, where it names those that are there; each page comes once.

    A page of ``docs/`` that no section names is among `REST`, so none is lost to the site when it
    is new or has another name.
    """
    placed: set[str] = set()
    found: dict[str, list[str]] = {}
    for title, patterns in sections.items():
        pages = [page for pattern in patterns for page in matching(root, pattern)]
        found[title] = [page for page in dict.fromkeys(pages) if page not in placed]
        placed.update(pages)
    rest = (path.relative_to(root).as_posix() for path in sorted((root / "docs").glob("*.md")))
    found[REST] += [page for page in rest if page not in placed]
    return found


def matching(root: Path, pattern: str) -> list[str]:
    """The pages that a pattern means, one that is written from the code included."""
    if pattern in WRITTEN:
        return [pattern]
    return [path.relative_to(root).as_posix() for path in sorted(root.glob(pattern))]


def stage(root: Path, source: Path, pages: list[str]) -> None:
    """Copy pages and, from page to page, what they link to."""
    waiting, done = [root / page for page in pages], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        target = source / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".md":
            shutil.copyfile(path, target)
            continue
        text = path.read_text(encoding="utf-8")
        waiting += [found for found in linked(path, text) if found.is_file()]
        orphan = "" if path.relative_to(root).as_posix() in pages else "---\norphan: true\n---\n\n"
        target.write_text(orphan + changed(root, path, text), encoding="utf-8")


def linked(path: Path, text: str) -> list[Path]:
    """The files and folders of the repository that a page links to."""
    found = [match[3] for match in LINK.finditer(FENCE.sub("", text)) if "://" not in match[3]]
    return [(path.parent / link).resolve() for link in found]


def changed(root: Path, path: Path, text: str) -> str:
    """The page with the links that differ on the site: to folders, and to the home page."""

    def change(match: re.Match[str]) -> str:
        picture, words, link, place = match.groups()
        target = (path.parent / link).resolve()
        if "://" in link or picture:
            return match[0]
        if target.is_dir():
            return words
        if target == root / HOME:
            return f"[{words}]({link.removesuffix(HOME)}index.md{place})"
        return match[0]

    return LINK.sub(change, text)


def contents(sections: dict[str, list[str]]) -> str:
    """The tables of contents, one for each section."""
    found = [""]
    for title, pages in sections.items():
        if not pages:
            continue
        options = [f":caption: {title}", ":maxdepth: 1", ":hidden:", ""]
        found += ["```{toctree}", *options, *pages, "```", ""]
    return "\n".join(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
