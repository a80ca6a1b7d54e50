"""`make docs`: the pages as a site, in build/site; it needs the extra `docs` and no network to be read."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SETTINGS = "mkdocs.yml"
_SHOWN = ("docs", "configs", "docker", "docker-compose.yml", "Dockerfile", "LICENSE")
"""What pages link to, beside the pages in the root."""


def build_site(folder: Path = ROOT) -> Path:
    """Build the site below a folder and return its first page.

    Raises CalledProcessError if a link or an anchor leads nowhere.
    """
    pages = folder / "build" / "pages"
    shutil.rmtree(folder / "build" / "site", ignore_errors=True)
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for path in [*ROOT.glob("*.md"), *(ROOT / name for name in _SHOWN)]:
        if path.is_dir():
            shutil.copytree(path, pages / path.name, ignore=shutil.ignore_patterns("generate", "__*"))
        else:
            shutil.copy(path, pages)
    if folder != ROOT:
        shutil.copy(ROOT / _SETTINGS, folder)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, check=True)
    return folder / "build" / "site" / "index.html"


if __name__ == "__main__":
    print(f"open {build_site().relative_to(ROOT)}")
