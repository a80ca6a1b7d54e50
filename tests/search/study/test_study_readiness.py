"""`check` refuses what `run` refuses, in the same sentence; and settings that have no effect."""

import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.config.files.shipped import CONFIGS
from search.config.resolve import resolve
from search.sampling.pruners import make_pruner
from search.study.readiness import check_readiness
from storage.engine import open_store_if_exists
from storage.errors import StoreMissing

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

Agree = Callable[..., tuple[int, str]]
BOUNDS: dict[str, tuple[Any, ...]] = {
    "models.gru.batch_size": (1, 16, 49, 50, 195, 196, 197, 198, 1000),
    "data.seq_len": (1, 3, 50, 150, 199, 200, 400, 401),
    "data.split": (
        "{fractions: {train: 0.5, validation: 0.25}}",
        "{fractions: {train: 0.13, validation: 0.05}}",
        "{fractions: {train: 0.9, validation: 0.09}}",
        "{method: walk_forward, folds: 2, fractions: {train: 0.5, validation: 0.25}}",
        "{method: walk_forward, folds: 6, fractions: {train: 0.5, validation: 0.25}}",
        "{method: walk_forward, window: rolling, folds: 3, fractions: {train: 0.13, validation: 0.6}}",
        "{method: cpcv, groups: 4, held_out: 2, fractions: {train: 0.5, validation: 0.25}}",
        "{method: cpcv, groups: 20, held_out: 1, fractions: {train: 0.5, validation: 0.25}}",
        "{train_until: 2001-06-29, validation_until: 2001-07-02}",
        "{train_until: 1990-01-01, validation_until: 1990-06-01}",
        "{train_until: 2001-06-29, validation_until: 2030-01-01}",
    ),
    "data.target.horizon": (1, 5, 100, 400),
    "data.source": ("prices.csv", "none.csv"),
    "study.pruner": ("median", "patient", "hyperband", "none"),
    "study.pruner_warmup": (0, 1, 2, 3, 100),
    "study.pruner_patience": (1, 2, 100),
    "study.startup_trials": (1, 2, 100),
    "study.sampler": ("tpe", "random", "gp", "cmaes", "grid", "qmc"),
    "study.trials": (1, 2, 100),
    "study.timeout": ("1s", "1h"),
    "training.epochs": (1, 2, 3),
    "training.patience": (1, 2, 100),
    "training.schedule": ("constant", "cosine"),
    "training.device": ("cpu", "cuda", "meta", "nonsense"),
    "training.kernel": ("auto", "torch", "fused"),
    "training.mixed_precision": ("true", "false"),
    "guard.max_skill": (0.001, 0.9),
    "tracking.mlflow.uri": ("http://127.0.0.1:1", "nonsense", "sqlite:///ballast.db"),
    "storage.url": ("sqlite:///other.db", "sqlite:///no/such/folder.db", "mysql://u@h/db"),
    "space.models.gru.batch_size": (
        "{choices: [16, 197]}",
        "{choices: [16, 150]}",
        "{low: 16, high: 200, step: 1}",
        "{low: 16, high: 17}",
    ),
    "space.training.epochs": ("{low: 1, high: 3}", "{low: 1, high: 300, log: true}"),
    "space.data.seq_len": ("{choices: [3, 160]}", "{low: 1, high: 60, step: 1}", "{low: 3, high: 4}"),
}
"""Settings at and around their bounds, for a table of 400 rows."""
SEEDS = range(60)


class TrainingBegins(BaseException):
    """Raised in place of the first training: `run` has refused nothing."""


def configuration(seed: int) -> list[str]:
    """One to three settings of `BOUNDS`, as of a command line."""
    drawn = random.Random(seed)
    keys = drawn.sample(list(BOUNDS), drawn.choice((1, 1, 2, 3)))
    return [word for key in keys for word in ("--set", f"{key}={drawn.choice(BOUNDS[key])}")]


@pytest.fixture
def agree(ballast: "Ballast", monkeypatch: pytest.MonkeyPatch) -> Agree:
    """Ask both; the exit code of both, and the sentences of a refusal."""

    def begin(*arguments: object, **named: object) -> None:
        raise TrainingBegins

    def agree(*arguments: object) -> tuple[int, str]:
        checked = ballast("check", *arguments, "--json")
        try:
            with monkeypatch.context() as patched:
                patched.setattr("trainer.training.loop.fit", begin)
                ran = ballast("run", *arguments, "--json")
        except TrainingBegins:
            code, told = 0, ""
        else:
            code, told = ran.code, ran.err if ran.code else ""
        assert checked.code == code, (arguments, checked.err, told)
        said = checked.err
        if checked.out:
            assert checked.json["ok"] == (code == 0)
            said += "\n".join(each["message"] for each in checked.json["findings"])
        for line in told.splitlines():
            sentence = line.removeprefix("ballast: ").strip().partition("error: ")[2] or line
            assert sentence in said or "the data audit found" in line, (arguments, line, checked.err)
        return code, told

    return agree


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_set_check_and_run_agree(seed: int, agree: Agree, write_study: "WriteStudy") -> None:
    agree(write_study(), *configuration(seed))


@pytest.mark.slow
def test_the_configurations_hold_many_refusals_and_many_that_are_ready(
    agree: Agree, write_study: "WriteStudy"
) -> None:
    named = ((f"seed-{seed}", configuration(seed)) for seed in range(100, 120))
    codes = [agree(write_study(), "--name", name, *sets)[0] for name, sets in named]
    assert min(codes.count(0), len(codes) - codes.count(0)) >= 3


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a batch larger than the rows": (
        {"models": {"gru": {"batch_size": 200}}},
        "models.gru.batch_size goes up to 200, and there are 196 training rows; make it 196 or less",
    ),
    "a batch larger than the rows of the shortest fold": (
        {
            "data": {
                "split": {
                    "method": "walk_forward",
                    "folds": 2,
                    "fractions": {"train": 0.5, "validation": 0.25},
                }
            },
            "models": {"gru": {"batch_size": 200}},
        },
        "there are 196 training rows in fold 0 of 2, validation ",
    ),
    "a window longer than the rows": ({"data": {"seq_len": 250}}, "train has 0 rows"),
    "folds without rows": (
        {
            "data": {
                "split": {
                    "method": "walk_forward",
                    "folds": 50,
                    "fractions": {"train": 0.5, "validation": 0.25},
                }
            }
        },
        "fold 0 of 50, validation ",
    ),
    "a warm-up as long as a trial": (
        {"study": {"pruner": "median", "pruner_warmup": 2}},
        "study.pruner_warmup is 2, and a trial has 2 epochs at most",
    ),
    "a warm-up as long as the longest trial that is searched": (
        {
            "study": {"pruner": "hyperband", "pruner_warmup": 9},
            "space": {"training.epochs": {"low": 1, "high": 9}},
        },
        "study.pruner_warmup is 9, and a trial has 9 epochs at most",
    ),
    "a patience of the pruner as long as a trial": (
        {"study": {"pruner": "patient", "pruner_patience": 4, "pruner_warmup": 1}, "training": {"epochs": 5}},
        "study.pruner_patience is 4, and a trial has 5 epochs at most",
    ),
    "a grid that is too large": (
        {
            "study": {"sampler": "grid", "startup_trials": None},
            "space": {
                "models.gru.learning_rate": {"low": 1e-4, "high": 1e-2, "step": 1e-6},
                "models.gru.weight_decay": {"choices": [0.0, 1e-4]},
            },
        },
        "configurations, more than 10000",
    ),
    "a device that is not there": ({"training": {"device": "cuda:7"}}, "'cuda:7' is not available"),
    "a table that is not there": ({"data": {"source": "none.csv"}}, "none.csv"),
    "a store in no folder": ({"storage": {"url": "sqlite:///no/such.db"}}, "there is no folder no"),
    "the store for MLflow": (
        {"tracking": {"mlflow": {"uri": "sqlite:///ballast.db"}}},
        "is the store of the study",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_both_refuse(what: str, agree: Agree, write_study: "WriteStudy") -> None:
    changes, sentence = REFUSED[what]
    code, told = agree(write_study(**changes))
    assert code != 0
    assert sentence in told


def test_all_that_is_wrong_is_reported_at_once(agree: Agree, write_study: "WriteStudy") -> None:
    path = write_study(
        study={"pruner": "median", "pruner_warmup": 7},
        models={"gru": {"batch_size": 200}},
        training={"device": "cuda:7"},
    )
    code, told = agree(path)
    assert code == 2
    assert [word in told for word in ("batch_size", "pruner_warmup", "cuda:7")] == [True] * 3


READY: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "trials that the command line makes short": (
        {"study": {"pruner": "median", "pruner_warmup": 3}, "training": {"epochs": 9}},
        ("--set", "training.epochs=2"),
    ),
    "short trials under the default warm-up": ({"study": {"pruner": None}}, ()),
    "a short hyperband, which has one bracket": (
        {"study": {"pruner": "hyperband"}, "training": {"epochs": 9}},
        ("--set", "training.epochs=2"),
    ),
    "a start-up as long as the study, which may go on": ({"study": {"startup_trials": 50}}, ()),
    "a patience that switches itself off": ({"training": {"patience": 100}}, ()),
    "mixed precision, which is clamped": ({"training": {"mixed_precision": True}}, ()),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", READY)
def test_both_begin(what: str, agree: Agree, write_study: "WriteStudy") -> None:
    changes, options = READY[what]
    assert agree(write_study(**changes), *options) == (0, "")


@pytest.mark.slow
def test_a_name_that_another_study_has_is_refused_and_its_own_is_not(
    agree: Agree, ballast: "Ballast", write_study: "WriteStudy"
) -> None:
    path = write_study()
    assert ballast("run", path, "--trials", "1", "--json").code == 0
    assert ballast("check", path, "--json").code == 0  # it goes on
    code, told = agree(path, "--set", "models.gru.hidden_size=5")
    assert code == 2
    assert "was started with other settings" in told
    assert told.rstrip().endswith("--name small-2")
    assert agree(path, "--set", "models.gru.hidden_size=5", "--name", "small-2") == (0, "")


def test_an_older_study_continues_though_its_pruner_has_no_effect(
    launch: "Launch", write_study: "WriteStudy"
) -> None:
    path = write_study(study={"pruner": "median", "pruner_warmup": 7})
    launched = launch(path)  # as an earlier Ballast started it: nothing asked then
    assert check_readiness(resolve(path), launched.store).refusals == ()


def test_check_makes_no_store_and_no_table_in_one(
    ballast: "Ballast", write_study: "WriteStudy", tmp_path: Path, postgres_url: str
) -> None:
    path = write_study()
    assert ballast("check", path).code == 0
    assert not (tmp_path / "ballast.db").exists()
    assert ballast("check", path, "--store", postgres_url).code == 0
    assert open_store_if_exists(postgres_url) is None
    with pytest.raises(StoreMissing, match="there is no folder"):
        open_store_if_exists("sqlite:///no/such.db")


def test_a_store_that_cannot_be_reached_is_refused_and_the_data_are_checked_all_the_same(
    ballast: "Ballast", write_study: "WriteStudy"
) -> None:
    nowhere = "postgresql://ada:secret@127.0.0.1:1/ballast"
    told = [ballast(command, write_study(), "--store", nowhere, "--json") for command in ("check", "run")]
    assert [each.code for each in told] == [2, 2]
    assert told[0].err == told[1].err
    assert "secret" not in told[0].err + told[0].out
    assert told[0].json["rows"]["train"] == 196


def test_the_last_line_is_the_run_that_was_checked(
    ballast: "Ballast", write_study: "WriteStudy", tmp_path: Path
) -> None:
    path = write_study("-my study's.yaml")
    policy = tmp_path / "my policy.yaml"
    policy.write_text("extends: configs/safe_ranges.yaml\n".replace("configs", str(CONFIGS)))
    options = [
        *("--set", "study.enqueue=[{models.gru.learning_rate: 2e-3}]"),
        *("--set", "training.epochs=1"),
        *("--name", "it's -2; rm *"),
        *("--policy", "my policy.yaml"),
        *("--store", "sqlite:///a b &$HOME.db?timeout=5"),
        "--strict",
    ]
    checked = ballast("check", *options, "--", path.name)
    assert checked.code == 0, checked.err
    line = checked.out.splitlines()[0].removeprefix("ready: ")
    words = shlex.split(line)
    assert words[:2] == ["ballast", "run"]
    ran = ballast("run", "--json", *words[2:])
    assert ran.code == 0, ran.err
    assert ran.json["study"] == "it's -2; rm *"


def test_a_password_is_not_repeated_and_its_place_is_named(
    ballast: "Ballast", write_study: "WriteStudy", postgres_url: str
) -> None:
    checked = ballast(
        "check", write_study(), "--store", postgres_url.replace("postgresql://", "postgresql+psycopg://")
    )
    assert ":***@" in checked.out
    assert checked.out.splitlines()[0].endswith("# write the password in place of ***")


def test_a_hyperband_of_trials_shorter_than_its_warm_up_has_a_bracket(write_study: "WriteStudy") -> None:
    resolved = resolve(write_study(study={"pruner": "hyperband", "pruner_warmup": 5}))
    pruner: Any = make_pruner(resolved.file.study, 2)
    assert (pruner._min_resource, pruner._max_resource) == (2, 2)
