"""A study of several objectives from its first trial to an export, with a death between record and Optuna."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from search.api.export_study import export_study
from search.errors import RequestError
from search.selection.summary import summarise
from search.study import backend, liveness
from search.workers.consistency import inconsistencies
from storage.verdicts import Verdict
from tests.search.killed_runs import Killed, die

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow
OBJECTIVES = ["loss", {"metric": "parameters"}, "seconds"]


def test_the_values_of_a_killed_trial_are_told_again_and_the_front_is_exported(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_study(study={"objectives": OBJECTIVES, "trials": 3})
    with monkeypatch.context() as patched:
        patched.setattr(backend, "tell", die)
        with pytest.raises(Killed):
            launch(path)
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)
    done = launch(path)
    assert [row.verdict for row in done.trials] == [Verdict.ACCEPTED] * 3
    for row, told in zip(done.trials, done.study.optuna.trials, strict=True):
        assert row.objectives is not None
        assert list(row.objectives.values()) == told.values
        assert row.objectives["loss"] == row.value
        assert row.objectives["parameters"] == 3 * 4 * (1 + 4 + 2) + 4 + 1
    assert inconsistencies(done.store) == []
    front = summarise(done.store, "small").front
    assert front is not None
    exported = export_study(done.store, "small", tmp_path / "knee.yaml", by="knee").trials[0]
    provenance = yaml.safe_load((tmp_path / "knee.yaml").read_text())["provenance"]
    assert provenance["chosen_by"] == "knee"
    assert provenance["pareto"]["knee"] == exported.chosen.trial.number == front.knee.number
    with pytest.raises(RequestError, match="has no rule turnover"):
        export_study(done.store, "small", tmp_path / "x.yaml", by="turnover")
    other = write_study("other.yaml", study={"name": "other", "trials": 1})
    with pytest.raises(RequestError, match="its trials lack values"):
        launch(other, continue_from="small")
