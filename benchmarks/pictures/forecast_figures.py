"""Pictures of the figures of forecasts, as the report of a study shows them.

    python -m benchmarks.pictures.forecast_figures STUDY [--store URL] [--folder FOLDER]

Writes those that docs/watching.md shows to docs/img, or with `--folder` every figure of the study at 1280 and
at 390 pixels, light and dark. The study must be in the store. A verified one has test rows in its figures:

    ballast run configs/studies/sp500-volatility.yaml --trials 10
    ballast export sp500-volatility -o best.yaml --verify
"""

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pictures import pages, servers
from benchmarks.pictures.__main__ import MOST_BYTES, small
from search.api.stores import DEFAULT_STORE
from search.watching.plots.forecast_figures import FORECAST_PLOT_IDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_DOCS = Path(__file__).parents[2] / "docs" / "img"
_SIZES = {"1280": pages.WIDE, "390": pages.NARROW}
_SCHEMES = ("light", "dark")
_IN_DOCS = {
    ("forecasts", "1280", "light"),
    ("loss-difference", "1280", "light"),
}


def take(browser: "Browser", report: str, folder: Path, wanted: set[tuple[str, str, str]]) -> int:
    """Take each wanted picture, (figure, width, scheme), that the report has; how many are too large."""
    large = 0
    for width, size in _SIZES.items():
        for scheme in _SCHEMES:
            with (
                pages.window(browser, size, color_scheme=scheme) as window,
                pages.page(window) as watched,
            ):
                pages.open_report(watched.page, report)
                for figure in FORECAST_PLOT_IDS:
                    found = watched.page.locator(f"#figure-{figure}")
                    if (figure, width, scheme) not in wanted or not found.count():
                        continue
                    found.scroll_into_view_if_needed()
                    picture = small(found.screenshot())
                    path = folder / f"figure-{figure}-{width}-{scheme}.png"
                    path.write_bytes(picture)
                    large += len(picture) > MOST_BYTES
                    print(f"{path}  {len(picture) / 1e3:.0f} kB", flush=True)
    return large


def main() -> int:
    """Write the report of the study and take its pictures; 1 where one is too large."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("study", help="a study in the store")
    parser.add_argument("--store", default=DEFAULT_STORE, help=f"where the study is ({DEFAULT_STORE})")
    parser.add_argument("--folder", type=Path, help="take all figures, and put them here")
    asked = parser.parse_args()
    if (missing := pages.what_is_missing()) is not None:
        raise SystemExit(missing)
    every = set(product(FORECAST_PLOT_IDS, _SIZES, _SCHEMES))
    with tempfile.TemporaryDirectory(prefix="ballast-pictures-") as name, pages.browser() as browser:
        path = Path(name) / "report.html"
        servers.ballast(asked.store, "report", asked.study, "-o", str(path))
        wanted = _IN_DOCS if asked.folder is None else every
        return 1 if take(browser, path.as_uri(), asked.folder or _DOCS, wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
