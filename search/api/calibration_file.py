"""A calibration as a policy file: the format of configs/safe_ranges.yaml, with the outcomes in comments."""

from collections.abc import Iterator
from typing import Any

from search.config.calibration.measurement import Measurement, counted
from search.config.calibration.plan import shown
from search.config.calibration.ranges import MARGIN
from search.config.safe_ranges import Policy, SafeRange
from search.selection.commented_yaml import dump_yaml
from search.text import duration
from trainer.text import printable


def policy_yaml(found: Measurement, policy: Policy, calibrate: str, run: str) -> str:
    """The text of the policy: measured keys with their outcomes, then the other keys as `policy` has them.

    `calibrate` and `run` are the commands that made the file and that use it.
    """
    return "\n".join([*_header(found, calibrate, run), *_measured(found), *_kept(found, policy)])


def _header(found: Measurement, calibrate: str, run: str) -> Iterator[str]:
    own = ", ".join(f"{key} {shown(value)}" for key, value in found.own.items())
    for line in (
        f"Safe ranges measured on the data of study {found.study}, by: {calibrate}",
        f"Use them: {run}",
        f"Seconds: {duration(found.seconds)}. {found.sentence()}.",
        f"Every key was changed alone, from the study's own values: {own}.",
        f"A measured end has a margin of a factor of {MARGIN:g} where something beyond it is not stable.",
        "Then ends were tried together, and moved inwards until these were stable.",
    ):
        yield f"# {printable(line)}"


def _measured(found: Measurement) -> Iterator[str]:
    runs = f"{counted(found.seeds, 'seed')}, {counted(found.epochs, 'epoch')}"
    source = f"measured by ballast calibrate on study {found.study}, {runs}"
    for each in found.ranges:
        yield ""
        yield f"# {each.outcomes()}"
        yield from _entry(each.safe_range(), source)
    if found.corners:
        yield ""
        yield "# tried together:"
    for settings, point in found.corners:
        ends = ", ".join(f"{key.rpartition('.')[2]} {shown(value)}" for key, value in settings.items())
        yield f"# {ends}: {point.outcome}"


def _kept(found: Measurement, policy: Policy) -> Iterator[str]:
    if found.not_measured:
        yield ""
        yield f"# Not measured; as in {printable(policy.path)}."
    for key, why in found.not_measured.items():
        yield f"# {key}: {printable(why)}"
        safe = policy.ranges[key]
        yield from _entry(safe, safe.source)
    yield ""


def _entry(safe: SafeRange, source: str) -> Iterator[str]:
    """The lines of one key."""
    fields: dict[str, Any] = {"low": safe.low, "high": safe.high}
    if safe.choices is not None:
        fields = {"only": safe.choices[0]} if len(safe.choices) == 1 else {"choices": list(safe.choices)}
    fields = {name: value for name, value in fields.items() if value is not None}
    if safe.when:
        fields["when"] = dict(safe.when)
    entry = {safe.key: {**fields, "why": safe.why, "source": source}}
    yield dump_yaml(entry, width=float("inf")).removesuffix("\n")
