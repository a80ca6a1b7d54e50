"""Formats numbers, settings and origins for people."""

from typing import TYPE_CHECKING, Any

from storage.verdicts import Verdict
from trainer.text import printable

if TYPE_CHECKING:
    from storage import tables

COLOURS: dict[Verdict | None, str] = {
    Verdict.ACCEPTED: "#49a391",
    Verdict.UNPROMISING: "#6d6e5d",
    Verdict.UNSTABLE: "#e37714",
    Verdict.SUSPICIOUS: "#9731e5",
    Verdict.INTERRUPTED: "#9d8aca",
    Verdict.FAILED: "#ac4e16",
    None: "#4c727f",
}
"""The colour of each verdict, and of a running trial (None), in every picture and on the terminal.

Each has a contrast of at least 3 with white, black and the dark pages, and any two differ by a CIEDE2000 of
at least 16 for people with any colour vision. A search over all colours with that contrast found no seven
that differ by more than 18. benchmarks/pictures/colour_vision.py measures both.
"""


def one_line(text: str) -> str:
    """A text of several lines, such as the message of an exception, as one printable line."""
    return printable(" ".join(text.split()))


def short_value(value: Any) -> str:
    """A value as short text; unprintable characters are escaped."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{short_value(key)}: {short_value(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(short_value(item) for item in value) + "]"
    return printable(str(value))


def short_origin(origin: str) -> str:
    """An origin without its folders; `--json` shows it in full."""
    return printable(origin if origin.startswith("--") else origin.rpartition("/")[2])


def duration(seconds: float | None) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds is None:
        return "–"
    if 0 < seconds < 0.95:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "under 0.1 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def hourly(rate: float) -> str:
    """A number of trials an hour: `700`, or two digits of one below ten, `0.42`."""
    return f"{rate:.0f}" if rate >= 9.95 else f"{rate:.2g}"


def p_text(p: float) -> str:
    """A p value: `0.012`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def dimension_text(value: Any) -> str:
    """The values of a dimension: `1e-05 to 0.01 (log)`, `one of 16, 32, 64`; any other value as it is."""
    if not isinstance(value, dict):
        return short_value(value)
    if isinstance(value.get("when"), dict):
        bare = {name: part for name, part in value.items() if name != "when"}
        conditions = (f"{key} is {_condition_text(wanted)}" for key, wanted in value["when"].items())
        return f"{dimension_text(bare)}, if {' and '.join(conditions)}"
    if set(value) == {"choices"} and isinstance(value["choices"], list):
        return f"one of {', '.join(map(short_value, value['choices']))}"
    if not {"low", "high"} <= set(value) <= {"low", "high", "log", "step"}:
        return short_value(value)
    step = f", in steps of {short_value(value['step'])}" if value.get("step") is not None else ""
    scale = " (log)" if value.get("log") else ""
    return f"{short_value(value['low'])} to {short_value(value['high'])}{step}{scale}"


def _condition_text(wanted: Any) -> str:
    """`2 or 3`, `at least 2`."""
    if not isinstance(wanted, dict):
        return " or ".join(map(short_value, wanted)) if isinstance(wanted, list) else short_value(wanted)
    bounds = (("at least", wanted.get("low")), ("at most", wanted.get("high")))
    return " and ".join(f"{word} {short_value(bound)}" for word, bound in bounds if bound is not None)


def refused_number(found: "tables.FindingRow") -> str:
    """The suspicious number of a finding and its limit: `+0.9987 > +0.3000`, `1.2e-09 < 1e-08`."""
    if found.threshold is None:
        return f"{found.value:.4g}"
    if found.kind == "skill_too_high":
        return f"{found.value:+.4f} > {found.threshold:+.4f}"
    return f"{found.value:.4g} {'<' if found.value < found.threshold else '>'} {found.threshold:.4g}"


def json_safe_number(value: Any) -> Any:
    """The value with its non-finite numbers, which JSON lacks, as text: `nan`, `inf`."""
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, dict):
        return {str(key): json_safe_number(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe_number(item) for item in value]
    return value


LONGEST_LINE = 1_000
"""Characters of a line; nobody reads a longer one."""


def shortened_line(line: str) -> str:
    """A line of bounded length: a long one keeps its beginning (where) and its end (what to do)."""
    return line if len(line) <= LONGEST_LINE else f"{line[:600]} … {line[-300:]}"
