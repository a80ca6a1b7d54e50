"""Every fault, every moment: the rows of the matrix."""

import math

from benchmarks.faults.fault_cases import Case, Moment
from benchmarks.faults.faults import (
    BIAS,
    BadCell,
    BadGradient,
    BadLoss,
    BadMoment,
    BadOutput,
    BadRate,
    BadTarget,
    BadWeight,
    Fault,
    Flat,
)

EPOCHS = 3
VALUES = {"NaN": math.nan, "+inf": math.inf, "-inf": -math.inf}

CLIPPED = "clipped"
ORDINARY = "ordinary data"

FAULTS: tuple[Fault, ...] = (
    *(BadCell(f"{name} in a feature cell", value=value) for name, value in VALUES.items()),
    *(BadTarget(f"{name} in a target", value=value) for name, value in VALUES.items()),
    *(BadWeight(f"{name} in a weight", value=value) for name, value in VALUES.items()),
    *(BadWeight(f"{name} in a gate's bias", parameter=BIAS, value=v) for name, v in VALUES.items()),
    *(BadGradient(f"{name} in a gradient element", value=value) for name, value in VALUES.items()),
    *(BadLoss(f"{name} in the loss", value=value) for name, value in VALUES.items()),
    BadGradient("1e15 in a gradient element", value=1e15, harmless=CLIPPED),
    BadGradient("1e20 in a gradient element", value=1e20),
    BadGradient("1e38 in a gradient element", value=1e38),
    BadGradient("1e15 in a whole gradient", value=1e15, whole=True, harmless=CLIPPED),
    BadGradient("1e38 in a whole gradient", value=1e38, whole=True),
    BadOutput("1e3 added to the outputs", value=1e3),
    Flat("a batch of zero inputs", x=0.0, harmless=ORDINARY),
    Flat("a batch of zeros, targets too", x=0.0, y=0.0, harmless=ORDINARY),
    Flat("a batch of one target", y=1.0, harmless=ORDINARY),
    BadRate("learning rate 1 in the optimiser", value=1.0),
    BadRate("learning rate 1e3 in the optimiser", value=1e3),
    *(BadMoment(f"NaN in {name}", average=name, value=math.nan) for name in ("exp_avg", "exp_avg_sq")),
    *(BadMoment(f"+inf in {name}", average=name, value=math.inf) for name in ("exp_avg", "exp_avg_sq")),
    BadMoment("-1 in exp_avg_sq", average="exp_avg_sq", value=-1.0),
)


def moments(steps: int) -> tuple[Moment, ...]:
    """When faults strike in trials of `EPOCHS` epochs of `steps` steps, the last of each epoch short."""
    return (
        Moment("step 0", (0,)),
        Moment("step 1", (1,)),
        Moment("step 2", (2,)),
        Moment("middle", (EPOCHS * steps // 2,)),
        Moment("short batch", (steps - 1,)),
        Moment("last step", (EPOCHS * steps - 1,)),
        Moment("validation", epoch=1),
    )


QUICK = ("step 0", "short batch", "validation")


def cases(steps: int, *, quick: bool) -> list[Case]:
    """One case for each fault at each moment that it can have.

    Moment by moment, because a run ends where three trials in a row fail, and a fault that fails at all its
    moments would end it.
    """
    return [
        Case(fault, moment)
        for moment in moments(steps)
        for fault in FAULTS
        if (moment.steps or fault.in_validation) and (not quick or moment.name in QUICK)
    ]
