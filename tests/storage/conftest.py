"""Rows to put into a store."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from storage.engine import Store, open_store
from storage.record import create_study
from storage.tables import ClampRow, DataFingerprint, Epoch, FindingRow, SettingRow, StudyRow, Trial

NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    yield store
    store.close()


@pytest.fixture
def new_study() -> Callable[[str], StudyRow]:
    return lambda name: StudyRow(
        name=name,
        created_at=NOON,
        study_file="studies/sp500.yaml",
        policy_file="safe_ranges.yaml",
        seed=2**63 - 1,
        fingerprints={"space": "ab12", "data": "cd34"},
        versions={"ballast": "0.1.0", "torch": "2.13.0"},
        facts={"baseline": "har"},
    )


@pytest.fixture
def new_data() -> Callable[[str], DataFingerprint]:
    return lambda study: DataFingerprint(
        study=study,
        source="sample:sp500",
        sha256="0" * 64,
        rows=5031,
        first_time="1999-01-04",
        last_time="2018-12-31",
        columns=["Date", "Close", "Größe"],
    )


@pytest.fixture
def new_setting() -> Callable[..., SettingRow]:
    def build(study: str, key: str, position: int, effective: object, trial: int | None = None) -> SettingRow:
        return SettingRow(
            study=study,
            trial=trial,
            key=key,
            position=position,
            layer="base",
            origin="base.yaml:12",
            requested=effective,
            effective=effective,
            reason="recommended",
        )

    return build


@pytest.fixture
def new_clamp() -> Callable[[str], ClampRow]:
    return lambda study: ClampRow(
        study=study,
        key="models.gru.learning_rate",
        declared={"low": 1e-5, "high": float("inf"), "log": True},
        effective={"low": 1e-5, "high": 1e-2, "log": True},
        reason="above 1e-2 training was seen to explode",
        origin="study.yaml:21",
    )


@pytest.fixture
def new_trial() -> Callable[[str, int], Trial]:
    return lambda study, number: Trial(
        study=study,
        number=number,
        params={"models.gru.learning_rate": 0.1 + 0.2, "models.gru.hidden_size": 32},
        seed=17,
        started_at=NOON,
        worker="host:4711:8f3a",
    )


@pytest.fixture
def new_epoch() -> Callable[[str, int, int], Epoch]:
    return lambda study, trial, epoch: Epoch(
        study=study,
        trial=trial,
        epoch=epoch,
        train_loss=0.9,
        validation_loss=0.8,
        skill=0.1,
        learning_rate=1e-4,
        grad_norm_mean=0.3,
        grad_norm_max=0.7,
        output_max=2.5,
        steps=100,
        skipped_steps=1,
        movement=0.02,
        prediction_std_ratio=0.6,
        seconds=1.25,
    )


@pytest.fixture
def new_finding() -> Callable[[str, int], FindingRow]:
    return lambda study, trial: FindingRow(
        study=study,
        trial=trial,
        kind="nonfinite_gradient",
        epoch=2,
        step=231,
        value=float("nan"),
        threshold=None,
        message="the gradient of gru.weight_hh_l0 is NaN",
        action="skip_and_cut",
        lr_before=1e-3,
        lr_after=1e-4,
        parameter="gru.weight_hh_l0",
        rows=[4, 8, 15],
        cell="vol at 2008-10-13",
    )


@pytest.fixture
def volatility(
    store: Store, new_study: Callable[[str], StudyRow], new_data: Callable[..., DataFingerprint]
) -> str:
    """The name of a study that is in the store."""
    create_study(store, new_study("volatility"), [], [], new_data("volatility"))
    return "volatility"
