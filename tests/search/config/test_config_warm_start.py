"""Files of configurations to begin from: what is taken from them, what is cut, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.config.layers import Layer
from search.config.resolve import resolve, resolve_recorded
from search.config.resolved_study import ResolvedStudy
from search.errors import ConfigError

Resolve = Callable[..., ResolvedStudy]

LR, SIZE = "models.gru.learning_rate", "models.gru.hidden_size"
SPACE = f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}, {SIZE}: {{choices: [16, 64]}}}}\n"


def _from(make: Resolve, text: str, *, more: str = SPACE, file: str = "best.yaml") -> ResolvedStudy:
    """Resolve the small study with what a file offers it."""
    make(more)
    Path(file).write_text(text)
    return resolve(Path("study.yaml"), warm_starts=[Path(file)])


def _refused(make: Resolve, text: str, *, more: str = SPACE, file: str = "best.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _from(make, text, more=more, file=file)
    return [str(problem) for problem in caught.value.problems]


def test_the_values_of_what_is_searched_are_tried_first_and_say_where_they_come_from(make: Resolve) -> None:
    resolved = _from(make, f"{LR}: 5e-4\n{SIZE}: 16\nprovenance: {{study: old}}\n")
    assert resolved.enqueued == ({LR: 5e-4, SIZE: 16},)
    override = resolved.settings["study.enqueue"].overrides[-1]
    assert (override.layer, override.origin) == (Layer.CLI, "--warm-start best.yaml")
    assert (override.requested, override.effective) == ({LR: 5e-4, SIZE: 16}, [{LR: 5e-4, SIZE: 16}])
    assert resolved.notes == ()
    trial = resolved.trial({LR: 5e-4, SIZE: 16}, queued=True)
    assert [trial.settings[key].origin for key in (LR, SIZE)] == ["--warm-start best.yaml"] * 2
    assert trial.settings[LR].reason == "asked for in the queue"


def test_values_outside_are_clamped_to_the_policy_and_to_the_space_on_record(make: Resolve) -> None:
    resolved = _from(make, f"{LR}: 3\n{SIZE}: 60\n")
    assert resolved.enqueued == ({LR: 1e-3, SIZE: 64},)
    assert resolved.requested == ({LR: 3.0, SIZE: 60},)
    assert [(clamp.key, clamp.declared, clamp.effective) for clamp in resolved.clamps] == [
        (f"study.enqueue[0].{LR}", 3.0, 0.01),
        (f"study.enqueue[0].{LR}", 0.01, 0.001),
        (f"study.enqueue[0].{SIZE}", 60, 64),
    ]
    assert all("(--warm-start best.yaml)" in clamp.reason for clamp in resolved.clamps)
    trial = resolved.trial({LR: 3.0, SIZE: 60}, queued=True)
    asked = [override for override in trial.settings[LR].overrides if override.layer is Layer.SAMPLED][-1]
    assert (asked.requested, asked.origin) == (3.0, "--warm-start best.yaml")
    assert trial.settings[LR].value == 1e-3


def test_what_the_study_asks_for_itself_comes_first_and_several_files_in_order(make: Resolve) -> None:
    make(f"{SPACE}study.enqueue: [{{{LR}: 2e-4}}]\n")
    for name, rate in (("a.yaml", "3e-4"), ("b.json", "4e-4")):
        Path(name).write_text(json.dumps({LR: float(rate)}))
    resolved = resolve(Path("study.yaml"), warm_starts=[Path("a.yaml"), Path("b.json")])
    assert [found[LR] for found in resolved.enqueued] == [2e-4, 3e-4, 4e-4]
    assert resolved.origins == ("study.yaml:9", "--warm-start a.yaml", "--warm-start b.json")


def test_a_key_that_is_fixed_here_stays_and_a_difference_is_reported_once(make: Resolve) -> None:
    others = "training: {epochs: 7, device: 'cuda:0'}\ndata.source: sample:nasdaq\n"
    resolved = _from(make, f"{LR}: 5e-4\n{others}")
    epochs = resolved.trial_config.training.epochs
    assert epochs != 7
    assert resolved.notes == (
        f"--warm-start best.yaml was found with training.epochs 7 (here {epochs}), data.source the text "
        "'sample:nasdaq' (here the text 'sample:sp500'): what is not searched stays as this study has it",
    )


def test_a_dimension_that_a_set_has_fixed_is_among_the_differences(make: Resolve) -> None:
    make(SPACE)
    Path("best.yaml").write_text(f"{LR}: 5e-4\n{SIZE}: 64\n")
    resolved = resolve(Path("study.yaml"), [f"{SIZE}=16"], warm_starts=[Path("best.yaml")])
    assert resolved.enqueued == ({LR: 5e-4},)
    assert f"{SIZE} 64 (here 16)" in resolved.notes[0]


def test_paths_of_the_same_table_seen_from_two_folders_are_no_difference(make: Resolve) -> None:
    resolved = _from(make, f"{LR}: 5e-4\ndata.source: ../../sample:sp500\n")
    assert resolved.notes == ()


def test_of_many_differences_the_first_are_reported(make: Resolve) -> None:
    others = (
        "training: {epochs: 7, patience: 2}\nguard: {max_bad_steps: 1}\ndata: {seq_len: 9, feature_clip: 1}\n"
    )
    resolved = _from(make, f"{LR}: 5e-4\n{others}models.gru.num_layers: 2\nmodels.gru.dropout: 0.05\n")
    assert " and 2 more: what is not searched" in resolved.notes[0]


def test_mixed_precision_is_false_wherever_it_comes_from(make: Resolve) -> None:
    assert _from(make, f"{LR}: 5e-4\ntraining.mixed_precision: true\n").enqueued == ({LR: 5e-4},)


@pytest.mark.parametrize(
    ("text", "more", "sentence"),
    [
        (
            "training.epochs: 3\n",
            SPACE,
            f"best.yaml: it sets no key that this study searches ({LR}, {SIZE}); --warm-start takes one",
        ),
        ("", SPACE, "best.yaml: it sets no key that this study searches"),
        (f"{LR}: 1e-4\n", "", "it sets no key that this study searches (nothing)"),
        (f"{LR}: fast\n", SPACE, f"best.yaml:1: {LR} is the text 'fast': it must be a number"),
        ("hello: world\n", SPACE, "best.yaml:1: unknown key hello"),
        ("- 1\n", SPACE, "best.yaml:1: the file holds a list where sections"),
        (f"{LR}: 1e-4\n{SPACE}", SPACE, f"best.yaml:2: space.{LR} is to be searched; --warm-start takes one"),
    ],
)
def test_a_file_that_offers_no_configuration_is_refused_in_one_sentence(
    make: Resolve, text: str, more: str, sentence: str
) -> None:
    (told,) = _refused(make, text, more=more)
    assert told.startswith(sentence) or sentence in told


def test_a_missing_file_is_reported_with_all_other_problems(make: Resolve) -> None:
    make(SPACE)
    with pytest.raises(ConfigError) as caught:
        resolve(Path("study.yaml"), ["training.epochs=none"], warm_starts=[Path("studi.yaml")])
    told = [str(problem) for problem in caught.value.problems]
    assert told[1] == "studi.yaml: there is no such file; did you mean study.yaml?"
    assert told[0].startswith("--set training.epochs=none: ")


def test_the_study_comes_back_on_a_machine_without_the_file(make: Resolve) -> None:
    resolved = _from(make, json.dumps({LR: 3.0}), file="best.json")
    for name in ("best.json", "study.yaml"):
        Path(name).unlink()
    found = resolve_recorded(json.loads(json.dumps(resolved.sources)))
    assert found == replace(resolved, folder=found.folder)
    assert found.origins == ("--warm-start best.json",)


def test_a_study_recorded_before_there_were_warm_starts_comes_back(make: Resolve) -> None:
    sources = dict(make(SPACE).sources)
    del sources["warm_starts"]
    assert resolve_recorded(sources).enqueued == ()
