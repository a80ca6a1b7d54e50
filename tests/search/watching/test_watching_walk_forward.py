"""The pages and figures of a walk-forward."""

import json
from pathlib import Path

import pytest

from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow


def test_report_status_and_the_pages_of_its_studies_show_a_walk_forward(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    walk = ("walk-forward", write_study(), "--every", "4mo", "--from", "2001-11", "--seeds", 1)
    done = ballast(*walk, "--save-forecasts", "f.csv", "--json")
    assert done.code in (0, 1), done.err
    told = done.json
    assert ballast("status", "small", "--json").json == json.loads(done.out)
    assert len(Path("f.csv").read_text().splitlines()) == told["rows"] + 1

    assert ballast("report", "small", "-o", "walk.html").code == 0
    page = Path("walk.html").read_text()
    for figure in ("walk-forward-loss-difference", "walk-forward-skill", "walk-forward-settings"):
        assert figure in page
    assert "Did skill follow where validation said so?" in page

    newest, first = told["blocks"][-1]["study"], told["blocks"][0]["study"]
    assert ballast("report", newest, "-o", "newest.md").code == 0
    assert "### By block" in Path("newest.md").read_text()
    assert ballast("report", first, "-o", "first.md").code == 0
    assert "This study is a block of it" in Path("first.md").read_text()
    assert "A block of walk-forward 'small'" in ballast("status", first).out
    assert "walk-forward small: ballast status small" in ballast("status").out


def test_a_file_of_forecasts_with_another_ending_is_refused_before_anything_runs(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    refused = ballast("walk-forward", write_study(), "--every", "1y", "--save-forecasts", "f.xlsx")
    assert refused.code == 2
    assert "name a file that ends in .csv or .parquet" in " ".join(refused.told)
    assert not Path("ballast.db").exists()
