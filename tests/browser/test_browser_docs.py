"""The site of the pages, opened from a disk by a browser that has no network."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from benchmarks.pictures import pages
from docs.generate.site import build_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_TARGETS = """() => [...document.querySelectorAll('[href], [src]')]
    .map(each => each.href || each.src)
    .filter(address => typeof address === 'string' && address.startsWith('file:'))"""
_IDS = "() => [...document.querySelectorAll('[id]')].map(each => each.id)"
_OF_THIS_MACHINE = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site; skipped without the extra `docs`."""
    if find_spec("zensical") is None:
        pytest.skip("the extra docs is not installed")
    return build_site(tmp_path_factory.mktemp("site")).parent


def test_every_page_opens_offline_and_no_link_of_the_site_is_dead(browser: "Browser", site: Path) -> None:
    targets: set[str] = set()
    anchors: set[str] = set()
    files = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]  # for servers alone
    with (
        pages.window(browser, pages.WIDE, offline=True) as window,
        pages.page(window) as watched,
    ):
        for path in files:
            watched.page.goto(path.as_uri(), wait_until="domcontentloaded")
            targets |= set(watched.page.evaluate(_TARGETS))
            anchors |= {f"{path.as_uri()}#{name}" for name in watched.page.evaluate(_IDS)}
        outside = [url for url in watched.requests if not url.startswith(_OF_THIS_MACHINE)]
        assert outside == []
        # The browser drops what a page still loads when the next one opens; the file itself has to be there.
        assert [each for each in watched.complaints if not _was_dropped(each)] == []
    assert len(files) > 30
    assert [each for each in targets if not Path(each.partition("#")[0][7:]).exists()] == []
    to_pages = {each for each in targets if "#" in each and not each.endswith("#")}
    assert sorted(to_pages - anchors) == []


def _was_dropped(complaint: str) -> bool:
    address = urlsplit(complaint.removeprefix("no answer: "))
    return address.scheme == "file" and Path(address.path).exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_as_wide_as_the_window_and_the_search_works_from_a_disk(
    browser: "Browser", site: Path, size: tuple[int, int], scheme: str
) -> None:
    with (
        pages.window(browser, size, offline=True, color_scheme=scheme) as window,
        pages.page(window) as watched,
    ):
        page = watched.page
        page.goto((site / "docs" / "reference" / "settings.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.keyboard.press("Control+k")
        page.keyboard.type("kubernetes")
        page.get_by_text("Slurm and Kubernetes").first.wait_for()
        assert [url for url in watched.requests if not url.startswith(_OF_THIS_MACHINE)] == []
