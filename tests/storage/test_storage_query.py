"""What the store answers: by verdict, by layer, the best, and what is not there."""

import math
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import event

from storage import query
from storage.engine import Store
from storage.errors import StudyUnknown, TrialUnknown
from storage.record import create_study, start_trial
from storage.tables import DataFingerprint, FindingRow, SettingRow, StudyRow, Trial
from storage.verdicts import Verdict

Ending = tuple[Verdict | None, float | None]


@pytest.fixture
def record_trials(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> Callable[[list[Ending]], None]:
    """Record trials 0, 1, … of the study `volatility`, each with its verdict and value."""

    def record(endings: list[Ending]) -> None:
        for number, (verdict, value) in enumerate(endings):
            trial = new_trial(volatility, number)
            trial.verdict, trial.value = verdict, value
            trial.finished_at = trial.started_at if verdict else None
            start_trial(store, trial, [])

    return record


def test_the_best_trial_is_the_lowest_finite_one_of_the_accepted(
    store: Store, volatility: str, record_trials: Callable[[list[Ending]], None]
) -> None:
    record_trials(
        [
            (Verdict.SUSPICIOUS, 1e-9),
            (Verdict.UNPROMISING, 0.1),
            (Verdict.ACCEPTED, math.nan),
            (Verdict.ACCEPTED, -math.inf),
            (Verdict.ACCEPTED, 0.9),
            (Verdict.ACCEPTED, 0.8),
            (Verdict.ACCEPTED, 0.8),
            (Verdict.ACCEPTED, math.inf),
            (Verdict.ACCEPTED, None),
            (None, None),
        ]
    )
    best = query.best_trial(store, volatility)
    assert best is not None
    assert best.number == 5


def test_conclusive_trials_count_unless_another_study_trained_them(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    endings: list[tuple[Verdict | None, str | None]] = [
        (Verdict.ACCEPTED, "older"),
        *((verdict, None) for verdict in Verdict),
        (Verdict.ACCEPTED, volatility),
        (None, None),
    ]
    for number, (verdict, source) in enumerate(endings):
        trial = new_trial(volatility, number)
        trial.verdict, trial.source_study, trial.value = verdict, source, float(number)
        trial.finished_at = trial.started_at if verdict else None
        start_trial(store, trial, [])
    assert query.conclusive_values(store, volatility) == [
        (1, Verdict.ACCEPTED, 1.0),
        (2, Verdict.UNPROMISING, 2.0),
        (3, Verdict.UNSTABLE, 3.0),
        (4, Verdict.SUSPICIOUS, 4.0),
        (7, Verdict.ACCEPTED, 7.0),
    ]
    assert query.count_conclusive(store, volatility) == 5


def test_a_configuration_is_found_where_it_came_to_a_conclusion(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    for number, verdict in enumerate([None, Verdict.FAILED, Verdict.UNSTABLE, Verdict.ACCEPTED]):
        trial = new_trial(volatility, number)
        trial.verdict, trial.configuration = verdict, "ab"
        trial.finished_at = trial.started_at if verdict else None
        start_trial(store, trial, [])
    assert [trial.number for trial in query.find_configuration(store, volatility, "ab")] == [2, 3]
    assert query.find_configuration(store, volatility, "cd") == []


def test_there_is_no_best_trial_where_none_is_accepted(
    store: Store, volatility: str, record_trials: Callable[[list[Ending]], None]
) -> None:
    record_trials([(Verdict.SUSPICIOUS, 0.1), (Verdict.ACCEPTED, math.nan), (None, None)])
    assert query.best_trial(store, volatility) is None


def test_trials_are_counted_and_listed_by_verdict_with_the_running_under_none(
    store: Store, volatility: str, record_trials: Callable[[list[Ending]], None]
) -> None:
    record_trials([(Verdict.ACCEPTED, 1.0), (Verdict.UNSTABLE, None), (None, None), (Verdict.ACCEPTED, 2.0)])
    counts = query.verdict_counts(store, volatility)
    assert counts == {Verdict.ACCEPTED: 2, Verdict.UNSTABLE: 1, None: 1}
    assert [trial.number for trial in query.trials(store, volatility)] == [0, 1, 2, 3]
    assert [trial.number for trial in query.trials(store, volatility, Verdict.ACCEPTED)] == [0, 3]


def test_the_layers_of_a_trial_stand_on_those_of_its_study(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_setting: Callable[..., SettingRow],
    new_trial: Callable[[str, int], Trial],
) -> None:
    of_study = [new_setting("s", "lr", 0, 1), new_setting("s", "lr", 1, 2), new_setting("s", "epochs", 0, 15)]
    create_study(store, new_study("s"), of_study, [], new_data("s"))
    sampled = [new_setting("s", "lr", 1, 4, trial=0), new_setting("s", "lr", 0, 3, trial=0)]
    start_trial(store, new_trial("s", 0), sampled)
    start_trial(store, new_trial("s", 1), [new_setting("s", "lr", 0, 99, trial=1)])

    def values(trial: int | None) -> dict[str, list[int]]:
        stacks = query.setting_layers(store, "s", trial)
        return {key: [row.effective for row in rows] for key, rows in stacks.items()}

    assert values(None) == {"epochs": [15], "lr": [1, 2]}
    assert values(0) == {"epochs": [15], "lr": [1, 2, 3, 4]}
    assert values(1) == {"epochs": [15], "lr": [1, 2, 99]}


def test_findings_of_all_trials_come_in_the_order_of_the_trials(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_finding: Callable[[str, int], FindingRow],
) -> None:
    from storage.record import finish_trial

    for number in (1, 0):
        trial = new_trial(volatility, number)
        start_trial(store, trial, [])
        found = [new_finding(volatility, number), new_finding(volatility, number)]
        found[1].step = 232
        finish_trial(
            *(store, volatility, number),
            worker=trial.worker,
            verdict=Verdict.UNSTABLE,
            reasons=["nonfinite_gradient"],
            message=None,
            value=None,
            skill=None,
            best_epoch=None,
            epochs=0,
            finished_at=trial.started_at,
            duration_s=0.0,
            findings=found,
        )
    assert [(f.trial, f.step) for f in query.findings(store, volatility)] == [
        *((0, 231), (0, 232), (1, 231), (1, 232)),
    ]


def test_studies_come_oldest_first(
    store: Store, new_study: Callable[[str], StudyRow], new_data: Callable[[str], DataFingerprint]
) -> None:
    for age, name in enumerate(["new", "middle", "old"]):
        study = new_study(name)
        study.created_at -= timedelta(days=age)
        create_study(store, study, [], [], new_data(name))
    assert [study.name for study in query.studies(store)] == ["old", "middle", "new"]


def test_an_unknown_study_is_answered_with_the_nearest_and_a_command(store: Store, volatility: str) -> None:
    with pytest.raises(
        StudyUnknown,
        match=r"^no study 'volatilty' in \S+; did you mean 'volatility'\? "
        r"List them with: ballast status --store \S+",
    ):
        query.study(store, "volatilty")
    with pytest.raises(StudyUnknown, match=r"^no study 'wheat' in \S+; list them with: ballast status"):
        query.study(store, "wheat")


@pytest.mark.parametrize(
    "ask",
    [
        query.study,
        query.trials,
        query.settings,
        query.setting_layers,
        query.clamps,
        query.findings,
        query.data_fingerprint,
        query.artifacts,
        query.verdict_counts,
        query.best_trial,
        query.conclusive_values,
        query.count_conclusive,
        lambda store, name: query.find_configuration(store, name, "ab"),
    ],
)
def test_no_question_about_an_unknown_study_is_answered_with_nothing(
    store: Store, volatility: str, ask: Callable[[Store, str], object]
) -> None:
    with pytest.raises(StudyUnknown, match="no study 'wheat'"):
        ask(store, "wheat")


@pytest.mark.parametrize(
    "ask",
    [query.trial, query.epochs, query.settings, query.setting_layers, query.findings, query.artifacts],
)
def test_no_question_about_an_unknown_trial_is_answered_with_nothing(
    store: Store, volatility: str, ask: Callable[[Store, str, int], object]
) -> None:
    with pytest.raises(TrialUnknown, match=r"study 'volatility' in .* has no trial 3"):
        ask(store, volatility, 3)
    with pytest.raises(StudyUnknown, match="no study 'wheat'"):
        ask(store, "wheat", 3)


def test_a_list_of_trials_takes_as_many_statements_as_one_trial(
    store: Store, volatility: str, record_trials: Callable[[list[Ending]], None]
) -> None:
    record_trials([(Verdict.ACCEPTED, float(n)) for n in range(30)])
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    assert len(query.trials(store, volatility)) == 30
    assert [s.split()[0] for s in statements if s != "BEGIN"] == ["SELECT", "SELECT"]
