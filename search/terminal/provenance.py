"""Why one setting has its value: the answer in a sentence, and the layers as they lie on one another."""

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
    """The setting of a key, or of the end of one: `learning_rate`, `space.learning_rate`.

    Dimensions are meant only by keys that begin with `space.`. Raises RequestError if none or several have
    that end.
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
    """One sentence: the value, who had the last word, and why. `space` is the setting's dimension, if any."""
    key = short_value(setting.key)
    if space is not None and trial is None:
        return f"{key} is searched: each trial samples its own value, {_searched(space)}"
    where = "" if trial is None else f" in trial {trial}"
    value = "not set" if setting.value is None else dimension_text(setting.value)
    return f"{key} is {value}{where}: {_last_words(setting, space)}"


def _searched(space: Setting) -> str:
    told = dimension_text(space.value)
    if space.layer is not Layer.CLAMP:
        return f"{told}, as {_origin(space.overrides[-1])} declares; see one with --trial N"
    return (
        f"{told}; {dimension_text(space.requested)} was asked for by {_origin(_asker(space))}, and "
        f"clamped by "
        f"{_origin(space.overrides[-1])}, because of the {short_value(space.reason)}"
    )


def _last_words(setting: Setting, space: Setting | None) -> str:
    act = setting.overrides[-1]
    reason = f"; {short_value(act.reason)}" if act.reason else ""
    if act.layer is Layer.GUARD:
        return f"the {_origin(act)} cut it from {short_value(act.requested)}{reason}"
    if act.layer is Layer.CLAMP:
        return f"{_asked(_asker(setting))}, and {_origin(act)} clamped it{reason}"
    if act.layer is Layer.SAMPLED:
        return f"{short_value(act.reason) or 'sampled'}{'' if space is None else _out_of(space)}"
    if act.layer is Layer.DEFAULT:
        return f"the default, which nobody changed{reason}"
    asked = "" if act.requested == act.effective else f" asked for {dimension_text(act.requested)} and it"
    did = "recommends it" if act.layer is Layer.BASE and not asked else "set it"
    return f"{_origin(act)}{asked} {did}{reason.replace(_origin(act), 'that')}"


def _out_of(space: Setting) -> str:
    told = f", out of {dimension_text(space.value)}"
    if space.layer is not Layer.CLAMP:
        return told
    return f"{told}, which {_origin(space.overrides[-1])} clamped from {dimension_text(space.requested)}"


def _asker(setting: Setting) -> Override:
    """Who asked for what the last clamp cut."""
    return next(
        (act for act in reversed(setting.overrides) if act.layer is not Layer.CLAMP), setting.overrides[0]
    )


def _asked(act: Override) -> str:
    if act.layer is Layer.SAMPLED:
        return f"{short_value(act.requested)} was {short_value(act.reason) or 'sampled'}"
    return f"{_origin(act)} asked for {dimension_text(act.requested)}"


def _origin(act: Override) -> str:
    return short_origin(act.origin)


def provenance_table(setting: Setting) -> TextTable:
    """The layers of a setting, the one in force on top; below, those that said nothing."""
    acts = setting.overrides[::-1]
    rows = [_row(act, wins=i == 0) for i, act in enumerate(acts)]
    silent = [str(layer) for layer in reversed(Layer) if layer not in {act.layer for act in acts}]
    if silent:
        rows.append(TableRow((" ", plain_text("silent", "dim"), plain_text(", ".join(silent), "dim"), "")))
    columns = (
        TableColumn(""),
        TableColumn("layer"),
        TableColumn("asked for → used", folds=True),
        TableColumn("origin", most=32),
    )
    return TextTable(columns, rows, elsewhere="see --json")


def _row(act: Override, *, wins: bool) -> TableRow:
    layer = layer_cell(act.layer)
    if wins:
        layer.stylize("bold")
    return TableRow(
        (
            "▶" if wins else "│",
            layer,
            plain_text(_change(act.requested, act.effective), "bold" if wins else ""),
            short_origin(act.origin),
        ),
        (short_value(act.reason),) if act.reason else (),
    )


def _change(requested: Any, effective: Any) -> str:
    return (
        dimension_text(effective)
        if requested == effective
        else f"{dimension_text(requested)} → {dimension_text(effective)}"
    )
