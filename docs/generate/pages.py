"""The reference pages by file name. A test compares them with the files, so that none is stale."""

from pathlib import Path

from docs.generate.api import api_page
from docs.generate.commands import commands_page
from docs.generate.settings import settings_page

REFERENCE = Path(__file__).parents[1] / "reference"
_NOTE = "<!-- Written by `make docs-reference`; change the source, not this page. -->\n"


def reference_pages() -> dict[str, str]:
    """The text of each page in docs/reference/, as it should be."""
    pages = {"settings.md": settings_page(), "cli.md": commands_page(), "api.md": api_page()}
    return {name: f"{_NOTE}\n{text.rstrip()}\n" for name, text in pages.items()}
