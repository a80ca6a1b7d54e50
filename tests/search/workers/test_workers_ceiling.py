"""The ceiling of a study is that of the audit, whatever is searched; that of a rerun is its export's."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from search.config.resolve import resolve
from search.data.study_data import inspect_data, load_study_data, max_epochs
from search.selection.choice import best_trials
from search.selection.export import write_export
from search.selection.rerun import rerun

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy


def test_neither_more_trials_nor_more_epochs_raise_the_ceiling(write_study: "WriteStudy") -> None:
    path = write_study()
    few = load_study_data(resolve(path, ["study.trials=1", "training.epochs=1"]))
    many = load_study_data(resolve(path, ["study.trials=500", "training.epochs=200"]))
    audit = inspect_data(resolve(path)).audit
    assert audit is not None
    assert few.ceiling == many.ceiling == audit.ceiling


@pytest.mark.parametrize("ceiling", [0.9, 0.01])
def test_a_rerun_is_judged_by_the_ceiling_of_its_export(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, ceiling: float
) -> None:
    done = launch(write_study(), "study.trials=1", "training.epochs=2")
    (best,) = best_trials(done.store, "small", 1)
    target = tmp_path / "best.yaml"
    write_export(done.store, best, target)
    content = yaml.safe_load(target.read_text())
    content["provenance"]["skill_ceiling"] = ceiling
    target.write_text(yaml.safe_dump(content, sort_keys=False))
    assert load_study_data(resolve(target)).ceiling == ceiling
    assert rerun(target).result.skill_ceiling == ceiling


def test_the_largest_number_of_epochs_in_the_space_decides(write_study: "WriteStudy") -> None:
    path = write_study(space={"training.epochs": {"low": 1, "high": 40}})
    assert max_epochs(resolve(path)) == 40
    fixed = load_study_data(resolve(path, ["training.epochs=1", "guard.max_skill=null"]))
    assert load_study_data(resolve(path)).ceiling >= fixed.ceiling
