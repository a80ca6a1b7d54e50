"""What Optuna is told about each verdict, as a pure function; docs/architecture.md has it as a table.

A sampler learns nothing from FAIL and would return to the same region. An unstable or suspicious trial is
therefore told as PRUNED with a violated constraint, so that the sampler avoids its region. Samplers that
learn only from COMPLETE trials are told COMPLETE: an unstable or suspicious trial with a finite penalty worse
than any honest loss, an unpromising one with its best loss. (When that was PRUNED, GP chose the same poor
region again in 87 % of its trials and ended worse than random search: benchmarks/sampler_safety.py.)

With several objectives a verdict means the same. What is told COMPLETE has a value of each: an accepted trial
those that were measured; under `gp` an unpromising, unstable or suspicious one, beside its loss or penalty,
the worst known value of each other objective. It ended early, and would look fast otherwise.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from search.config.schema import SamplerName
from storage.verdicts import Verdict

CONSTRAINT = "ballast"
_VIOLATED, _SATISFIED = 1.0, -1.0
_PENALTY_FACTOR = 2.0

LEARNS_FROM_COMPLETE: frozenset[SamplerName] = frozenset({"gp", "cmaes"})


@dataclass(frozen=True)
class TellMessage:
    """A final state, a value only for COMPLETE, and a constraint (≤ 0: satisfied; None: not set).

    `others` are the values of the objectives after the loss, in their order; only for COMPLETE.
    """

    state: TrialState
    value: float | None
    constraint: float | None
    others: tuple[float, ...] = ()


@dataclass(frozen=True)
class OtherObjectives:
    """The objectives after the loss: what was measured of each in this trial (None: it could not be), and the
    largest value of each in honest trials, this one included.
    """

    measured: Sequence[float | None] = ()
    worst: Callable[[], Sequence[float]] = tuple


def tell_message(
    verdict: Verdict,
    value: float | None,
    *,
    sampler: SamplerName,
    worst_honest: Callable[[], float],
    others: OtherObjectives | None = None,
) -> TellMessage:
    """The message for a verdict. `worst_honest` returns the largest honest loss; only a penalty needs it.

    Raises ValueError if an accepted `value`, or another objective of that trial, is not finite, or the worst
    loss is not finite and positive.
    """
    others = others or OtherObjectives()
    if verdict is Verdict.ACCEPTED:
        return TellMessage(
            TrialState.COMPLETE, _finite(value), _SATISFIED, tuple(map(_finite, others.measured))
        )
    if verdict is Verdict.UNPROMISING:
        if sampler in LEARNS_FROM_COMPLETE and value is not None and math.isfinite(value):
            return TellMessage(TrialState.COMPLETE, value, _SATISFIED, tuple(others.worst()))
        return TellMessage(TrialState.PRUNED, None, _SATISFIED)
    if verdict in (Verdict.UNSTABLE, Verdict.SUSPICIOUS):
        if sampler in LEARNS_FROM_COMPLETE:
            penalty = _penalty(worst_honest())
            return TellMessage(TrialState.COMPLETE, penalty, _VIOLATED, tuple(others.worst()))
        return TellMessage(TrialState.PRUNED, None, _VIOLATED)
    return TellMessage(TrialState.FAIL, None, None)


def _finite(value: float | None) -> float:
    if value is None or not math.isfinite(value):
        raise ValueError(f"an accepted trial must have a finite value, not {value}")
    return value


def worst_honest_loss(losses: Iterable[float | None], naive_loss: float) -> float:
    """The largest finite loss of honest trials, and at least `naive_loss`; None is a trial without a loss."""
    return max([naive_loss, *(loss for loss in losses if loss is not None and math.isfinite(loss))])


def worst_of_each(
    measured: Sequence[float | None], honest: Iterable[Sequence[float | None]]
) -> tuple[float, ...]:
    """The largest finite value of each objective after the loss: `measured` in this trial, or in one of the
    `honest` trials. 1 where none is known, which is the largest turnover.
    """
    columns = zip(measured, *honest, strict=True)
    known = ([value for value in column if value is not None and math.isfinite(value)] for column in columns)
    return tuple(max(column, default=1.0) for column in known)


def _penalty(worst_honest: float) -> float:
    penalty = _PENALTY_FACTOR * worst_honest
    if not worst_honest < penalty < math.inf:
        raise ValueError(
            f"the worst honest loss must be finite and positive to make a penalty of it, not {worst_honest}"
        )
    return penalty


def tell(study: optuna.Study, trial: optuna.Trial, message: TellMessage) -> None:
    """Set the constraint, which must be set before the trial ends, and end the trial.

    If a worker did a part of this and died, that part stays.
    """
    with silence_optuna_warnings():
        if message.constraint is not None:
            trial.set_constraint(CONSTRAINT, message.constraint)  # the first constraint is kept
        values = None if message.value is None else [message.value, *message.others]
        study.tell(trial, values, message.state, skip_if_finished=True)


@contextmanager
def silence_optuna_warnings() -> Iterator[None]:
    """Silence Optuna's warnings about deliberate choices: experimental samplers and pruners, the constraint
    of a CMA-ES study, which is for people and not for the sampler, and a constraint that is set already.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Constraints have been set, but CmaEsSampler")
        warnings.filterwarnings("ignore", message="The constraint value is ignored")
        yield
