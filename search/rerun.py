"""Runs one configuration outside any study, and says whether an exported one gave its value again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.resolve import resolve
from search.config.resolved import ResolvedStudy
from search.data import load
from search.errors import RequestError
from search.objective import trial_seed
from search.verdict import Judgement, judge
from storage.verdicts import Verdict
from trainer.result import EpochReport, TrialResult


@dataclass(frozen=True)
class Rerun:
    """What came of it. `expected` is the exported value, None for a file that was not exported."""

    result: TrialResult
    judgement: Judgement
    expected: float | None
    differences: tuple[str, ...]
    """What is not as it was when the file was exported."""

    @property
    def reproduced(self) -> bool | None:
        """Whether the value is the exported one to the last bit; None if there is nothing to compare with."""
        return None if self.expected is None else self.result.value == self.expected

    @property
    def trustworthy(self) -> bool:
        """Whether it ended as an exported trial must."""
        return self.judgement.verdict is Verdict.ACCEPTED

    def to_json(self) -> dict[str, Any]:
        """The shape that `train --json` promises."""
        result = self.result
        return {
            "value": result.value,
            "skill": result.skill,
            "reproduced": self.reproduced,
            "expected": self.expected,
            "verdict": str(self.judgement.verdict),
            "reasons": list(self.judgement.reasons),
            "message": self.judgement.message,
            "baseline": {"name": result.baseline, "loss": result.baseline_loss},
            "best_epoch": result.best_epoch,
            "epochs": len(result.epochs),
            "seed": result.seed,
            "seconds": result.seconds,
            "differences": list(self.differences),
        }


def rerun(
    path: Path,
    sets: Sequence[str] = (),
    *,
    policy: Path | None = None,
    on_epoch: Callable[[EpochReport], bool] = lambda report: False,
    should_stop: Callable[[], bool] = lambda: False,
) -> Rerun:
    """Train the one configuration of `path`; RequestError if the file leaves something to be searched."""
    resolved = resolve(path, sets, policy=policy)
    if resolved.space:
        raise RequestError(
            f"{path} searches {', '.join(resolved.space)}; train takes one configuration. Search with: "
            f"ballast run {path}, or fix each with --set"
        )
    data, trial = load(resolved), resolved.trial({})
    from trainer.loop import fit  # torch is imported where it trains, and nowhere before

    provenance = resolved.provenance
    result = fit(
        trial.config,
        data.dataset(trial.config.data),
        baseline=data.baseline,
        ceiling=data.ceiling,
        seed=provenance.get("seed", trial_seed(resolved.file.study.seed, 0)),
        on_epoch=on_epoch,
        should_stop=should_stop,
    )
    return Rerun(
        result=result,
        judgement=judge(result, trial.values),
        expected=provenance.get("value"),
        differences=tuple(_differences(resolved, data.table.sha256, sets)),
    )


def _differences(resolved: ResolvedStudy, sha256: str, sets: Sequence[str]) -> list[str]:
    """What could explain another value, in the order of likelihood."""
    from search.recording import versions

    provenance = resolved.provenance
    if not provenance:
        return []
    differences = [f"--set {text} changes the exported configuration" for text in sets]
    differences += [f"{c.key} was clamped from {c.declared} to {c.effective}" for c in resolved.clamps]
    if provenance["data"]["sha256"] != sha256:
        differences.append(f"the data of {resolved.file.data.source} changed since the export")
    exported, present = provenance["versions"], versions()
    differences += [
        f"{name} is {present.get(name)}, was {was}"
        for name, was in exported.items()
        if present.get(name) != was
    ]
    return differences
