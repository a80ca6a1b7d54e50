"""The verdict on a trial's result, with its reasons. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.verdicts import Verdict
from trainer.training.result import Outcome, TrialResult

OVERRIDE_NOT_APPLIED = "override_not_applied"
PRUNED = "pruned"
MAX_SECONDS = "max_seconds"
SIGNAL = "signal"
WORKER_DIED = "worker_died"
CRASHED = "crashed"
TAKEN_OVER = "taken_over"
ENDED_ELSEWHERE = "ended_elsewhere"
ADDED_ELSEWHERE = "added_elsewhere"
DUPLICATE = "duplicate"

_VERDICTS = {
    Outcome.FINISHED: Verdict.ACCEPTED,
    Outcome.STOPPED: Verdict.UNPROMISING,
    Outcome.TIMED_OUT: Verdict.UNPROMISING,
    Outcome.UNSTABLE: Verdict.UNSTABLE,
    Outcome.SUSPICIOUS: Verdict.SUSPICIOUS,
    Outcome.INTERRUPTED: Verdict.INTERRUPTED,
}


@dataclass(frozen=True)
class Judgement:
    """A verdict, its reason codes (empty for `accepted`), and one sentence for people."""

    verdict: Verdict
    reasons: tuple[str, ...]
    message: str


def judge(result: TrialResult, requested: Mapping[str, Any]) -> Judgement:
    """The verdict on a result. `requested` are the resolved settings by key.

    The read-back is checked first: a trial that did not use the resolved settings says nothing about them,
    however well it ended.
    """
    differing = [*settings_not_applied(result.effective, requested), *_rate_changed(result)]
    if differing:
        return Judgement(Verdict.FAILED, (OVERRIDE_NOT_APPLIED,), "; ".join(differing))
    verdict = _VERDICTS[result.outcome]
    if verdict is Verdict.ACCEPTED:
        return Judgement(verdict, (), f"trained {len(result.epochs)} epochs, best was {result.best_epoch}")
    if result.outcome is Outcome.TIMED_OUT:
        return Judgement(verdict, (MAX_SECONDS,), _timed_out(result, requested["training.max_seconds"]))
    if verdict is Verdict.UNPROMISING:
        return Judgement(verdict, (PRUNED,), f"the pruner stopped it after {len(result.epochs)} epochs")
    if verdict is Verdict.INTERRUPTED:
        return Judgement(verdict, (SIGNAL,), "stopped by a signal; its parameters will be tried again")
    reasons = tuple(dict.fromkeys(str(finding.kind) for finding in result.findings))
    return Judgement(verdict, reasons, result.findings[-1].message)


def _timed_out(result: TrialResult, limit: float) -> str:
    best = "" if result.best_epoch is None else f", best was {result.best_epoch}"
    return (
        f"stopped after {result.seconds:.1f} s by training.max_seconds = {limit:g}; "
        f"complete epochs: {len(result.epochs)}{best}"
    )


def settings_not_applied(effective: Mapping[str, Any], requested: Mapping[str, Any]) -> list[str]:
    """One sentence for each setting that the trainer read back differently from what was resolved."""
    return [
        f"{key} was to be {requested[key]!r}, the trainer used {value!r}"
        for key, value in effective.items()
        if key in requested and not _same(value, requested[key])
    ]


def _rate_changed(result: TrialResult) -> list[str]:
    """A sentence for each change of a fold's learning rate after the read-back that is not the guard's."""
    if not result.effective:
        return []  # stopped before its first step
    found = []
    folds = len(result.final_learning_rates) // max(1, len(result.seeds))
    for number, final in enumerate(result.final_learning_rates):
        place = divmod(number, folds)
        findings = [finding for finding in result.findings if (finding.seed, finding.fold) == place]
        rates_left = [
            result.effective["models.gru.learning_rate"],
            *(finding.lr_after for finding in findings),
        ]
        rates_found = [*(finding.lr_before for finding in findings), final]
        found += [
            f"models.gru.learning_rate was left at {before!r}, and later found to be {after!r}"
            for before, after in zip(rates_left, rates_found, strict=True)
            if before != after
        ]
    return found


def _same(used: Any, wanted: Any) -> bool:
    if isinstance(used, bool) or isinstance(wanted, bool):
        return used is wanted
    if isinstance(used, int | float) and isinstance(wanted, int | float):
        return math.isclose(used, wanted, rel_tol=1e-12)
    # `cuda` asks for any GPU, and the tensors say which one: `cuda:0`.
    return bool(used == wanted) or (isinstance(used, str) and used.partition(":")[0] == wanted)
