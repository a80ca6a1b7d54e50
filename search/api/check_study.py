"""Audits the data and settings of a study without training: `ballast check` and `ballast.check` call it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from search.api.python_messages import python_message
from search.api.study_options import StudyOptions
from search.config.resolved_study import DEFAULTS_VERSION, ResolvedStudy
from search.record.row_mapping import clamp_to_json
from search.study.readiness import Readiness, check_readiness
from storage.engine import open_store_if_exists
from storage.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

    from trainer.audit.audit_findings import AuditFinding
    from trainer.audit.panel_coverage import PanelCoverage
    from trainer.audit.worked_row import WorkedRow

_FINDING = ("code", "severity", "where", "value", "threshold", "message", "series")
_WORKED = ("features_until", "target_at", "target")


@dataclass(frozen=True)
class CheckResult:
    """What the audit of the data found, the settings in force, and why the study would be refused."""

    resolved: ResolvedStudy
    readiness: Readiness

    def __repr__(self) -> str:
        answer = "ok" if self.ok else " ".join(self.refusals)
        return f"<CheckResult of study {self.resolved.file.study.name!r}: {answer}>"

    @property
    def ok(self) -> bool:
        """Whether `run` would start the study."""
        return not self.readiness.refusals

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why `run` would refuse the study, a sentence or more each; empty if it would not."""
        return tuple(python_message(str(refusal)) for refusal in self.readiness.refusals)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each split: `train`, `validation` and `test`; empty if the table could not be split."""
        audit = self.readiness.inspection.audit
        return {} if audit is None else dict(audit.rows)

    def findings(self) -> "pd.DataFrame":
        """The findings of the data audit, a row each.

        Returns:
            Columns code, severity (`error`, `warning` or `info`), where, value, threshold, message, series
            (the names of those that have it, the worst first; empty if it is about all rows).
        """
        return _frame(self.to_json()["findings"], _FINDING)

    def clamps(self) -> "pd.DataFrame":
        """The clamps: settings asked for outside the safe ranges, a row each.

        Returns:
            Columns key, declared, effective, reason, origin.
        """
        return _frame(self.to_json()["clamps"], ("key", "declared", "effective", "reason", "origin"))

    def settings(self) -> "pd.DataFrame":
        """Every setting, a row each.

        Returns:
            Columns key, value, layer (who set it), origin (where), requested, reason.
        """
        from search.api.record_frames import settings_frame
        from search.record.row_mapping import without_password

        return settings_frame(map(without_password, self.resolved.settings.values()))

    def to_json(self) -> dict[str, Any]:
        """The shape that `check --json` promises."""
        audit = self.readiness.inspection.audit
        worked = None if audit is None else audit.worked_row
        findings = () if audit is None else audit.findings
        return {
            "ok": self.ok,
            "findings": [_finding_json(each) for each in findings],
            "refusals": [str(refusal) for refusal in self.readiness.other_refusals],
            "clamps": [clamp_to_json(clamp) for clamp in self.resolved.clamps],
            "rows": self.rows,
            "worked_row": None if worked is None else _worked_row(worked),
            "detected": {} if audit is None else dict(audit.detected),
            "panel": None if audit is None or audit.panel is None else _panel_json(audit.panel),
        }


def check_study(
    options: StudyOptions, *, deep: bool = False, on_refit: Callable[[int, int], None] | None = None
) -> CheckResult:
    """Audit the data of a study, and find out whether `run` would refuse it.

    The store is read if it exists. `on_refit` is called after each refit of `deep` with how many are done and
    how many there are. Raises ConfigError if the settings cannot be resolved.
    """
    check = partial(check_readiness, strict=options.strict, deep=deep, on_refit=on_refit)
    resolved, _ = options.resolve(DEFAULTS_VERSION)
    try:
        opened = open_store_if_exists(options.url_of(resolved))
    except StoreError as error:  # the data are audited anyway
        found = check(resolved, None)
        return CheckResult(resolved, replace(found, refusals=(*found.refusals, error)))
    try:
        if opened is not None:
            again = options.resolve_again(opened, resolved.file.study.name)
            resolved = resolved if again is None else again[0]
        return CheckResult(resolved, check(resolved, opened))
    finally:
        if opened is not None:
            opened.close()


def _finding_json(finding: "AuditFinding") -> dict[str, Any]:
    return {**{name: getattr(finding, name) for name in _FINDING}, "series": list(finding.series)}


def _panel_json(panel: "PanelCoverage") -> dict[str, Any]:
    return {
        "series": panel.series,
        "times": panel.times,
        "coverage": {str(year): vars(each) for year, each in panel.years.items()},
        "begin_late": list(panel.begin_late),
        "end_early": list(panel.end_early),
    }


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))


def _worked_row(worked: "WorkedRow") -> dict[str, Any]:
    series = {"series": worked.series} if worked.series else {}
    return {**{name: getattr(worked, name) for name in _WORKED}, **series}
