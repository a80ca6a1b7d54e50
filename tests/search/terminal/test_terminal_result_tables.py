"""The tables of results in the terminal."""

from typing import Literal

from search.terminal.result_tables import audit_table
from trainer.audit.audit_findings import AuditFinding

Severity = Literal["error", "warning", "info"]


def test_the_findings_of_an_audit_are_shown_errors_first_and_else_in_their_order() -> None:
    severities: tuple[Severity, ...] = (
        "info",
        "warning",
        "error",
        "info",
        "error",
    )
    findings = [
        AuditFinding(f"code_{number}", severity, "data", None, None, "a message")
        for number, severity in enumerate(severities)
    ]
    shown = [row.cells[1] for row in audit_table(findings).rows]
    assert [str(code) for code in shown] == ["code_2", "code_4", "code_1", "code_0", "code_3"]
