"""What a hostile reader found once: each of these failed before it was mended."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from search.config.resolve import resolve
from search.data.study_data import load_study_data, max_epochs
from storage.commands import mask_passwords
from trainer.audit.audit import audit
from trainer.config import DataConfig, GuardConfig
from trainer.data.source import read_table

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

LR = "models.gru.learning_rate"


def test_a_clamped_configuration_of_the_study_file_is_traced_on_its_trial(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(study={"trials": 1, "enqueue": [{LR: 5}]})
    assert ballast("run", path).code == 0
    (setting,) = ballast("explain", "small", "--trial", 0, "--key", LR, "--json").json
    assert (setting["layer"], setting["requested"]) == ("clamp", 5)
    assert setting["overrides"][-2]["reason"] == "asked for in the queue"


def test_two_places_for_the_store_are_an_error_and_the_one_used_is_on_record(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path, store = write_study(study={"trials": 1}), "sqlite:///other.db"
    told = ballast("run", path, "--store", store, "--set", "storage.url=sqlite:///third.db")
    assert told.code == 2
    assert "--store name two stores; keep one of them" in told.err
    assert not Path("third.db").exists()
    assert ballast("run", path, "--store", store).code == 0
    (setting,) = ballast("explain", "small", "--key", "storage.url", "--store", store, "--json").json
    assert (setting["value"], setting["layer"], setting["origin"]) == (store, "cli", "--store")


def test_an_export_follows_a_link_and_refuses_a_device(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study(study={"trials": 1})).code == 0
    Path("link.yaml").symlink_to("real.yaml")
    assert ballast("export", "small", "-o", "link.yaml").code == 0
    assert Path("link.yaml").is_symlink()
    assert "provenance:" in Path("real.yaml").read_text()
    os.mkfifo("pipe.yaml")
    told = ballast("export", "small", "-o", "pipe.yaml")
    assert told.code == 2
    assert "cannot write pipe.yaml: it is a device; name a file: -o best.yaml" in told.err
    assert Path("pipe.yaml").is_fifo()


def test_an_export_of_other_safe_ranges_says_so_when_it_is_not_reproduced(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path
) -> None:
    bundled = Path(__file__).parents[3] / "configs" / "safe_ranges.yaml"
    loose = tmp_path / "loose.yaml"
    loose.write_text(f"extends: {bundled}\n{LR}: {{high: 0.05, why: a test, source: a test}}\n")
    path = write_study(study={"trials": 1})
    assert ballast("run", path, "--policy", loose, "--set", f"{LR}=0.03").code == 0
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    assert ballast("train", "best.yaml", "--policy", loose).code == 0
    told = ballast("train", "best.yaml")
    assert told.code == 1
    assert "the safe ranges differ; the study had those of --policy" in told.out


def test_a_password_is_masked_and_the_sentence_around_it_stays() -> None:
    sentence = "mysql://u:secret@h/db: not supported; use postgresql://USER@HOST/DATABASE"
    assert (
        mask_passwords(sentence) == "mysql://u:***@h/db: not supported; use postgresql://USER@HOST/DATABASE"
    )


def test_the_longest_trial_that_is_searched_sets_the_looks(write_study: "WriteStudy") -> None:
    path = write_study(space={"training.epochs": {"low": 1, "high": 40}})
    assert max_epochs(resolve(path)) == 40
    fixed = load_study_data(resolve(path, ["training.epochs=1", "guard.max_skill=null"]))
    assert load_study_data(resolve(path)).ceiling >= fixed.ceiling


@pytest.mark.parametrize(("unit", "blocking"), [(1, []), (100, ["target_clipped"])])
def test_coarse_returns_are_no_copies_and_returns_in_percent_are_told_by_their_unit(
    tmp_path: Path, unit: int, blocking: list[str]
) -> None:
    returns = np.random.default_rng(3).standard_t(4, 5001) * 0.008
    dates = pd.bdate_range("2000-01-03", periods=5000).strftime("%Y-%m-%d")
    columns = {"Date": dates, "ret": returns[:-1].round(4) * unit, "y": returns[1:].round(4) * unit}
    pd.DataFrame(columns).to_csv(tmp_path / "coarse.csv", index=False)
    config = DataConfig.model_validate(
        {
            "source": "coarse.csv",
            "time": "Date",
            "features": ("ret",),
            "target": {"column": "y", "kind": "return", "already_shifted": True},
            "split": {"fractions": {"train": 0.5, "validation": 0.25}},
        }
    )
    found = audit(config, GuardConfig(), read_table(config, folder=tmp_path))
    assert [finding.code for finding in found.findings if finding.severity == "error"] == blocking
