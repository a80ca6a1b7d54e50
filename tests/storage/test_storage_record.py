"""What is written is what is read, each write is whole or absent, and verdicts are final."""

import math
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage import query
from storage.engine import Store
from storage.errors import (
    RecordConflict,
    StudyExists,
    StudyUnknown,
    TrialExists,
    TrialFinished,
    TrialTaken,
    TrialUnknown,
    ValueUnstorable,
)
from storage.record import (
    add_artifacts,
    continue_study,
    create_study,
    finish_trial,
    record_epochs,
    set_study_facts,
    start_trial,
    take_over,
)
from storage.tables import Artifact, ClampRow, DataFingerprint, Epoch, FindingRow, SettingRow, StudyRow, Trial
from storage.verdicts import Verdict

NOON = datetime(2024, 5, 17, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)
WORKER, OTHER = "host:4711:8f3a", "host:4712:9b1c"
ODD_FLOATS = [math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308, 3.0]


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def finish(store: Store, study: str, number: int, **changes: Any) -> None:
    ending: dict[str, Any] = {
        "worker": WORKER,
        "verdict": Verdict.ACCEPTED,
        "reasons": ["finished"],
        "message": "patience ran out",
        "value": 0.75,
        "skill": 0.05,
        "best_epoch": 3,
        "epochs": 8,
        "finished_at": NOON,
        "duration_s": 12.5,
    }
    finish_trial(store, study, number, **{**ending, **changes})


def test_a_study_comes_back_with_its_settings_clamps_and_data(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_setting: Callable[..., SettingRow],
    new_clamp: Callable[[str], ClampRow],
    new_data: Callable[[str], DataFingerprint],
) -> None:
    settings = [
        new_setting("s", "training.epochs", 0, 15),
        new_setting("s", "data.features", 0, [{"name": "vol", "window": None}]),
        new_setting("s", "training.epochs", 1, 20),
    ]
    create_study(store, new_study("s"), settings, [new_clamp("s")], new_data("s"))
    assert query.study(store, "s") == new_study("s")
    assert query.data_fingerprint(store, "s") == new_data("s")
    assert query.clamps(store, "s") == [new_clamp("s")]
    assert query.settings(store, "s") == [settings[1], settings[0], settings[2]]
    assert query.studies(store) == [new_study("s")]


def test_a_trial_comes_back_with_its_epochs_findings_and_artifacts(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_epoch: Callable[[str, int, int], Epoch],
    new_finding: Callable[[str, int], FindingRow],
    new_setting: Callable[..., SettingRow],
) -> None:
    sampled = new_setting(volatility, "models.gru.learning_rate", 0, 1e-3, trial=0)
    cut = new_setting(volatility, "models.gru.learning_rate", 1, 1e-4, trial=0)
    start_trial(store, new_trial(volatility, 0), [sampled])
    for number in range(2):
        record_epochs(store, volatility, 0, [new_epoch(volatility, 0, number)], WORKER)
    finish(store, volatility, 0, findings=[new_finding(volatility, 0)], settings=[cut])
    weights = Artifact(
        study=volatility, trial=0, kind="weights", path="model.pt", sha256="1" * 64, created_at=NOON
    )
    with store.session() as session:
        add_artifacts(session, [weights])

    trial = query.trial(store, volatility, 0)
    assert trial.params == {"models.gru.learning_rate": 0.30000000000000004, "models.gru.hidden_size": 32}
    assert (trial.verdict, trial.reasons, trial.value, trial.skill) == ("accepted", ["finished"], 0.75, 0.05)
    assert (trial.best_epoch, trial.epochs, trial.duration_s, trial.finished_at) == (3, 8, 12.5, NOON)
    assert (trial.message, trial.worker, trial.retry_of) == ("patience ran out", "host:4711:8f3a", None)
    assert query.epochs(store, volatility, 0) == [new_epoch(volatility, 0, n) for n in range(2)]
    assert query.settings(store, volatility, 0) == [sampled, cut]
    assert query.artifacts(store, volatility, 0) == [weights]
    assert query.artifacts(store, volatility) == [weights]
    (finding,) = query.findings(store, volatility, 0)
    assert math.isnan(finding.value)
    assert (finding.step, finding.threshold, finding.rows, finding.cell) == (
        *(231, None, [4, 8, 15], "vol at 2008-10-13"),
    )


@pytest.mark.parametrize("value", ODD_FLOATS)
def test_every_float_comes_back_to_the_bit_from_columns_and_json(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial], value: float
) -> None:
    trial = new_trial(volatility, 0)
    trial.params = {"x": value, "nested": [{"y": value}]}
    start_trial(store, trial, [])
    finish(store, volatility, 0, value=value, skill=value)
    found = query.trial(store, volatility, 0)
    assert found.value is not None
    assert found.skill is not None
    read = [found.value, found.skill, found.params["x"], found.params["nested"][0]["y"]]
    assert [bits(float(one)) for one in read] == [bits(value)] * 4
    assert {type(one) for one in read} == {float}


def test_no_value_is_not_nan(store: Store, volatility: str, new_trial: Callable[[str, int], Trial]) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    finish(store, volatility, 0, verdict=Verdict.FAILED, value=None, skill=math.nan)
    found = query.trial(store, volatility, 0)
    assert found.value is None
    assert found.skill is not None
    assert math.isnan(found.skill)


@pytest.mark.parametrize(
    "value", [None, True, 0, 10**30, "1e-3", "", "NaN", "ö\x00\n", [], {}, [None, [1.5]]]
)
def test_settings_of_every_json_type_come_back_as_they_were(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_setting: Callable[..., SettingRow],
    value: object,
) -> None:
    create_study(store, new_study("s"), [new_setting("s", "k", 0, value)], [], new_data("s"))
    (setting,) = query.settings(store, "s")
    assert setting.effective == value
    assert type(setting.effective) is type(value)


def test_moments_are_stored_and_given_back_in_utc(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    trial = new_trial(volatility, 0)
    trial.started_at = datetime(2024, 1, 1, 0, 30, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    start_trial(store, trial, [])
    found = query.trial(store, volatility, 0).started_at
    assert found.isoformat() == "2023-12-31T22:30:00.000007+00:00"


def test_a_moment_without_a_zone_is_refused(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    trial = new_trial(volatility, 0)
    trial.started_at = datetime(2024, 1, 1)
    with pytest.raises(
        ValueUnstorable, match=r"2024-01-01T00:00:00 has no time zone; .*datetime\.now\(UTC\)"
    ):
        start_trial(store, trial, [])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"file": Path("a.csv")},
            "cannot be recorded as JSON .*Path.* is not JSON serializable.*; give text",
        ),
        ({"window": {5: "days"}}, "the key 5 of .* is not text, and JSON would make it so; write '5'"),
    ],
)
def test_what_json_cannot_hold_without_loss_is_refused(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    params: dict[str, Any],
    message: str,
) -> None:
    trial = new_trial(volatility, 0)
    trial.params = params
    with pytest.raises(ValueUnstorable, match=message):
        start_trial(store, trial, [])
    assert query.trials(store, volatility) == []


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d"])
def test_text_that_not_every_database_can_hold_is_refused_by_all(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial], text: str
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    with pytest.raises(ValueUnstorable, match="cannot be recorded: it holds a NUL or half a character"):
        finish(store, volatility, 0, message=text)
    finish(store, volatility, 0, message="😀 it's \x07 fine\n", reasons=[text])
    assert query.trial(store, volatility, 0).message == "😀 it's \x07 fine\n"


def test_a_study_whose_data_cannot_be_written_leaves_nothing_behind(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_setting: Callable[..., SettingRow],
    new_data: Callable[[str], DataFingerprint],
) -> None:
    data = new_data("s")
    data.columns = [object()]  # type: ignore[list-item]
    with pytest.raises(ValueUnstorable):
        create_study(store, new_study("s"), [new_setting("s", "k", 0, 1)], [], data)
    assert query.studies(store) == []
    with store.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM ballast_settings")) == 0


def test_a_trial_that_ends_with_bad_findings_is_still_running(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_finding: Callable[[str, int], FindingRow],
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    stray = new_finding(volatility, 99)
    with pytest.raises(RecordConflict, match=r"a row contradicts what the store holds .*ballast db check"):
        finish(store, volatility, 0, findings=[stray])
    assert query.trial(store, volatility, 0).verdict is None
    assert query.findings(store, volatility) == []


def test_two_layers_cannot_take_the_same_position_of_a_key(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_setting: Callable[..., SettingRow],
    new_trial: Callable[[str, int], Trial],
) -> None:
    twice = [new_setting("s", "k", 0, 1), new_setting("s", "k", 0, 2)]
    with pytest.raises(RecordConflict):
        create_study(store, new_study("s"), twice, [], new_data("s"))
    create_study(store, new_study("s"), twice[:1], [], new_data("s"))
    of_trial = [new_setting("s", "k", 0, 1, trial=0), new_setting("s", "k", 0, 2, trial=0)]
    with pytest.raises(RecordConflict):
        start_trial(store, new_trial("s", 0), of_trial)
    assert query.trials(store, "s") == []


def test_a_verdict_is_never_overwritten(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_epoch: Callable[[str, int, int], Epoch],
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    finish(store, volatility, 0, verdict=Verdict.SUSPICIOUS)
    ended = "trial 0 of study 'volatility' in .* has ended as suspicious already; .*ballast explain"
    with pytest.raises(TrialFinished, match=ended):
        finish(store, volatility, 0, verdict=Verdict.ACCEPTED)
    with pytest.raises(TrialFinished, match=ended):
        record_epochs(store, volatility, 0, [new_epoch(volatility, 0, 0)], WORKER)
    assert query.trial(store, volatility, 0).verdict is Verdict.SUSPICIOUS


def test_the_database_itself_refuses_an_unknown_verdict_and_one_without_an_end(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    for change in ("verdict = 'fine', finished_at = started_at", "verdict = 'accepted'"):
        with pytest.raises(RecordConflict, match=r"(?i)check constraint"), store.session() as session:
            session.execute(text(f"UPDATE ballast_trials SET {change}"))


def test_nothing_is_recorded_twice(
    store: Store,
    volatility: str,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_trial: Callable[[str, int], Trial],
    new_epoch: Callable[[str, int, int], Epoch],
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    record_epochs(store, volatility, 0, [new_epoch(volatility, 0, 0)], WORKER)
    study = new_study(volatility)
    study.created_at = LATER
    with pytest.raises(StudyExists, match=r"study 'volatility' is in .* already; .*--name"):
        create_study(store, study, [], [], new_data(volatility))
    changes: list[dict[str, Any]] = [{"worker": OTHER}, {"params": {}}]
    for change in changes:
        trial = new_trial(volatility, 0)
        vars(trial).update(change)
        with pytest.raises(
            TrialExists, match=r"has a trial 0 already; .*ballast explain volatility --trial 0"
        ):
            start_trial(store, trial, [])
    again = new_epoch(volatility, 0, 0)
    again.train_loss = 99.0
    record_epochs(store, volatility, 0, [again, new_epoch(volatility, 0, 1)], WORKER)
    assert query.epochs(store, volatility, 0) == [new_epoch(volatility, 0, n) for n in range(2)]


def test_a_finding_is_recorded_once_however_often_it_is_told(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_finding: Callable[[str, int], FindingRow],
) -> None:
    def findings() -> list[FindingRow]:
        """Two of one step, and two of an epoch's end."""
        found = [new_finding(volatility, 0) for _ in range(4)]
        found[1].kind = "frozen"
        found[2].step = found[3].step = None
        found[3].fold = 1
        return found

    start_trial(store, new_trial(volatility, 0), [])
    record_epochs(store, volatility, 0, [], WORKER, findings()[:2])
    record_epochs(store, volatility, 0, [], WORKER, findings()[1:])
    record_epochs(store, volatility, 0, [], WORKER, findings())
    recorded = [(f.fold, f.epoch, f.step, f.kind) for f in query.findings(store, volatility, 0)]
    assert recorded == [(f.fold, f.epoch, f.step, f.kind) for f in findings()]


def test_what_belongs_to_nothing_is_refused_by_name(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_epoch: Callable[[str, int, int], Epoch],
) -> None:
    with pytest.raises(StudyUnknown, match=r"no study 'volatilty' in .*; did you mean 'volatility'"):
        start_trial(store, new_trial("volatilty", 0), [])
    with pytest.raises(
        TrialUnknown, match=r"study 'volatility' in .* has no trial 7; .*ballast trials volatility"
    ):
        record_epochs(store, volatility, 7, [new_epoch(volatility, 7, 0)], WORKER)
    with pytest.raises(TrialUnknown, match="has no trial 7"):
        finish(store, volatility, 7)
    with pytest.raises(StudyUnknown, match="no study 'x'"):
        set_study_facts(store, "x", {})
    orphan = new_trial(volatility, 1)
    orphan.retry_of = 0
    with pytest.raises(RecordConflict):
        start_trial(store, orphan, [])


def test_what_is_written_again_after_a_lost_acknowledgement_is_there_once(
    store: Store,
    volatility: str,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_setting: Callable[..., SettingRow],
    new_trial: Callable[[str, int], Trial],
    new_epoch: Callable[[str, int, int], Epoch],
    new_finding: Callable[[str, int], FindingRow],
) -> None:
    sampled, cut = (new_setting("s", "lr", n, n, trial=0) for n in range(2))
    continued = new_setting("s", "study.trials", 0, 30)
    weights = Artifact(study="s", trial=0, kind="weights", path="m.pt", sha256="1" * 64, created_at=NOON)

    def write_all() -> None:
        create_study(store, new_study("s"), [new_setting("s", "k", 0, 1)], [], new_data("s"))
        continue_study(store, "s", wanted=30, sources={"study": "a: 1"}, settings=[continued])
        start_trial(store, new_trial("s", 0), [sampled])

    for _ in range(2):
        write_all()
    for _ in range(2):
        record_epochs(store, "s", 0, [new_epoch("s", 0, 0)], WORKER)
    last, found = new_epoch("s", 0, 1), new_finding("s", 0)
    for _ in range(2):
        finish(store, "s", 0, remaining=[last], findings=[found], settings=[cut], artifacts=[weights])
    write_all()

    assert len(query.settings(store, "s")) == 2
    assert query.settings(store, "s", 0) == [sampled, cut]
    assert [epoch.epoch for epoch in query.epochs(store, "s", 0)] == [0, 1]
    assert len(query.findings(store, "s")) == 1
    assert query.artifacts(store, "s") == [weights]


def test_another_end_at_another_moment_is_no_lost_acknowledgement(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    finish(store, volatility, 0)
    changes: list[dict[str, Any]] = [
        {"finished_at": LATER},
        {"verdict": Verdict.UNSTABLE},
        {"worker": OTHER},
    ]
    for change in changes:
        with pytest.raises(TrialFinished, match="has ended as accepted already"):
            finish(store, volatility, 0, **change)


def test_a_worker_whose_trial_was_taken_over_can_write_no_more_of_it(
    store: Store,
    volatility: str,
    new_trial: Callable[[str, int], Trial],
    new_epoch: Callable[[str, int, int], Epoch],
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    assert take_over(store, volatility, 0, WORKER, OTHER)
    taken = f"trial 0 of study 'volatility' in .* has been taken over by {OTHER} from {WORKER}, which was"
    with pytest.raises(TrialTaken, match=taken):
        record_epochs(store, volatility, 0, [new_epoch(volatility, 0, 0)], WORKER)
    with pytest.raises(TrialTaken, match=taken):
        finish(store, volatility, 0)
    assert query.epochs(store, volatility, 0) == []
    finish(store, volatility, 0, worker=OTHER)
    assert query.trial(store, volatility, 0).worker == OTHER


def test_a_trial_is_taken_over_by_one_of_those_who_try(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    with ThreadPoolExecutor(8) as threads:
        rivals = [f"rival:{number}" for number in range(8)]
        won = list(threads.map(lambda rival: take_over(store, volatility, 0, WORKER, rival), rivals))
    assert [rival for rival, has in zip(rivals, won, strict=True) if has] == [
        query.trial(store, volatility, 0).worker
    ]
    (winner,) = (rival for rival, has in zip(rivals, won, strict=True) if has)
    assert take_over(store, volatility, 0, WORKER, winner), "asked again, as its answer might be lost"
    with pytest.raises(TrialUnknown, match="has no trial 7"):
        take_over(store, volatility, 7, WORKER, OTHER)


def test_of_many_who_start_one_trial_at_the_same_moment_one_succeeds(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    def start(rival: int) -> bool:
        trial = new_trial(volatility, 0)
        trial.worker = f"rival:{rival}"
        try:
            start_trial(store, trial, [])
        except TrialExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(start, range(8))) == 1


def test_a_study_is_continued_with_another_budget_and_the_settings_that_changed(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_setting: Callable[..., SettingRow],
) -> None:
    first, then = new_setting("s", "study.trials", 0, 20), new_setting("s", "study.trials", 1, 30)
    create_study(store, new_study("s"), [first], [], new_data("s"))
    continue_study(store, "s", wanted=30, sources={"text": "ö"}, settings=[then])
    continue_study(store, "s", wanted=40, sources=None, settings=[])
    assert (query.study(store, "s").wanted, query.study(store, "s").sources) == (40, {"text": "ö"})
    assert query.settings(store, "s") == [first, then]
    with pytest.raises(RecordConflict):
        continue_study(store, "s", wanted=50, sources=None, settings=[new_setting("s", "study.trials", 1, 9)])
    assert query.study(store, "s").wanted == 40
    with pytest.raises(StudyUnknown, match="no study 'x'"):
        continue_study(store, "x", wanted=1, sources=None, settings=[])


def test_facts_are_set_beside_those_that_are_there(store: Store, volatility: str) -> None:
    set_study_facts(store, volatility, {"baseline_loss": math.inf, "rows": {"train": 3000}})
    set_study_facts(store, volatility, {"baseline": "persistence"})
    facts = query.study(store, volatility).facts
    assert facts == {"baseline": "persistence", "baseline_loss": math.inf, "rows": {"train": 3000}}


def test_the_rows_of_an_epoch_and_a_finding_are_those_that_the_trainer_reports() -> None:
    from dataclasses import fields

    from trainer.training import result

    epoch = {field.name for field in fields(result.EpochReport)} | {"study", "trial"}
    finding = {field.name for field in fields(result.Finding)} | {"id", "study", "trial"}
    assert set(Epoch.__table__.columns.keys()) == epoch
    assert set(FindingRow.__table__.columns.keys()) == finding
