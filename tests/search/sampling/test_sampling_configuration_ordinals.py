"""A configuration's ordinal: what its number would be if nothing had ever died."""

import optuna
from optuna.trial import TrialState, create_trial

from search.sampling.configuration_ordinals import configuration_ordinal, start_ordinals


def study_of(*kinds: str) -> optuna.Study:
    """Trials by how they were created: drawn, queued, retry N; `begins`: the first Ballast with ordinals."""
    study = optuna.create_study()
    for kind in kinds:
        retried = kind.partition(" ")[2]
        attributes = {"retry_of": int(retried), "retry_root": int(retried)} if retried else {}
        if kind == "begins":
            start_ordinals(study)
        elif kind == "drawn":
            study.add_trial(create_trial(state=TrialState.RUNNING))
        else:
            study.enqueue_trial({"x": 1.0}, user_attrs=attributes)
    return study


def ordinals(*kinds: str) -> list[int]:
    study = study_of(*kinds)
    return [configuration_ordinal(study, study.trials, number) for number in range(len(study.trials))]


def test_trials_that_nothing_befalls_have_their_numbers() -> None:
    assert ordinals("begins", "queued", "drawn", "drawn", "queued", "drawn") == [0, 1, 2, 3, 4]


def test_a_retry_has_the_ordinal_of_the_first_try_and_takes_none() -> None:
    assert ordinals("begins", "drawn", "retry 0", "drawn", "retry 0", "drawn") == [0, 0, 1, 0, 2]


def test_a_study_of_before_goes_on_without_drawing_anything_twice() -> None:
    assert ordinals("drawn", "retry 0", "drawn", "begins", "drawn", "retry 3", "begins", "drawn") == [
        0,
        0,
        2,
        3,
        3,
        4,
    ]


def test_what_is_known_holds_while_trials_come() -> None:
    study = study_of("begins", "drawn", "drawn")
    assert configuration_ordinal(study, study.trials, 1) == 1
    study.enqueue_trial({"x": 1.0}, user_attrs={"retry_of": 0, "retry_root": 0})
    study.add_trial(create_trial(state=TrialState.RUNNING))
    assert [configuration_ordinal(study, study.trials, number) for number in (3, 2, 0)] == [2, 0, 0]
