"""How much of its learning rate an optimiser uses at each step of a trial. Pure."""

import math

from trainer.config import ScheduleName


def learning_rate_factor(schedule: ScheduleName, step: int, steps: int) -> float:
    """The share of the learning rate that `step` uses, 0-based, of the `steps` of the longest trial.

    `constant`: 1. `cosine`: (1 + cos(π · step / steps)) / 2, from 1 at the first step to nearly 0 at the
    last: Loshchilov and Hutter (2017), "SGDR", without restarts. At a constant rate the last steps, a few
    batches of noise, decide where the weights come to stand; docs/guard.md says by how much.
    """
    match schedule:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + math.cos(math.pi * step / steps)) / 2
