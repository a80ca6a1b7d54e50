"""The step that a study's state asks for."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from search.record.verification_answer import VerificationAnswer
from search.selection.summary import MeasuredFloor, Summary
from search.watching.pages.next_step import StudyDesign, next_steps
from storage import tables

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
RIDGE = "a ridge on these features does as well; the network adds nothing that these rows can show"
BOOSTED = RIDGE.replace("a ridge", "a model of boosted trees")
UNSURE = "these rows do not show that the network adds anything to a ridge on these features"
WHY = "the network's skill over it, {}, is no more than luck reaches (0.0100)"


def study(**facts: Any) -> tables.StudyRow:
    known = {"baseline": {"name": "har", "loss": 0.5}, "skill_ceiling": 0.3, **facts}
    return tables.StudyRow(
        name="a b",
        created_at=NOON,
        study_file="s.yaml",
        policy_file="p",
        seed=0,
        fingerprints={},
        versions={},
        facts=known,
    )


def summary(skill: float | None = 0.1, **more: Any) -> Summary:
    """A study whose best trial has this skill; None: no trial was accepted. Facts are keywords of `facts`."""
    facts = more.pop("facts", {})
    best = None
    if skill is not None:
        best = tables.Trial(
            study="a b",
            number=3,
            params={},
            seed=0,
            started_at=NOON,
            worker="w",
            value=0.5 * (1 - skill),
            skill=skill,
        )
    known = {
        "verdicts": {"accepted": 4} if best else {"suspicious": 4},
        "above_naive": 2 if skill is not None and skill > 0 else 0,
        **more,
    }
    return Summary(study=study(**facts), best=best, noise_floor=0.01, seconds_per_trial=1.0, **known)


def verified(verdict: str, skill: float = 0.02, **report: Any) -> VerificationAnswer:
    return VerificationAnswer(
        verdict, 3, NOON, {"skill": skill, "value": 0.5, "seeds": [{}, {}, {}], **report}
    )


def test_skill_on_validation_rows_is_exported_and_then_verified() -> None:
    assert next_steps(summary(), "x") == [
        "write it to a file: ballast export 'a b' --store x -o best.yaml",
        "then ask rows that no search has seen: ballast verify best.yaml --store x",
    ]


def test_where_every_trial_is_suspicious_a_leak_is_looked_for() -> None:
    (told,) = next_steps(summary(None))
    assert told == (
        "nothing is worth exporting: all trials are suspicious (4), too good to be true; "
        "look for a leak: ballast check s.yaml --deep"
    )


def test_where_no_trial_was_accepted_the_counts_say_why() -> None:
    (told,) = next_steps(summary(None, verdicts={"unstable": 3, "suspicious": 1}))
    assert told == (
        "nothing is worth exporting: no trial was accepted (3 unstable, 1 suspicious); see why: "
        "ballast trials 'a b'"
    )


def test_where_no_trial_is_above_the_naive_forecast_nothing_is_worth_exporting() -> None:
    first, second = next_steps(summary(-0.02))
    assert first.startswith(
        "nothing is worth exporting: of 4 accepted trials none beats the best naive forecast (har)"
    )
    assert second.endswith("write it to a file: ballast export 'a b' -o best.yaml")


@pytest.mark.parametrize("measured", [None, MeasuredFloor(0.05, 4)])
def test_a_skill_that_luck_explains_is_not_worth_verifying(measured: MeasuredFloor | None) -> None:
    below = 0.005 if measured is None else 0.04  # the measured floor counts as the formula's does
    first, *_ = next_steps(summary(below, measured=measured))
    assert first.startswith("nothing is worth verifying yet: luck alone explains the best skill")


def test_what_holds_is_made_a_model_of() -> None:
    assert next_steps(summary(verified=verified("holds"))) == [
        "trial 3 holds on unseen rows (verified 2026-11-29)",
        "write it to a file: ballast export 'a b' --trial 3 -o best.yaml",
        "then make a model of it: ballast train best.yaml --save model",
    ]


def test_what_was_refuted_says_what_to_change() -> None:
    refuted = summary(verified=verified("does not hold"))
    first, second = next_steps(refuted)
    assert first.startswith("trial 3 was refuted on unseen rows (verified 2026-11-29)")
    assert "data.split.method: walk_forward" in second
    assert "training.schedule: cosine" in second
    (_, third) = next_steps(refuted, design=StudyDesign("walk_forward", "cosine"))
    assert third == "what to change: try other features"


def test_what_the_test_rows_cannot_tell_needs_rows_seeds_or_a_look_for_a_leak() -> None:
    def told(answer: VerificationAnswer) -> str:
        return next_steps(summary(verified=answer))[1]

    assert told(verified("cannot tell")).startswith("more test rows would, and only new ones are unseen")
    assert told(verified("cannot tell", seeds=[{}])) == (
        "ask with more seeds: ballast verify best.yaml --seeds 5"
    )
    assert told(verified("cannot tell", 0.4)) == "look for a leak: ballast check s.yaml --deep"


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ({"linear": 0.452, "boosted": 0.451}, [f"{RIDGE}: {WHY.format('+0.0044')}"]),
        ({"linear": 0.5}, []),
        ({"linear": 0.5, "boosted": 0.45}, [f"{BOOSTED}: {WHY.format('+0.0000')}"]),
        (
            {"linear": 0.40},
            ["a ridge on these features does better; the network adds nothing: its skill over it is -0.1250"],
        ),
        ({}, []),
    ],
)
def test_a_rival_that_does_as_well_on_validation_rows_is_named_with_the_reason(
    losses: dict[str, float], told: list[str]
) -> None:
    assert next_steps(summary(facts={"rivals": losses}))[2:] == told  # the best has 0.45, the floor is 0.01


@pytest.mark.parametrize(
    ("verdict", "losses", "told"),
    [
        ("cannot tell", {"linear": 0.5}, [RIDGE]),
        ("cannot tell", {"linear": 0.51}, [UNSURE]),
        ("cannot tell", {"lhar": 0.49, "linear": 0.5}, [RIDGE]),
        ("cannot tell", {"lhar": 0.49, "linear": 0.6}, [RIDGE.replace("a ridge on these features", "lhar")]),
        ("no", {"linear": 0.4}, ["a ridge on these features does better; the network adds nothing"]),
        ("no", {"lhar": 0.4, "linear": 0.5}, [RIDGE]),
        ("no", {"lhar": 0.4, "linear": 0.6}, ["lhar does better; the network adds nothing"]),
        ("yes", {"linear": 0.6}, []),
    ],
)
def test_after_a_verification_its_second_answer_says_what_the_network_adds(
    verdict: str, losses: dict[str, float], told: list[str]
) -> None:
    name = min(losses, key=lambda each: losses[each])
    rival = {"name": name, "loss": losses[name], "skill": 0.0, "interval": None, "verdict": verdict}
    found = verified("holds", strongest_rival=rival, rivals_losses={**losses, "ewma": 0.9})
    more = {"rivals": {"linear": 0.01}}  # what validation said counts no more
    assert next_steps(summary(verified=found, facts=more))[3:] == told


def test_a_study_that_beats_no_naive_forecast_is_not_compared_with_rivals() -> None:
    assert RIDGE not in next_steps(summary(-0.1, facts={"rivals": {"linear": 0.5}}))


def test_what_was_refuted_stays_refuted_where_it_is_asked_again() -> None:
    before = VerificationAnswer("does not hold", 3, NOON, {"skill": 0.01})
    again = replace(verified("cannot tell", look=2), refuted=before)
    first, second = next_steps(summary(verified=again))
    assert first.startswith("trial 3 was refuted on unseen rows (verified 2026-11-29)")
    assert second.startswith("what to change: ")


@pytest.mark.parametrize("used", [{"look": 2}, {"searched_by": [{"study": "other", "trials": 3}]}])
@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("holds", "trial 3 holds on the test rows (verified 2026-11-29)"),
        ("does not hold", "trial 3 was refuted on the test rows (verified 2026-11-29);"),
        ("cannot tell", "the test rows cannot tell whether trial 3 holds (verified 2026-11-29)"),
    ],
)
def test_rows_that_were_used_before_are_not_called_unseen(
    verdict: str, told: str, used: dict[str, Any]
) -> None:
    first, *_ = next_steps(summary(verified=verified(verdict, **used)))
    assert first.startswith(told)
