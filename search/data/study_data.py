"""The data of a study: read, audited and prepared once by the process that starts or continues it.

A worker that joins reads the folds from the file of another process on its machine, and the audit from the
record, if the table still has the same bytes; else it does all of this itself.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np

from search.config.leaves import leaf_values
from search.config.resolved_study import ResolvedStudy
from search.config.schema import TRIAL_LEAVES
from search.config.space import Choices
from search.data import prepared_folds
from search.errors import AnswerIsNo, BallastError, RequestError, StudyChanged
from search.store_files import StudyFiles, signing_key
from storage import tables
from trainer.audit.audit import audit
from trainer.audit.audit_findings import Audit, AuditFinding
from trainer.audit.worked_row import explain_already_shifted
from trainer.config import DataConfig
from trainer.data.features import build_features, is_raw_column
from trainer.data.source import Table, read_table, source_sha256
from trainer.data.split import cut_folds
from trainer.data.windows import Dataset, prepare_folds
from trainer.errors import DataError, TrainerError
from trainer.losses import MSE, Loss, share_of_skill
from trainer.rivals.baselines import mean_baseline_losses
from trainer.rivals.fitted import Rivals, rival_losses, rivals_of_folds
from trainer.rivals.skill import Baseline, best_baseline

FOLD_TRAINING_ROWS = "fold_training_rows"
"""Key in the facts of a study: `rows` has the number of training rows of each fold, for windows of `seq_len`
rows."""


@dataclass(frozen=True)
class StudyData:
    """What all trials of a study share. Losses are means over folds, of the standardised target."""

    sha256: str
    """Of the table's bytes."""
    read: Callable[[], Table] = field(repr=False)
    audit: Audit
    baselines: Mapping[str, float]
    baseline: Baseline
    ceiling: float
    """Skill over the baseline above which a trial is suspicious."""
    metric: Loss
    """What the trials are compared and judged by."""
    base: tuple[Dataset, ...]
    """The folds of the trial that needs most rows."""
    _prepared: dict[str, tuple[Dataset, ...]] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> Table:
        """The audited table; read at the first access. Raises as `read_table` does, and StudyChanged."""
        return self.read()

    def folds(self, config: DataConfig) -> tuple[Dataset, ...]:
        """The data of each fold for this configuration; they differ if the data section is searched."""
        key = config.model_dump_json()
        if key not in self._prepared:
            self._prepared[key] = prepare_folds(config, self.table)
        return self._prepared[key]

    @cached_property
    def rivals(self) -> Sequence[Rivals]:
        """The forecasts of the rivals for the validation rows of each fold; fitted at the first access."""
        return rivals_of_folds(self.base, self.metric)

    def facts(self) -> dict[str, Any]:
        """The facts that are recorded with the study. Fits the rivals, which takes seconds."""
        base, rivals = self.base[-1], rival_losses(self.base, self.rivals, self.metric)
        strongest = rivals.strongest
        return {
            "kind": base.kind,
            "metric": base.in_units(self.metric).to_json(),
            "horizon": base.horizon,
            "folds": len(self.base),
            "rows": self.audit.rows,
            **({} if self.audit.effective is None else {"effective_rows": asdict(self.audit.effective)}),
            FOLD_TRAINING_ROWS: {"seq_len": base.seq_len, "rows": [len(fold.train) for fold in self.base]},
            "baselines": dict(self.baselines),
            "baseline": {"name": self.baseline.name, "loss": self.baseline.loss},
            "rivals": dict(rivals.losses),
            "strongest_rival": None
            if strongest is None
            else {"name": strongest, "loss": rivals.losses[strongest]},
            "rivals_absent": dict(rivals.absent),
            **({"rivals_notes": dict(rivals.notes)} if rivals.notes else {}),
            "skill_ceiling": self.ceiling,
            "feature_clipped": dict(base.feature_clipped),
            "target_clipped": base.target_clipped,
            "sha256": base.sha256,
            "audit": [vars(finding) for finding in self.audit.findings],
        }


@dataclass(frozen=True)
class DataInspection:
    """What was found in the data of a study; `refusals` are the reasons why no trial may use them."""

    table: Table | None
    """None if it could not be read."""
    audit: Audit | None
    refusals: tuple[BallastError | TrainerError, ...]
    _config: DataConfig = field(repr=False)
    _metric: Loss

    def require(self) -> StudyData:
        """The data; raises the first refusal."""
        if self.refusals:
            raise self.refusals[0]
        return self.data()

    def data(self) -> StudyData:
        """The data that trials share, if they are not refused."""
        table, found = self.table, self.audit
        assert table is not None, "it was read"
        assert found is not None, "it was audited"
        assert found.ceiling is not None, "else the audit has an error"
        baselines = mean_baseline_losses(found.folds, self._metric)
        return StudyData(
            sha256=table.sha256,
            read=lambda: table,
            audit=found,
            baselines=baselines,
            baseline=best_baseline(baselines),
            ceiling=found.folds[-1].in_units(self._metric).skill_of_share(found.ceiling),
            metric=self._metric,
            base=found.folds,
            _prepared={self._config.model_dump_json(): found.folds},
        )


def inspect_data(
    resolved: ResolvedStudy,
    *,
    strict: bool = False,
    deep: bool = False,
    on_refit: Callable[[int, int], None] | None = None,
) -> DataInspection:
    """Read and audit the data; `deep` adds refits, which take longer: `on_refit` is called after each with
    how many are done and how many there are.

    Raises nothing; returns what `load_study_data` would refuse.
    """
    config = _most_demanding(resolved)
    refusals: list[BallastError | TrainerError] = []
    table = found = None
    try:
        _require_the_same_rows(resolved)
    except RequestError as error:
        refusals.append(error)
    try:
        table = read_table(config, folder=resolved.folder)
        _require_already_shifted(resolved, table)
    except (RequestError, DataError) as error:
        return DataInspection(table, None, (*refusals, error), config, resolved.metric)
    found = audit_study(resolved, config, table, deep=deep, on_refit=on_refit)
    if not found.ok(strict) or not found.folds:
        refusals.append(AnswerIsNo(blocking_findings(found, strict)))
    if found.folds:
        try:
            _require_a_full_batch(resolved, found.folds)
            _require_the_same_rows_of_series(resolved, table, found.folds)
        except RequestError as error:
            refusals.append(error)
    return DataInspection(table, found, tuple(refusals), config, resolved.metric)


def audit_study(
    resolved: ResolvedStudy,
    config: DataConfig,
    table: Table,
    *,
    deep: bool = False,
    on_refit: Callable[[int, int], None] | None = None,
) -> Audit:
    """The audit of the study's table. Its probes and its ceiling of skill are in squared errors, whatever the
    metric of the study.
    """
    ceiling, guard, metric = _exported_ceiling(resolved), resolved.trial_config.guard, resolved.metric
    if metric.name != MSE.name and (ceiling is not None or guard.max_skill is not None):
        metric = metric.scaled(prepare_folds(config, table)[-1].scaler.target_std)
        ceiling = None if ceiling is None else share_of_skill(ceiling, metric)
        if guard.max_skill is not None:
            guard = guard.model_copy(update={"max_skill": share_of_skill(guard.max_skill, metric)})
    return audit(config, guard, table, deep=deep, ceiling=ceiling, on_refit=on_refit)


def load_study_data(resolved: ResolvedStudy, *, strict: bool = False) -> StudyData:
    """Read, audit and prepare the data.

    Raises RequestError if trials would be scored on different rows or a batch cannot be filled, DataError for
    a table that cannot be read, and AnswerIsNo with all blocking findings.
    """
    return inspect_data(resolved, strict=strict).require()


def _exported_ceiling(resolved: ResolvedStudy) -> float | None:
    """The skill ceiling of an exported file, so that a rerun is judged by the same; None for others."""
    ceiling = resolved.provenance.get("skill_ceiling")
    return float(ceiling) if isinstance(ceiling, int | float) and 0 < ceiling < math.inf else None


def store_study_folds(resolved: ResolvedStudy, data: StudyData, files: StudyFiles, key: bytes | None) -> None:
    """Write the folds of `data`, signed with the study's `key`, for workers of this machine that join.

    Without a key nothing is written, and each worker prepares its own.
    """
    if key is not None:
        identity = prepared_folds.folds_identity(_most_demanding(resolved), data.sha256)
        prepared_folds.write_folds(files.prepared(identity), identity, data.base, key)


def recall_study_data(
    resolved: ResolvedStudy, recorded: tables.StudyRow, files: StudyFiles
) -> StudyData | None:
    """What `load_study_data` returns, from the audit on record and the folds in their file.

    None if there are no folds, or the table is not the one that was audited.
    """
    key = signing_key(recorded.facts)
    config = _most_demanding(resolved)
    sha256 = source_sha256(config, folder=resolved.folder)
    if key is None or sha256 != recorded.fingerprints["content"]:
        return None
    identity = prepared_folds.folds_identity(config, sha256)
    folds = prepared_folds.map_folds(files.prepared(identity), identity, key)
    if folds is None:
        return None
    facts = recorded.facts
    findings = tuple(
        AuditFinding(**{**finding, "series": tuple(finding.get("series", ()))}) for finding in facts["audit"]
    )
    return StudyData(
        sha256=sha256,
        read=cache(lambda: _read_again(resolved, config, sha256)),
        audit=Audit(findings, facts["rows"], folds),
        baselines=facts["baselines"],
        baseline=Baseline(**facts["baseline"]),
        ceiling=facts["skill_ceiling"],
        metric=resolved.metric,
        base=folds,
        _prepared={config.model_dump_json(): folds},
    )


def _read_again(resolved: ResolvedStudy, config: DataConfig, sha256: str) -> Table:
    """The table, for trials with other features; raises StudyChanged if its bytes have changed."""
    table = read_table(config, folder=resolved.folder)
    if table.sha256 != sha256:
        raise StudyChanged(
            f"{config.shown_source} was changed while study {resolved.file.study.name!r} runs; restore the "
            "table "
            "that the study was started with, and run it again"
        )
    return table


def max_epochs(resolved: ResolvedStudy) -> int:
    """Epochs of the longest trial that the study can have."""
    return _possible(resolved, "training.epochs")[1]


def _require_a_full_batch(resolved: ResolvedStudy, folds: Sequence[Dataset]) -> None:
    """Raise RequestError for a batch size above the number of training rows: it would have no effect."""
    key, shortest = "models.gru.batch_size", min(folds, key=lambda data: len(data.train))
    rows = len(shortest.train)
    largest = _possible(resolved, key)[1]
    if largest > rows:
        origin = resolved.settings[key].origin
        where = f" in {shortest.fold}" if shortest.fold else ""
        raise RequestError(
            f"{origin}: {key} goes up to {largest}, and there are {rows} training rows{where}; "
            f"make it {rows} or less"
        )


def _require_the_same_rows(resolved: ResolvedStudy) -> None:
    """Raise RequestError if trials would be scored on different rows: their losses are not comparable."""
    key, data = "data.seq_len", resolved.trial_config.data
    if key not in resolved.space:
        return
    searched = f"{resolved.settings[key].origin}: {key} is searched, and "
    if data.split.method == "cpcv":
        raise RequestError(
            f"{searched}under data.split.method = cpcv the first rows to be forecast depend on it; fix it "
            f"with --set {key}=22, or use another method"
        )
    if data.max_gap is not None:
        raise RequestError(
            f"{searched}with data.max_gap = {data.max_gap} the rows to be forecast depend on it: those whose "
            f"window crosses no longer gap; fix it with --set {key}={data.seq_len}, or remove data.max_gap"
        )


def _require_the_same_rows_of_series(resolved: ResolvedStudy, table: Table, folds: Sequence[Dataset]) -> None:
    """Raise RequestError if a series that begins late has more validation rows with a shorter window, so that
    trials would be scored on different rows; `folds` are those of the longest window.
    """
    key, config = "data.seq_len", resolved.trial_config.data
    if key not in resolved.space or len(table.series_starts) == 1:
        return
    shortest = config.model_copy(update={"seq_len": _possible(resolved, key)[0]})
    built = build_features(shortest, table)
    cut = cut_folds(shortest, table.times, built, table.offsets)
    scored = np.concatenate([built.rows[fold.validation] for fold in folds])
    more = np.setdiff1d(np.concatenate([fold.validation for fold in cut]), scored)
    if len(more):
        raise RequestError(
            f"{resolved.settings[key].origin}: {key} is searched, and series {table.series_of(int(more[0]))} "
            f"begins so late that its first validation rows depend on it; fix it with --set {key}="
            f"{config.seq_len}, or leave out series without a full window before the validation rows"
        )


def _require_already_shifted(resolved: ResolvedStudy, table: Table) -> None:
    """Raise RequestError if a new study does not say whether its raw target is already shifted."""
    config = resolved.trial_config.data
    target, key = config.target, "data.target.already_shifted"
    if not is_raw_column(target) or target.already_shifted is not None or resolved.is_older:
        return
    readings = explain_already_shifted(config, table, build_features(config, table))
    raise RequestError(
        f"{resolved.path}: {key} is missing, and the target is the column {target.column} as it is: "
        f"{readings}; set {key} to true or false"
    )


def _possible(resolved: ResolvedStudy, key: str) -> tuple[int, int]:
    """The smallest and the largest value that a whole number has in the trials of the study."""
    dimension = resolved.space.get(key)
    fixed = leaf_values(resolved.trial_config, TRIAL_LEAVES)[key]
    if dimension is None:
        return fixed, fixed
    values = list(dimension.choices if isinstance(dimension, Choices) else (dimension.low, dimension.high))
    values += [fixed] if dimension.when else []  # where it is idle
    return int(min(values)), int(max(values))


def _most_demanding(resolved: ResolvedStudy) -> DataConfig:
    """The data section of the trial that needs most rows: with the longest window that is searched."""
    config = resolved.trial_config.data
    return config.model_copy(update={"seq_len": _possible(resolved, "data.seq_len")[1]})


def blocking_findings(found: Audit, strict: bool) -> str:
    """The audit findings that keep a study from running, one per line, then the other warnings."""
    blocking = {"error", "warning"} if strict else {"error"}
    sentences = [f"  {f.severity}: {f.message}" for f in found.findings if f.severity in blocking]
    others = [f"  {f.severity}: {f.message}" for f in found.findings if f.severity not in {*blocking, "info"}]
    return "\n".join(["the data audit found what must not be trained on:", *sentences, *others])
