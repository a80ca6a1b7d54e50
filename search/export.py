"""An accepted trial as a file that a person reads first and `ballast train` reruns to the same bits."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from search.config.layers import Layer, Override
from search.config.reader import scalar
from search.errors import AnswerIsNo
from search.recording import clamp_to_json
from search.summary import Summary, summarise
from search.writing import write_whole
from storage import query, tables
from storage.engine import Store
from storage.verdicts import Verdict

DECISIVE = ("study.name", "study.trials", "study.seed", "data.", "models.", "training.", "guard.")
"""What decides a trial's value; `study.trials` does, as the ceiling of believable skill depends on it."""


_FROM_FILES = (Layer.DEFAULT, Layer.BASE, Layer.STUDY)


def best_trials(store: Store, name: str, top: int) -> list[tables.Trial]:
    """The `top` best accepted trials; AnswerIsNo if there are not so many."""
    accepted = sorted(
        query.trials(store, name, Verdict.ACCEPTED), key=lambda trial: (trial.value or 0.0, trial.number)
    )
    if len(accepted) < top:
        raise AnswerIsNo(
            f"study {name!r} has {len(accepted)} accepted trials, {top} cannot be exported; "
            f"see why: ballast trials {shlex.quote(name)}"
        )
    return accepted[:top]


def accepted_trial(store: Store, name: str, number: int) -> tables.Trial:
    """One trial by number; AnswerIsNo if it is not accepted."""
    trial = query.trial(store, name, number)
    if trial.verdict is not Verdict.ACCEPTED:
        reasons = f" ({', '.join(trial.reasons)})" if trial.reasons else ""
        raise AnswerIsNo(
            f"trial {number} of study {name!r} is {trial.verdict or 'still running'}{reasons}; "
            f"only accepted trials are exported: ballast trials {shlex.quote(name)} --verdict accepted"
        )
    return trial


def write_export(store: Store, trial: tables.Trial, target: Path) -> None:
    """Write one accepted trial; the file is there whole or not at all."""
    write_whole(export_text(store, trial, target), target, "best.yaml")


def export_text(store: Store, trial: tables.Trial, target: Path) -> str:
    """The YAML of one accepted trial, to be written to `target`: relative paths in it start there."""
    summary = summarise(store, trial.study)
    stacks = query.setting_stacks(store, trial.study, trial.number)
    layers = {key: _configured(stack) for key, stack in stacks.items() if key.startswith(DECISIVE)}
    values = {key: row.effective for key, row in layers.items() if row.effective is not None}
    values["data.source"] = _source_seen_from(values["data.source"], summary.study, target)
    body = settings_yaml(values, layers)
    provenance = _dump({"provenance": _provenance(store, summary, trial, stacks)}, width=100)
    return f"{_header(summary, trial, target)}\n{body}\n\n{provenance}"


def settings_yaml(values: Mapping[str, Any], acts: Mapping[str, tables.Setting | Override]) -> str:
    """Settings by key as nested YAML; the act that set each is told beside it."""
    return "\n".join(_yaml_lines(_nested(values), {key: _comment(act) for key, act in acts.items()}))


def _configured(stack: list[tables.Setting]) -> tables.Setting:
    """The value that the trial was started with: what the guard does in training, it will do again."""
    return [row for row in stack if row.layer != Layer.GUARD][-1]


def _source_seen_from(source: str, study: tables.Study, target: Path) -> str:
    if source.startswith("sample:") or Path(source).is_absolute():
        return source
    return os.path.relpath(Path(study.study_file).parent / source, target.parent.resolve())


def _comment(row: tables.Setting | Override) -> str:
    text = f"{row.layer} · {row.origin}"
    if row.requested != row.effective:
        text += f" · asked for {row.requested}: {row.reason}"
    return "".join(c if c.isprintable() else " " for c in text)  # a line break would end the comment


def _header(summary: Summary, trial: tables.Trial, target: Path) -> str:
    lines = (
        f"Study {summary.study.name}, trial {trial.number}: validation loss {trial.value:.6f}",
        summary.sentence(),
        f"Run it again:  ballast train {shlex.quote(target.name)}",
        "Beside each setting: the layer that it comes from, and where that was written.",
    )
    return "\n".join(f"# {line}" for line in lines)


def _provenance(
    store: Store, summary: Summary, trial: tables.Trial, stacks: Mapping[str, list[tables.Setting]]
) -> dict[str, Any]:
    study, facts = summary.study, summary.study.facts
    data = query.data(store, study.name)
    return {
        "study": study.name,
        "trial": trial.number,
        "seed": trial.seed,
        "value": trial.value,
        "skill": trial.skill,
        "skill_shown": summary.skill_shown,
        "best_epoch": trial.best_epoch,
        "baseline": facts["baseline"],
        "noise_floor": summary.noise_floor,
        "skill_ceiling": facts["skill_ceiling"],
        "data": {"source": data.source, "sha256": data.sha256, "rows": data.rows, "split": facts["rows"]},
        "policy": {"file": study.policy_file, "fingerprint": study.fingerprints["policy"]},
        "versions": study.versions,
        "finished_at": None if trial.finished_at is None else trial.finished_at.isoformat(),
        "clamps": [clamp_to_json(clamp) for clamp in query.clamps(store, study.name)],
        "interventions": [
            {"kind": f.kind, "epoch": f.epoch, "step": f.step, "action": f.action, "message": f.message}
            for f in query.findings(store, study.name, trial.number)
        ],
        "overrides": {key: acts for key, stack in stacks.items() if (acts := _notable_acts(stack))},
    }


def _notable_acts(stack: list[tables.Setting]) -> list[dict[str, Any]]:
    """What a file beside the export could not tell: command line, sampler, clamps, guard, and any change."""
    return [
        {
            "layer": row.layer,
            "origin": row.origin,
            "requested": row.requested,
            "effective": row.effective,
            "reason": row.reason,
        }
        for row in stack
        if row.layer not in _FROM_FILES or row.requested != row.effective
    ]


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = _Leaf(key, value)
    return {name: tree[name] for name in ("study", "data", "models", "training", "guard") if name in tree}


class _Leaf:
    def __init__(self, key: str, value: Any) -> None:
        self.key, self.value = key, value


def _yaml_lines(tree: Mapping[str, Any], comments: Mapping[str, str], depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    for name, node in tree.items():
        if not isinstance(node, _Leaf):
            yield f"{'' if depth else chr(10)}{indent}{name}:"
            yield from _yaml_lines(node, comments, depth + 1)
        elif isinstance(node.value, list) and node.value:
            yield f"{indent}{name}:  # {comments[node.key]}"
            yield from (f"{indent}  - {_flow(_name_first(item))}" for item in node.value)
        else:
            yield f"{indent}{name}: {_flow(node.value)}  # {comments[node.key]}"


def _name_first(item: Any) -> Any:
    return dict(sorted(item.items(), key=lambda pair: pair[0] != "name")) if isinstance(item, dict) else item


def _flow(value: Any) -> str:
    text = _dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Quotes every text that our reader, which follows YAML 1.2, would take for something else: `1e3`."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    is_plain = text.isprintable() and scalar(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)


def _dump(value: Any, **how: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **how)
    return text
