"""The share of its learning rate that an optimiser uses at each step of a trial."""

import math

from trainer.config import ScheduleName


def learning_rate_factor(schedule: ScheduleName, step: int, steps: int) -> float:
    """The share of the learning rate, 0 to 1, at `step` (0-based) of the `steps` of a full-length trial.

    `constant`: 1. `cosine`: (1 + cos(π · step / steps)) / 2, from 1 at the first step to nearly 0 at the
    last: Loshchilov and Hutter (2017), "SGDR", without restarts. At a constant rate the noise of the
    last few batches decides the final weights; docs/guard.md measures this.
    """
    match schedule:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + math.cos(math.pi * step / steps)) / 2
