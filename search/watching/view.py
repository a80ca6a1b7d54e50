"""Everything that pages and plots show of a study or of a trial, read from the record once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from search.config.layers import Layer, Setting
from search.config.resolved_study import ResolvedStudy
from search.config.safe_ranges import SafeRange
from search.config.space import Dimension
from search.errors import RequestError
from search.record.continuation import resolve_from_store
from search.record.row_mapping import recorded_settings
from search.record.scored_forecasts import ScoredForecasts
from search.record.setting_facts import SettingImportances
from search.selection.forecasts_on_record import forecasts_on_record
from search.selection.panel_result import PanelResult, best_of_panel
from search.selection.setting_importances import scored_trials, setting_importances
from search.selection.summary import Summary, summarise
from search.selection.walk_forward_record import WalkForwardRecord, read_record
from storage import evaluations, query, tables, walk_forwards
from storage.engine import Store
from storage.verdicts import Verdict

MAX_CURVES = 300
"""The largest number of trials whose epochs are drawn: more curves cannot be told apart."""


@dataclass(frozen=True)
class SearchedDimension:
    """A searched dimension: its declared range, its range after clamping, and the safe range, if there is
    one.
    """

    key: str
    declared: Mapping[str, object]
    effective: Dimension
    safe: SafeRange | None


@dataclass(frozen=True)
class StudyView:
    """A study. `epochs` has those of at most MAX_CURVES trials: see `drawn_trials`."""

    summary: Summary
    conclusive: int
    """Conclusive trials of its own, without those imported from another study."""
    data: tables.DataFingerprint
    settings: Sequence[Setting]
    clamps: Sequence[tables.ClampRow]
    space: Sequence[SearchedDimension]
    trials: Sequence[tables.Trial]
    findings: Sequence[tables.FindingRow]
    epochs: Mapping[int, Sequence[tables.Epoch]]
    evaluations: Sequence[tables.Evaluation] = ()
    """Evaluations of its configurations on test rows."""
    panel: PanelResult | None = None
    """The best trial on the validation rows of a panel; None for a single series or without a best trial."""
    scored: Sequence[ScoredForecasts] = ()
    """Forecasts on validation rows and, after a verification, on test rows; see `forecasts_on_record`."""
    walk_forward: str | None = None
    """The walk-forward that it is a block of, or that has its name; None if there is none."""
    walk_forward_record: WalkForwardRecord | None = None
    """The record of that, on the page of its newest finished block and of the study that has its name."""
    seed_losses: Mapping[int, Sequence[float]] = field(default_factory=dict)
    """The losses of the seeds in the best epoch, by trial; empty if a trial has one seed."""

    @cached_property
    def setting_importances(self) -> SettingImportances | None:
        """The importances of the searched settings; None if there are too few trials to tell."""
        return setting_importances(self.trials, {one.key: one.effective for one in self.space})

    @property
    def scored_count(self) -> int:
        """The number of trials whose loss counts for the importances."""
        return len(scored_trials(self.trials))

    @property
    def study(self) -> tables.StudyRow:
        """The study's row."""
        return self.summary.study


@dataclass(frozen=True)
class TrialView:
    """A trial. `settings` are all that it used, the study's and its own."""

    study: tables.StudyRow
    trial: tables.Trial
    settings: Sequence[Setting]
    epochs: Sequence[tables.Epoch]
    findings: Sequence[tables.FindingRow]
    artifacts: Sequence[tables.Artifact]


def study_view(store: Store, name: str) -> StudyView:
    """Read a study. Raises StudyUnknown."""
    summary, walk_forward = summarise(store, name), walk_forwards.walk_forward_seen_from(store, name)
    trials, findings = query.trials(store, name), query.findings(store, name)
    return StudyView(
        summary=summary,
        conclusive=query.count_conclusive(store, name),
        data=query.data_fingerprint(store, name),
        settings=recorded_settings(store, name),
        clamps=query.clamps(store, name),
        space=searched_dimensions(store, name),
        trials=trials,
        findings=findings,
        epochs=query.epochs_by_trial(store, name, drawn_trials(trials, summary.best, findings)),
        evaluations=evaluations.verifications_of_study(store, name, with_series=False),
        panel=best_of_panel(store, summary),
        scored=forecasts_on_record(store, summary),
        walk_forward=None if walk_forward is None else walk_forward.name,
        walk_forward_record=None
        if walk_forward is None or not walk_forward.is_shown_with(name)
        else read_record(store, walk_forward.name),
        seed_losses=query.best_seed_losses(store, name),
    )


def trial_view(store: Store, name: str, number: int) -> TrialView:
    """Read a trial. Raises StudyUnknown and TrialUnknown."""
    return TrialView(
        study=query.study(store, name),
        trial=query.trial(store, name, number),
        settings=recorded_settings(store, name, number),
        epochs=query.epochs(store, name, number),
        findings=query.findings(store, name, number),
        artifacts=query.artifacts(store, name, number),
    )


def drawn_trials(
    trials: Sequence[tables.Trial], best: tables.Trial | None, findings: Sequence[tables.FindingRow]
) -> list[int]:
    """Return the numbers of the trials to draw: all, or the best, those with findings, and every n-th."""
    if len(trials) <= MAX_CURVES:
        return [trial.number for trial in trials]
    chosen = [] if best is None else [best.number]
    chosen += [trial.number for trial in trials if trial.verdict is Verdict.SUSPICIOUS][: MAX_CURVES // 4]
    chosen += list(dict.fromkeys(finding.trial for finding in findings))[-(MAX_CURVES // 4) :]
    left = MAX_CURVES - len(set(chosen))
    chosen += [trials[i * len(trials) // left].number for i in range(left)]
    return sorted(set(chosen))


def searched_dimensions(store: Store, name: str) -> list[SearchedDimension]:
    """Read what a study searches; empty for a study of an older version, which did not store its file."""
    try:
        resolved = resolve_from_store(store, name)
    except RequestError:
        return []
    return [_one_searched(resolved, key) for key in resolved.space]


def _one_searched(resolved: ResolvedStudy, key: str) -> SearchedDimension:
    fixed = {name: setting.value for name, setting in resolved.settings.items() if name not in resolved.space}
    overrides = resolved.settings[f"space.{key}"].overrides
    declared = next(
        override.requested for override in reversed(overrides) if override.layer is not Layer.CLAMP
    )
    return SearchedDimension(key, declared, resolved.space[key], resolved.policy.rule(key, fixed))
