"""The possible verdicts on a trial."""

from enum import StrEnum


class Verdict(StrEnum):
    """The judgement of a trial; a trial without a verdict is still running.

    running ──► ACCEPTED      trained to its end, and believable
            ├─► UNPROMISING   the pruner stopped it
            ├─► UNSTABLE      the guard stopped it: non-finite, exploding or frozen
            ├─► SUSPICIOUS    too good to be true
            ├─► INTERRUPTED   a signal stopped it, or its worker is gone; its parameters are tried again
            └─► FAILED        the infrastructure failed, or a setting did not take effect

    A verdict is final, with one exception: somebody may void an accepted or unpromising trial later, which
    makes it suspicious (storage/voids.py).
    """

    ACCEPTED = "accepted"
    UNPROMISING = "unpromising"
    UNSTABLE = "unstable"
    SUSPICIOUS = "suspicious"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


CONCLUSIVE = (Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.UNSTABLE, Verdict.SUSPICIOUS)
"""Verdicts that judge the settings of a trial; after the others its settings are tried again."""

VOIDED = "voided"
"""The reason code of a trial that somebody has voided, and of later copies of its result."""
VOIDABLE = (Verdict.ACCEPTED, Verdict.UNPROMISING)
"""Verdicts that can be voided; trials of other verdicts are never chosen, and samplers avoid them."""
