"""Voids a trial that has ended: it becomes suspicious, in the record and in Optuna, in one transaction.

The record keeps what was said before (`storage/tables.py`, VoidRow); value and skill stay in the trial's row.
Other trials may have the very same result: copies in this study, in studies that continue from it, and the
trial that it was copied from. One result has one judgement, so all of them are voided with it.

What happens in the same moment elsewhere is settled by the next worker that looks (`settle_voids`): a copy
whose worker still knew the result as accepted is voided, and a trial that was voided between the two commits
of its worker (search/workers/recovery.py) is told to Optuna again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from search.config.schema import SamplerName
from search.errors import RequestError
from search.record.evaluations import this_user
from search.record.row_mapping import now
from search.record.voided_trials import void_to_json
from search.sampling.retell import retell, trials_told_otherwise
from search.sampling.tell import OtherObjectives, tell_message, worst_honest_loss, worst_of_each
from search.selection.objectives import study_objectives
from search.selection.selection_evidence import record_measured_floor
from search.watching.publishing.trial_publisher import renew_note
from search.watching.setting_facts import learn_about_settings
from storage import evaluations, query, tables, voids
from storage.commands import ballast_command
from storage.engine import Store
from storage.retry import call_with_retry
from storage.verdicts import VOIDABLE, Verdict
from storage.voids import TrialKey


@dataclass(frozen=True)
class VoidedTrial:
    """A trial that was voided, and what had been made of it."""

    void: tables.VoidRow
    trial: tables.Trial
    also: Sequence[TrialKey] = ()
    """Trials that were voided with it, because they have the very same result."""
    other_seeds: Sequence[int] = ()
    """Accepted trials of this study with the same settings and another seed; they have their own results and
    stay."""
    exports: Sequence[tables.ExportRow] = ()
    """Files and models on record that were made from these trials."""
    evaluations: Sequence[tables.Evaluation] = field(default=(), repr=False)
    """Verifications of these trials on test rows; they stay on record and no longer answer for the study."""

    def sentences(self) -> list[str]:
        """What was done, and what the user should know, a sentence each."""
        return [
            f"trial {self.trial.number} of study {self.void.study!r} was {self.void.verdict} and is "
            f"suspicious now, voided by {self.void.voided_by}: {self.void.why}",
            *self._with_it(),
            *(f"made from it: {_export_text(each)}; do not use it" for each in self.exports),
            *(
                f"verified on {each.looked_at:%Y-%m-%d} ({each.verdict or 'broken off'}): that answer no "
                "longer counts for the study; the rows stay used"
                for each in self.evaluations
            ),
            *(() if self.exports else ("no file and no model made from it is on record",)),
        ]

    def to_json(self) -> dict[str, Any]:
        """The shape that `void --json` promises."""
        return {
            "study": self.void.study,
            **void_to_json(self.void),
            "value": self.trial.value,
            "skill": self.trial.skill,
            "also": [{"study": study, "trial": number} for study, number in self.also],
            "other_seeds": list(self.other_seeds),
            "exports": [
                {"study": each.study, "trial": each.trial, "kind": each.kind, "place": each.place}
                for each in self.exports
            ],
            "verifications": [
                {"trial": each.trial, "at": each.looked_at.isoformat(), "verdict": each.verdict}
                for each in self.evaluations
            ],
        }

    def _with_it(self) -> Iterator[str]:
        for study, number in self.also:
            of_study = "" if study == self.void.study else f" of study {study!r}"
            yield f"trial {number}{of_study} has the very same result and was voided with it"
        for number in self.other_seeds:
            again = ballast_command("void", self.void.study, trial=number, why=self.void.why)
            yield f"trial {number} has the same settings and another seed; it stays accepted, unless: {again}"


def _export_text(export: tables.ExportRow) -> str:
    what = {"file": "", "model": "the model in ", "registered": "the registered model "}[export.kind]
    return f"{what}{export.place}, written {export.made_at:%Y-%m-%d %H:%M} UTC by {export.made_by}"


def void_trial(store: Store, name: str, number: int, why: str) -> VoidedTrial:
    """Void a trial of the study `name`, and every trial of the store with the very same result.

    `why` is one sentence for people. Workers may run meanwhile: they learn it at their next trial. Raises
    StudyUnknown, TrialUnknown, and RequestError for an empty `why` and for a trial that cannot be voided.
    """
    from search.watching.publishing.study_publisher import publish_once  # imports pandas

    why, at, by = " ".join(why.split()), now(), this_user()
    if not why:
        raise RequestError(
            f"a trial is not voided without a reason; say what is wrong with it: "
            f"{ballast_command('void', name, trial=number, why='WHY')}"
        )
    with_it = call_with_retry(lambda: _void(store, name, number, (why, by, at)), store)
    _renew_notes(store, with_it)
    for study in dict.fromkeys(study for study, _ in with_it):
        record_measured_floor(store, study)
        learn_about_settings(store, study)
        publish_once(store, study)
    row, void = query.trial(store, name, number), voids.void_of(store, name, number)
    assert void is not None, "it was just recorded"
    return VoidedTrial(
        void,
        row,
        also=[key for key in with_it if key != (name, number)],
        other_seeds=_other_seeds(store, row),
        exports=voids.exports_of(store, with_it),
        evaluations=_verifications(store, with_it),
    )


def settle_voids(store: Store, name: str) -> list[int]:
    """Finish what a killed or a slower process left of voided trials in this study; returns the numbers of
    the trials.

    Copies of a voided result are voided, and Optuna is told of voided trials that it was told otherwise of.
    """
    copies = voids.copies_to_void(store, name)
    for number, void in copies:
        _void(store, name, number, (void.why, void.voided_by, void.voided_at))
    untold = voids_untold(store, name)
    if untold:
        with store.session() as session:
            for number in untold:
                _retell(session, query.require_trial(session, store, name, number))
    settled = sorted({number for number, _ in copies} | set(untold))
    _renew_notes(store, [(name, number) for number in settled])
    return settled


def voids_untold(store: Store, name: str) -> list[int]:
    """The voided trials of a study that Optuna was told otherwise of, by number."""
    with store.reading() as session:
        return trials_told_otherwise(session, name) if _has_optuna_tables(session) else []


def _void(store: Store, name: str, number: int, told: tuple[str, str, datetime]) -> list[TrialKey]:
    """Void the trial and those with the same result, in one transaction; returns all of them.

    A second call with the same words and time, after a lost answer, changes nothing.
    """
    why, by, at = told
    with store.session() as session:
        asked, *others = voids.lock_same_results(session, store, name, number)
        known = session.get(tables.VoidRow, (name, number))
        if known is None or known.voided_at != at:
            _require_voidable(store, asked, known)
        chosen = [trial for trial in (asked, *others) if trial.verdict in VOIDABLE]
        for trial in chosen:
            voids.void(session, trial, why, by, at, _message(trial, asked, why, by, at))
        session.flush()
        for trial in chosen:
            _retell(session, trial)
        same = select(tables.VoidRow).where(tables.VoidRow.voided_at == at, tables.VoidRow.voided_by == by)
        return [(row.study, row.trial) for row in session.scalars(same)]


def _require_voidable(store: Store, trial: tables.Trial, known: tables.VoidRow | None) -> None:
    """Raise RequestError, in one sentence, for a trial that cannot be voided."""
    what = f"trial {trial.number} of study {trial.study!r}"
    look = f"look at it with: {ballast_command('explain', trial.study, trial=trial.number, store=store.url)}"
    if trial.verdict is None:
        raise RequestError(f"{what} is still running; void it when it has ended, and until then {look}")
    if known is not None:
        when = f"{known.voided_at:%Y-%m-%d %H:%M} UTC by {known.voided_by}: {known.why}"
        raise RequestError(f"{what} has been voided already, on {when}; {look}")
    if trial.verdict is Verdict.SUSPICIOUS:
        raise RequestError(f"{what} is suspicious already ({', '.join(trial.reasons)}); {look}")
    if trial.verdict not in VOIDABLE:
        raise RequestError(f"{what} is {trial.verdict}, has no result to void and is never chosen; {look}")


def _message(trial: tables.Trial, asked: tables.Trial, why: str, by: str, at: datetime) -> str:
    before = f"it was {trial.verdict}: {trial.message}" if trial.message else f"it was {trial.verdict}"
    moment = f"voided on {at:%Y-%m-%d %H:%M} UTC by {by}: {why}"
    if trial is asked:
        return f"{moment} ({before})"
    of_study = "" if trial.study == asked.study else f" of study {asked.study!r}"
    return f"has the result of trial {asked.number}{of_study}, {moment} ({before})"


def _retell(session: Session, trial: tables.Trial) -> None:
    """Tell Optuna that a voided trial violates the constraint, as the study's sampler needs it."""
    if not _has_optuna_tables(session):
        return
    message = tell_message(
        Verdict.SUSPICIOUS,
        None,
        sampler=_sampler_of(session, trial.study),
        worst_honest=lambda: _worst_honest(session, trial.study),
        others=_other_objectives(session, trial),
    )
    retell(session, trial.study, trial.number, message, ", ".join(trial.reasons))


def _sampler_of(session: Session, study: str) -> SamplerName:
    row = tables.SettingRow
    layers = select(row.effective).where(row.study == study, row.trial.is_(None), row.key == "study.sampler")
    found: SamplerName = session.scalars(layers.order_by(row.position.desc())).first() or "tpe"
    return found


def _worst_honest(session: Session, study: str) -> float:
    """The largest loss of the trials that are neither unstable nor suspicious."""
    trial, row = tables.Trial, session.get_one(tables.StudyRow, study)
    losses = select(trial.value).where(trial.study == study, trial.verdict.in_(VOIDABLE))
    return worst_honest_loss(session.scalars(losses), row.facts["baselines"]["train_mean"])


def _other_objectives(session: Session, trial: tables.Trial) -> OtherObjectives:
    """The objectives after the loss, of the trial and as the worst of the honest ones."""
    row = tables.Trial
    names = study_objectives(session.get_one(tables.StudyRow, trial.study))[1:]
    known = select(row.objectives).where(row.study == trial.study, row.verdict.in_(VOIDABLE))
    measured = [(trial.objectives or {}).get(name) for name in names]
    return OtherObjectives(
        measured,
        lambda: worst_of_each(
            measured, [[(each or {}).get(name) for name in names] for each in session.scalars(known)]
        ),
    )


def _has_optuna_tables(session: Session) -> bool:
    return inspect(session.connection()).has_table("studies")


def _other_seeds(store: Store, trial: tables.Trial) -> list[int]:
    if trial.configuration is None:
        return []
    same = query.find_configuration(store, trial.study, trial.configuration)
    return [other.number for other in same if other.verdict is Verdict.ACCEPTED]


def _verifications(store: Store, trials: Sequence[TrialKey]) -> list[tables.Evaluation]:
    return [
        found
        for study in dict.fromkeys(study for study, _ in trials)
        for found in evaluations.verifications_of_study(store, study, with_series=False)
        if (study, found.trial) in trials
    ]


def _renew_notes(store: Store, trials: Sequence[TrialKey]) -> None:
    """Write the notes of these trials in optuna-dashboard anew."""
    if not trials:
        return
    from search.watching.publishing.study_publisher import is_published  # imports pandas

    for study, number in trials:
        if (void := voids.void_of(store, study, number)) is not None and is_published(store, study):
            renew_note(store, void)
