"""Runs one configuration outside any study, and says whether an exported one gave its value again."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search.config.layers import Clamp
from search.config.resolve import resolve
from search.config.resolved import ResolvedStudy
from search.data import load
from search.errors import RequestError
from search.recording import clamp_to_json, versions
from search.seeds import trial_seed
from search.verdict import Judgement, judge
from storage.verdicts import Verdict
from trainer.config import TrialConfig
from trainer.result import EpochReport, TrialResult


@dataclass(frozen=True)
class Rerun:
    """What came of it. `expected` is the exported value, None for a file that was not exported."""

    result: TrialResult
    judgement: Judgement
    expected: float | None
    differences: tuple[str, ...]
    """What is not as it was when the file was exported."""
    clamps: tuple[Clamp, ...]
    """What was asked for and cut, which nobody should have to find out."""

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
            "clamps": [clamp_to_json(clamp) for clamp in self.clamps],
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
            f"ballast run {shlex.quote(str(path))}, or fix each with --set"
        )
    exported = _exported(resolved)
    data, trial = load(resolved), resolved.trial({})
    config = trial.config if exported is None else _unhurried(trial.config)
    from trainer.loop import fit  # torch is imported where it trains, and nowhere before

    result = fit(
        config,
        data.dataset(config.data),
        baseline=data.baseline,
        ceiling=data.ceiling,
        seed=trial_seed(resolved.file.study.seed, 0) if exported is None else exported.seed,
        on_epoch=on_epoch,
        should_stop=should_stop,
    )
    return Rerun(
        result=result,
        judgement=judge(result, trial.values),
        expected=None if exported is None else exported.value,
        differences=() if exported is None else _differences(exported, resolved, data.table.sha256, sets),
        clamps=resolved.clamps,
    )


class _ExportedData(BaseModel):
    sha256: str


class _ExportedPolicy(BaseModel):
    file: str
    fingerprint: str


def _unhurried(config: TrialConfig) -> TrialConfig:
    """Without the time limit, which an exported trial kept on its machine: this one may be slower."""
    return config.model_copy(update={"training": config.training.model_copy(update={"max_seconds": None})})


class _Exported(BaseModel):
    """What a rerun needs of the section that an export writes."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    value: float
    data: _ExportedData
    policy: _ExportedPolicy
    versions: dict[str, str]


def _exported(resolved: ResolvedStudy) -> _Exported | None:
    """The provenance of an exported file, None for any other; RequestError if somebody edited it."""
    if not resolved.provenance:
        return None
    try:
        return _Exported.model_validate(resolved.provenance)
    except ValidationError as error:
        wrong = ", ".join(".".join(str(part) for part in detail["loc"]) for detail in error.errors())
        raise RequestError(
            f"{resolved.path}: {wrong} in its section provenance is not as an export writes it; "
            "export the trial again, or remove the section to train without comparison"
        ) from None


def _differences(
    exported: _Exported, resolved: ResolvedStudy, sha256: str, sets: Sequence[str]
) -> tuple[str, ...]:
    """What could explain another value, in the order of likelihood."""
    differences = [f"--set {text} changes the exported configuration" for text in sets]
    differences += [f"{c.key} was clamped from {c.declared} to {c.effective}" for c in resolved.clamps]
    if exported.policy.fingerprint != resolved.fingerprints()["policy"]:
        differences.append(f"the safe ranges differ; the study had those of --policy {exported.policy.file}")
    if exported.data.sha256 != sha256:
        differences.append(f"the data of {resolved.file.data.source} changed since the export")
    present = versions()
    differences += [
        f"{name} is {present.get(name)}, was {was}"
        for name, was in exported.versions.items()
        if present.get(name) != was
    ]
    return tuple(differences)
