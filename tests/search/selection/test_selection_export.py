"""An exported file: only what is trustworthy, read back as it was, with an origin beside every value."""

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from search.config.resolve import resolve
from search.errors import AnswerIsNo, RequestError
from search.selection.choice import accepted_trial, best_trials
from search.selection.export import write_export
from search.selection.rerun import rerun
from storage import query
from storage.errors import TrialUnknown
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, Launched, WriteStudy

LR = "models.gru.learning_rate"


def _export(done: "Launched", target: Path, number: int | None = None) -> dict[str, Any]:
    (row,) = (
        best_trials(done.store, done.study.name, 1)
        if number is None
        else [accepted_trial(done.store, done.study.name, number)]
    )
    write_export(done.store, row, target)
    content = yaml.safe_load(target.read_text())
    assert isinstance(content, dict)
    return content


def test_every_setting_is_read_back_and_says_where_it_comes_from(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    done = launch(write_study(), "models.gru.dropout=0.7")
    _export(done, tmp_path / "best.yaml")
    exported = resolve(tmp_path / "best.yaml")
    best = best_trials(done.store, "small", 1)[0]
    ran = done.study.resolved.trial(best.params)
    assert exported.trial_config == ran.config
    assert exported.space == {}
    settings = (tmp_path / "best.yaml").read_text().split("provenance:")[0]
    values = [line for line in settings.splitlines() if re.match(r"\s*[a-z_]+: \S", line)]
    assert len(values) > 30
    origin = r"  # (default|base|study|cli|sampled|clamp) · \S"
    assert [line for line in values if not re.search(origin, line)] == []
    assert "dropout: 0.5  # clamp · configs/safe_ranges.yaml:" in settings
    assert "asked for 0.7: safe range: at most 0.5" in settings


def test_the_provenance_is_complete(write_study: "WriteStudy", launch: "Launch", tmp_path: Path) -> None:
    done = launch(write_study(), "models.gru.dropout=0.7")
    told = _export(done, tmp_path / "best.yaml")["provenance"]
    best = best_trials(done.store, "small", 1)[0]
    assert (told["study"], told["trial"], told["seed"]) == ("small", best.number, best.seed)
    assert (told["value"], told["skill"]) == (best.value, best.skill)
    assert told["data"]["sha256"] == done.study.data.table.sha256
    assert told["baseline"] == {"name": "har", "loss": done.study.data.baseline.loss}
    assert set(told["versions"]) >= {"ballast", "torch", "optuna", "numpy"}
    assert told["policy"]["file"] == "configs/safe_ranges.yaml"
    assert [clamp["key"] for clamp in told["clamps"]] == ["models.gru.dropout"]
    assert told["interventions"] == []
    assert [act["layer"] for act in told["overrides"][LR]] == ["sampled", "sampled"]


def test_a_trial_that_is_not_accepted_is_not_exported(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study(leak=True)
    done = launch(path, "study.trials=1")
    with pytest.raises(
        AnswerIsNo, match=r"trial 0 of study 'small' is suspicious \(skill_too_high\); only accepted"
    ):
        accepted_trial(done.store, "small", 0)
    with pytest.raises(AnswerIsNo, match="study 'small' has no accepted trial to export; see why"):
        best_trials(done.store, "small", 2)
    with pytest.raises(TrialUnknown, match="has no trial 9"):
        accepted_trial(done.store, "small", 9)


def test_an_output_that_cannot_be_written_is_one_sentence_and_leaves_nothing(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = launch(write_study(), "study.trials=1")
    (row,) = best_trials(done.store, "small", 1)
    (tmp_path / "folder").mkdir()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for target, sentence in (
        (tmp_path / "missing" / "best.yaml", "there is no folder .*missing; make it: mkdir -p"),
        (tmp_path / "folder", "it is a folder; name a file: -o .*folder/best.yaml"),
        (tmp_path / "best.yaml", "No space left on device; choose another place with -o"),
    ):
        with pytest.raises(RequestError, match=sentence):
            write_export(done.store, row, target)
    assert list(tmp_path.glob(".ballast-*")) == []


LOOK_ALIKES = ["1e3", "0o17", "null", "true", "1:30", "2010-12-31", "=", "-", "é", "1_000", "line\nbreak"]
HOSTILE = "a: b # c \"q\" 'r' 😀 {x}"


@pytest.mark.slow
def test_hostile_names_make_valid_yaml_that_reruns(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    folder = tmp_path / "folder # with: blanks 😀"
    folder.mkdir()
    path = write_study(
        str(folder / "my study.yaml"),
        study={"name": HOSTILE, "trials": 1},
        data={
            "features": [{"name": name, "column": "null", "transform": "log_return"} for name in LOOK_ALIKES],
            "target": {"transform": "log_parkinson", "high": "High: #", "low": "Low", "kind": "volatility"},
            "source": "my prices # 1.csv",
        },
    )
    table = pd.read_csv(folder / "prices.csv").rename(columns={"Close": "null", "High": "High: #"})
    table.to_csv(folder / "my prices # 1.csv", index=False)
    done = launch(path, "training.max_grad_norm=\n  0.5")
    content = _export(done, tmp_path / "best.yaml")
    assert content["provenance"]["study"] == content["study"]["name"] == HOSTILE
    exported = resolve(tmp_path / "best.yaml").trial_config
    assert [feature.name for feature in exported.data.features] == LOOK_ALIKES
    assert rerun(tmp_path / "best.yaml").reproduced is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "sets"),
    [
        ({"models.gru.dropout": {"low": 0.1, "high": 0.4}}, ["models.gru.num_layers=2"]),
        ({"data.seq_len": {"choices": [2, 4]}}, ["models.gru.init=torch"]),
        ({"models.gru.init": {"choices": ["torch", "gains"]}}, []),
    ],
)
def test_an_exported_trial_gives_its_value_again_to_the_last_bit(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, space: dict[str, Any], sets: list[str]
) -> None:
    done = launch(write_study(space=space), "models.gru.learning_rate=0.005", *sets)
    for row in done.trials:
        _export(done, tmp_path / "best.yaml", row.number)
        again = rerun(tmp_path / "best.yaml")
        assert (again.reproduced, again.result.value) == (True, row.value)
        assert again.differences == ()


@pytest.mark.slow
def test_a_retried_trial_is_reproduced_with_the_seed_of_the_first(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    path, asks = write_study(study={"trials": 1}), iter(range(100))
    launch(path, should_stop=lambda: next(asks) >= 3)
    done = launch(path)
    assert _export(done, tmp_path / "best.yaml")["provenance"]["trial"] == 1
    assert rerun(tmp_path / "best.yaml").reproduced is True


@pytest.mark.slow
def test_a_trial_that_the_guard_cut_starts_as_it_did_and_is_cut_again(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, count = Learner.backward, iter(range(10**6))

    def backward(learner: Learner, batch: Batch) -> StepSignals:
        signals = genuine(learner, batch)
        return signals._replace(loss=float("nan")) if next(count) == 1 else signals

    monkeypatch.setattr(Learner, "backward", backward)
    done = launch(write_study(), "study.trials=1")
    content = _export(done, tmp_path / "best.yaml")
    sampled = query.trial(done.store, "small", 0).params[LR]
    assert content["models"]["gru"]["learning_rate"] == sampled
    (cut,) = content["provenance"]["interventions"]
    assert (cut["kind"], cut["step"], cut["action"]) == ("nonfinite_loss", 1, "skip_and_cut")
    count = iter(range(10**6))
    assert rerun(tmp_path / "best.yaml").reproduced is True
