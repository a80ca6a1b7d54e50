"""Training one configuration: reproduced, not reproduced and why, or nothing to compare with."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from search.errors import ConfigError, RequestError
from search.machine import machine_facts
from search.selection.choice import best_trials
from search.selection.export import write_export
from search.selection.rerun import Reproduction, judge_reproduction, rerun

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow


@pytest.fixture
def exported(write_study: "WriteStudy", launch: "Launch", tmp_path: Path) -> Path:
    """A trial of a CSV file, exported into another folder."""
    done = launch(write_study(), "study.trials=1", "training.epochs=1")
    target = tmp_path / "taken" / "away" / "best.yaml"
    target.parent.mkdir(parents=True)
    write_export(done.store, best_trials(done.store, "small", 1)[0], target)
    edit_provenance(target, lambda provenance: provenance.update(machine=machine_facts()))
    return target


def edit_provenance(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    content = yaml.safe_load(path.read_text())
    edit(content["provenance"])
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def test_an_export_in_another_folder_reruns_from_any_folder(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert yaml.safe_load(exported.read_text())["data"]["source"] == "../../prices.csv"
    monkeypatch.chdir("/")
    assert rerun(exported).reproduced is True


@pytest.mark.slow
def test_an_export_of_a_ballast_that_had_one_kernel_is_computed_by_it(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    done = launch(write_study(), "study.trials=1", "training.epochs=3", "training.kernel=torch")
    target = tmp_path / "best.yaml"
    write_export(done.store, best_trials(done.store, "small", 1)[0], target)
    content = yaml.safe_load(target.read_text())
    del content["training"]["kernel"], content["provenance"]["versions"]["numba"]
    target.write_text(yaml.safe_dump(content, sort_keys=False))
    again = rerun(target)
    assert again.reproduction is Reproduction.BITS
    assert again.result.effective["training.kernel"] == "torch"
    assert again.trustworthy
    assert rerun(target, ["training.kernel=fused"]).result.effective["training.kernel"] == "fused"


def test_an_absolute_source_stays_absolute(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    source = str(tmp_path / "prices.csv")
    done = launch(write_study(data={"source": source}), "study.trials=1", "training.epochs=1")
    write_export(done.store, best_trials(done.store, "small", 1)[0], tmp_path / "best.yaml")
    assert yaml.safe_load((tmp_path / "best.yaml").read_text())["data"]["source"] == source


def test_changed_data_are_not_reproduced_and_said_to_be_the_reason(exported: Path) -> None:
    table = pd.read_csv("prices.csv")
    table["High"] *= 1.001
    table.to_csv("prices.csv", index=False)
    again = rerun(exported)
    assert again.reproduced is False
    assert again.differences == ("the data of ../../prices.csv changed since the export",)


def test_what_a_rerun_clamps_is_said(exported: Path, ballast: "Ballast") -> None:
    told = ballast("train", exported, "--set", "training.mixed_precision=true")
    assert "training.mixed_precision was asked to be True, False was used: " in told.out
    assert told.out.endswith("reproduced: the exported value, to the last bit\n")
    shape = ballast("train", exported, "--set", "training.mixed_precision=true", "--json").json
    assert [clamp["key"] for clamp in shape["clamps"]] == ["training.mixed_precision"]
    assert not rerun(exported).clamps


def test_a_set_that_changes_an_export_is_said(exported: Path) -> None:
    again = rerun(exported, ["models.gru.learning_rate=0.002"])
    assert again.reproduced is False
    assert again.differences == ("--set models.gru.learning_rate=0.002 changes the exported configuration",)


def test_a_study_that_searches_is_no_single_configuration(write_study: "WriteStudy") -> None:
    with pytest.raises(
        RequestError, match=r"searches models\.gru\.learning_rate, and one configuration is wanted"
    ):
        rerun(write_study())


def test_a_file_that_was_not_exported_has_nothing_to_compare_with(write_study: "WriteStudy") -> None:
    alone = rerun(write_study(space=None), ["training.epochs=1", "models.gru.learning_rate=0.005"])
    assert alone.reproduced is None
    assert alone.reproduction is None
    assert alone.trustworthy
    assert set(alone.to_json()) >= {"value", "skill", "reproduced", "reproduction"}


def test_the_judgement_of_a_rerun_is_that_of_a_trial(write_study: "WriteStudy") -> None:
    fooled = rerun(write_study(leak=True, space=None), ["models.gru.learning_rate=0.01"])
    assert not fooled.trustworthy
    assert fooled.judgement.reasons == ("skill_too_high",)


EDITS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"seed": "x"}, "seed"),
    ({"seed": -1}, "seed"),
    ({"value": None}, "value"),
    ({"data": {}}, r"data\.sha256"),
    ({"versions": {"torch": 2}}, r"versions\.torch"),
)


def test_an_edited_provenance_is_one_sentence(exported: Path) -> None:
    content = yaml.safe_load(exported.read_text())
    for change, named in EDITS:
        edited = {**content, "provenance": {**content["provenance"], **change}}
        exported.write_text(yaml.safe_dump(edited))
        with pytest.raises(
            RequestError, match=rf"{named} in its section provenance is not as an export writes"
        ):
            rerun(exported)


def test_a_provenance_that_is_no_section_is_one_sentence(exported: Path) -> None:
    exported.write_text(exported.read_text().split("provenance:")[0] + "provenance: [1]\n")
    with pytest.raises(ConfigError, match="it is a section that export writes"):
        rerun(exported)


@pytest.mark.parametrize(
    ("value", "elsewhere", "expected"),
    [
        (0.5, False, Reproduction.BITS),
        (0.5, True, Reproduction.BITS),
        (0.500009, True, Reproduction.CLOSE),
        (0.499991, True, Reproduction.CLOSE),
        (0.500009, False, Reproduction.NO),
        (0.500011, True, Reproduction.NO),
        (None, True, Reproduction.NO),
    ],
)
def test_close_counts_on_another_machine_alone(
    value: float | None, elsewhere: bool, expected: Reproduction
) -> None:
    assert judge_reproduction(value, 0.5, elsewhere=elsewhere) is expected


ELSEWHERE: tuple[tuple[Callable[[dict[str, Any]], Any], str], ...] = (
    (lambda p: p["machine"].update(cpu="a 6502"), f"cpu is {machine_facts()['cpu']}, was a 6502"),
    (lambda p: p["versions"].update(numpy="1.0"), ", was 1.0"),
    (lambda p: p["versions"].pop("numba"), "the export does not say which kernel computed its value"),
    (lambda p: p.pop("machine"), "the export does not say on which machine its value was computed"),
)


@pytest.mark.parametrize(("move", "told"), ELSEWHERE)
def test_a_value_from_elsewhere_is_reproduced_closely_and_the_difference_is_named(
    exported: Path, ballast: "Ballast", move: Callable[[dict[str, Any]], Any], told: str
) -> None:
    edit_provenance(exported, move)
    assert rerun(exported).reproduction is Reproduction.BITS
    edit_provenance(exported, lambda provenance: provenance.update(value=provenance["value"] + 5e-6))
    trained = ballast("train", exported)
    assert trained.code == 0
    assert "reproduced: within 1e-05 of the exported value 1." in trained.out
    assert told in trained.out.splitlines()[-1]
    shape = ballast("train", exported, "--json").json
    assert (shape["reproduced"], shape["reproduction"]) == (True, "close")


def test_a_value_of_this_machine_comes_again_to_the_bit_or_not_at_all(
    exported: Path, ballast: "Ballast"
) -> None:
    same = ballast("train", exported, "--json").json
    assert (same["reproduced"], same["reproduction"]) == (True, "bits")
    edit_provenance(exported, lambda provenance: provenance.update(value=provenance["value"] + 1e-12))
    trained = ballast("train", exported)
    assert trained.code == 1
    assert trained.out.splitlines()[-1] == (
        "  neither data, versions nor machine changed: was the file edited?"
    )
    shape = ballast("train", exported, "--json").json
    assert (shape["reproduced"], shape["reproduction"]) == (False, "no")


def test_far_from_the_value_is_not_reproduced_anywhere(exported: Path) -> None:
    edit_provenance(exported, lambda provenance: provenance.pop("machine"))
    edit_provenance(exported, lambda provenance: provenance.update(value=provenance["value"] + 2e-5))
    assert rerun(exported).reproduced is False


def test_a_machine_has_a_processor_an_architecture_and_a_system() -> None:
    machine = machine_facts()
    assert list(machine) == ["cpu", "architecture", "os"]
    assert all(machine.values())
    assert machine == machine_facts()
