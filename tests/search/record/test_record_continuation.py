"""What a continued study may change, and how the change is recorded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.config.layers import Layer
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import StudyData, load_study_data
from search.errors import RequestError
from search.record import row_mapping
from search.record.continuation import SettingLayers, changed_parts, continuation_rows, require_data
from storage import query, record
from storage.engine import Store, open_store

if TYPE_CHECKING:
    from tests.search_fixtures import WriteStudy

Begin = Callable[..., "Begun"]


class Begun:
    """A study on record, as its first run left it."""

    def __init__(self, store: Store, resolved: ResolvedStudy, data: StudyData) -> None:
        self.store, self.resolved, self.data = store, resolved, data
        self.name = resolved.file.study.name

    @property
    def layers(self) -> SettingLayers:
        return query.setting_layers(self.store, self.name)

    def changes(
        self, *sets: str, layers: SettingLayers | None = None, content: str | None = None
    ) -> list[str]:
        present = resolve(self.resolved.path, sets)
        row = query.study(self.store, self.name)
        return changed_parts(
            present, row.fingerprints, layers or self.layers, content or self.data.table.sha256
        )

    def go_on(self, *sets: str) -> ResolvedStudy:
        present = resolve(self.resolved.path, sets)
        record.continue_study(
            self.store,
            self.name,
            wanted=present.file.study.trials,
            sources=present.sources,
            settings=continuation_rows(present, self.layers),
        )
        return present


@pytest.fixture
def begin(write_study: "WriteStudy", tmp_path: Path) -> Iterator[Begin]:
    """Put a small study on record."""
    stores: list[Store] = []

    def begin(*sets: str, **sections: Any) -> Begun:
        resolved = resolve(write_study(**sections), sets)
        data, store = load_study_data(resolved), open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
        stores.append(store)
        record.create_study(
            store,
            row_mapping.study_row(resolved, data),
            row_mapping.setting_rows(resolved.file.study.name, resolved.settings.values()),
            row_mapping.clamp_rows(resolved.file.study.name, resolved),
            row_mapping.data_row(resolved.file.study.name, data),
        )
        return Begun(store, resolved, data)

    yield begin
    for store in stores:
        store.close()


def test_the_record_of_a_study_says_how_many_trials_it_wants_and_what_it_is_made_of(begin: Begin) -> None:
    begun = begin("study.trials=7")
    row = query.study(begun.store, begun.name)
    assert row.wanted == 7
    assert row.sources == begun.resolved.sources


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "study.trials=9",
        "study.timeout=30m",
        "study.retries=0",
        "study.enqueue=[{models.gru.learning_rate: 0.005}]",
        "study.stop={no_better_for: 3, min_delta: 0.1}",
        "study.duplicates=rerun",
        "storage={url: 'sqlite:///moved.db', files: here, patience: 1m}",
        "training.max_seconds=60",
    ],
)
def test_what_decides_no_value_may_change(begin: Begin, text: str) -> None:
    assert begin().changes(text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("training.epochs=3", "training.epochs was 2, is 3 (--set training.epochs=3)"),
        ("training.device=cuda", "training.device was 'cpu', is 'cuda' (--set training.device=cuda)"),
        ("study.seed=1", "study.seed was 0, is 1 (--set study.seed=1)"),
        ("data.seq_len=4", "data.seq_len was 3, is 4 (--set data.seq_len=4)"),
        (
            "space.models.gru.dropout={low: 0.1, high: 0.2}",
            "space.models.gru.dropout was None, is {'low': 0.1, 'high': 0.2} "
            "(--set space.models.gru.dropout={low: 0.1, high: 0.2})",
        ),
    ],
)
def test_what_decides_a_value_is_named_with_its_place(begin: Begin, text: str, told: str) -> None:
    assert told in begin().changes(text)


def test_the_rows_and_the_safe_ranges_must_be_those_of_the_record(begin: Begin, tmp_path: Path) -> None:
    begun = begin()
    assert begun.changes(content="f" * 64) == ["the rows of prices.csv"]
    policy = tmp_path / "policy.yaml"
    policy.write_text("models.gru.dropout: {low: 0.0, high: 0.1, why: w, source: s}\n")
    other = resolve(begun.resolved.path, policy=policy)
    row = query.study(begun.store, begun.name)
    told = changed_parts(other, row.fingerprints, begun.layers, begun.data.table.sha256)
    assert told == [f"the safe ranges ({policy})"]


@pytest.mark.slow
def test_keys_that_an_older_ballast_did_not_know_are_unchanged_at_their_default(begin: Begin) -> None:
    begun = begin()
    new = ("study.stop.", "study.duplicates", "storage.files", "guard.rewinds", "training.max_seconds")
    older = {key: rows for key, rows in begun.layers.items() if not key.startswith(new)}
    assert len(older) == len(begun.layers) - 6
    assert begun.changes(layers=older) == []
    assert begun.changes("training.max_seconds=60", layers=older) == []
    assert begun.changes("guard.rewinds=2", layers=older) == [
        "guard.rewinds was 1, is 2 (--set guard.rewinds=2)"
    ]


def test_a_study_of_an_older_ballast_goes_on_with_its_rule_of_pruning_or_with_todays(begin: Begin) -> None:
    begun = begin("study.pruner=median")
    older = {key: rows for key, rows in begun.layers.items() if key != "study.pruner_min_trials"}
    assert begun.changes("study.pruner=median", layers=older) == []
    assert begun.changes("study.pruner=median", "study.pruner_min_trials=1", layers=older) == []


def test_digests_over_fewer_keys_are_no_change(begin: Begin) -> None:
    begun = begin()
    row = query.study(begun.store, begun.name)
    older = {**row.fingerprints, "settings": "0" * 64, "space": "0" * 64, "data": "0" * 64}
    assert changed_parts(begun.resolved, older, begun.layers, begun.data.table.sha256) == []


def test_new_keys_leave_the_digests_of_the_first_schema_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: {name: old, seed: 3}\n"
        "data:\n"
        "  source: sample:sp500\n"
        "  time: Date\n"
        "  features: [Close]\n"
        "  target: {column: Close, transform: log_return, kind: return}\n"
        "  split: {train_until: 2010-12-31, validation_until: 2014-12-31}\n"
        "space: {models.gru.learning_rate: {low: 1e-5, high: 1e-1, log: true}}\n"
    )
    digests = resolve(path).fingerprints()
    assert {part: digest[:16] for part, digest in digests.items()} == {
        "space": "06ff1b3c7c4866dd",
        "policy": digests["policy"][:16],
        "settings": "bc04e20d987bfdca",
        "data": "d5b32b8f46fe9a84",
    }
    assert resolve(path, ["training.max_seconds=60", "study.stop.no_better_for=3"]).fingerprints() == digests


def test_a_changed_budget_stands_on_top_of_the_record_and_explains_itself(begin: Begin) -> None:
    begun = begin("study.trials=4")
    begun.go_on("study.trials=9", "study.stop.no_better_for=3")
    assert query.study(begun.store, begun.name).wanted == 9
    settings = {setting.key: setting for setting in row_mapping.settings_from_rows(begun.layers)}
    trials = settings["study.trials"]
    assert [(override.layer, override.effective) for override in trials.overrides] == [
        (Layer.DEFAULT, 20),
        (Layer.BASE, 20),
        (Layer.STUDY, 2),
        (Layer.CLI, 4),
        (Layer.CLI, 9),
    ]
    assert (trials.origin, trials.reason) == (
        "--set study.trials=9",
        "changed when the study was continued",
    )
    assert settings["study.stop.no_better_for"].value == 3
    before = {key: rows for key, rows in begun.layers.items() if not key.startswith("study.")}
    assert all("continued" not in row.reason for rows in before.values() for row in rows)


def test_what_is_on_record_is_not_recorded_again(begin: Begin) -> None:
    begun = begin()
    assert continuation_rows(begun.resolved, begun.layers) == []
    present = begun.go_on("study.trials=9", "study.timeout=1h")
    assert continuation_rows(present, begun.layers) == []
    assert [row.key for row in continuation_rows(begun.resolved, begun.layers)] == [
        "study.trials",
        "study.timeout",
    ]
    begun.go_on()
    assert query.study(begun.store, begun.name).wanted == 2
    assert begun.layers["study.trials"][-1].effective == 2


def test_a_reason_that_a_change_has_of_itself_is_kept(begin: Begin) -> None:
    begun = begin()
    moved = begun.resolved.stored_at("sqlite:///other.db", "--store")
    (row,) = continuation_rows(moved, begun.layers)
    assert row.effective == "sqlite:///other.db"
    assert row.reason == "changed when the study was continued; --store comes before the study file"


def test_another_password_is_no_change_and_is_not_recorded(begin: Begin) -> None:
    begun = begin("storage.url=postgresql://ada:s3cret@db/ballast")
    again = resolve(begun.resolved.path, ["storage.url=postgresql://ada:other@db/ballast"])
    assert continuation_rows(again, begun.layers) == []
    moved = resolve(begun.resolved.path, ["storage.url='postgresql://ada:s3 cret@elsewhere/ballast'"])
    (row,) = continuation_rows(moved, begun.layers)
    assert row.effective == "postgresql://ada:***@elsewhere/ballast"
    assert "cret" not in row.origin


def test_data_that_is_not_on_this_machine_is_asked_for_by_folder(begin: Begin, tmp_path: Path) -> None:
    begun = begin()
    require_data(begun.resolved)
    (tmp_path / "prices.csv").unlink()
    with pytest.raises(RequestError) as caught:
        require_data(begun.resolved)
    assert str(caught.value) == (
        f"the data of study 'small' is not on this machine: there is no file {tmp_path / 'prices.csv'}; "
        "name the folder that prices.csv starts in: ballast worker small --folder FOLDER"
    )


def test_the_copy_of_a_file_with_an_absolute_path_is_asked_for(begin: Begin, tmp_path: Path) -> None:
    begun = begin(f"data.source={tmp_path / 'prices.csv'}")
    (tmp_path / "prices.csv").unlink()
    with pytest.raises(RequestError, match=r"there is no file \S+/prices.csv; copy the file there$"):
        require_data(begun.resolved)


def test_the_same_frame_in_another_folder_is_no_change_and_no_new_configuration(begin: Begin) -> None:
    begun = begin()
    path, name = begun.resolved.path, f"{'0a' * 32}.parquet"
    here, there, other = (
        resolve(path, [f"data.source={frame}"])
        for frame in (f"/here/{name}", f"/there/{name}", f"/there/{'0b' * 32}.parquet")
    )
    rows = row_mapping.setting_rows(begun.name, [here.settings["data.source"]])
    layers = {**begun.layers, "data.source": rows}
    on_record = here.fingerprints() | {"content": ""}
    assert changed_parts(there, on_record, layers, "") == []
    (changed,) = changed_parts(other, on_record, layers, "")
    assert "0b0b" in changed
    values = dict.fromkeys(here.space, 0.001)
    assert here.trial(values).digest == there.trial(values).digest != other.trial(values).digest
