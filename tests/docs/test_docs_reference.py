"""The reference pages are those that `make docs-reference` writes today."""

import pytest

from docs.generate.pages import REFERENCE, reference_pages
from search.config.schema import LEAVES


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference_pages()


def test_no_reference_page_is_stale(pages: dict[str, str]) -> None:
    written = {path.name: path.read_text() for path in REFERENCE.glob("*.md")}
    stale = [name for name in pages if pages[name] != written.get(name)]
    assert stale == [], "write them anew: make docs-reference"
    assert set(written) == set(pages)


def test_every_setting_has_one_row_with_a_meaning(pages: dict[str, str]) -> None:
    rows = [line.split(" | ") for line in pages["settings.md"].splitlines() if line.startswith("| `")]
    keys = [row[0].strip("| `") for row in rows]
    assert [key for key in LEAVES if keys.count(key) != 1] == []
    assert [row[0] for row in rows if len(row[-1].strip(" |")) < 5] == []


def test_every_public_call_has_its_signature_and_what_it_raises(pages: dict[str, str]) -> None:
    section = pages["api.md"].split("### `ballast.run`")[1].split("\n### ")[0]
    assert "    workers: int | None = None,\n" in section
    assert "- `StudyChanged`: A study of this name has other data or another space." in section
