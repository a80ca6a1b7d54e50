"""Which trials a new study imports from an old one, and what is on record of them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import StudyData, load_study_data
from search.errors import RequestError
from search.record import row_mapping
from search.sampling.tell import CONSTRAINT
from search.store_files import study_files
from search.study.backend import StudyBackend, StudyRules
from search.study.studies import open_study
from search.study.trial_import import import_trials, importable_trials, with_ceiling_of_source
from search.workers.consistency import inconsistencies
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage import query, record, tables
from storage.engine import Store, open_store
from storage.errors import StudyUnknown
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow

RATE, HIDDEN, DROPOUT = "models.gru.learning_rate", "models.gru.hidden_size", "models.gru.dropout"
OLD_SPACE = {RATE: {"low": 1e-3, "high": 1e-2, "log": True}, HIDDEN: {"choices": [4, 8, 16]}}


class Desk:
    """A store with an old study in it, whose trials are put on record as a run would, but not trained."""

    def __init__(self, write: "WriteStudy", store: Store) -> None:
        self._write, self.store = write, store

    def study(self, name: str, *sets: str, **sections: Any) -> tuple[ResolvedStudy, StudyData]:
        """A study on record, without trials."""
        study = {"name": name, **sections.pop("study", {})}
        resolved = resolve(self._write(f"{name}.yaml", study=study, **sections), sets)
        data = load_study_data(resolved)
        record.create_study(
            self.store,
            row_mapping.study_row(resolved, data),
            row_mapping.setting_rows(name, resolved.settings.values()),
            row_mapping.clamp_rows(name, resolved),
            row_mapping.data_row(name, data),
        )
        return resolved, data

    def ended(
        self,
        resolved: ResolvedStudy,
        number: int,
        params: Mapping[str, Any],
        verdict: Verdict = Verdict.ACCEPTED,
        value: float | None = 0.5,
        *,
        reasons: Sequence[str] = (),
        losses: Sequence[float] = (0.7, 0.5),
        source: int | None = None,
    ) -> None:
        """A trial that came to an end; the guard cut the learning rate of an unstable one."""
        name = resolved.file.study.name
        row = tables.Trial(
            study=name,
            number=number,
            params=dict(params),
            seed=100 + number,
            started_at=row_mapping.now(),
            worker="elsewhere:1:2",
            source_study=None if source is None else name,
            source_trial=source,
        )
        known = {key: len(setting.overrides) for key, setting in resolved.settings.items()}
        changed = resolved.trial(params).changed.values()
        record.start_trial(self.store, row, row_mapping.setting_rows(name, changed, number, skip=known))
        unstable = verdict is Verdict.UNSTABLE
        record.finish_trial(
            self.store,
            name,
            number,
            worker=row.worker,
            verdict=verdict,
            reasons=list(reasons),
            message="as it ended",
            value=value,
            skill=None if value is None else 1 - value,
            best_epoch=1,
            epochs=len(losses),
            finished_at=row_mapping.now(),
            duration_s=1.5,
            remaining=[_epoch(name, number, epoch, loss) for epoch, loss in enumerate(losses)],
            findings=[_finding(name, number)] if unstable else [],
            settings=[_cut(name, number)] if unstable else [],
        )

    def backend(self, resolved: ResolvedStudy, data: StudyData) -> StudyBackend:
        """Both accounts of a study that is on record."""
        section = resolved.file.study
        storage = RDBStorage(self.store.url)
        study = optuna.create_study(
            study_name=section.name, storage=storage, direction="minimize", load_if_exists=True
        )
        rules = StudyRules(section.sampler, section.retries, section.seed, data.baselines["train_mean"])
        return StudyBackend(self.store, study, rules, study_files(self.store.url, None, section.name))

    def lying_in(self, resolved: ResolvedStudy, data: StudyData, old: str) -> dict[int, Mapping[str, Any]]:
        """The old trials that lie in a study, with their values of what it searches."""
        row, stacks = query.study(self.store, old), query.setting_layers(self.store, old)
        found = importable_trials(resolved, row, stacks, query.trials(self.store, old), data.table.sha256)
        return {taken.trial.number: taken.params for taken in found}


def _epoch(study: str, trial: int, epoch: int, loss: float) -> tables.Epoch:
    signals: dict[str, Any] = dict.fromkeys(
        ("train_loss", "skill", "learning_rate", "grad_norm_mean", "grad_norm_max", "output_max"), 0.25
    )
    return tables.Epoch(
        study=study,
        trial=trial,
        epoch=epoch,
        validation_loss=loss,
        steps=5,
        skipped_steps=0,
        movement=1.0,
        prediction_std_ratio=1.0,
        seconds=0.1,
        **signals,
    )


def _finding(study: str, trial: int) -> tables.FindingRow:
    return tables.FindingRow(
        study=study,
        trial=trial,
        kind="loss_explosion",
        epoch=1,
        value=math.inf,
        message="the loss exploded",
        action="skip",
        lr_before=1e-2,
        lr_after=1e-3,
    )


def _cut(study: str, trial: int) -> tables.SettingRow:
    return tables.SettingRow(
        study=study,
        trial=trial,
        key=RATE,
        position=1,
        layer="guard",
        origin="guard: loss_explosion at epoch 1, step 3",
        requested=1e-2,
        effective=1e-3,
        reason="the loss exploded",
    )


@pytest.fixture
def desk(write_study: "WriteStudy", tmp_path: Path) -> Iterator[Desk]:
    """An empty store to work at."""
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    yield Desk(write_study, store)
    store.close()


@pytest.fixture
def old(desk: Desk) -> ResolvedStudy:
    """A study with a trial of each kind, numbered by what is asked of them below."""
    resolved, _ = desk.study("old", space=OLD_SPACE)
    desk.ended(resolved, 0, {RATE: 2e-3, HIDDEN: 4}, value=0.457)
    desk.ended(resolved, 1, {RATE: 9e-3, HIDDEN: 4})
    desk.ended(resolved, 2, {RATE: 2e-3, HIDDEN: 16})
    desk.ended(resolved, 3, {RATE: 3e-3, HIDDEN: 8}, Verdict.UNPROMISING, 0.8, losses=(0.8, 0.9))
    desk.ended(resolved, 4, {RATE: 4e-3, HIDDEN: 8}, Verdict.UNSTABLE, None, reasons=["loss_explosion"])
    desk.ended(resolved, 5, {RATE: 4e-3, HIDDEN: 4}, Verdict.SUSPICIOUS, 1e-9, reasons=["skill"], losses=())
    desk.ended(resolved, 6, {RATE: 3e-3, HIDDEN: 4}, Verdict.FAILED, None, reasons=["crashed"])
    desk.ended(resolved, 7, {RATE: 3e-3, HIDDEN: 4}, Verdict.INTERRUPTED, None, reasons=["signal"])
    desk.ended(resolved, 8, {RATE: 2e-3, HIDDEN: 4}, value=0.457, source=0)
    desk.ended(resolved, 9, {RATE: 1e-3, HIDDEN: 4}, Verdict.UNPROMISING, 0.6, reasons=["max_seconds"])
    return resolved


NARROW = {RATE: {"low": 1e-3, "high": 5e-3, "log": True}, HIDDEN: {"choices": [8, 4]}}


def test_conclusive_trials_whose_values_lie_in_the_new_space_are_taken(
    desk: Desk, old: ResolvedStudy
) -> None:
    resolved, data = desk.study("new", space=NARROW)
    assert desk.lying_in(resolved, data, "old") == {
        0: {RATE: 2e-3, HIDDEN: 4},
        3: {RATE: 3e-3, HIDDEN: 8},
        4: {RATE: 4e-3, HIDDEN: 8},
        5: {RATE: 4e-3, HIDDEN: 4},
        9: {RATE: 1e-3, HIDDEN: 4},
    }


def test_what_was_searched_and_is_fixed_now_must_have_the_fixed_value(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", f"{HIDDEN}=8", space=NARROW)
    assert desk.lying_in(resolved, data, "old") == {3: {RATE: 3e-3}, 4: {RATE: 4e-3}}


def test_what_was_fixed_and_is_searched_now_must_lie_in_the_dimension(desk: Desk, old: ResolvedStudy) -> None:
    space = {**NARROW, DROPOUT: {"low": 0.0, "high": 0.4, "step": 0.1}}
    resolved, data = desk.study("new", space=space)
    assert desk.lying_in(resolved, data, "old")[3] == {RATE: 3e-3, HIDDEN: 8, DROPOUT: 0.0}
    above = {**NARROW, DROPOUT: {"low": 0.1, "high": 0.4}}
    resolved, data = desk.study("other", space=above)
    assert desk.lying_in(resolved, data, "old") == {}


@pytest.mark.parametrize(
    ("dimension", "found"),
    [
        ({"low": 3, "high": 9, "step": 2}, []),
        ({"low": 2, "high": 8, "step": 2}, [0, 1, 3, 4, 5, 9]),
        ({"low": 5, "high": 16, "log": True}, [2, 3, 4]),
        ({"choices": [16]}, [2]),
    ],
)
def test_a_value_off_the_grid_does_not_lie_in_the_dimension(
    desk: Desk, old: ResolvedStudy, dimension: dict[str, Any], found: list[int]
) -> None:
    resolved, data = desk.study("new", space={RATE: OLD_SPACE[RATE], HIDDEN: dimension})
    assert list(desk.lying_in(resolved, data, "old")) == found


def test_a_trial_cut_short_by_another_time_limit_is_left_out(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", "training.max_seconds=60", space=NARROW)
    assert 9 not in desk.lying_in(resolved, data, "old")
    assert 0 in desk.lying_in(resolved, data, "old")


def test_device_seed_sampler_and_budget_of_the_two_may_differ(desk: Desk, old: ResolvedStudy) -> None:
    sets = ["training.device=cuda", "study.seed=9", "study.sampler=random", "study.trials=50"]
    resolved, data = desk.study("new", *sets, space=NARROW)
    assert 0 in desk.lying_in(resolved, data, "old")


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (["training.epochs=3"], "training.epochs was 2, is 3 (--set training.epochs=3)"),
        (["guard.rewinds=0"], "guard.rewinds was 1, is 0 (--set guard.rewinds=0)"),
        (["data.seq_len=4"], "data.seq_len was 3, is 4 (--set data.seq_len=4)"),
        (["models.gru.batch_size=32"], "models.gru.batch_size was 64, is 32"),
    ],
)
def test_losses_under_other_settings_are_not_compared(
    desk: Desk, old: ResolvedStudy, sets: list[str], told: str
) -> None:
    resolved, data = desk.study("new", *sets, space=NARROW)
    with pytest.raises(RequestError) as caught:
        with_ceiling_of_source(resolved, data, desk.store, "old")
    assert str(caught.value).startswith(
        "study 'new' cannot take over the trials of 'old', as losses could not be compared: "
    )
    assert told in str(caught.value)
    assert str(caught.value).endswith("Keep what both studies fix as it was, or leave out --continue-from")


def test_losses_on_other_rows_are_not_compared(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space=NARROW, seed=1)
    with pytest.raises(RequestError, match=r"compared: the rows of prices\.csv have changed\."):
        with_ceiling_of_source(resolved, data, desk.store, "old")


def test_a_study_does_not_continue_from_itself_nor_from_one_that_is_not_there(
    desk: Desk, old: ResolvedStudy
) -> None:
    data = load_study_data(old)
    with pytest.raises(RequestError, match=r"'old' cannot continue from itself; .* --name old-2$"):
        with_ceiling_of_source(old, data, desk.store, "old")
    resolved, data = desk.study("new", space=NARROW)
    with pytest.raises(StudyUnknown, match="no study 'odl' in"):
        with_ceiling_of_source(resolved, data, desk.store, "odl")


def test_the_ceiling_of_the_old_study_holds_for_the_new_one(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", "study.trials=5000", space=NARROW)
    facts = query.study(desk.store, "old").facts
    assert with_ceiling_of_source(resolved, data, desk.store, "old").ceiling == facts["skill_ceiling"]


def test_optuna_knows_imported_trials_as_if_they_had_been_told_here(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space=NARROW)
    backend = desk.backend(resolved, data)
    assert import_trials(backend, resolved, data, "old") == [0, 3, 4, 5, 9]
    trials = backend.optuna.get_trials()
    assert [(t.state, t.value, t.constraints[CONSTRAINT]) for t in trials] == [
        (TrialState.COMPLETE, 0.457, -1.0),
        (TrialState.PRUNED, 0.9, -1.0),
        (TrialState.PRUNED, 0.5, 1.0),
        (TrialState.PRUNED, None, 1.0),
        (TrialState.PRUNED, 0.5, -1.0),
    ]
    assert trials[1].intermediate_values == {0: 0.8, 1: 0.9}
    assert trials[2].params == {RATE: 4e-3, HIDDEN: 8}
    assert trials[2].distributions[HIDDEN] == optuna.distributions.CategoricalDistribution((8, 4))
    assert trials[2].user_attrs == {
        "taken_from": {"study": "old", "trial": 4},
        "verdict": "unstable",
        "reasons": "loss_explosion",
    }


@pytest.mark.parametrize("sampler", ["gp", "cmaes"])
def test_a_sampler_that_learns_from_complete_trials_alone_gets_complete_trials(
    desk: Desk, old: ResolvedStudy, sampler: str
) -> None:
    resolved, data = desk.study("new", f"study.sampler={sampler}", space=NARROW)
    backend = desk.backend(resolved, data)
    import_trials(backend, resolved, data, "old")
    trials = backend.optuna.get_trials()
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    penalty = 2 * max(data.baselines["train_mean"], 0.8)
    assert [t.value for t in trials] == [0.457, 0.8, penalty, penalty, 0.6]


def test_the_record_has_all_that_is_known_of_what_was_taken_over(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space=NARROW)
    import_trials(desk.backend(resolved, data), resolved, data, "old")
    rows = query.trials(desk.store, "new")
    assert [(row.source_study, row.source_trial) for row in rows] == [("old", n) for n in (0, 3, 4, 5, 9)]
    there, here = query.trial(desk.store, "old", 0), rows[0]
    assert (here.value, here.skill, here.seed, here.verdict) == (0.457, there.skill, 100, Verdict.ACCEPTED)
    assert (here.started_at, here.finished_at) == (there.started_at, there.finished_at)
    assert here.message == "taken over from trial 0 of study 'old': as it ended"
    assert here.configuration == resolved.trial({RATE: 2e-3, HIDDEN: 4}).digest
    assert [e.validation_loss for e in query.epochs(desk.store, "new", 1)] == [0.8, 0.9]
    (finding,) = query.findings(desk.store, "new")
    assert (finding.trial, finding.value, finding.message) == (2, math.inf, "the loss exploded")
    layers = query.setting_layers(desk.store, "new", 2)[RATE]
    assert [(row.layer, row.effective) for row in layers][-2:] == [("sampled", 4e-3), ("guard", 1e-3)]
    assert layers[-2].reason == "taken over from trial 4 of study 'old'"


def test_what_was_taken_over_may_be_the_best_and_does_not_count(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space=NARROW)
    import_trials(desk.backend(resolved, data), resolved, data, "old")
    best = query.best_trial(desk.store, "new")
    assert best is not None
    assert (best.number, best.value, best.source_trial) == (0, 0.457, 0)
    assert query.count_conclusive(desk.store, "new") == 0


def test_a_value_that_was_fixed_is_a_parameter_where_it_is_searched(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space={**NARROW, DROPOUT: {"low": 0.0, "high": 0.4}})
    backend = desk.backend(resolved, data)
    import_trials(backend, resolved, data, "old")
    assert backend.optuna.get_trials()[0].params == {RATE: 2e-3, HIDDEN: 4, DROPOUT: 0.0}
    assert query.trial(desk.store, "new", 0).params == {RATE: 2e-3, HIDDEN: 4, DROPOUT: 0.0}


def test_the_sampler_goes_on_from_what_was_taken_over(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space=NARROW)
    backend = desk.backend(resolved, data)
    import_trials(backend, resolved, data, "old")
    trial = backend.optuna.ask()
    assert trial.number == 5
    assert backend.optuna.best_trial.user_attrs["taken_from"] == {"study": "old", "trial": 0}


def test_nothing_is_taken_over_twice_but_new_trials_are(desk: Desk, old: ResolvedStudy) -> None:
    resolved, data = desk.study("new", space=NARROW)
    backend = desk.backend(resolved, data)
    import_trials(backend, resolved, data, "old")
    assert import_trials(backend, resolved, data, "old") == []
    desk.ended(old, 10, {RATE: 2.5e-3, HIDDEN: 8}, value=0.4)
    assert import_trials(backend, resolved, data, "old") == [10]
    assert len(backend.optuna.get_trials()) == len(query.trials(desk.store, "new")) == 6


class BrokenOff(Exception):
    """Stands in for a kill: each step is one commit, so that a kill leaves no other state behind."""


@pytest.mark.parametrize("step", ["add_trial", "start_trial", "finish_trial"])
@pytest.mark.parametrize("times", [0, 2])
def test_broken_off_after_any_commit_it_is_completed_by_the_next_call(
    desk: Desk,
    old: ResolvedStudy,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    times: int,
) -> None:
    resolved, data = desk.study("new", space=NARROW)
    backend = desk.backend(resolved, data)
    owner: Any = optuna.Study if step == "add_trial" else record
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, _breaking(getattr(owner, step), times))
        with pytest.raises(BrokenOff):
            import_trials(backend, resolved, data, "old")
    assert query.study(desk.store, "new").facts["continued_from"] == "old"
    import_trials(backend, resolved, data, "old")
    told = [trial.user_attrs["taken_from"]["trial"] for trial in backend.optuna.get_trials()]
    rows = query.trials(desk.store, "new")
    assert told == [row.source_trial for row in rows] == [0, 3, 4, 5, 9]
    assert [row.verdict for row in rows] == [query.trial(desk.store, "old", n).verdict for n in told]
    assert [len(query.epochs(desk.store, "new", row.number)) for row in rows] == [row.epochs for row in rows]
    assert len(query.findings(desk.store, "new")) == 1


def _breaking(real: Callable[..., Any], times: int) -> Callable[..., Any]:
    calls = iter(range(100))

    def breaking(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        if next(calls) == times:
            raise BrokenOff

    return breaking


def test_a_chain_of_studies_takes_over_what_was_taken_over(desk: Desk, old: ResolvedStudy) -> None:
    second, data = desk.study("second", space=NARROW)
    import_trials(desk.backend(second, data), second, data, "old")
    third, data = desk.study("third", space={RATE: NARROW[RATE], HIDDEN: {"choices": [8, 16]}})
    assert import_trials(desk.backend(third, data), third, data, "second") == [1, 2]
    row = query.trial(desk.store, "third", 0)
    assert (row.source_study, row.source_trial, row.value) == ("second", 1, 0.8)


def test_a_study_that_was_trained_continues_in_another_space(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    first = launch(write_study(study={"trials": 3}, training={"epochs": 1}))
    path = write_study(
        "new.yaml",
        study={"name": "new", "trials": 2},
        training={"epochs": 1},
        space={RATE: {"low": 1e-4, "high": 1e-2, "log": True}, HIDDEN: {"choices": [4, 8]}},
    )
    resolved = resolve(path)
    data = with_ceiling_of_source(resolved, load_study_data(resolved), first.store, "small")
    opened = open_study(resolved, data, first.store)
    taken = import_trials(opened.backend, resolved, data, "small")
    end = run_worker(opened, NoProgress(), lambda: False)
    rows = query.trials(first.store, "new")
    assert taken == [0, 1, 2]
    assert [row.source_trial for row in rows] == [0, 1, 2, None, None]
    assert (end.done, end.wanted) == (2, 2)
    assert [row.params[HIDDEN] for row in rows[:3]] == [4, 4, 4]
    assert [row.value for row in rows[:3]] == [row.value for row in first.trials]
    assert inconsistencies(first.store) == []
