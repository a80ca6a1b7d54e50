"""Writes the study file of a plan, with a reason beside each setting."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from search.api.init_facts import StudyPlan, recipe, recipe_text
from storage.commands import ballast_command

_SECTIONS = ("models", "training", "space")
_MOST_NAMED = 12
_QUOTED_DATE = re.compile(r"'(\d{4}-\d\d-\d\d)'")
"""A study file takes a date without quotes, too."""

_HELD_BY = {"wide": "each series has columns of its own", "files": "each file is a series"}

_Line = tuple[str, str]
"""A line of the data section, and the comment behind it."""


def study_text(plan: StudyPlan, path: Path) -> str:
    """The YAML of a study that will lie at `path`."""
    lines = [
        *_head(plan, path),
        "",
        "study:",
        f"  name: {_flow(plan.facts.name)}",
        f"  trials: {recipe(plan.recipe)['study']['trials']}",
        "",
        "data:",
        *_aligned([*_source(plan), *_model_data(plan)]),
    ]
    for section in _SECTIONS:
        lines += ["", *_recipe_section(plan.recipe, section)]
    if plan.max_skill is not None:
        lines += ["", "guard:", f"  max_skill: {plan.max_skill}  # more is not believed; set what you would"]
    return "\n".join(lines) + "\n"


def _head(plan: StudyPlan, path: Path) -> list[str]:
    commands = [
        (ballast_command("check", path), "looks at data and settings, trains nothing"),
        (ballast_command("run", path), "searches"),
        (ballast_command("export", plan.facts.name, o="best.yaml"), "writes the best configuration"),
        (ballast_command("verify", "best.yaml"), "does its skill hold on rows that no search has seen?"),
    ]
    width = max(len(command) for command, _ in commands)
    return [
        f"# {plan.forecast[0].upper()}{plan.forecast[1:]},",
        f"# from {plan.facts.source}: {plan.counted.rstrip(',')},",
        f"# {plan.span[0]} to {plan.span[1]}, {plan.facts.spacing}.",
        "#",
        *(f"#   {command:<{width}}   {what}" for command, what in commands),
        "#",
        "# The sections models, training and space, and the method of the split, are the recipe of",
        f"# sample:{plan.recipe}. What is not said here has its default, which `ballast check` shows.",
    ]


def _source(plan: StudyPlan) -> list[_Line]:
    """The lines that say how the table is read."""
    facts = plan.facts
    several = len(facts.time) > 1
    csv = facts.csv.model_dump(exclude_none=True)
    lines = [
        (True, f"source: {_flow(facts.source)}", ""),
        (True, f"time: {_flow(facts.time_value)}", "a date and a time of day" if several else ""),
        (facts.timezone, f"timezone: {facts.timezone}", "of the times, which have no offset from UTC"),
        (csv, f"csv: {_flow(csv)}", "the rest of the form is detected"),
        (
            facts.series,
            f"series: {_flow(facts.series)}",
            f"names the series of each row: one model for all {plan.series} series",
        ),
        (
            facts.layout,
            f"layout: {facts.layout}",
            f"{_HELD_BY[facts.layout or 'files']}: one model for all {plan.series} series",
        ),
        (facts.where, f"where: {_flow(dict(facts.where))}", "one series of the table, without the others"),
        (facts.sort, "sort: true", "the rows of the file are not in the order of time"),
        (plan.max_gap, f"max_gap: {plan.max_gap}", "no window crosses a longer gap in time"),
        (plan.drop_empty, "drop_empty: true", f"{plan.drop_empty} rows have no number, as on holidays"),
    ]
    return [(text, note) for is_said, text, note in lines if is_said]


def _model_data(plan: StudyPlan) -> list[_Line]:
    """The lines that say what the model sees and forecasts."""
    bar = plan.facts.bar
    return [
        ("features:", f"all causal: a value uses its own {bar} and those before it"),
        *((f"  - {_flow(feature)}", _why(plan, feature)) for feature in plan.features),
        *((f"  # {note}", "") for note in _others(plan)),
        ("target:", plan.reason),
        (f"  {_flow(plan.target)}", ""),
        (f"seq_len: {plan.seq_len}", f"{bar}s that one forecast looks at; what is older is in the features"),
        ("split:", _why_split(plan)),
        ("  " + _QUOTED_DATE.sub(r"\1", _flow(plan.split)), ""),
    ]


def _why(plan: StudyPlan, feature: Mapping[str, Any]) -> str:
    """The reason for a feature."""
    bar, window = plan.facts.bar, feature.get("window", 1)
    span = {("day", 5): "a week", ("day", 22): "a month"}.get((bar, window), f"{window} {bar}s")
    is_volatility = feature.get("of") == "vol"
    match feature.get("transform", "raw"):
        case "raw":
            return f"the value of the {bar}"
        case "rolling_mean" if plan.kind == "value":
            return f"its mean over {span}"
        case "log_return" if plan.kind == "volatility":
            return "falls raise volatility more than rises do"
        case "log_return" | "difference":
            return "the last move: a trend may go on, or turn back"
        case "abs_log_return":
            return "the size of the move: with ret it tells falls from rises"
        case "log_parkinson" if "floor" in feature:
            return f"log volatility of the {bar}, with a floor for bars without a range"
        case "time_of_day":
            return "known ahead, as a sine and a cosine: markets have a daily rhythm"
        case "log_parkinson":
            return f"log volatility of the {bar}, from its range"
        case "rolling_mean" if is_volatility:
            return f"volatility over {span}" + (", a term of HAR" if bar == "day" else "")
        case "rolling_mean":
            return f"the moves of {span}"
        case "rolling_std":
            return f"how far prices moved within {span}"
    return ""


def _others(plan: StudyPlan) -> list[str]:
    """Comments about columns that are not used."""
    read = {str(value) for series in (*plan.features, plan.target) for value in series.values()}
    roles, notes = plan.facts.roles, []
    if roles.volume is not None and roles.volume not in read:
        feature = _flow({"name": "volume", "column": roles.volume, "transform": "zscore", "window": 22})
        notes.append(f"- {feature}  # to try: is it much?")
    if plan.series:
        rank = _flow({"name": "rank", "of": plan.features[0]["name"], "transform": "cross_rank"})
        notes.append(f"- {rank}  # to try: the place among all series at the same time")
    bar = {roles.open, roles.high, roles.low, roles.close, roles.adjusted, roles.volume}
    others = [name for name in plan.facts.numbers if name not in bar | read]
    if others:
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        notes.append(f"not used: {', '.join(others[:_MOST_NAMED])}{more}")
    return notes


def _why_split(plan: StudyPlan) -> str:
    unseen = "no search touches the rows behind validation_until"
    if plan.split["method"] == "holdout":
        return f"one block, as the rows are few; {unseen}"
    return f"{plan.split['folds']} blocks, each forecast from all rows before it; {unseen}"


def _recipe_section(name: str, section: str) -> list[str]:
    """The lines of a section of the recipe, with its comments."""
    found = re.search(rf"^{section}:.*\n(?:(?:[ ].*)?\n)*", recipe_text(name), re.MULTILINE)
    assert found is not None, f"the recipe has no section {section}"
    return found[0].rstrip().splitlines()


def _aligned(lines: Sequence[_Line]) -> list[str]:
    """Lines with their comments; those of the features begin in one column."""
    width = max(len(text) for text, _ in lines if text.startswith("  -"))
    return [
        f"  {text:<{width if text.startswith('  -') else 0}}{f'  # {note}' if note else ''}".rstrip()
        for text, note in lines
    ]


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**9)
    return text.strip()[1:-1]
