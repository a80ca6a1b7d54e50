"""`ballast report`: one file about a study, whatever its name and its trials."""

import errno
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.study.studies import open_study
from search.watching.blocks import Heading, Paragraph, Plot, TableBlock
from search.watching.pages.report import MAX_TRIALS_LISTED, listed_trials, report_blocks
from search.watching.plots.figures import figures
from search.watching.view import study_view
from storage import tables
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, Launched, WriteStudy

pytestmark = pytest.mark.slow

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
EVIL = "<img src=x onerror=alert(1)>|a $x$ [a](javascript:alert(1)) ".ljust(120, "x")


def make_study(path: Path, url: str) -> None:
    """A study that has no trial yet."""
    resolved = resolve(path, ())
    store = open_store(url)
    open_study(resolved, load_study_data(resolved), store)
    store.close()


@pytest.fixture
def small(launch: "Launch", write_study: "WriteStudy") -> "Launched":
    """A study of two trials, in the default store of this folder."""
    return launch(write_study())


def test_a_report_is_written_and_says_how_to_open_it(
    small: "Launched", ballast: "Ballast", tmp_path: Path
) -> None:
    done = ballast("report", "small", "-o", "report.html")

    html = Path("report.html").read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    shown = re.findall('<figure id="figure-([^"]+)"', html)
    assert shown == [plot.id for plot in figures(study_view(small.store, "small"))]
    assert {"learning-curves", "skill", "space", "timeline"} <= {*shown}
    assert done.out.splitlines()[0].startswith("report.html: the report on 'small', ")
    assert f"open it, offline too: {(tmp_path / 'report.html').as_uri()}" in done.out


def test_a_report_tells_everything_that_a_colleague_asks(small: "Launched") -> None:
    view = study_view(small.store, "small")
    plot = Plot("skill", "Skill", "…", {"data": [], "layout": {}})

    page = report_blocks(view, [plot], "sqlite:///x.db")

    sections = [block.text for block in page if isinstance(block, Heading) and block.level == 2]
    assert sections == [
        *(
            "Best configuration",
            "Skill",
            "On unseen rows",
            "Figures",
            "What was asked",
            "Clamped",
            "Overridden",
            "Data",
        ),
        *("Trials", "The guard's diary", "Look closer", "Versions and fingerprints"),
    ]
    assert plot in page
    columns = {block.columns[0]: block for block in page if isinstance(block, TableBlock)}
    assert [row[:2] for row in columns["trial"].rows] == [(0, Verdict.ACCEPTED), (1, Verdict.ACCEPTED)]
    assert columns["package"].rows == sorted(view.study.versions.items())
    assert columns["fingerprint of"].rows == sorted(view.study.fingerprints.items())
    assert {"study.trials", "data.source"} <= {row[0] for row in columns["key"].rows}
    assert Paragraph("The guard found nothing.") in page


def test_the_commands_name_the_store_whatever_their_reader_has_set(
    small: "Launched", ballast: "Ballast"
) -> None:
    ballast("report", "small", "-o", "default.md")
    ballast("report", "small", "-o", "other.md", "--store", "sqlite:///./ballast.db")

    for file, url in (("default.md", "sqlite:///ballast.db"), ("other.md", "sqlite:///./ballast.db")):
        text = Path(file).read_text()
        assert f"ballast dashboard --store {url}\n" in text
        assert f"--store {url} \\\n    -o best.yaml\n" in text


def test_the_format_is_that_of_the_name_unless_it_is_given(small: "Launched", ballast: "Ballast") -> None:
    told = ballast("report", "small", "-o", "REPORT.MD", "--json").json
    ballast("report", "small", "-o", "page.txt", "--format", "html")
    refused = ballast("report", "small", "-o", "page.txt")

    text = Path("REPORT.MD").read_bytes()
    assert told == {"path": "REPORT.MD", "format": "md", "bytes": len(text)}
    assert text.startswith(b"# Study small\n")
    assert Path("page.txt").read_text().startswith("<!DOCTYPE html>")
    assert refused.code == 2
    assert refused.told == [
        "ballast: 'page.txt' does not say what to write; name a file that ends in .html or .md, or add "
        "--format html"
    ]


@pytest.mark.slow
def test_a_study_that_is_not_there_is_told_in_one_sentence(small: "Launched", ballast: "Ballast") -> None:
    done = ballast("report", "smal", "-o", "report.html")

    assert done.code == 2
    assert len(done.told) == 1
    assert "smal" in done.told[0]
    assert not Path("report.html").exists()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("no/report.html", "there is no folder no; make it: mkdir -p no"),
        ("/dev/full", "it is a device; name a file: -o report.html"),
        (".", "it is a folder; name a file: -o report.html"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_told_in_one_sentence(
    target: str, sentence: str, small: "Launched", ballast: "Ballast"
) -> None:
    done = ballast("report", "small", "-o", target, "--format", "html")

    assert (done.code, done.told) == (2, [f"ballast: cannot write {target}: {sentence}"])


def test_an_older_report_stays_whole_where_the_new_one_cannot_be_written(
    small: "Launched", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("report.html").write_text("older")

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)

    done = ballast("report", "small", "-o", "report.html")

    assert done.code == 2
    assert "choose another place with -o" in done.told[0]
    assert Path("report.html").read_text() == "older"


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_a_study_without_trials_has_a_report_that_says_so(
    suffix: str, write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    make_study(write_study(), "sqlite:///ballast.db")

    done = ballast("report", "small", "-o", f"report.{suffix}")

    assert done.code == 0
    text = Path(f"report.{suffix}").read_text()
    assert "No trial has been started yet." in text
    assert "There is no best configuration yet." in text


@pytest.mark.slow
def test_a_hostile_name_is_only_a_name(
    launch: "Launch", write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    launch(write_study(study={"name": EVIL}, data={"features": [{"name": EVIL[:60], "column": "Close"}]}))

    done = [ballast("report", EVIL, "-o", file) for file in ("report.html", "report.md")]

    assert [result.code for result in done] == [0, 0]
    assert "<img" not in Path("report.html").read_text()
    assert "<img" not in Path("report.md").read_text().replace("\\<img", "").replace("'<img", "")


def test_suspicious_trials_and_what_the_guard_did_are_in_the_report(
    launch: "Launch", write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    launch(write_study(leak=True))

    ballast("report", "small", "-o", "report.md")

    text = Path("report.md").read_text()
    assert "|0|suspicious|skill_too_high|" in text
    assert "look for a leak" in text.partition("The guard's diary")[2]


def a_trial(number: int, verdict: Verdict, value: float | None) -> tables.Trial:
    return tables.Trial(
        study="s",
        number=number,
        params={},
        seed=0,
        started_at=NOON,
        worker="w",
        verdict=verdict,
        value=value,
        finished_at=NOON,
    )


def test_of_many_trials_the_best_and_those_that_the_guard_stopped_are_listed(small: "Launched") -> None:
    accepted = [a_trial(n, Verdict.ACCEPTED, 1000.0 - n) for n in range(150)]
    stopped = [a_trial(n, (Verdict.UNSTABLE, Verdict.SUSPICIOUS)[n % 2], None) for n in range(150, 280)]
    pruned = [a_trial(n, Verdict.UNPROMISING, 0.0) for n in range(280, 300)]
    trials = [*accepted, *stopped, *pruned]

    listed = [trial.number for trial in listed_trials(trials)]

    assert listed == [*range(100, 150), *range(150, 200)]
    assert len(listed_trials(trials[:MAX_TRIALS_LISTED])) == MAX_TRIALS_LISTED
    page = report_blocks(replace(study_view(small.store, "small"), trials=trials), [])
    told = [block.text for block in page if isinstance(block, Paragraph)]
    assert (
        "Of 300 trials 100 are listed: the best 50, and the first 50 that were unstable or suspicious. "
        "All of them: ballast trials small"
    ) in told


def test_the_password_of_the_store_is_not_in_the_report(
    write_study: "WriteStudy", ballast: "Ballast", postgres_url: str
) -> None:
    make_study(write_study(), postgres_url)

    done = ballast("report", "small", "-o", "report.md", "--store", postgres_url)

    assert done.code == 0
    text = Path("report.md").read_text()
    assert "--store 'postgresql" in text
    assert ":***@" in text
    assert f":{make_url(postgres_url).password}@" not in text
