"""Imports trials of an old study into a new one: those that lie in its space, with everything on record."""

import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config.conditions import idle_value, why_idle
from search.config.layers import Layer
from search.config.leaves import leaf_values
from search.config.objectives import OBJECTIVES
from search.config.resolved_study import DECIDES_NO_VALUE, SEEDS_PER_TRIAL, ResolvedStudy, means_the_same
from search.config.schema import SPACE, TRIAL_LEAVES
from search.config.space import to_distributions
from search.data.study_data import StudyData
from search.errors import RequestError
from search.record import row_mapping
from search.record.continuation import SettingLayers, recorded_value
from search.record.validation_rows import copied_forecasts
from search.sampling.tell import CONSTRAINT, OtherObjectives, tell_message, worst_honest_loss, worst_of_each
from search.study.backend import StudyBackend
from search.verdict import MAX_SECONDS
from storage import query, record, tables
from storage.engine import Store
from storage.verdicts import CONCLUSIVE, VOIDED, Verdict

CONTINUED_FROM = "continued_from"
"""The fact of a study that names the study whose trials it imports or has imported."""
IMPORTED_FROM = "taken_from"
"""The user attribute that names the source study and trial; it shows which trials are imported already."""


@dataclass(frozen=True)
class ImportedTrial:
    """A trial of another study that lies in this one's space, and its values of the keys searched here."""

    trial: tables.Trial
    params: Mapping[str, Any]


def importable_trials(
    resolved: ResolvedStudy,
    old: tables.StudyRow,
    layers: SettingLayers,
    trials: Sequence[tables.Trial],
    content: str,
) -> list[ImportedTrial]:
    """The trials of the study `old` that lie in this one's space, by number.

    Only conclusive trials are imported, and no copies of another trial of the same study. For every key that
    either study searches, the trial's value must be the one fixed here or lie in the dimension here; where a
    setting is idle here, it must be the one that idle settings have here. A trial
    that a different time limit cut short is left out: here it might have gone on. `layers` are the setting
    layers of the old study; `content` is the SHA-256 of the table as it is now.

    Raises RequestError, which names the differences, if a setting that both studies fix and that decides the
    loss differs, or if the rows of the data differ: the losses could not be compared. Raises it too if the
    studies differ in their objectives: a trial has no value of one that its study did not measure.
    """
    fixed_here = _fixed(leaf_values(resolved.trial_config, TRIAL_LEAVES), resolved.space)
    values = {key: recorded_value(key, layers) for key in TRIAL_LEAVES}
    searched_there = {key for key in values if _is_searched(key, layers)}
    fixed_there = _fixed(values, searched_there)
    idle_there = {key: idle_value(layers.get(key, ())) for key in searched_there}
    _require_same_objectives(resolved, old.name, recorded_value(OBJECTIVES, layers))
    _require_comparable(resolved, old, layers, fixed_there, fixed_here, content)
    same_limit = values["training.max_seconds"] == resolved.trial_config.training.max_seconds
    imported = []
    for trial in trials:
        is_whole = same_limit or MAX_SECONDS not in trial.reasons
        if trial.verdict not in CONCLUSIVE or trial.source_study == old.name or not is_whole:
            continue
        own = {**fixed_there, **idle_there, **trial.params}
        params = _params_here(resolved, own)
        if params is not None and all(
            own[key] == fixed_here[key] for key in searched_there & fixed_here.keys()
        ):
            imported.append(ImportedTrial(trial, params))
    return imported


def _params_here(resolved: ResolvedStudy, own: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters of a trial with these values of all settings; None if it lies outside the space."""
    params: dict[str, Any] = {}
    for key, dimension in resolved.space.items():
        if why_idle(resolved.space, params, key) is not None:
            if own[key] != idle_value(resolved.settings[key].overrides):
                return None
        elif dimension.accepts_type(own[key]) and dimension.contains(own[key]):
            params[key] = own[key]
        else:
            return None
    return params


def _fixed(values: Mapping[str, Any], searched: Container[str]) -> dict[str, Any]:
    return {key: v for key, v in values.items() if key not in searched and key not in DECIDES_NO_VALUE}


def _is_searched(key: str, layers: SettingLayers) -> bool:
    """Whether the study searched this key: the value on record is then a dimension."""
    return f"{SPACE}{key}" in layers and isinstance(recorded_value(key, layers), Mapping)


def _require_same_objectives(resolved: ResolvedStudy, source: str, there: Sequence[str]) -> None:
    here = resolved.file.study.objectives
    if tuple(there) != here:
        raise RequestError(
            f"study {resolved.file.study.name!r} minimises {', '.join(here)} and {source!r} "
            f"{', '.join(there)}, so its trials lack values; give both the same {OBJECTIVES}, or leave out "
            "--continue-from"
        )


def _require_comparable(
    resolved: ResolvedStudy,
    old: tables.StudyRow,
    layers: SettingLayers,
    there: Mapping[str, Any],
    here: Mapping[str, Any],
    content: str,
) -> None:
    differing = [
        f"{key} was {there[key]!r}, is {here[key]!r} ({resolved.settings[key].origin})"
        for key in here
        if key in there and not means_the_same(key, there[key], here[key])
    ]
    seeds = recorded_value(SEEDS_PER_TRIAL, layers)
    if seeds != (now := resolved.file.study.seeds_per_trial):
        origin = resolved.settings[SEEDS_PER_TRIAL].origin
        differing.append(f"{SEEDS_PER_TRIAL} was {seeds!r}, is {now!r} ({origin})")
    if old.fingerprints["content"] != content:
        differing.append(f"the rows of {resolved.trial_config.data.shown_source} have changed")
    if differing:
        raise RequestError(
            f"study {resolved.file.study.name!r} cannot take over the trials of {old.name!r}, as losses "
            f"could not be compared: {'; '.join(differing)}. "
            "Keep what both studies fix as it was, or leave out --continue-from"
        )


def with_ceiling_of_source(resolved: ResolvedStudy, data: StudyData, store: Store, source: str) -> StudyData:
    """The data with the ceiling of the study `source`, so that all trials are compared under one ceiling.

    Call this before the study that continues from `source` is created. Raises what `importable_trials`
    raises, RequestError if the study would continue from itself, and StudyUnknown.
    """
    require_importable(resolved, store, source, data.table.sha256)
    return replace(data, ceiling=query.study(store, source).facts["skill_ceiling"])


def require_importable(resolved: ResolvedStudy, store: Store, source: str, sha256: str) -> None:
    """Raise what `with_ceiling_of_source` raises; `sha256` is that of the table."""
    _trials_to_import(resolved, store, source, sha256)


def import_trials(backend: StudyBackend, resolved: ResolvedStudy, data: StudyData, source: str) -> list[int]:
    """Import the trials of `source` that lie in a study on record; returns the numbers that they have in
    `source`.

    First Optuna gets all of them, finished, each with the name of its source; then the record gets each that
    it lacks. The study's facts say that an import was begun: if it is interrupted at any moment, the next
    call imports what is missing. Two callers at the same moment could import a trial twice. Raises what
    `with_ceiling_of_source` raises.
    """
    taken = _trials_to_import(resolved, backend.store, source, data.table.sha256)
    record.set_study_facts(backend.store, backend.name, {CONTINUED_FROM: source})
    in_optuna = {import_origin(frozen) for frozen in backend.optuna.get_trials(deepcopy=False)}
    new = [found for found in taken if (source, found.trial.number) not in in_optuna]
    for found in new:
        backend.optuna.add_trial(_for_optuna(found, backend, resolved, taken))
    ended = {row.number for row in query.trials(backend.store, backend.name) if row.verdict is not None}
    by_origin = {(found.trial.study, found.trial.number): found for found in taken}
    for frozen in backend.optuna.get_trials(deepcopy=False):
        origin = import_origin(frozen)
        if origin in by_origin and frozen.number not in ended:
            _put_on_record(backend, resolved, by_origin[origin], frozen.number)
    return [found.trial.number for found in new]


def _trials_to_import(
    resolved: ResolvedStudy, store: Store, source: str, content: str
) -> list[ImportedTrial]:
    name = resolved.file.study.name
    if name == source:
        raise RequestError(
            f"study {name!r} cannot continue from itself; to go on with it leave out --continue-from, for a "
            f"new study give another name: --name {shlex.quote(f'{name}-2')}"
        )
    old, layers = query.study(store, source), query.setting_layers(store, source)
    return importable_trials(resolved, old, layers, query.trials(store, source), content)


def import_origin(frozen: FrozenTrial) -> tuple[str, int] | None:
    """Study and number of the trial that this one was imported from; None if it was not imported."""
    origin = frozen.user_attrs.get(IMPORTED_FROM)
    return None if origin is None else (origin["study"], origin["trial"])


def _for_optuna(
    found: ImportedTrial, backend: StudyBackend, resolved: ResolvedStudy, taken: Sequence[ImportedTrial]
) -> FrozenTrial:
    """The trial as Optuna would hold it if it had run in this study."""
    trial = found.trial
    assert trial.verdict is not None, "only conclusive trials are imported"
    is_believed = VOIDED not in trial.reasons
    epochs = query.epochs(backend.store, trial.study, trial.number) if is_believed else []
    message = tell_message(
        trial.verdict,
        trial.value,
        sampler=backend.rules.sampler,
        worst_honest=lambda: worst_honest_loss(_honest_losses(taken), backend.rules.naive_loss),
        others=_other_objectives(trial, taken, backend.rules.objectives[1:]),
    )
    is_pruned = message.state is TrialState.PRUNED and len(backend.rules.objectives) == 1
    pruned_at = [epochs[-1].validation_loss] if epochs and is_pruned else None
    values = None if message.value is None else [message.value, *message.others]
    attributes: dict[str, Any] = {
        IMPORTED_FROM: {"study": trial.study, "trial": trial.number},
        "verdict": str(trial.verdict),
    }
    return create_trial(
        state=message.state,
        values=pruned_at or values,
        params=dict(found.params),
        distributions=to_distributions({key: resolved.space[key] for key in found.params}),
        intermediate_values={epoch.epoch: epoch.validation_loss for epoch in epochs},
        user_attrs=attributes | ({"reasons": ", ".join(trial.reasons)} if trial.reasons else {}),
        constraints=None if message.constraint is None else {CONSTRAINT: message.constraint},
    )


def _honest_losses(taken: Sequence[ImportedTrial]) -> list[float | None]:
    return [trial.value for trial in _honest(taken)]


def _honest(taken: Sequence[ImportedTrial]) -> list[tables.Trial]:
    return [each.trial for each in taken if each.trial.verdict in (Verdict.ACCEPTED, Verdict.UNPROMISING)]


def _other_objectives(
    trial: tables.Trial, taken: Sequence[ImportedTrial], names: Sequence[str]
) -> OtherObjectives:
    """The objectives after the loss, of one imported trial and as the worst of all honest ones."""
    measured, *honest = (
        [(each.objectives or {}).get(name) for name in names] for each in (trial, *_honest(taken))
    )
    return OtherObjectives(measured, lambda: worst_of_each(measured, honest))


def _put_on_record(backend: StudyBackend, resolved: ResolvedStudy, found: ImportedTrial, number: int) -> None:
    """Record the trial with all its rows, in two transactions; each of them can be repeated."""
    store, old = backend.store, found.trial
    assert old.verdict is not None, "only conclusive trials are imported"
    assert old.finished_at is not None, "a trial with a verdict has an end time"
    origin = f"trial {old.number} of study {old.study!r}"
    here = resolved.trial(found.params, source=origin)
    known = {key: len(setting.overrides) for key, setting in resolved.settings.items()}
    own = row_mapping.setting_rows(backend.name, here.changed.values(), number, skip=known)
    record.start_trial(store, _running_copy(found, backend.name, number, here.digest), own)
    epochs = query.epochs(store, old.study, old.number)
    findings = query.findings(store, old.study, old.number)
    record.finish_trial(
        store,
        backend.name,
        number,
        worker=old.worker,
        verdict=old.verdict,
        reasons=old.reasons,
        message=f"taken over from {origin}: {old.message}",
        value=old.value,
        skill=old.skill,
        objectives=old.objectives,
        best_epoch=old.best_epoch,
        epochs=old.epochs,
        finished_at=old.finished_at,
        duration_s=old.duration_s or 0.0,
        remaining=[row_mapping.epoch_of_copy(epoch, backend.name, number) for epoch in epochs],
        forecasts=copied_forecasts(store, old, backend.name, number),
        findings=[replace(finding, study=backend.name, trial=number) for finding in findings],
        settings=_guard_rows(backend, old, number, own),
    )


def _running_copy(found: ImportedTrial, study: str, number: int, digest: str) -> tables.Trial:
    """The trial's row in `study`, as it is before the trial ends; it names its source."""
    old = found.trial
    return replace(
        old,
        study=study,
        number=number,
        params=dict(found.params),
        retry_of=None,
        configuration=digest,
        source_study=old.study,
        source_trial=old.number,
        verdict=None,
        finished_at=None,
    )


def _guard_rows(
    backend: StudyBackend, old: tables.Trial, number: int, own: Sequence[tables.SettingRow]
) -> list[tables.SettingRow]:
    """The guard's changes during training, as layers above the trial's own settings here."""
    cuts = [row for row in query.settings(backend.store, old.study, old.number) if row.layer == Layer.GUARD]
    below = sum(row.key == row_mapping.LEARNING_RATE for row in own)
    return [
        replace(cut, study=backend.name, trial=number, position=below + position)
        for position, cut in enumerate(cuts)
    ]
