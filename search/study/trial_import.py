"""What a new study takes over from an old one: the trials that lie in it, with all that is known of them."""

import math
import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config.layers import Layer
from search.config.leaves import leaf_values
from search.config.resolved_study import DECIDES_NO_VALUE, ResolvedStudy, means_the_same
from search.config.schema import SPACE, TRIAL_LEAVES
from search.config.space import to_distributions
from search.data.study_data import StudyData
from search.errors import RequestError
from search.record import row_mapping as recording
from search.record.continuation import SettingLayers, recorded_value
from search.record.validation_rows import copied_forecasts
from search.sampling.tell import CONSTRAINT, tell_message
from search.study.backend import StudyBackend
from search.verdict import MAX_SECONDS
from storage import query, record, tables
from storage.engine import Store
from storage.verdicts import CONCLUSIVE, Verdict

CONTINUED_FROM = "continued_from"
"""The fact of a study that names the one whose trials it has taken over, or has begun to."""
IMPORTED_FROM = "taken_from"
"""The user attribute that names study and trial; by it, what was taken over already is known."""


@dataclass(frozen=True)
class ImportedTrial:
    """A trial of another study that lies in this one, and its values of the keys that are searched here."""

    trial: tables.Trial
    params: Mapping[str, Any]


def importable_trials(
    resolved: ResolvedStudy,
    old: tables.Study,
    stacks: SettingLayers,
    trials: Sequence[tables.Trial],
    content: str,
) -> list[ImportedTrial]:
    """The trials of the study `old` that lie in this one, by number.

    They are conclusive, no copies of one beside them, and each has the value that is fixed here, or one of
    the dimension, for whatever either study searches. What was cut short by another time limit than this
    study's is left out: it might have gone on here. `stacks` are the old study's own; `content` is the
    SHA-256 of the table that is read now.

    Raises RequestError, naming what differs, where a setting that both fix decides the loss and is not the
    same, or the rows of the data are not: losses could not be compared.
    """
    fixed_here = _fixed(leaf_values(resolved.trial_config, TRIAL_LEAVES), resolved.space)
    values = {key: recorded_value(key, stacks) for key in TRIAL_LEAVES}
    searched_there = {key for key in values if _is_searched(key, stacks)}
    fixed_there = _fixed(values, searched_there)
    _require_comparable(resolved, old, fixed_there, fixed_here, content)
    same_limit = values["training.max_seconds"] == resolved.trial_config.training.max_seconds
    taken = []
    for trial in trials:
        is_whole = same_limit or MAX_SECONDS not in trial.reasons
        if trial.verdict not in CONCLUSIVE or trial.source_study == old.name or not is_whole:
            continue
        own = {**fixed_there, **trial.params}
        if all(own[key] == fixed_here[key] for key in searched_there & fixed_here.keys()) and all(
            dimension.relates(own[key]) and dimension.contains(own[key])
            for key, dimension in resolved.space.items()
        ):
            taken.append(ImportedTrial(trial, {key: own[key] for key in resolved.space}))
    return taken


def _fixed(values: Mapping[str, Any], searched: Container[str]) -> dict[str, Any]:
    return {key: v for key, v in values.items() if key not in searched and key not in DECIDES_NO_VALUE}


def _is_searched(key: str, stacks: SettingLayers) -> bool:
    """Whether trials have a value each: the setting's value on record is then a dimension."""
    return f"{SPACE}{key}" in stacks and isinstance(recorded_value(key, stacks), Mapping)


def _require_comparable(
    resolved: ResolvedStudy,
    old: tables.Study,
    there: Mapping[str, Any],
    here: Mapping[str, Any],
    content: str,
) -> None:
    differing = [
        f"{key} was {there[key]!r}, is {here[key]!r} ({resolved.settings[key].origin})"
        for key in here
        if key in there and not means_the_same(key, there[key], here[key])
    ]
    if old.fingerprints["content"] != content:
        differing.append(f"the rows of {resolved.trial_config.data.source} have changed")
    if differing:
        raise RequestError(
            f"study {resolved.file.study.name!r} cannot take over the trials of {old.name!r}, as losses "
            f"could not be compared: {'; '.join(differing)}. "
            "Keep what both studies fix as it was, or leave out --continue-from"
        )


def with_ceiling_of_source(resolved: ResolvedStudy, data: StudyData, store: Store, source: str) -> StudyData:
    """The data with the ceiling of the study `source`: one holds for all trials that are compared.

    To be called before a study that continues from it is made. Raises RequestError as `importable_trials`
    does, and
    where a study would continue from itself; StudyUnknown.
    """
    require_importable(resolved, store, source, data.table.sha256)
    return replace(data, ceiling=query.study(store, source).facts["skill_ceiling"])


def require_importable(resolved: ResolvedStudy, store: Store, source: str, sha256: str) -> None:
    """Raise as `with_ceiling_of_source` does; `sha256` is that of the table."""
    _inheritance(resolved, store, source, sha256)


def import_trials(books: StudyBackend, resolved: ResolvedStudy, data: StudyData, source: str) -> list[int]:
    """Give a study that is on record the trials of `source` that lie in it; the numbers that they have there.

    Optuna gets them all first, finished, each naming where it is from; then the record gets each that it has
    not. Broken off at any moment and called again, it takes over what is missing; the study's facts say that
    it was called. Two callers at the same moment could take a trial over twice. Raises as
    `with_ceiling_of_source` does.
    """
    taken = _inheritance(resolved, books.store, source, data.table.sha256)
    record.set_study_facts(books.store, books.name, {CONTINUED_FROM: source})
    told = {import_origin(frozen): frozen for frozen in books.optuna.get_trials(deepcopy=False)}
    new = [found for found in taken if (source, found.trial.number) not in told]
    for found in new:
        books.optuna.add_trial(_for_optuna(found, books, resolved, taken))
    ended = {row.number for row in query.trials(books.store, books.name) if row.verdict is not None}
    by_origin = {(found.trial.study, found.trial.number): found for found in taken}
    for frozen in books.optuna.get_trials(deepcopy=False):
        origin = import_origin(frozen)
        if origin in by_origin and frozen.number not in ended:
            _put_on_record(books, resolved, by_origin[origin], frozen.number)
    return [found.trial.number for found in new]


def _inheritance(resolved: ResolvedStudy, store: Store, source: str, content: str) -> list[ImportedTrial]:
    name = resolved.file.study.name
    if name == source:
        raise RequestError(
            f"study {name!r} cannot continue from itself; to go on with it leave out --continue-from, for a "
            f"new study give another name: --name {shlex.quote(f'{name}-2')}"
        )
    old, stacks = query.study(store, source), query.setting_layers(store, source)
    return importable_trials(resolved, old, stacks, query.trials(store, source), content)


def import_origin(frozen: FrozenTrial) -> tuple[str, int] | None:
    """Study and number of the trial that this one was taken over from; None where it was not."""
    named = frozen.user_attrs.get(IMPORTED_FROM)
    return None if named is None else (named["study"], named["trial"])


def _for_optuna(
    found: ImportedTrial, books: StudyBackend, resolved: ResolvedStudy, taken: Sequence[ImportedTrial]
) -> FrozenTrial:
    """The trial as Optuna would know it, had it been told of it in this study."""
    trial = found.trial
    assert trial.verdict is not None, "only conclusive trials are taken over"
    epochs = query.epochs(books.store, trial.study, trial.number)
    message = tell_message(
        trial.verdict,
        trial.value,
        sampler=books.rules.sampler,
        worst_honest=lambda: _worst_honest(taken, books.rules.naive_loss),
    )
    pruned_at = epochs[-1].validation_loss if epochs and message.state is TrialState.PRUNED else None
    attributes: dict[str, Any] = {
        IMPORTED_FROM: {"study": trial.study, "trial": trial.number},
        "verdict": str(trial.verdict),
    }
    return create_trial(
        state=message.state,
        value=message.value if pruned_at is None else pruned_at,
        params=dict(found.params),
        distributions=to_distributions(resolved.space),
        intermediate_values={epoch.epoch: epoch.validation_loss for epoch in epochs},
        user_attrs=attributes | ({"reasons": ", ".join(trial.reasons)} if trial.reasons else {}),
        constraints=None if message.constraint is None else {CONSTRAINT: message.constraint},
    )


def _worst_honest(taken: Sequence[ImportedTrial], naive_loss: float) -> float:
    honest = (Verdict.ACCEPTED, Verdict.UNPROMISING)
    losses = [found.trial.value for found in taken if found.trial.verdict in honest]
    return max([naive_loss, *(loss for loss in losses if loss is not None and math.isfinite(loss))])


def _put_on_record(books: StudyBackend, resolved: ResolvedStudy, found: ImportedTrial, number: int) -> None:
    """Record the trial with all that is known of it: two transactions, each of which can be repeated."""
    store, old = books.store, found.trial
    assert old.verdict is not None, "only conclusive trials are taken over"
    assert old.finished_at is not None, "a verdict has its time"
    named = f"trial {old.number} of study {old.study!r}"
    here = resolved.trial(found.params, source=named)
    known = {key: len(setting.overrides) for key, setting in resolved.settings.items()}
    own = recording.setting_rows(books.name, here.changed.values(), number, skip=known)
    row = replace(
        old,
        study=books.name,
        number=number,
        params=dict(found.params),
        retry_of=None,
        configuration=here.digest,
        source_study=old.study,
        source_trial=old.number,
        verdict=None,
        finished_at=None,
    )
    record.start_trial(store, row, own)
    epochs = query.epochs(store, old.study, old.number)
    findings = query.findings(store, old.study, old.number)
    record.finish_trial(
        store,
        books.name,
        number,
        worker=old.worker,
        verdict=old.verdict,
        reasons=old.reasons,
        message=f"taken over from {named}: {old.message}",
        value=old.value,
        skill=old.skill,
        best_epoch=old.best_epoch,
        epochs=old.epochs,
        finished_at=old.finished_at,
        duration_s=old.duration_s or 0.0,
        remaining=[recording.epoch_of_copy(epoch, books.name, number) for epoch in epochs],
        forecasts=copied_forecasts(store, old, books.name, number),
        findings=[replace(finding, study=books.name, trial=number) for finding in findings],
        settings=_guard_rows(books, old, number, own),
    )


def _guard_rows(
    books: StudyBackend, old: tables.Trial, number: int, own: Sequence[tables.SettingRow]
) -> list[tables.SettingRow]:
    """What the guard changed while the trial was trained, on top of its own settings here."""
    cuts = [row for row in query.settings(books.store, old.study, old.number) if row.layer == Layer.GUARD]
    below = sum(row.key == recording.LEARNING_RATE for row in own)
    return [
        replace(cut, study=books.name, trial=number, position=below + position)
        for position, cut in enumerate(cuts)
    ]
