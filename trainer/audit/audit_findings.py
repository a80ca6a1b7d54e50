"""The result of an audit: findings with their severity, and whether the data may be used for training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from trainer.audit.worked_row import WorkedRow
from trainer.data.windows import Dataset
from trainer.rivals.skill import EffectiveRows

if TYPE_CHECKING:
    from trainer.audit.panel_coverage import PanelCoverage

Severity = Literal["error", "warning", "info"]
"""`error` blocks training; `warning` blocks it only with --strict; `info` never does."""


@dataclass(frozen=True)
class AuditFinding:
    """One problem or remark. `where` is a column, feature, split or `target`; `message` is for people.

    `value` is what was measured (a count, if cells are counted) and `threshold` the bound that it exceeds;
    None if there is no such number.
    """

    code: str
    severity: Severity
    where: str
    value: float | None
    threshold: float | None
    message: str
    series: tuple[str, ...] = ()
    """The series that it is about, the worst first; empty if it is about all, or they have no names."""


@dataclass(frozen=True)
class Audit:
    """All findings, the number of rows of each split, and the data of each fold; () if it cannot be prepared.

    A split that cannot be cut has 0 rows; a validation row that several folds hold out counts once.
    """

    findings: tuple[AuditFinding, ...]
    rows: dict[str, int]
    folds: tuple[Dataset, ...]
    worked_row: WorkedRow | None = None
    """The last training row, or the first usable row; None if no row has a target."""
    ceiling: float | None = None
    """Skill over the best naive forecast above which a trial is suspicious; None if there is none."""
    detected: Mapping[str, Any] = field(default_factory=dict)
    """How the table is written, as far as `data.csv` does not say it: by key of `data.csv`."""
    empty_rows: int = 0
    """Rows without numbers that `data.drop_empty` left out."""
    effective: EffectiveRows | None = None
    """What the validation rows of a panel are worth; None for a single series, or if it is not known."""
    panel: "PanelCoverage | None" = None
    """How the table is filled, if its series have names."""

    @property
    def dataset(self) -> Dataset | None:
        """The last fold, on which everything except the losses is measured."""
        return self.folds[-1] if self.folds else None

    def ok(self, strict: bool) -> bool:
        """Whether nothing blocks training: no error, and with `strict` no warning either."""
        blocking = ("error", "warning") if strict else ("error",)
        return not any(finding.severity in blocking for finding in self.findings)
