"""A dimension with `when` is searched only in trials in which its conditions hold."""

from collections.abc import Callable

import pytest

from search.config.files.shipped import CONFIGS
from search.config.layers import Layer
from search.config.resolved_study import ResolvedStudy
from search.errors import RequestError

Resolve = Callable[..., ResolvedStudy]
Refuse = Callable[..., list[str]]

LAYERS, DROPOUT, DECAY = "models.gru.num_layers", "models.gru.dropout", "models.gru.weight_decay"
OF = f"space.{DROPOUT}"
EXAMPLE = f"write it as {{{LAYERS}: [2, 3]}} or as {{data.seq_len: {{low: 10}}}}"
SPACE = f"""\
space:
  {DECAY}: {{low: 1.0e-5, high: 0.01, log: true, when: {{{DROPOUT}: {{low: 0.2}}}}}}
  {DROPOUT}: {{low: 0.1, high: 0.4, when: {{{LAYERS}: [2, 3]}}}}
  {LAYERS}: {{choices: [1, 2, 3]}}
"""
"""Line 8 is `space:`, and each dimension stands before the one that decides it."""


def test_a_setting_stands_after_those_that_decide_it_and_others_keep_their_order(make: Resolve) -> None:
    assert list(make(SPACE).space) == [LAYERS, DROPOUT, DECAY]
    flat = f"space: {{{DROPOUT}: {{choices: [0, 0.1]}}, {LAYERS}: {{choices: [1, 2]}}}}\n"
    assert list(make(flat).space) == [DROPOUT, LAYERS]


def test_an_idle_setting_has_the_value_of_the_files_and_says_why(make: Resolve) -> None:
    trial = make(SPACE).trial({LAYERS: 1})
    assert (trial.values[DROPOUT], trial.values[DECAY]) == (0.0, 0.0)
    lines = (CONFIGS / "base.yaml").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if text.strip().startswith("dropout:"))
    dropout, decay = trial.settings[DROPOUT], trial.settings[DECAY]
    assert (dropout.layer, dropout.origin) == (Layer.BASE, f"configs/base.yaml:{line}")
    assert dropout.reason == f"idle: {LAYERS} is 1, not 2 or 3"
    assert decay.reason == f"idle: {DROPOUT} is idle too"


def test_an_idle_setting_has_the_value_that_the_study_file_gives(make: Resolve) -> None:
    trial = make(f"{SPACE}models.gru.dropout: 0.3\n").trial({LAYERS: 1})
    assert trial.values[DROPOUT] == 0.3
    assert (trial.settings[DROPOUT].layer, trial.settings[DROPOUT].origin) == (Layer.STUDY, "study.yaml:12")


def test_the_idle_value_is_clamped_and_the_clamp_is_on_record(make: Resolve) -> None:
    resolved = make(f"{SPACE}models.gru.dropout: 0.9\n")
    trial = resolved.trial({LAYERS: 1})
    assert trial.values[DROPOUT] == 0.5
    assert [(c.key, c.declared, c.effective) for c in resolved.clamps] == [(DROPOUT, 0.9, 0.5)]
    setting = trial.settings[DROPOUT]
    assert (setting.layer, setting.value) == (Layer.CLAMP, 0.5)
    assert setting.reason.startswith(f"idle: {LAYERS} is 1, not 2 or 3; safe range: at most 0.5")


def test_a_setting_whose_conditions_hold_must_have_a_value(make: Resolve) -> None:
    resolved = make(SPACE)
    assert resolved.trial({LAYERS: 2, DROPOUT: 0.1}).values[DECAY] == 0.0
    with pytest.raises(RequestError, match=f"no value for {DECAY}"):
        resolved.trial({LAYERS: 2, DROPOUT: 0.3})


def test_trials_that_would_differ_in_an_idle_setting_are_one_configuration(make: Resolve) -> None:
    resolved = make(SPACE)
    one, other = resolved.trial({LAYERS: 1, DROPOUT: 0.2}), resolved.trial({LAYERS: 1, DROPOUT: 0.3})
    assert one.digest == other.digest == resolved.trial({LAYERS: 1}).digest
    asked = one.settings[DROPOUT].overrides[-2]
    assert (asked.requested, asked.effective) == (0.2, 0.0)
    assert asked.reason == f"ignored, idle: {LAYERS} is 1, not 2 or 3"
    assert [(c.key, c.declared, c.effective) for c in one.clamps] == [(DROPOUT, 0.2, 0.0)]


def test_the_value_of_a_clamped_parent_decides(make: Resolve) -> None:
    trial = make(SPACE).trial({LAYERS: 7, DROPOUT: 0.1})
    assert (trial.values[LAYERS], trial.values[DROPOUT]) == (3, 0.1)


def test_several_conditions_must_all_hold(make: Resolve) -> None:
    resolved = make(
        f"space:\n  {LAYERS}: {{low: 1, high: 3}}\n  models.gru.init: {{choices: [gains, torch]}}\n"
        f"  {DROPOUT}: {{low: 0.1, high: 0.4, when: {{{LAYERS}: {{low: 2}}, models.gru.init: torch}}}}\n"
    )
    for layers, init in ((1, "torch"), (2, "gains")):
        assert resolved.trial({LAYERS: layers, "models.gru.init": init}).values[DROPOUT] == 0.0
    found = resolved.trial({LAYERS: 2, "models.gru.init": "torch", DROPOUT: 0.2})
    assert found.values[DROPOUT] == 0.2


def test_a_single_conditional_value_is_used_where_its_conditions_hold(make: Resolve) -> None:
    resolved = make(
        f"space:\n  {LAYERS}: {{choices: [1, 2]}}\n  {DROPOUT}: {{choices: [0.3], when: {{{LAYERS}: 2}}}}\n"
    )
    assert resolved.trial({LAYERS: 1}).values[DROPOUT] == 0.0
    assert resolved.trial({LAYERS: 2, DROPOUT: 0.3}).values[DROPOUT] == 0.3


@pytest.mark.parametrize("fixed", [f"{LAYERS}: 2\n", f"space.{LAYERS}: {{choices: [2]}}\n"])
def test_a_condition_that_a_fixed_setting_meets_always_holds(make: Resolve, fixed: str) -> None:
    resolved = make(f"space.{DROPOUT}: {{low: 0.1, high: 0.4, when: {{{LAYERS}: 2}}}}\n{fixed}")
    assert list(resolved.space) == [DROPOUT]
    assert resolved.space[DROPOUT].when == ()
    assert resolved.settings[DROPOUT].value == {"low": 0.1, "high": 0.4}


def test_a_condition_that_a_fixed_setting_does_not_meet_ends_the_search_of_what_depends_on_it(
    make: Resolve,
) -> None:
    resolved = make(SPACE, f"{LAYERS}=1")
    assert dict(resolved.space) == {}
    assert resolved.settings[DROPOUT].value == 0.0
    dimension = resolved.settings[f"space.{DROPOUT}"]
    assert (dimension.value, dimension.reason) == (
        None,
        f"idle in every trial: {LAYERS} is 1, not 2 or 3",
    )
    assert resolved.notes == (
        f"space.{DROPOUT} is idle in every trial: {LAYERS} is 1, not 2 or 3",
        f"space.{DECAY} is idle in every trial: {DROPOUT} is idle too",
    )


def test_what_a_condition_names_and_clamping_removes_is_a_clamp_on_record(make: Resolve) -> None:
    resolved = make(SPACE.replace("[1, 2, 3]", "[1, 2, 3, 4]").replace("[2, 3]", "[2, 4]"))
    assert resolved.space[DROPOUT].to_json()["when"] == {LAYERS: [2]}
    clamp = resolved.clamps[-1]
    assert (clamp.key, clamp.declared["when"], clamp.effective["when"]) == (
        DROPOUT,
        {LAYERS: [2, 4]},
        {LAYERS: [2]},
    )
    assert clamp.reason.startswith(f"when: {LAYERS} is never 4, safe range: at most 3")
    assert [c.key for c in resolved.clamps] == [LAYERS, DROPOUT]


def test_a_condition_that_clamping_leaves_without_a_value_is_refused(refuse: Refuse) -> None:
    (told,) = refuse(
        f"space:\n  {LAYERS}: {{choices: [1, 2, 4]}}\n"
        f"  {DROPOUT}: {{low: 0.1, high: 0.4, when: {{{LAYERS}: 4}}}}\n"
    )
    assert told == (
        f"study.yaml:10: space.{DROPOUT} is searched only if {LAYERS} is 4, and its safe range leaves "
        "{choices: [1, 2]} of it; change the condition, or name another policy with --policy"
    )


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("2", f"when of {OF} is 2; {EXAMPLE}"),
        ("{}", f"when of {OF} is {{}}; {EXAMPLE}"),
        ("{models.gru.layers: 2}", f"when of {OF}: unknown key models.gru.layers; did you mean {LAYERS}?"),
        (
            '{"models.gru.*": 2}',
            f"when of {OF} names models.gru.*; a condition names one setting, so name each",
        ),
        (
            "{data.features: Close}",
            f"when of {OF} names data.features, which is no single value; name a setting with one value",
        ),
        (f"{{{LAYERS}: two}}", f"when of {OF}: {LAYERS} is the text 'two': it must be a whole number"),
        (f"{{{LAYERS}: []}}", f"when of {OF} lists no value of {LAYERS}; {EXAMPLE}"),
        (f"{{{LAYERS}: {{low: 3, high: 2}}}}", f"when of {OF}: low 3 of {LAYERS} is above high 2; swap them"),
        (
            f"{{{LAYERS}: {{least: 2}}}}",
            f"when of {OF}: {LAYERS} is {{'least': 2}}; give low, high or both, or list its values",
        ),
        (
            "{models.gru.init: {low: 2}}",
            f"when of {OF}: models.gru.init is not a number and has no range; list its values",
        ),
        (
            "{training.max_grad_norm: 1, models.gru.max_grad_norm: 1}",
            f"when of {OF} names training.max_grad_norm twice, once as models.gru.max_grad_norm; remove one",
        ),
        (
            f"{{{LAYERS}: [2, 5]}}",
            f"{OF} is searched only if {LAYERS} is 2 or 5, and 5 is not in space.{LAYERS}, "
            "{choices: [1, 2, 3]}; change one of them",
        ),
        (
            f"{{{DECAY}: {{low: 0.05}}}}",
            f"{OF} is searched only if {DECAY} is at least 0.05, and at least 0.05 is not in "
            f"space.{DECAY}, {{low: 0, high: 0.01}}; change one of them",
        ),
    ],
)
def test_a_wrong_condition_is_refused_in_one_sentence(refuse: Refuse, when: str, told: str) -> None:
    found = refuse(
        f"space:\n  {LAYERS}: {{choices: [1, 2, 3]}}\n  {DECAY}: {{low: 0, high: 0.01}}\n"
        f"  {DROPOUT}: {{low: 0.1, high: 0.4, when: {when}}}\n"
    )
    assert found == [f"study.yaml:11: {told}"]


def test_all_that_is_wrong_is_told_at_once(refuse: Refuse) -> None:
    found = refuse(
        f"space:\n  {LAYERS}: {{choices: [1, 2]}}\n"
        f"  {DROPOUT}: {{low: 0.4, high: 0.1, when: {{{LAYERS}: 2.5, nobody: 1}}}}\n"
        f"  {DECAY}: {{low: 0, high: 0.01, when: {{{LAYERS}: 3}}}}\n"
    )
    assert len(found) == 4
    assert all(key in " ".join(found) for key in ("low 0.4", "2.5", "nobody", "is 3, and 3 is not in"))


@pytest.mark.parametrize("own", [False, True])
def test_conditions_that_go_in_a_circle_are_refused(refuse: Refuse, own: bool) -> None:
    other = DROPOUT if own else DECAY
    found = refuse(
        f"space:\n  {DROPOUT}: {{low: 0.1, high: 0.4, when: {{{other}: {{low: 0.001}}}}}}\n"
        f"  {DECAY}: {{low: 0.001, high: 0.01, when: {{{DROPOUT}: {{low: 0.2}}}}}}\n"
    )
    names = [DROPOUT, DROPOUT] if own else [DROPOUT, DECAY, DROPOUT]
    circle = ", which is searched by the value of ".join(f"space.{name}" for name in names)
    assert found == [f"study.yaml:9: the conditions go in a circle: the value of {circle}; remove one when"]


def test_a_queued_value_of_an_idle_setting_is_left_out_and_says_so(make: Resolve) -> None:
    resolved = make(
        f"{SPACE}study.enqueue: [{{{LAYERS}: 1, {DROPOUT}: 0.2}}, {{{LAYERS}: 2}}, {{{DROPOUT}: 0.3}}]\n"
    )
    assert resolved.enqueued == ({LAYERS: 1}, {LAYERS: 2}, {DROPOUT: 0.3})
    assert resolved.requested == resolved.enqueued
    (clamp,) = resolved.clamps
    assert (clamp.key, clamp.declared, clamp.effective) == (f"study.enqueue[0].{DROPOUT}", 0.2, None)
    assert clamp.reason == f"idle, as {LAYERS} is 1, not 2 or 3; left out (study.yaml:12)"


def test_another_idle_value_or_condition_makes_another_study(make: Resolve) -> None:
    before = make(SPACE).fingerprints()
    assert make(f"{SPACE}{DROPOUT}: 0.3\n").fingerprints()["settings"] != before["settings"]
    assert make(SPACE.replace("[2, 3]", "[3]")).fingerprints()["space"] != before["space"]
    assert make(SPACE.replace("[2, 3]", "{low: 2}")).fingerprints()["settings"] == before["settings"]


def test_a_grid_needs_short_dimensions_with_conditions_too(refuse: Refuse) -> None:
    (told,) = refuse(
        f"space:\n  {LAYERS}: {{choices: [1, 2]}}\n"
        f"  {DROPOUT}: {{low: 0, high: 0.4, when: {{{LAYERS}: 2}}}}\n",
        "study.sampler=grid",
    )
    assert told.endswith(f"study.sampler is grid, and {DROPOUT} has no short grid; give it choices or a step")


def test_the_losses_of_trials_in_which_the_loss_is_idle_count_too(refuse: Refuse) -> None:
    (told,) = refuse(
        f"space:\n  {LAYERS}: {{choices: [1, 2]}}\n"
        f"  training.loss: {{choices: [mae], when: {{{LAYERS}: 2}}}}\n"
    )
    assert "training.loss is searched, and the losses of trials that differ in it" in told
