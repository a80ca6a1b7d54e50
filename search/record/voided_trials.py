"""What is said of trials that somebody has voided: sentences and JSON. Pure."""

from collections.abc import Sequence
from typing import Any

from storage import tables


def void_to_json(void: tables.VoidRow) -> dict[str, Any]:
    """The shape of a voided trial in `status --json` and `void --json`."""
    return {
        "trial": void.trial,
        "why": void.why,
        "by": void.voided_by,
        "at": void.voided_at.isoformat(),
        "was": void.verdict,
    }


def void_text(void: tables.VoidRow) -> str:
    """`trial 7, accepted before, voided on 2026-11-30 by ada@host: why`."""
    day = f"{void.voided_at:%Y-%m-%d}"
    return f"trial {void.trial}, {void.verdict} before, voided on {day} by {void.voided_by}: {void.why}"


def voided_sentence(voided: Sequence[tables.VoidRow]) -> str:
    """`Voided, and never chosen again: trials 7 and 12.`; empty if no trial was voided."""
    if not voided:
        return ""
    numbers = [str(void.trial) for void in voided]
    listed = " and ".join([", ".join(numbers[:-1]), numbers[-1]] if len(numbers) > 1 else numbers)
    trials = "trial" if len(numbers) == 1 else "trials"
    return f"Voided, and never chosen again: {trials} {listed}."
