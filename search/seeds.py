"""The seeds of a study: each depends only on the study's seed and the ordinal of a configuration.

The number of workers, a pause between two runs or a killed worker do not change what is drawn.
"""

import numpy as np


def trial_seed(study_seed: int, ordinal: int) -> int:
    """The seed of a trial's training."""
    return int(np.random.SeedSequence([study_seed, ordinal]).generate_state(1)[0])


def seeds_of_trial(seed: int, count: int) -> tuple[int, ...]:
    """The seeds of a trial that is trained with several; the first one is the trial's own, `seed`."""
    more = np.random.SeedSequence([seed], spawn_key=(3,)).generate_state(count - 1, np.uint32)
    return (seed, *map(int, more))


def sampler_seed(study_seed: int, ordinal: int) -> int:
    """The seed of the draws that choose a trial's parameters."""
    return int(np.random.SeedSequence([study_seed, ordinal], spawn_key=(1,)).generate_state(1)[0])


def fresh_seed(study_seed: int, number: int) -> int:
    """The seed of a training in a verification: no trial has it, and it is the same for every user."""
    return int(np.random.SeedSequence([study_seed, number], spawn_key=(2,)).generate_state(1)[0])


def calibration_seed(study_seed: int, number: int) -> int:
    """The seed of a run of `ballast calibrate`; no trial and no verification has it."""
    return int(np.random.SeedSequence([study_seed, number], spawn_key=(4,)).generate_state(1)[0])
