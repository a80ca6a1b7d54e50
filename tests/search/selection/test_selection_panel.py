"""A study of a panel: its evidence, bound and verification work by date, and its figures are on record."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from search.record.validation_rows import forecasts, validation_rows
from search.selection.choice import best_trials, configurations_with_bounds
from search.selection.export import write_export
from search.selection.panel_result import validated_panel
from search.selection.selection_evidence import SelectionEvidence, study_evidence
from search.selection.summary import summarise
from search.selection.verification import verify
from search.terminal.study_status import read_study_status, status_rows
from search.terminal.verification_text import print_verification
from storage import evaluations
from tests.search.selection.panel_studies import NAMES, RETURNS, write_panel
from trainer.rivals.skill import noise_floor

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow


def test_a_panel_is_judged_by_date_from_the_search_to_the_verification(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_panel(tmp_path)
    store = launch(write_study(**RETURNS), "study.trials=3").store
    rows = validation_rows(store, "small")
    assert rows is not None
    assert rows.series_names == NAMES
    assert rows.series is not None
    times, held = len(np.unique(rows.times)), len(rows.times)
    assert times < 140 < 5 * times < held

    # The stored rows give the trials' values: losses by date have the mean of all rows.
    kept = forecasts(store, "small")
    for trial in best_trials(store, "small", 3):
        assert rows.losses(kept[trial.number]).shape == (times,)
        assert rows.losses(kept[trial.number]).mean() == pytest.approx(trial.value, rel=1e-5)

    worth = summarise(store, "small").effective_rows
    assert worth is not None
    assert (worth.series, worth.rows, worth.times) == (6, held, times)
    assert worth.uncorrelated < 2.2 * times  # they share 80 % of their variance
    summary = summarise(store, "small")
    assert summary.noise_floor == pytest.approx(noise_floor(6, worth.uncorrelated, worth.horizon))
    assert ("validation", worth.text) in status_rows(read_study_status(store, summary))
    assert summary.to_json()["effective_rows"]["rows"] == held

    evidence = study_evidence(store, "small", 0)
    assert isinstance(evidence, SelectionEvidence)
    assert evidence.rows == times
    assert evidence.timing is not None
    assert evidence.timing["long_only"].rows == -(-times // rows.moments.horizon)
    bounds = configurations_with_bounds(store, "small")
    assert not isinstance(bounds, str)
    assert bounds[0].bound.mean == pytest.approx(bounds[0].trials[0].skill, abs=1e-5)

    shown = validated_panel(store, "small", 0)
    assert shown is not None
    assert [each.name for each in shown.skill.by_series] == list(NAMES)
    assert shown.cross_section is not None

    path = tmp_path / "best.yaml"
    write_export(store, best_trials(store, "small", 1)[0], path)
    report = verify(path, store, seeds=2)
    again = verify(path, store, seeds=2)
    assert len(again.earlier) == 1  # the same rows of the same panel
    found = json.loads(json.dumps(report.to_json()))
    test_times = found["panel"]["times"]
    assert found["panel"]["rows"] == found["rows"]["test"] == 6 * test_times
    assert f"on {6 * test_times} test rows at {test_times} times" in found["reason"]
    assert len(report.scored[0].losses) == test_times
    assert found["cross_section"]["ic"]["dates"] == test_times
    assert found["cross_section"]["long_short"]["cost_basis_points"] == 10
    (evaluation, _) = evaluations.verifications_of_study(store, "small")
    assert evaluation.report is not None
    assert evaluation.report["cross_section"] == found["cross_section"]
    print_verification(report)
    printed = " ".join(capsys.readouterr().out.split())
    for told in ("The panel:", "independent rows.", "Rank IC", "basis points", "by year: 2003"):
        assert told in printed
