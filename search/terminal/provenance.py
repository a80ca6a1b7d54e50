"""Explains why a setting has its value: one sentence, and a table of its layers."""

from collections.abc import Sequence
from typing import Any

from search.config.layers import Layer, Override, Setting
from search.errors import RequestError
from search.terminal.styles import layer_cell, plain_text
from search.terminal.text_table import TableColumn, TableRow, TextTable
from search.text import dimension_text, short_origin, short_value

_SPACE = "space."
_LISTED = 6


def find_setting(settings: Sequence[Setting], key: str, study: str) -> Setting:
    """The setting with this key, or with a key that ends so: `learning_rate`, `space.learning_rate`.

    Only a key that begins with `space.` finds a dimension. Raises RequestError if no key ends so, or
    several do.
    """
    from search.config.leaves import did_you_mean

    exact = [setting for setting in settings if setting.key == key]
    tail, space = f".{key.removeprefix(_SPACE)}", key.startswith(_SPACE)
    found = exact or [
        setting
        for setting in settings
        if setting.key.startswith(_SPACE) == space and setting.key.endswith(tail)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = [setting.key for setting in found]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise RequestError(
            f"{key!r} is the end of {len(names)} settings of study {study!r}: "
            f"{', '.join(names[:_LISTED])}{more}; name one of them: --key {names[0]}"
        )
    hint = did_you_mean(key, [setting.key for setting in settings])
    raise RequestError(f"the study has no setting {key!r}; {hint} Leave --key out to see all")


def explain_setting(setting: Setting, space: Setting | None, trial: int | None) -> str:
    """One sentence: the value, the layer that decided it, and why. `space` is the setting's dimension, if
    any."""
    key = short_value(setting.key)
    if space is not None and trial is None:
        return f"{key} is searched: each trial samples its own value, {_searched(space)}"
    where = "" if trial is None else f" in trial {trial}"
    value = "not set" if setting.value is None else dimension_text(setting.value)
    return f"{key} is {value}{where}: {_decision(setting, space)}"


def _searched(space: Setting) -> str:
    text = dimension_text(space.value)
    if space.layer is not Layer.CLAMP:
        return f"{text}, as {_origin(space.overrides[-1])} declares; see one with --trial N"
    return (
        f"{text}; {dimension_text(space.requested)} was asked for by {_origin(_last_request(space))}, and "
        f"clamped by "
        f"{_origin(space.overrides[-1])}, because of the {short_value(space.reason)}"
    )


def _decision(setting: Setting, space: Setting | None) -> str:
    override = setting.overrides[-1]
    reason = f"; {short_value(override.reason)}" if override.reason else ""
    if override.layer is Layer.GUARD:
        return f"the {_origin(override)} cut it from {short_value(override.requested)}{reason}"
    if override.layer is Layer.CLAMP:
        return f"{_request_text(_last_request(setting))}, and {_origin(override)} clamped it{reason}"
    if override.layer is Layer.SAMPLED:
        return f"{short_value(override.reason) or 'sampled'}{'' if space is None else _out_of(space)}"
    if override.layer is Layer.DEFAULT:
        return f"the default, which nobody changed{reason}"
    asked = (
        ""
        if override.requested == override.effective
        else f" asked for {dimension_text(override.requested)} and it"
    )
    did = "recommends it" if override.layer is Layer.BASE and not asked else "set it"
    return f"{_origin(override)}{asked} {did}{reason.replace(_origin(override), 'that')}"


def _out_of(space: Setting) -> str:
    text = f", out of {dimension_text(space.value)}"
    if space.layer is not Layer.CLAMP:
        return text
    return f"{text}, which {_origin(space.overrides[-1])} clamped from {dimension_text(space.requested)}"


def _last_request(setting: Setting) -> Override:
    """The last override that is no clamp: what it asked for was clamped."""
    return next(
        (override for override in reversed(setting.overrides) if override.layer is not Layer.CLAMP),
        setting.overrides[0],
    )


def _request_text(override: Override) -> str:
    if override.layer is Layer.SAMPLED:
        return f"{short_value(override.requested)} was {short_value(override.reason) or 'sampled'}"
    return f"{_origin(override)} asked for {dimension_text(override.requested)}"


def _origin(override: Override) -> str:
    return short_origin(override.origin)


def provenance_table(setting: Setting) -> TextTable:
    """The layers of a setting, the one in force first; the last row names layers that did not set it."""
    overrides = setting.overrides[::-1]
    rows = [_row(override, wins=i == 0) for i, override in enumerate(overrides)]
    silent = [
        str(layer) for layer in reversed(Layer) if layer not in {override.layer for override in overrides}
    ]
    if silent:
        rows.append(TableRow((" ", plain_text("silent", "dim"), plain_text(", ".join(silent), "dim"), "")))
    columns = (
        TableColumn(""),
        TableColumn("layer"),
        TableColumn("asked for → used", folds=True),
        TableColumn("origin", most=32),
    )
    return TextTable(columns, rows, elsewhere="see --json")


def _row(override: Override, *, wins: bool) -> TableRow:
    layer = layer_cell(override.layer)
    if wins:
        layer.stylize("bold")
    return TableRow(
        (
            "▶" if wins else "│",
            layer,
            plain_text(_change(override.requested, override.effective), "bold" if wins else ""),
            short_origin(override.origin),
        ),
        (short_value(override.reason),) if override.reason else (),
    )


def _change(requested: Any, effective: Any) -> str:
    return (
        dimension_text(effective)
        if requested == effective
        else f"{dimension_text(requested)} → {dimension_text(effective)}"
    )
