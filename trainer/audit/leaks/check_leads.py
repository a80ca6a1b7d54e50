"""Finds leads: features that forecast what neither the target's own past nor the same row explains."""

from trainer.audit.audit_findings import AuditFinding, Severity
from trainer.audit.leaks.leads import VALUES, Lead, find_leads
from trainer.audit.series_findings import in_series
from trainer.config import DataConfig, TargetKind
from trainer.data.features import target_shift
from trainer.data.source import columns_of
from trainer.data.windows import Dataset

MIN_REPORTED_GAIN = 0.01
"""Smallest share of variance for which a lead is reported. For returns every lead counts, except a lead of
values: prices, which do not revert to a mean, seem to lead returns in a finite sample (Stambaugh 1999). For
volatility, honest features of the asset itself reach 0.009: the range says more than the return that the
target is computed from."""
_NAMED_SAME_ROW = 0.2
"""Smallest correlation within the same row that the message mentions."""
_OF_FEW = 4.0
"""A lead in one series that explains so many times as much as that in all series together is its own: the
column of that series knows more than those of the others."""
HONEST_LEADS: dict[TargetKind, str] = {
    "return": "a market that closes later, the index of an illiquid asset or a spread that reverts",
    "volatility": "an implied volatility, a market that closes later or a calendar known ahead",
    "other": "a market that closes later, a forecast made by others or a calendar known ahead",
}
"""Columns that lead a target of each kind honestly."""


def lead_findings(
    data: Dataset, ceiling: float, config: DataConfig, overlap: int | None
) -> list[AuditFinding]:
    """Features whose surprises come before those of the target, by more than chance; one finding per feature
    and series.

    A finding is an error if the gain exceeds `ceiling`, the largest believable skill, `info` if `config` says
    that the feature may lead, else a warning. `overlap` is the number of rows over which `check_target` found
    the target to extend, None if that is not more than its horizon.
    """
    own = made_of_target(config)
    tested = [feature for feature, name in enumerate(data.feature_names) if name not in own]
    # A target that is read from an already shifted column may extend over all rows up to its horizon.
    rows = 1 if target_shift(config.target) else overlap or data.horizon
    strongest: dict[tuple[str, str], Lead] = {}
    for lead in find_leads(data, tested, rows):
        any_counts = data.kind == "return" and lead.part != VALUES
        if any_counts or lead.gain >= MIN_REPORTED_GAIN:
            key = (lead.feature, lead.series)
            strongest[key] = max(strongest.get(key, lead), lead, key=lambda one: one.gain)
    source = {feature.name: feature.of for feature in config.features}

    def is_covered(lead: Lead) -> bool:
        """Whether the finding of the feature that this one is computed from covers this lead."""
        covering = strongest.get((source[lead.feature] or "", lead.series))
        return covering is not None and not covering.gain <= ceiling < lead.gain

    def is_told(lead: Lead) -> bool:
        """Whether the finding on all series together says as much of the feature."""
        pooled = strongest.get((lead.feature, ""))
        if not lead.series or pooled is None or lead.gain > _OF_FEW * pooled.gain:
            return False
        return not pooled.gain <= ceiling < lead.gain

    return [
        finding
        for lead in strongest.values()
        if not is_told(lead)
        if not is_covered(lead)
        for finding in in_series(
            lead.series, [_finding(lead, ceiling, data.kind, lead.feature in config.leading)]
        )
    ]


def made_of_target(config: DataConfig) -> frozenset[str]:
    """Features that are computed only from the target's own columns, and so cannot know later rows.

    The target of a row is computed from later rows of the same columns, by a transform that `looks_ahead`
    checks for causality. An already shifted target holds later values in its own row: among the features its
    column is a leak, so none is returned.
    """
    if target_shift(config.target) == 0:
        return frozenset()
    columns: dict[str, set[str]] = {}
    for feature in config.features:
        columns[feature.name] = columns[feature.of] if feature.of else set(columns_of(feature))
    own = columns[config.target.of] if config.target.of else set(columns_of(config.target))
    return frozenset(name for name, read in columns.items() if read <= own)


def _finding(lead: Lead, ceiling: float, kind: TargetKind, declared: bool) -> AuditFinding:
    name = lead.feature
    look = f"look at how {name} was made, or drop it"
    honest = f"If it is honest, as {HONEST_LEADS[kind]} is, set may_lead: true for {name} in data.features"
    severity: Severity
    if declared:
        severity, advice = "info", "data.features says that it may lead"
    elif lead.gain > ceiling:
        severity, advice = "error", f"nobody foresees that much (ceiling {ceiling:.3f}): {look}. {honest}"
    else:
        severity, advice = "warning", f"it may know the future: {look}. {honest}"
    message = (
        f"{name}: {lead.part} correlate by {lead.correlation:+.2f} with the surprises of the target "
        f"{_rows(lead)} (usual: within ±{lead.usual:.2f}), beyond what is known at the row{_same_row(lead)}; "
        f"that is worth a skill of about {max(lead.gain, 0.0):.3f}; {advice}"
    )
    return AuditFinding("leads_target", severity, name, lead.correlation, lead.usual, message)


def _rows(lead: Lead) -> str:
    if lead.first < lead.last:
        return f"{lead.first} to {lead.last} rows later"
    return f"{lead.last} row{'s' * (lead.last > 1)} later"


def _same_row(lead: Lead) -> str:
    if abs(lead.same_row) < _NAMED_SAME_ROW:
        return ""
    return f" (its correlation of {lead.same_row:+.2f} within the same row is honest and left out)"
