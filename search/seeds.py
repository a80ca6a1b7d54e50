"""The seeds of a study: each a function of the study's seed and of which configuration of it is tried.

So neither the number of workers, nor a break between two runs, nor a killed worker changes what is drawn.
"""

import numpy as np


def trial_seed(study_seed: int, ordinal: int) -> int:
    """The seed of a trial's training."""
    return int(np.random.SeedSequence([study_seed, ordinal]).generate_state(1)[0])


def sampler_seed(study_seed: int, ordinal: int) -> int:
    """The seed of the draws that choose a trial's parameters."""
    return int(np.random.SeedSequence([study_seed, ordinal], spawn_key=(1,)).generate_state(1)[0])


def fresh_seed(study_seed: int, number: int) -> int:
    """The seed of a training that verifies: none of a trial's, and the same whoever verifies."""
    return int(np.random.SeedSequence([study_seed, number], spawn_key=(2,)).generate_state(1)[0])
