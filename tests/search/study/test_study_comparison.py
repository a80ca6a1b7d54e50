"""Two trials compared on the rows that both validated on."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

import ballast as api
from ballast.errors import RequestError, StudyUnknown, TrialUnknown

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

LATER = ("--name", "later", "--set", "data.split.fractions={train: 0.65, validation: 0.2}")
EARLY = ("--name", "early", "--set", "data.split.fractions={train: 0.3, validation: 0.1}")
OTHER = ("--name", "other", "--set", "data.target.horizon=2")


def run(path: str, ballast: "Ballast", *words: object, epochs: int = 1, trials: int = 1) -> None:
    done = ballast("run", path, "--trials", trials, "--set", f"training.epochs={epochs}", *words)
    assert done.code == 0, done.err


def skill_by_hand(a: str, trial_a: int, b: str, trial_b: int) -> tuple[float, int]:
    """The skill of B over A and the number of common rows, from the frames of the forecasts."""
    frames = [api.load_study(name).forecasts().set_index("time") for name in (a, b)]
    both = frames[0].index.intersection(frames[1].index)
    one, other = (frame.loc[both] for frame in frames)
    errors = [one[f"trial_{trial_a}"] - one["target"], other[f"trial_{trial_b}"] - other["target"]]
    loss_a, loss_b = (float(np.square(each).mean()) for each in errors)
    return 1 - loss_b / loss_a, len(both)


def test_the_skill_of_one_over_the_other_is_that_of_the_rows_that_both_have(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study().name
    run(path, ballast, trials=2)
    run(path, ballast, *LATER, epochs=2)
    for a, b in (("small:0", "later:0"), ("small:1", "small:0")):
        told = ballast("compare", a, b, "--json").json
        (study_a, trial_a), (study_b, trial_b) = (name.split(":") for name in (a, b))
        skill, rows = skill_by_hand(study_a, int(trial_a), study_b, int(trial_b))
        assert told["skill"] == pytest.approx(skill, rel=1e-4, abs=1e-6)
        assert told["rows"] == told["moments"] == rows
        assert told["interval"]["low"] <= told["skill"] <= told["interval"]["high"]
        assert told["verdict"] in ("yes", "no", "cannot tell")
        if study_a == study_b:
            assert told["a"]["loss"] == pytest.approx(told["a"]["value"], rel=1e-5)

    told = ballast("compare", "small:0", "later:0", "--json").json
    differing = {each["key"]: (each["a"], each["b"]) for each in told["settings"]}
    assert differing["training.epochs"] == (1, 2)
    assert not {"study.name", "models.gru.num_layers"} & set(differing)
    found = api.compare("small:0", "later:0")
    assert {**found.to_json(), "a": told["a"], "b": told["b"]} == told
    assert list(found.settings()["key"]) == list(differing)
    shown = ballast("compare", "small:0", "later:0").out
    assert "Does later:0 forecast better than small:0? " in shown
    assert "training.epochs" in shown

    best = ballast("status", "small", "--json").json["best"]["number"]
    told = ballast("compare", "small", f"small:{best}", "--json").json
    assert (told["a"]["trial"], told["skill"], told["verdict"]) == (best, 0.0, "cannot tell")
    assert told["settings"] == []


def test_what_cannot_be_compared_is_told_in_one_sentence(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    def refused(*words: str) -> str:
        found = ballast("compare", *words)
        assert (found.code, len(found.told)) == (2, 1)
        return found.told[0]

    path = write_study().name
    for more in (LATER, EARLY, OTHER):
        run(path, ballast, *more)
    assert "early:0 and later:0 have no common validation rows: " in refused("early", "later:0")
    assert "later:0 and other:0 have different targets: at " in refused("later:0", "other")
    assert "smal" in refused("smal", "later")
    assert "7" in refused("later:7", "later")
    for error, name in ((StudyUnknown, "smal"), (TrialUnknown, "later:7"), (RequestError, "early")):
        with pytest.raises(error):
            api.compare(name, "later:0")
