"""The recipe and its neighbours are compared on rows up to 2014."""

import pytest

from benchmarks.recipe import NEIGHBOURS, SERIES, Losses, study_of, table


@pytest.mark.parametrize("series", SERIES)
def test_no_neighbour_of_the_recipe_is_chosen_by_a_row_after_2014(series: str) -> None:
    for name in NEIGHBOURS:
        assert study_of(series, name).data.split.validation_until == "2014-12-31"


def test_a_neighbour_differs_from_the_recipe_in_what_its_name_says() -> None:
    middle, other = study_of("sp500", "the recipe"), study_of("sp500", "64 units")
    assert (middle.models.gru.hidden_size, other.models.gru.hidden_size) == (32, 64)
    assert (middle.models.gru.init, study_of("sp500", "init: gains").models.gru.init) == ("torch", "gains")
    assert middle.training == other.training


def test_the_table_shows_references_and_seeds() -> None:
    shown = table("sp500", Losses({"har": 0.5}, {"the recipe": (0.4, 0.42)}))
    assert shown.splitlines()[2:] == [
        "| har | 0.5000 | – | +0.0000 |",
        "| the recipe | 0.4100 | 0.0141 | +0.1800 |",
    ]
