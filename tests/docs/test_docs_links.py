"""Every link of the pages leads to a file and a heading that are there, and the site has every page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]

_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets of all links and pictures outside code."""
    return _LINK.findall(_CODE.sub("`", text))


def anchors(text: str) -> set[str]:
    """The anchors of all headings, as GitHub and the site make them."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"\]\([^)]*\)|[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found[words] = found.get(words, -1) + 1
    return {f"{name}-{at}" if at else name for name, count in found.items() for at in range(count + 1)}


def dead_links(page: Path, text: str) -> Iterator[str]:
    """Links of the page without a file or a heading."""
    for link in links(text):
        path, _, anchor = link.partition("#")
        if re.match(r"https?://|mailto:", link):
            continue
        target = page.parent / path if path else page
        is_there = target.exists() and (
            not anchor or (target.suffix == ".md" and anchor in anchors(target.read_text()))
        )
        if not is_there:
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page, page.read_text())) == []


@pytest.mark.parametrize(
    "link",
    ["nowhere.md", "guard.md#no-such-heading", "#nothing-here", "../configs/none.yaml", "img/report.png#a"],
)
def test_a_dead_link_is_noticed(link: str) -> None:
    assert list(dead_links(DOCS / "trust.md", f"# Title\n\n[text]({link})")) == [link]


def test_links_in_code_are_no_links_and_anchors_are_those_of_github() -> None:
    assert links("`[a](b.md)` [c](d.md)\n```\n[e](f.md)\n```\n") == ["d.md"]
    text = "## A study of a table: `ballast init`\n## Twice\n## Twice\n```\n# no heading\n```\n"
    assert anchors(text) == {"a-study-of-a-table-ballast-init", "twice", "twice-1"}


def test_the_site_shows_every_page_once() -> None:
    shown = list(_paths(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(shown) == sorted(str(page.relative_to(ROOT)) for page in PAGES)


def _paths(nav: Any) -> Iterator[str]:
    for entry in nav:
        (value,) = entry.values()
        if isinstance(value, str):
            yield value
        else:
            yield from _paths(value)


def test_paths_that_code_and_settings_name_are_there() -> None:
    files = [
        path
        for folder in ("ballast", "search", "trainer", "storage", "configs", "benchmarks", "tests", "docker")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".sql", ".sh")
    ]
    named = re.compile(r"(?<![\w/.])docs/[\w/-]+\.md")
    dead = [
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name in named.findall(path.read_text())
        if not (ROOT / name).exists()
    ]
    assert dead == []
