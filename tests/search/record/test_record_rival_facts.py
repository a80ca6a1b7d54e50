"""The naive forecasts and rivals of a study, read from its facts."""

from search.record.rival_facts import (
    FORECASTS,
    FittedRival,
    absent_rivals,
    recorded_rival_losses,
    rival_notes,
    shown_names,
    strongest_rival,
)

FACTS = {
    "rivals": {"lhar": 0.6, "linear": 0.5},
    "strongest_rival": {"name": "linear", "loss": 0.5},
    "rivals_absent": {"boosted": "LightGBM is not installed", "garch": "the fit did not converge"},
}


def test_a_study_of_an_older_ballast_has_no_rivals() -> None:
    assert (recorded_rival_losses({}), strongest_rival({}), absent_rivals({})) == ({}, None, {})
    assert strongest_rival({"strongest_rival": None, "rivals": None, "rivals_absent": None}) is None


def test_rivals_come_with_the_strongest_first() -> None:
    assert list(recorded_rival_losses(FACTS)) == ["linear", "lhar"]
    assert strongest_rival(FACTS) == FittedRival("linear", 0.5)


def test_the_skill_over_a_rival_is_one_minus_the_ratio_of_losses() -> None:
    assert FittedRival("linear", 0.5).skill_of(0.4) == 1 - 0.4 / 0.5
    assert FittedRival("linear", 0.5).skill_of(None) is None
    assert FittedRival("linear", 0.0).skill_of(0.4) is None


def test_a_rival_that_needs_a_package_says_how_to_install_it() -> None:
    assert absent_rivals(FACTS) == {
        "boosted": "LightGBM is not installed; pip install lightgbm",
        "garch": "the fit did not converge",
    }
    told = {"rivals_absent": {"boosted": "no LightGBM: pip install something"}}
    assert absent_rivals(told) == told["rivals_absent"]


def test_every_forecast_that_can_be_named_is_described() -> None:
    assert {"zero", "train_mean", "persistence", "seasonal", "har", "lhar", "ar"} <= FORECASTS.keys()
    assert {"linear", "boosted", "ewma", "garch"} <= FORECASTS.keys()


def test_in_a_study_of_several_series_each_name_says_what_it_is_fitted_to() -> None:
    assert shown_names(["har", "linear"]) == {"har": "har", "linear": "linear"}
    assert shown_names(["har", "har_pooled", "linear", "zero"]) == {
        "har": "har (each series)",
        "har_pooled": "har (pooled)",
        "linear": "linear (pooled)",
        "zero": "zero",
    }


def test_rivals_with_the_same_note_are_named_together() -> None:
    note = "1 of 4 series (late; fewer than 50 training rows) are forecast by the fit to all series"
    facts = {
        "rivals": {"har": 1.0, "har_pooled": 1.0, "lhar": 1.0},
        "rivals_notes": {"har": note, "lhar": note},
    }
    assert rival_notes(facts) == {"har (each series), lhar (each series)": note}
    assert rival_notes(FACTS) == {}
