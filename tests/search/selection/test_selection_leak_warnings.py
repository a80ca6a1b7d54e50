"""What the audit warned of is told again beside every result."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from search.selection.leak_warnings import CODES, leak_warning_sentence, leak_warnings
from search.selection.summary import summarise
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import study_note
from search.watching.view import study_view

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

HINT = "The audit warned of days_left (counts_down): see ballast check."


def finding(code: str, severity: str = "warning", where: str = "hint") -> dict[str, Any]:
    return {"code": code, "severity": severity, "where": where, "message": "it leads"}


def test_only_what_may_be_a_leak_and_is_no_note_is_repeated() -> None:
    found = [*map(finding, CODES), finding("leads_target", "info"), finding("gap")]
    assert [each["code"] for each in leak_warnings(found)] == list(CODES)


def test_one_sentence_names_the_columns_and_counts_those_beyond_five() -> None:
    assert leak_warning_sentence([]) == ""
    assert leak_warning_sentence(leak_warnings([finding("leads_target")])) == (
        "The audit warned of hint (leads_target): see ballast check."
    )
    many = leak_warnings(finding("leads_target", where=f"x{number}") for number in range(8))
    assert leak_warning_sentence(many).endswith("x4 (leads_target) and 3 more: see ballast check.")


@pytest.mark.slow
def test_a_study_in_which_a_column_counts_down_says_so_on_every_page(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    vol = {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}
    study = write_study(data={"features": [vol, "days_left"]})
    prices = pd.read_csv("prices.csv")
    prices.assign(days_left=range(len(prices) - 1, -1, -1)).to_csv("prices.csv", index=False)
    store = launch(study).store
    assert summarise(store, "small").to_json()["leak_warnings"] == [
        {"code": "counts_down", "where": "days_left"}
    ]
    at = ("--store", store.url)
    assert HINT in ballast("status", "small", *at).out
    assert HINT in ballast("export", "small", "-o", "best.yaml", *at).out
    assert HINT in Path("best.yaml").read_text()
    assert HINT in to_markdown(study_note(study_view(store, "small"))).replace("\\_", "_")
    told = ballast("verify", "best.yaml", "--seeds", 1, *at).out
    assert HINT in told
    elsewhere = ballast("verify", "best.yaml", "--seeds", 1, "--store", "sqlite:///other.db", "--json")
    assert elsewhere.json["leak_warnings"] == [{"code": "counts_down", "where": "days_left"}]
