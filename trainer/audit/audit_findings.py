"""What an audit says: findings with their severity, and whether the data may be trained on."""

from dataclasses import dataclass
from typing import Literal

from trainer.audit.worked_row import WorkedRow
from trainer.data.windows import Dataset

Severity = Literal["error", "warning", "info"]
"""`error` blocks training; `warning` blocks it under --strict alone; `info` never does."""


@dataclass(frozen=True)
class AuditFinding:
    """One thing that was noticed. `where` is a column, feature, split or `target`; `message` is for people.

    `value` was measured (a count where cells are counted) and `threshold` is the bound it passed; None where
    there is no such number.
    """

    code: str
    severity: Severity
    where: str
    value: float | None
    threshold: float | None
    message: str


@dataclass(frozen=True)
class Audit:
    """All findings, the rows of each split (0 where it cannot be cut; a validation row that several folds
    hold out counts once), and the data of each fold, () if it cannot be prepared.
    """

    findings: tuple[AuditFinding, ...]
    rows: dict[str, int]
    folds: tuple[Dataset, ...]
    worked_row: WorkedRow | None = None
    """The last training row, or the first usable one; None where there is none, or where nobody asked."""
    ceiling: float | None = None
    """Skill over the best naive forecast above which a trial is suspicious; None where there is none."""

    @property
    def dataset(self) -> Dataset | None:
        """The last fold, on which everything but the losses is measured."""
        return self.folds[-1] if self.folds else None

    def ok(self, strict: bool) -> bool:
        """Whether nothing blocks: no error, and under `strict` no warning either."""
        blocking = ("error", "warning") if strict else ("error",)
        return not any(finding.severity in blocking for finding in self.findings)
