"""Creating a study, continuing it, and refusing to continue a study that has changed."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.errors import AnswerIsNo, RequestError, StudyChanged
from search.sampling.optuna_storage import optuna_storage
from search.study.studies import open_study
from search.workers.consistency import inconsistencies
from storage import query
from storage.check import check_store
from storage.engine import open_store

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow

OTHER = {"models.gru.learning_rate": {"low": 2e-3, "high": 1e-2, "log": True}}


@pytest.mark.slow
def test_n_trials_are_those_of_the_study_and_not_of_each_run(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study()
    assert [row.number for row in launch(path).trials] == [0, 1]
    assert [row.number for row in launch(path).trials] == [0, 1]
    more = launch(path, "study.trials=3")
    assert [row.number for row in more.trials] == [0, 1, 2]
    assert (more.end.done, more.end.wanted) == (3, 3)


def test_both_parts_of_the_store_agree_after_a_run(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study())
    assert inconsistencies(done.store) == []
    assert check_store(done.store) == []


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
@pytest.mark.slow
def test_the_sampler_of_a_continued_study_does_not_repeat_itself(
    write_study: "WriteStudy", launch: "Launch", sampler: str
) -> None:
    path = write_study(study={"sampler": sampler, "startup_trials": None if sampler != "tpe" else 2})
    launch(path)
    rates = [row.params["models.gru.learning_rate"] for row in launch(path, "study.trials=4").trials]
    assert len(set(rates)) == 4


CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"space": OTHER}, "space.models.gru.learning_rate was"),
    ({"training": {"epochs": 3}}, "training.epochs was 2, is 3 (study.yaml:"),
    ({"study": {"seed": 1}}, "study.seed was 0, is 1"),
    ({"study": {"sampler": "gp"}}, "study.sampler was 'tpe', is 'gp'"),
    ({"data": {"seq_len": 4}}, "data.seq_len was 3, is 4"),
    ({"seed": 1}, "the rows of prices.csv"),
)


@pytest.mark.slow
def test_a_changed_study_is_refused_with_what_changed_and_the_way_out(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    launch(write_study(), "study.trials=1")
    for changes, named in CHANGES:
        path = write_study(**changes)
        with pytest.raises(StudyChanged, match=re.escape(named)) as caught:
            launch(Path(path.name))
        assert "--name small-2" in str(caught.value)


def test_a_changed_policy_is_refused(write_study: "WriteStudy", launch: "Launch", tmp_path: Path) -> None:
    path, policy = write_study(), tmp_path / "policy.yaml"
    launch(path, "study.trials=1")
    policy.write_text("models.gru.dropout: {high: 0.4, why: less noise, source: a test}\n")
    with pytest.raises(StudyChanged, match=r"the safe ranges \(.*policy\.yaml\)"):
        launch(path, policy=policy)


@pytest.mark.slow
def test_trials_timeout_retries_and_store_may_change(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study()
    launch(path, "study.trials=1")
    changed = ("study.trials=2", "study.timeout=1h", "study.retries=5", "storage.url=sqlite:///elsewhere.db")
    assert len(launch(path, *changed).trials) == 2


def test_the_ceiling_of_skill_stays_that_of_the_first_run(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(leak=True, training={"epochs": 1})
    first = launch(path, "study.trials=1").study.data.ceiling
    # As a Ballast with another formula would go on with it.
    monkeypatch.setattr("trainer.audit.audit.skill_ceiling", lambda *args, **kwargs: 0.123)
    second = launch(path, "study.trials=2")
    assert load_study_data(second.study.resolved).ceiling == 0.123
    assert second.study.data.ceiling == first


@pytest.mark.slow
def test_configurations_that_are_added_to_the_queue_of_a_continued_study_are_tried(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    queue = [{"models.gru.learning_rate": 0.004}]
    launch(write_study(study={"trials": 1, "enqueue": queue}))
    path = write_study(study={"enqueue": [*queue, {"models.gru.learning_rate": 0.005}], "trials": 3})
    rates = [row.params["models.gru.learning_rate"] for row in launch(path).trials]
    assert rates[:2] == [0.004, 0.005]
    assert len(set(rates)) == 3


def test_a_study_that_optuna_knows_and_we_did_not_start_is_left_alone(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    foreign = optuna.create_study(study_name="small", storage=f"sqlite:///{tmp_path / 'ballast.db'}")
    foreign.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(RequestError, match="Ballast did not start; start another one: --name small-2"):
        launch(write_study())
    assert len(foreign.trials) == 1


@pytest.mark.slow
def test_a_creation_that_broke_off_between_the_two_parts_is_taken_up(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    optuna.create_study(study_name="small", storage=optuna_storage(store))
    store.close()
    assert len(launch(write_study()).trials) == 2


def test_a_study_that_optuna_has_lost_is_a_disagreement(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(), "study.trials=1")
    optuna.delete_study(study_name="small", storage=optuna_storage(done.store))
    (told,) = inconsistencies(done.store)
    assert told.startswith("study 'small' is on record, but Optuna does not know it any more")
    assert "remove it with: ballast delete small --store sqlite:///" in told


@pytest.mark.slow
def test_two_studies_share_a_store_without_touching_each_other(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study(study={"trials": 1})
    launch(path)
    other = launch(path, "study.name=other")
    assert [study.name for study in query.studies(other.store)] == ["small", "other"]
    assert [row.study for row in other.trials] == ["other"]
    assert inconsistencies(other.store) == []


def test_a_window_too_long_for_the_data_is_refused_before_any_trial(write_study: "WriteStudy") -> None:
    path = write_study(space={"data.seq_len": {"choices": [2, 190]}})
    with pytest.raises(AnswerIsNo, match="seq_len 190"):
        load_study_data(resolve(path))


def test_a_searched_window_is_audited_at_its_longest_and_prepared_once_per_length(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study(space={"data.seq_len": {"low": 2, "high": 5}}, data={"seq_len": None})
    done = launch(path, "models.gru.learning_rate=0.005")
    assert done.study.data.base[-1].seq_len == 5
    assert {row.verdict for row in done.trials} == {"accepted"}


def test_the_password_of_a_store_is_not_recorded(write_study: "WriteStudy", launch: "Launch") -> None:
    url = "postgresql://ada:hunter2@db.example/ballast"
    done = launch(write_study(), f"storage.url={url}", "study.trials=1")
    (row,) = [r for r in query.settings(done.store, "small") if r.key == "storage.url" and r.layer == "cli"]
    assert row.effective == row.requested == "postgresql://ada:***@db.example/ballast"
    assert "hunter2" not in Path("ballast.db").read_bytes().decode("latin-1")


def test_a_study_file_that_is_a_link_is_recorded_beside_its_data(
    write_study: "WriteStudy", tmp_path: Path
) -> None:
    path = write_study()
    link = tmp_path / "elsewhere.yaml"
    link.symlink_to(path)
    resolved = resolve(link)
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    study = open_study(resolved, load_study_data(resolved), store)
    assert query.study(store, study.name).study_file == str(link)
    store.close()
