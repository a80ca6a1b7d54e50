"""The closed set of verdicts on a trial."""

from enum import StrEnum


class Verdict(StrEnum):
    """What is thought of a trial; a row without a verdict is still running.

    running ──► ACCEPTED      trained to its end, and believable
            ├─► UNPROMISING   the pruner stopped it
            ├─► UNSTABLE      the guard stopped it: non-finite, exploding or frozen
            ├─► SUSPICIOUS    too good to be true
            ├─► INTERRUPTED   a signal stopped it, or its worker is gone; its parameters are taken up again
            └─► FAILED        the infrastructure failed, or a setting did not take effect

    A verdict is final: nothing leads from one to another.
    """

    ACCEPTED = "accepted"
    UNPROMISING = "unpromising"
    UNSTABLE = "unstable"
    SUSPICIOUS = "suspicious"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


CONCLUSIVE = (Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.UNSTABLE, Verdict.SUSPICIOUS)
"""Verdicts on the settings of a trial; the others are about what happened to it, and it is tried again."""
