"""The data of a study: read and audited once per process, prepared once per data configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search.config.resolved import ResolvedStudy
from search.errors import AnswerIsNo, RequestError
from search.space import Choices, Dimension
from trainer.baselines import mean_baseline_losses
from trainer.config import DataConfig
from trainer.data.audit import audit
from trainer.data.findings import Audit
from trainer.data.source import Table, read_table
from trainer.data.windows import Dataset, prepare_folds
from trainer.skill import Baseline, best_baseline, noise_floor, skill_ceiling


@dataclass(frozen=True)
class StudyData:
    """What all trials of a study share. Losses are means over folds, of the standardised target."""

    table: Table
    audit: Audit
    baselines: Mapping[str, float]
    baseline: Baseline
    ceiling: float
    """Skill over the baseline above which a trial is suspicious."""
    base: tuple[Dataset, ...]
    """The folds of the trial that needs most rows."""
    _prepared: dict[str, tuple[Dataset, ...]] = field(default_factory=dict, repr=False)

    def folds(self, config: DataConfig) -> tuple[Dataset, ...]:
        """The data of each fold for this configuration; trials that search the data section differ in it."""
        key = config.model_dump_json()
        if key not in self._prepared:
            self._prepared[key] = prepare_folds(config, self.table)
        return self._prepared[key]

    def facts(self) -> dict[str, Any]:
        """What the record keeps of it."""
        base = self.base[-1]
        return {
            "kind": base.kind,
            "horizon": base.horizon,
            "folds": len(self.base),
            "rows": self.audit.rows,
            "baselines": dict(self.baselines),
            "baseline": {"name": self.baseline.name, "loss": self.baseline.loss},
            "skill_ceiling": self.ceiling,
            "feature_clipped": dict(base.feature_clipped),
            "target_clipped": base.target_clipped,
            "sha256": base.sha256,
            "audit": [vars(finding) for finding in self.audit.findings],
        }


def inspect(resolved: ResolvedStudy, *, deep: bool = False) -> Audit:
    """Read and audit, `deep` with the refits that take longer.

    Raises RequestError where trials would be judged by different rows, and DataError only for what keeps the
    table from being read at all.
    """
    _require_the_same_rows(resolved)
    config = _most_demanding(resolved)
    table = read_table(config, folder=resolved.folder)
    return audit(config, resolved.trial_config.guard, table, deep=deep)


def load(resolved: ResolvedStudy, *, strict: bool = False) -> StudyData:
    """Read, audit and prepare; AnswerIsNo with all blocking findings if the audit fails."""
    _require_the_same_rows(resolved)
    config, guard = _most_demanding(resolved), resolved.trial_config.guard
    table = read_table(config, folder=resolved.folder)
    found = audit(config, guard, table)
    if not found.ok(strict) or not found.folds:
        raise AnswerIsNo(blocked(found, strict))
    _require_a_full_batch(resolved, found.folds)
    base, looks = found.folds[-1], resolved.file.study.trials * most_epochs(resolved)
    baselines = mean_baseline_losses(found.folds)
    floor = noise_floor(looks, found.rows["validation"], base.horizon)
    return StudyData(
        table=table,
        audit=found,
        baselines=baselines,
        baseline=best_baseline(baselines),
        ceiling=skill_ceiling(base.kind, floor, guard.max_skill),
        base=found.folds,
        _prepared={config.model_dump_json(): found.folds},
    )


def most_epochs(resolved: ResolvedStudy) -> int:
    """Epochs of the longest trial that the study can have."""
    return _largest(resolved.space.get("training.epochs"), resolved.trial_config.training.epochs)


def _require_a_full_batch(resolved: ResolvedStudy, folds: Sequence[Dataset]) -> None:
    """Raise RequestError for a batch that the training rows cannot fill: the size would not take effect."""
    key, rows = "models.gru.batch_size", min(len(data.train) for data in folds)
    largest = _largest(resolved.space.get(key), resolved.trial_config.models.gru.batch_size)
    if largest > rows:
        origin = resolved.settings[key].origin
        raise RequestError(
            f"{origin}: {key} goes up to {largest}, and there are {rows} training rows; "
            f"make it {rows} or less"
        )


def _require_the_same_rows(resolved: ResolvedStudy) -> None:
    """Raise RequestError where trials would be judged by different rows: losses could not be compared."""
    key = "data.seq_len"
    if key in resolved.space and resolved.trial_config.data.split.method == "cpcv":
        raise RequestError(
            f"{resolved.settings[key].origin}: {key} is searched, and under data.split.method = cpcv the "
            f"first rows to be forecast depend on it; fix it with --set {key}=22, or use another method"
        )


def _largest(dimension: Dimension | None, fixed: int) -> int:
    if dimension is None:
        return fixed
    return int(max(dimension.choices) if isinstance(dimension, Choices) else dimension.high)


def _most_demanding(resolved: ResolvedStudy) -> DataConfig:
    """The data section of the trial that needs most rows: with the longest window that is searched."""
    config = resolved.trial_config.data
    return config.model_copy(update={"seq_len": _largest(resolved.space.get("data.seq_len"), config.seq_len)})


def blocked(found: Audit, strict: bool) -> str:
    """The sentences that keep a study from running, one a line, and what to do."""
    blocking = {"error", "warning"} if strict else {"error"}
    sentences = [f"  {f.severity}: {f.message}" for f in found.findings if f.severity in blocking]
    others = [f"  {f.severity}: {f.message}" for f in found.findings if f.severity not in {*blocking, "info"}]
    return "\n".join(["the data audit found what must not be trained on:", *sentences, *others])
