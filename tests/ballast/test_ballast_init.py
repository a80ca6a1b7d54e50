"""`ballast.init`: a study of a table, without questions."""

from pathlib import Path

import pytest

import ballast
from tests.search.api.init_tables import SHAPES, bars, write_table


def test_a_table_becomes_a_study_that_check_accepts() -> None:
    write_table("prices.csv", bars().to_csv())
    path = ballast.init("prices.csv")
    assert path == Path("prices.yaml")
    assert ballast.check(path).ok
    with pytest.raises(ballast.errors.RequestError, match=r"output='FILE', or replace it with force=True"):
        ballast.init("prices.csv")


def test_what_a_table_leaves_open_is_refused_with_the_argument() -> None:
    write_table("bars.csv", bars(step="h").to_csv(sep=";"))
    with pytest.raises(ballast.errors.RequestError, match="give timezone='ZONE', such as"):
        ballast.init("bars.csv", csv={"separator": ";"})
    with pytest.raises(ballast.errors.RequestError, match="csv is 3; give a dict"):
        ballast.init("bars.csv", csv=3)  # type: ignore[arg-type]


def test_a_long_table_becomes_a_study_of_all_series_or_of_the_one_that_is_asked_for() -> None:
    write_table("long.csv", SHAPES["long"][1]())
    assert "series: " in ballast.init("long.csv").read_text()
    assert "where: " in ballast.init("long.csv", symbol="BBB", force=True).read_text()


def test_rows_to_correct_are_an_answer_of_no_and_the_file_is_there() -> None:
    write_table("prices.csv", bars().to_csv() + bars().iloc[-1:].to_csv(header=False))
    with pytest.raises(ballast.errors.AnswerIsNo, match=r"prices\.yaml is written, .* occurs before"):
        ballast.init("prices.csv")
    assert Path("prices.yaml").is_file()
