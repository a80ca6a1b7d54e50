"""Layers: who beats whom, what is recorded, and what is refused at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.config.layers import Layer, Setting, setting_to_json
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.config.space import Choices, FloatRange
from search.errors import ConfigError, RequestError

Resolve = Callable[..., ResolvedStudy]
Refuse = Callable[..., list[str]]

LR = "models.gru.learning_rate"
MIXED = "training.mixed_precision"


def story(setting: Setting) -> list[tuple[str, str, Any, Any]]:
    return [
        (str(override.layer), override.origin, override.requested, override.effective)
        for override in setting.overrides
    ]


def test_an_unquoted_1e_3_is_a_number(make: Resolve) -> None:
    assert make("models: {gru: {learning_rate: 1e-3}}\n").file.models.gru.learning_rate == 0.001


def test_a_duplicate_key_is_refused_with_both_lines(refuse: Refuse) -> None:
    assert refuse("training:\n  epochs: 3\n  epochs: 4\n") == [
        "study.yaml:10: the key epochs is given twice, first at study.yaml:9; remove one"
    ]


def test_the_dotted_and_the_nested_spelling_of_a_key_are_the_same_key(make: Resolve, refuse: Refuse) -> None:
    assert make("models.gru.dropout: 0.2\n").file.models.gru.dropout == 0.2
    assert make("models: {gru.dropout: 0.2}\n").file.models.gru.dropout == 0.2
    assert refuse("models.gru: {dropout: 0.2}\nmodels.gru.dropout: 0.3\n") == [
        "study.yaml:9: the key models.gru.dropout is given twice, first at study.yaml:8; remove one"
    ]


def test_set_splits_on_the_first_equals_sign(make: Resolve) -> None:
    assert make("", "data.source=a=b.csv").file.data.source == "a=b.csv"


def test_set_reads_its_value_as_yaml(make: Resolve) -> None:
    resolved = make(
        "",
        f"space.{LR}={{low: 1e-5, high: 1e-3, log: true}}",
        "data.features=[Open, Close]",
        "study.timeout=1h30m",
    )
    assert resolved.space == {LR: FloatRange(1e-5, 1e-3, log=True)}
    assert [feature.name for feature in resolved.file.data.features] == ["Open", "Close"]
    assert resolved.file.study.timeout == 5400


def test_set_of_a_mapping_merges_deep(make: Resolve) -> None:
    gru = make("models: {gru: {hidden_size: 16}}\n", "models={gru: {dropout: 0.1}}").file.models.gru
    assert (gru.hidden_size, gru.dropout) == (16, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models.gru.dropout", "there is no = in it; write it like --set models.gru.dropout=0.1"),
        ("models.gru.dropout=", "models.gru.dropout is null: it must be a number"),
        ("models=", "it sets nothing in the section models; name a key of it"),
        ("models=3", "models is 3; it is a section with gru"),
        ("=3", "unknown key ; known here: "),
        ("models.gru.dropout=[1,", "not YAML at column 4: "),
        ("models.gru.droput=0.1", "unknown key models.gru.droput; did you mean models.gru.dropout?"),
        (
            "data.split.fractions.train=0.6",
            "data.split.fractions.train cannot be set by itself; give data.split.fractions as a whole",
        ),
    ],
)
def test_a_wrong_set_is_reported_with_its_text(refuse: Refuse, text: str, message: str) -> None:
    (told,) = refuse("", text)
    assert told.startswith(f"--set {text}: {message}")


def test_two_sets_of_one_key_are_an_error_because_one_would_be_lost(refuse: Refuse) -> None:
    assert refuse("", "training.epochs=3", "training={epochs: 4}") == [
        "--set training={epochs: 4}: training.epochs is already set by --set training.epochs=3; "
        "keep one of them"
    ]


def test_two_files_merge_deep(make: Resolve) -> None:
    base = "models:\n  gru:\n    hidden_size: 16\n    dropout: 0.1\ntraining: {epochs: 7}\n"
    file = make("models: {gru: {dropout: 0.2}}\n", base=base).file
    assert (file.models.gru.hidden_size, file.models.gru.dropout, file.training.epochs) == (16, 0.2, 7)


def test_a_list_is_replaced_and_not_merged(make: Resolve) -> None:
    resolved = make(base="data: {features: [Open, High, Low]}\n")
    assert [feature.name for feature in resolved.file.data.features] == ["Close"]


def test_a_dimension_of_a_later_layer_replaces_the_whole_dimension(make: Resolve) -> None:
    base = f"space: {{{LR}: {{low: 1e-5, high: 1e-3, log: true}}}}\n"
    assert make(f"space: {{{LR}: {{choices: [1e-4, 1e-3]}}}}\n", base=base).space == {
        LR: Choices((1e-4, 1e-3))
    }


def test_set_fixes_a_key_that_is_in_space_and_the_dimension_leaves(make: Resolve) -> None:
    resolved = make(f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n", f"{LR}=2e-4")
    assert resolved.space == {}
    assert resolved.file.models.gru.learning_rate == 2e-4
    setting, dimension = resolved.settings[LR], resolved.settings[f"space.{LR}"]
    assert (setting.layer, setting.origin) == (Layer.CLI, f"--set {LR}=2e-4")
    assert dimension.value is None
    assert dimension.reason == f"fixed by --set {LR}=2e-4, so it is not searched"
    assert dimension.overrides[0].origin == "study.yaml:8"


def test_cli_override_beats_the_sampler(make: Resolve) -> None:
    resolved = make(f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n", f"{LR}=2e-4")
    with pytest.raises(RequestError, match="learning_rate is not in the space of study demo"):
        resolved.trial({LR: 1e-5})
    assert resolved.trial({}).config.models.gru.learning_rate == 2e-4


def test_setting_and_searching_a_key_on_one_command_line_is_a_contradiction(refuse: Refuse) -> None:
    told = refuse("", f"{LR}=1e-3", f"space.{LR}={{choices: [1e-3, 1e-4]}}")
    assert told == [
        f"--set space.{LR}={{choices: [1e-3, 1e-4]}}: --set {LR}=1e-3 fixes what this searches; "
        "keep one of the two"
    ]


def test_space_beats_a_value_of_the_study_file_and_says_so(make: Resolve) -> None:
    resolved = make(f"{LR}: 3e-4\nspace: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n")
    dimension = {"low": 1e-5, "high": 1e-3}
    assert story(resolved.settings[LR])[2:] == [
        ("study", "study.yaml:8", 3e-4, 3e-4),
        ("sampled", "study.yaml:9", dimension, dimension),
    ]
    assert "every trial samples" in resolved.settings[LR].reason


def test_a_dimension_can_be_taken_out_with_null(make: Resolve) -> None:
    resolved = make(f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n", f"space.{LR}=null")
    assert resolved.space == {}
    assert resolved.settings[f"space.{LR}"].layer is Layer.CLI


@pytest.mark.parametrize(("in_gru", "in_training", "used"), [(0.5, 0.8, 0.5), (0.8, 0.5, 0.5)])
def test_max_grad_norm_in_both_places_is_the_smaller_one(
    make: Resolve, in_gru: float, in_training: float, used: float
) -> None:
    resolved = make(f"models.gru.max_grad_norm: {in_gru}\ntraining.max_grad_norm: {in_training}\n")
    assert resolved.file.training.max_grad_norm == used
    setting = resolved.settings["training.max_grad_norm"]
    assert story(setting)[2:] == [
        ("study", "study.yaml:9", in_training, in_training),
        ("study", "study.yaml:8 (models.gru.max_grad_norm)", in_gru, used),
    ]
    assert setting.reason == (
        f"models.gru.max_grad_norm is {in_gru} and training.max_grad_norm is {in_training}; "
        "the smaller is used"
    )


def test_max_grad_norm_of_the_model_alone_is_read_as_that_of_training(make: Resolve) -> None:
    setting = make("", "models.gru.max_grad_norm=0.25").settings["training.max_grad_norm"]
    assert (setting.value, setting.origin) == (0.25, "--set models.gru.max_grad_norm=0.25")
    assert setting.reason == "models.gru.max_grad_norm is another name of training.max_grad_norm"


def test_an_alias_of_a_higher_layer_overrides_like_any_setting(make: Resolve) -> None:
    resolved = make("training.max_grad_norm: 0.2\n", "models.gru.max_grad_norm=0.7")
    assert resolved.file.training.max_grad_norm == 0.7


def test_an_alias_in_space_is_renamed_and_both_spellings_are_refused(make: Resolve, refuse: Refuse) -> None:
    alias = "space: {models.gru.max_grad_norm: {low: 0.1, high: 1.0}}\n"
    resolved = make(alias)
    assert list(resolved.space) == ["training.max_grad_norm"]
    assert "another name" in resolved.settings["space.training.max_grad_norm"].reason
    assert refuse(alias + "space.training.max_grad_norm: {low: 0.1, high: 1.0}\n") == [
        "study.yaml:8: space.models.gru.max_grad_norm and space.training.max_grad_norm are the same "
        "dimension; remove one"
    ]


@pytest.mark.parametrize(
    ("more", "sets", "base"),
    [
        (f"{MIXED}: true\n", (), None),
        ("", (), f"{MIXED}: true\n"),
        ("", (f"{MIXED}=true",), None),
    ],
    ids=["study", "base", "cli"],
)
@pytest.mark.parametrize("policy", [None, "models.gru.dropout: {high: 0.9, why: w, source: s}\n"])
def test_mixed_precision_true_is_clamped_and_recorded_in_every_layer(
    make: Resolve, more: str, sets: tuple[str, ...], base: str | None, policy: str | None
) -> None:
    resolved = make(more, *sets, base=base, policy=policy)
    setting = resolved.settings[MIXED]
    assert resolved.file.training.mixed_precision is False
    assert (setting.value, setting.requested, setting.layer) == (False, True, Layer.CLAMP)
    assert setting.origin == "code: mixed_precision is always false"
    assert [(clamp.key, clamp.declared, clamp.effective) for clamp in resolved.clamps] == [
        (MIXED, True, False)
    ]
    assert all(override.effective is False for override in setting.overrides)


def test_mixed_precision_true_is_recorded_even_where_a_higher_layer_says_false(make: Resolve) -> None:
    resolved = make(f"{MIXED}: false\n", base=f"{MIXED}: true\n")
    assert [(clamp.declared, clamp.origin) for clamp in resolved.clamps] == [(True, "base.yaml:1")]
    assert story(resolved.settings[MIXED])[1:] == [
        ("base", "base.yaml:1", True, False),
        ("study", "study.yaml:8", False, False),
    ]


@pytest.mark.parametrize("choices", ["[true, false]", "[true]"])
def test_mixed_precision_in_space_is_clamped_to_false(make: Resolve, choices: str) -> None:
    resolved = make(f"space: {{{MIXED}: {{choices: {choices}}}}}\n")
    assert resolved.space == {}
    assert resolved.settings[MIXED].value is False
    assert resolved.settings[MIXED].layer is Layer.CLAMP
    assert [clamp.effective for clamp in resolved.clamps] == [{"choices": [False]}]


def test_mixed_precision_in_an_enqueued_configuration_is_clamped_to_false(make: Resolve) -> None:
    resolved = make(
        f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\nstudy.enqueue: [{{{MIXED}: true, {LR}: 1e-4}}]\n"
    )
    assert resolved.enqueued == ({LR: 1e-4},)
    assert [(clamp.key, clamp.declared, clamp.effective) for clamp in resolved.clamps] == [
        (f"study.enqueue[0].{MIXED}", True, False)
    ]


def test_a_policy_cannot_allow_mixed_precision(refuse: Refuse) -> None:
    (told,) = refuse(policy=f"{MIXED}: {{only: true, why: w, source: s}}\n")
    assert told.startswith(f"policy.yaml:1: only of {MIXED} is true: it must be false")


def test_all_errors_are_reported_at_once_with_their_places(refuse: Refuse) -> None:
    more = (
        "models: {gru: {learnig_rate: 1, dropout: high}}\nspace: {models.gru.batch_size: {low: 1, high: 8}}\n"
    )
    told = refuse(
        more,
        "training.epochs=0",
        study="study: {name: x}\ndata: {source: a.csv, features: [Close]}\n",
        base="training: {patience: 2.5}\n",
        policy="models.gru.dropout: {low: 1}\n",
    )
    assert told == [
        "--set training.epochs=0: training.epochs is 0: it must be greater than or equal to 1",
        "base.yaml:1: training.patience is 2.5: it must be a whole number",
        "policy.yaml:1: low of models.gru.dropout is 1: it must be less than 1",
        "policy.yaml:1: the safe range of models.gru.dropout needs source, a sentence of text",
        "policy.yaml:1: the safe range of models.gru.dropout needs why, a sentence of text",
        "study.yaml:3: models.gru.dropout is the text 'high': it must be a number",
        "study.yaml:3: unknown key models.gru.learnig_rate; did you mean models.gru.learning_rate?",
    ]


def test_missing_settings_and_an_empty_safe_range_are_reported_together(refuse: Refuse) -> None:
    told = refuse(
        "space: {models.gru.batch_size: {low: 1, high: 8}}\n",
        study="study: {name: x}\ndata: {source: a.csv, features: [Close]}\n",
    )
    assert told == [
        "study.yaml: data.split: give both train_until and validation_until, or fractions",
        "study.yaml: data.target.kind is missing; add it",
        "study.yaml: data.time is missing; add it",
        "study.yaml:3: the dimension {'low': 1, 'high': 8} of models.gru.batch_size has nothing in common "
        "with its safe range, at least 16 (configs/safe_ranges.yaml:14); change space.models.gru.batch_size, "
        "or name another policy with --policy",
    ]


def test_a_wrong_value_in_the_base_file_is_reported_though_the_study_overrides_it(refuse: Refuse) -> None:
    assert refuse("training.epochs: 3\n", base="training:\n  epochs: many\n") == [
        "base.yaml:2: training.epochs is the text 'many': it must be a whole number"
    ]


@pytest.mark.parametrize(
    ("typo", "hint"),
    [
        ("modles: {gru: {}}", "unknown key modles; did you mean models?"),
        ("learning_rate: 1e-3", "unknown key learning_rate; did you mean models.gru.learning_rate?"),
        ("training.hidden_size: 8", "unknown key training.hidden_size; did you mean models.gru.hidden_size?"),
        ("space.models.gru.learning_rat: {}", f"did you mean space.{LR}?"),
        (
            "models.lstm.units: 3",
            "unknown key models.lstm.units; known here: data, guard, models, space, storage",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(refuse: Refuse, typo: str, hint: str) -> None:
    (told,) = refuse(f"{typo}\n")
    assert told.startswith("study.yaml:8: ")
    assert hint in told


def test_an_unknown_key_inside_a_feature_is_reported_at_its_line(refuse: Refuse) -> None:
    (told,) = refuse(
        "data:\n  features:\n    - Open\n    - {name: x, colum: Close}\n", study="study.name: x\n" + TAIL
    )
    assert told == "study.yaml:9: data.features[1].colum is not known; did you mean column?"


TAIL = """\
data.source: a.csv
data.time: t
data.target: {column: y, kind: volatility}
data.split: {fractions: {train: 0.5, validation: 0.2}}
"""


def test_a_contradiction_between_settings_is_reported_at_the_section(refuse: Refuse) -> None:
    assert refuse(
        "data.split.train_until: 2016-01-01\n", study=TAIL + "study.name: x\ndata.features: [y]\n"
    ) == ["study.yaml:4: data.split: give train_until and validation_until, or fractions, not both"]


def test_an_empty_study_file_says_what_is_missing(refuse: Refuse) -> None:
    told = refuse(study="")
    assert "study.yaml: study.name is missing; add it" in told
    assert "study.yaml: data.source is missing; add it" in told


def test_an_empty_section_sets_nothing(make: Resolve) -> None:
    assert make("models:\nspace:\n").file.models.gru.hidden_size == 32


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("30m", 1800), ("1h30m", 5400), ("2h", 7200), ("45s", 45), ("1.5h", 5400)],
)
def test_a_timeout_has_units(make: Resolve, written: str, seconds: float) -> None:
    setting = make(f"study.timeout: {written}\n").settings["study.timeout"]
    assert setting.value == seconds


@pytest.mark.parametrize("written", ["30 minutes", "m", "'90'", "1d", "-5", "0s", "30m1h"])
def test_a_timeout_of_a_wrong_unit_is_refused(refuse: Refuse, written: str) -> None:
    (told,) = refuse(f"study.timeout: {written}\n")
    assert told.startswith("study.yaml:8: study.timeout is ")


@pytest.mark.parametrize("name", ["''", "' a'", "'a '", "a/b", '"a\\nb"', '"\\x7f"', "'" + "x" * 121 + "'"])
def test_a_name_that_cannot_be_shown_or_typed_is_refused(refuse: Refuse, name: str) -> None:
    (told,) = refuse("", f"study.name={name}")
    assert told.startswith(f"--set study.name={name}: study.name is the text")


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        (
            "models.gru: {init: torch, input_gain: 0.005}\n",
            "models.gru.input_gain has no effect: models.gru.init",
        ),
        (
            "study: {pruner: none, pruner_warmup: 2}\n",
            "study.pruner_warmup has no effect: study.pruner is none",
        ),
        ("study: {pruner_patience: 2}\n", "study.pruner_patience has no effect: study.pruner is not patient"),
        (
            "training: {schedule: cosine, patience: 2}\n",
            "training.patience has no effect: training.schedule is cosine",
        ),
        (
            "study: {sampler: random, pruner: none, startup_trials: 3}\n",
            "study.startup_trials has no effect: neither this study.sampler",
        ),
        ("guard: {target_max_floor: 1e-3}\n", "guard.target_max_floor has no effect: data.target.kind"),
        (
            "models.gru.init: torch\nspace: {models.gru.head_gain: {low: 1e-4, high: 1e-3}}\n",
            "space.models.gru.head_gain has no effect",
        ),
    ],
)
def test_a_setting_that_would_have_no_effect_is_an_error(refuse: Refuse, more: str, fact: str) -> None:
    (told,) = refuse(more, "study.name=x", study=TAIL + "data.features: [y]\n")
    assert told.startswith("study.yaml:")
    assert fact in told


def test_a_setting_that_a_higher_layer_makes_ineffective_is_recorded_and_no_error(make: Resolve) -> None:
    setting = make("study.pruner_warmup: 2\n", "study.pruner=none").settings["study.pruner_warmup"]
    assert (setting.layer, setting.origin, setting.value) == (Layer.CLI, "--set study.pruner=none", 2)
    assert setting.reason == "no effect: study.pruner is none"


def test_gains_have_an_effect_where_init_is_searched(make: Resolve) -> None:
    more = "models.gru.head_gain: 5e-4\nspace: {models.gru.init: {choices: [gains, torch]}}\n"
    assert make(more, "models.gru.init=gains").file.models.gru.head_gain == 5e-4
    assert make(more).space == {"models.gru.init": Choices(("gains", "torch"))}


def test_returns_are_clipped_by_default_and_that_is_recorded(make: Resolve) -> None:
    setting = make().settings["data.target.clip"]
    assert (setting.value, setting.requested) == (0.1, None)
    assert setting.reason == "filled in by trainer.config from the other settings of its section"


@pytest.mark.parametrize(("window", "horizon", "clip"), [(5, 5, 0.223607), (21, 21, 0.458258), (1, 21, 0.1)])
def test_the_clip_of_returns_and_its_safe_range_grow_with_the_root_of_their_rows(
    make: Resolve, window: int, horizon: int, clip: float
) -> None:
    rows = (f"data.target.window={window}", f"data.target.horizon={horizon}")
    assert make("", *rows).settings["data.target.clip"].value == clip
    assert make("", *rows).settings["data.target.clip_follows_spread"].value is True
    wide = make("", *rows, "data.target.clip=0.8")
    assert wide.settings["data.target.clip"].value == clip
    assert wide.settings["data.target.clip_follows_spread"].value is None
    assert [(found.key, found.declared) for found in wide.clamps] == [("data.target.clip", 0.8)]
    assert make("", *rows, "data.target.clip=0.05").clamps == ()


def test_whether_a_target_is_shifted_already_is_no_question_where_it_is_computed(refuse: Refuse) -> None:
    for value in ("true", "false"):
        (told,) = refuse("", f"data.target.already_shifted={value}")
        assert "data.target.already_shifted has no effect" in told


def test_a_raw_target_that_says_what_was_taken_for_granted_has_the_digests_of_one_that_does_not(
    make: Resolve,
) -> None:
    raw = ("data.target.transform=raw", "data.target.kind=volatility")
    silent, before, own = (
        make("", *raw, f"data.target.already_shifted={value}") for value in ("null", "true", "false")
    )
    assert silent.fingerprints() == before.fingerprints() != own.fingerprints()
    assert silent.trial({}).digest == before.trial({}).digest != own.trial({}).digest
    assert "already_shifted" not in silent.trial_config.model_dump(mode="json")["data"]["target"]


def test_a_fixed_value_is_moved_to_the_nearest_bound(make: Resolve) -> None:
    resolved = make("models.gru: {learning_rate: 0.5, batch_size: 4}\n")
    gru = resolved.trial_config.models.gru
    assert (gru.learning_rate, gru.batch_size) == (0.01, 16)
    assert story(resolved.settings[LR])[-1] == ("clamp", "configs/safe_ranges.yaml:9", 0.5, 0.01)
    assert [clamp.key for clamp in resolved.clamps] == [LR, "models.gru.batch_size"]


def test_a_range_is_cut_and_choices_outside_are_dropped(make: Resolve) -> None:
    resolved = make(
        f"space:\n  {LR}: {{low: 1e-5, high: 1e-1, log: true}}\n"
        "  models.gru.hidden_size: {choices: [16, 256]}\n"
        "  models.gru.num_layers: {low: 1, high: 5}\n"
    )
    assert resolved.space[LR] == FloatRange(1e-5, 1e-2, log=True)
    assert resolved.space["models.gru.num_layers"].values() == (1, 2, 3)
    assert resolved.file.models.gru.hidden_size == 16
    assert "one value is left" in resolved.settings["models.gru.hidden_size"].reason
    assert [clamp.key for clamp in resolved.clamps] == [LR, "models.gru.hidden_size", "models.gru.num_layers"]


def test_enqueued_configurations_are_clamped_to_the_policy_and_to_the_space(make: Resolve) -> None:
    resolved = make(
        f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}, models.gru.hidden_size: {{choices: [16, 64]}}}}\n"
        f"study.enqueue:\n  - {{{LR}: 3, models.gru.hidden_size: 60}}\n"
        "  - models: {gru: {hidden_size: 16}}\n"
    )
    assert resolved.enqueued == ({LR: 1e-3, "models.gru.hidden_size": 64}, {"models.gru.hidden_size": 16})
    assert [(c.key, c.declared, c.effective, c.origin) for c in resolved.clamps] == [
        (f"study.enqueue[0].{LR}", 3.0, 0.01, "configs/safe_ranges.yaml:9"),
        (f"study.enqueue[0].{LR}", 0.01, 0.001, f"space.{LR}"),
        ("study.enqueue[0].models.gru.hidden_size", 60, 64, "space.models.gru.hidden_size"),
    ]
    assert resolved.settings["study.enqueue"].layer is Layer.CLAMP


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            "{models.gru.dropout: 0.3}",
            "sets models.gru.dropout, which is not searched; add space.models.gru.dropout",
        ),
        ("{models.gru.learning_rate: fast}", f"{LR} is the text 'fast': it must be a number"),
        ("{models.gru.lerning_rate: 1}", f"did you mean {LR}?"),
        ("3", "study.enqueue[0] is 3: it must be a mapping"),
    ],
)
def test_a_wrong_enqueued_configuration_is_refused_at_its_line(
    refuse: Refuse, item: str, message: str
) -> None:
    (told,) = refuse(f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\nstudy.enqueue:\n  - {item}\n")
    assert told.startswith("study.yaml:10: ")
    assert message in told


def test_an_enqueued_value_of_a_key_fixed_by_set_gives_way_and_is_recorded(make: Resolve) -> None:
    more = f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\nstudy.enqueue: [{{{LR}: 1e-4}}]\n"
    resolved = make(more, f"{LR}=5e-4")
    assert resolved.enqueued == ()
    assert [(c.declared, c.effective, c.origin) for c in resolved.clamps] == [
        (1e-4, 5e-4, f"--set {LR}=5e-4")
    ]


def test_a_grid_needs_choices_or_steps(make: Resolve, refuse: Refuse) -> None:
    more = f"study.sampler: grid\nspace: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n"
    assert refuse(more) == [
        f"study.yaml:9: study.sampler is grid, and {LR} has no short grid; give it choices or a step"
    ]
    assert make(more, f"space.{LR}={{choices: [1e-4, 1e-3]}}").file.study.sampler == "grid"


def test_values_that_a_policy_moves_into_each_others_way_are_refused(refuse: Refuse) -> None:
    policy = "data.split.train_until: {only: 2016-01-01, why: w, source: s}\n"
    assert refuse(policy=policy) == [
        "study.yaml:7: data.split: train_until 2016-01-01 is not before validation_until 2014-12-31"
    ]


def test_one_setting_from_every_layer_can_be_traced(make: Resolve) -> None:
    resolved = make(
        f"training: {{patience: 3}}\nspace: {{{LR}: {{low: 1e-5, high: 1e-1, log: true}}}}\n",
        "models.gru.dropout=0.9",
        "models.gru.num_layers=2",
        base="training: {epochs: 9}\n",
    )
    trial = resolved.trial({LR: 5e-3})
    layers = {key: setting.layer for key, setting in trial.settings.items()}
    assert layers["models.gru.hidden_size"] is Layer.DEFAULT
    assert layers["training.epochs"] is Layer.BASE
    assert layers["training.patience"] is Layer.STUDY
    assert layers["models.gru.num_layers"] is Layer.CLI
    assert layers[LR] is Layer.SAMPLED
    assert layers["models.gru.dropout"] is Layer.CLAMP
    assert trial.settings["training.epochs"].origin == "base.yaml:1"
    for setting in trial.settings.values():
        assert setting.value == setting.overrides[-1].effective
    assert all(trial.values[key] == trial.settings[key].value for key in trial.values)


def test_a_trial_continues_the_story_of_the_study(make: Resolve) -> None:
    resolved = make(f"space: {{{LR}: {{low: 1e-5, high: 1e-1, log: true}}}}\n")
    trial = resolved.trial({LR: 0.05}, queued=True)
    known = resolved.settings[LR].overrides
    assert trial.changed[LR].overrides[: len(known)] == known
    assert [
        (override.layer, override.requested, override.effective)
        for override in trial.changed[LR].overrides[len(known) :]
    ] == [
        (Layer.SAMPLED, 0.05, 0.05),
        (Layer.CLAMP, 0.05, 0.01),
    ]
    assert trial.changed[LR].overrides[len(known)].reason == "asked for in the queue"
    assert trial.config.models.gru.learning_rate == 0.01
    assert list(trial.changed) == [LR]
    assert [clamp.key for clamp in trial.clamps] == [LR]


def test_a_trial_needs_a_value_of_the_right_type_for_every_dimension(make: Resolve) -> None:
    resolved = make(f"space: {{{LR}: {{low: 1e-5, high: 1e-2}}}}\n")
    with pytest.raises(RequestError, match="the trial has no value for models"):
        resolved.trial({})
    with pytest.raises(RequestError, match="learning_rate is the text 'x': it must be a number"):
        resolved.trial({LR: "x"})


def test_the_json_of_a_setting_is_the_promised_shape(make: Resolve) -> None:
    told = setting_to_json(make("", "models.gru.dropout=0.9").settings["models.gru.dropout"])
    assert list(told) == ["key", "value", "layer", "origin", "requested", "reason", "overrides"]
    assert (told["value"], told["layer"], told["requested"]) == (0.5, "clamp", 0.9)
    assert list(told["overrides"][0]) == ["layer", "origin", "requested", "effective", "reason"]
    assert [override["layer"] for override in told["overrides"]] == ["default", "base", "cli", "clamp"]


def test_fingerprints_tell_what_changed_and_nothing_else(make: Resolve) -> None:
    space = f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n"
    start = make(space).fingerprints()

    def changed(*sets: str, policy: str | None = None) -> set[str]:
        after = make(space, *sets, policy=policy).fingerprints()
        return {name for name, digest in start.items() if after[name] != digest}

    assert set(start) == {"space", "policy", "settings", "data"}
    assert (
        changed("study.trials=99", "study.timeout=5", "storage.url=sqlite:///x.db", "study.retries=0")
        == set()
    )
    assert changed("training.epochs=3") == {"settings"}
    assert changed("study.seed=1") == {"settings"}
    assert changed("data.seq_len=5") == {"data"}
    assert changed(f"space.{LR}={{low: 1e-5, high: 1e-4}}") == {"space"}
    assert changed(policy="models.gru.dropout: {high: 0.6, why: w, source: s}\n") == {"policy"}


def test_a_searched_setting_counts_in_the_fingerprint_of_the_space_alone(make: Resolve) -> None:
    space = f"space: {{{LR}: {{low: 1e-5, high: 1e-3}}}}\n"
    assert make(space).fingerprints() == make(f"{LR}: 2e-4\n{space}").fingerprints()


def test_provenance_of_an_export_is_kept_and_changes_nothing(make: Resolve, refuse: Refuse) -> None:
    more = "models.gru: {init: torch, input_gain: 0.01}\n"
    exported = make(more + "provenance: {seed: 7, models.gru.dropout: {layer: cli}}\n")
    assert exported.provenance == {"seed": 7, "models.gru.dropout": {"layer": "cli"}}
    assert "provenance" not in exported.settings
    assert "no effect" in refuse(more)[0]
    assert refuse("provenance: 3\n") == ["study.yaml:8: provenance is 3; it is a section that export writes"]


def test_the_folder_of_a_study_is_that_of_its_file(make: Resolve) -> None:
    assert make().folder == Path(".")


def test_unreadable_files_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(tmp_path / "s.yaml", ["x"], base=tmp_path / "b.yaml", policy=tmp_path / "p.yaml")
    assert len(caught.value.problems) == 4


def test_only_a_feature_that_may_lead_says_so_on_record(make: Resolve) -> None:
    """Records made before the key existed hold the other features without it, and must compare equal."""
    features = (
        "[{name: us, column: Open, may_lead: true}, {name: us5, of: us, transform: lag, window: 5}, Close]"
    )
    resolved = make("", f"data.features={features}")
    us, us5, close = resolved.settings["data.features"].value
    assert us["may_lead"] is True
    assert "may_lead" not in us5.keys() | close.keys()
    assert resolved.file.data.leading == ("us", "us5")


def test_whether_a_feature_may_lead_is_true_or_false(refuse: Refuse) -> None:
    (told,) = refuse("", "data.features=[{name: us, column: Open, may_lead: maybe}]")
    assert "data.features[0].may_lead" in told
