"""A recorded study: its tables as data frames, its figures and its files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, SupportsIndex, overload

from search.api.given import as_flag, as_name, as_path, as_text, as_whole_number, require_one_of
from search.api.python_messages import public_methods_with_python_messages
from search.api.stores import absolute_url, open_existing_store
from search.api.training_log import verify_with_log
from search.config.objectives import RULES, SelectionRule
from search.errors import RequestError
from search.selection.summary import Summary
from storage import query
from storage.engine import Store
from storage.errors import StudyUnknown

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from search.study.replay import Replay
    from search.study.voiding import VoidedTrial


_MOST_NAMES = 5
"""How many studies of a store a message names."""


@public_methods_with_python_messages
class Study:
    """A recorded study. Every call reads the store again, also while the study runs elsewhere.

    `ballast.run` and `ballast.load_study` return it. Every method raises StudyUnknown if the study has been
    deleted, and StoreError if the store cannot be read. A pickled study holds its name and the URL of its
    store, with the password if there is one; the store is opened again where it is unpickled.
    """

    def __init__(self, store: Store, name: str) -> None:
        try:
            query.study(store, as_name("name", name))
        except StudyUnknown:
            names = ", ".join(repr(study.name) for study in query.studies(store)[:_MOST_NAMES])
            holds = f"it holds {names}" if names else "it holds no study yet"
            raise StudyUnknown(f"no study {name!r} in {store.shown_url}; {holds}") from None
        self._store, self._name = store, name

    def __repr__(self) -> str:
        return f"<Study {self._name!r} in {self._store.shown_url}>"

    def __reduce__(self) -> "tuple[Callable[[str, str], Study], tuple[str, str]]":
        return _open_again, (absolute_url(self._store.url), self._name)

    @property
    def name(self) -> str:
        """The name of the study."""
        return self._name

    @property
    def store(self) -> str:
        """The URL of its store, without a password."""
        return self._store.shown_url

    def trials(self, *, sort: str | None = None, best: SupportsIndex | None = None) -> "pd.DataFrame":
        """All trials, running ones included.

        Args:
            sort: The column that gives their order: `loss`, `skill`, `number`, `seconds`, `epochs`, an
                objective, or a searched setting by its key or the end of it, such as `hidden_size`. Low
                values come first, of `skill` high ones, and trials without a value last.
            best: Only so many accepted trials, 1 or more, those of the lowest loss; in order of loss if
                `sort` is None.

        Returns:
            A row for each trial, in order of their numbers unless asked for otherwise: number, verdict (None
            while it runs), value (validation loss of the standardised target), skill (over the best naive
            forecast, at most 1), epochs, best_epoch, duration_s (seconds), seed, started_at and finished_at
            (UTC), reasons, message, retry_of, worker; with several objectives each but the loss, and pareto
            (whether the trial is on the front); then a column for each searched setting, such as
            `models.gru.hidden_size`.

        Raises:
            StudyUnknown: The study was deleted.
            RequestError: `sort` is no column of trials, or `best` no whole number.
        """
        from search.api.trials_table import trials_table

        return trials_table(
            self._store,
            self._name,
            sort=None if sort is None else as_text("sort", sort, "the name of a column"),
            best=None if best is None else as_whole_number("best", best, 1),
        )

    def pareto(self) -> "pd.DataFrame":
        """The Pareto front of a study of several objectives.

        Returns:
            A row for each accepted trial that no other one beats in every objective, by loss: number, the
            objectives (loss; turnover, the share of the stake per row; seconds; parameters; worst_fold, a
            loss), knee (whether it is the knee of the front), and a column for each searched setting. Empty
            for a study of one objective, and before a trial was accepted.

        Raises:
            StudyUnknown: The study was deleted.
        """
        from search.api.record_frames import front_frame
        from search.selection.objectives import study_front

        return front_frame(study_front(self._store, query.study(self._store, self._name)))

    def forecasts(
        self,
        split: Literal["validation", "test"] = "validation",
        *,
        bounds_of: SupportsIndex | None = None,
    ) -> "pd.DataFrame":
        """What was forecast for the validation rows, or for the test rows, beside naive forecasts and rivals.

        Args:
            split: `validation`: the forecasts of every trial. `test`: those of the newest `ballast.verify`.
            bounds_of: The number of the trial whose bounds are given; None: the accepted one of the lowest
                loss.

        Returns:
            A row for each validation row of each fold, in time order within a fold, of a panel series by
            series: series (of a panel only), time (naive UTC), fold (0-based), target,
            a column for each naive forecast and each rival by name, `trial_N` for each trial that passed
            an epoch, and the bounds lower_80, upper_80, lower_95 and upper_95 of one trial. Times are on the
            clock of the source; target, forecasts and bounds are in the target's own unit. The bounds are
            those that its model would give; they come from the errors on these very rows, so that these rows
            do not show whether they hold: `ballast verify` does. No bounds without an accepted trial, and
            no row for an old study that did not keep them.

            Of test rows: series (of a panel only), time, target, the strongest naive forecast and rival there
            by name, `trial_N` (the mean over the seeds), `loss` (the mean of their losses, of the
            standardised target), and the bounds, if `verify` tested some. No row before a verification.

        Raises:
            StudyUnknown: The study was deleted.
            TrialUnknown: The study has no trial of this number.
            RequestError: `split` is neither of them, or `bounds_of` no whole number or given with `test`.
        """
        from search.api.record_frames import forecasts_frame, verified_forecasts_frame

        require_one_of("split", split, ("validation", "test"))
        if split == "test":
            if bounds_of is not None:
                raise RequestError(
                    "bounds_of names a trial of the validation rows; the bounds of test rows are those that "
                    "were verified: leave it out"
                )
            return verified_forecasts_frame(self._store, self._name)
        trial = None if bounds_of is None else self._require_trial(bounds_of)
        return forecasts_frame(self._store, self._name, trial)

    def epochs(self, trial: SupportsIndex) -> "pd.DataFrame":
        """The signals of a trial, epoch by epoch.

        Args:
            trial: The number of the trial, 0 or more.

        Returns:
            A row for each epoch: epoch (0-based), train_loss and validation_loss (of the standardised
            target), skill (at most 1), learning_rate, grad_norm_mean, grad_norm_max, steps, skipped_steps,
            seconds, fold_losses and the other signals of the guard.

        Raises:
            TrialUnknown: The study has no trial of this number.
            RequestError: `trial` is no whole number.
        """
        from search.api.record_frames import epochs_frame

        trial = self._require_trial(trial)
        return epochs_frame(query.epochs(self._store, self._name, trial))

    def findings(self, trial: SupportsIndex | None = None) -> "pd.DataFrame":
        """The findings of the guard in a trial, and its interventions.

        Args:
            trial: The number of the trial, 0 or more; None: all trials, with a column of their numbers.

        Returns:
            A row for each finding: kind, epoch and step (0-based), value and threshold (in the unit of the
            kind), message, action, lr_before and lr_after, parameter, rows, cell, fold. Empty where the
            guard found nothing.

        Raises:
            TrialUnknown: The study has no trial of this number.
            RequestError: `trial` is no whole number.
        """
        from search.api.record_frames import findings_frame

        if trial is not None:
            trial = self._require_trial(trial)
        found = query.findings(self._store, self._name, trial)
        frame = findings_frame(found)
        if trial is None:
            frame.insert(0, "trial", [each.trial for each in found])
        return frame

    def settings(self, trial: SupportsIndex | None = None) -> "pd.DataFrame":
        """Every setting that was in force, and where it came from.

        Args:
            trial: The number of a trial, 0 or more; None: the settings of the study.

        Returns:
            A row for each setting: key, value (in the unit of docs/configuration.md), layer (which set the
            value), origin (file and line), requested (what was asked for), reason (why it differs).

        Raises:
            TrialUnknown: The study has no trial of this number.
            RequestError: `trial` is no whole number.
        """
        from search.api.record_frames import settings_frame
        from search.record.row_mapping import recorded_settings

        if trial is not None:
            trial = self._require_trial(trial)
        return settings_frame(recorded_settings(self._store, self._name, trial))

    def summary(self) -> Summary:
        """The state and results of the study.

        Returns:
            `sentence()` is the headline; `best` the best trial (None before one was accepted), `verdicts`
            the counts by verdict, `verified` the newest verification; `to_json()` the shape of
            `ballast status --json`. Losses are of the standardised target, skills at most 1.

        Raises:
            StudyUnknown: The study was deleted.
        """
        from search.selection.selection_evidence import with_measured_floor
        from search.selection.summary import summarise

        return with_measured_floor(self._store, summarise(self._store, self._name))

    def figures(self) -> "dict[str, go.Figure]":
        """The figures of the report, as plotly figures that a notebook shows.

        Returns:
            By id: `learning-curves`, `skill`, `space`, `safe-ranges`, `interventions` and `seconds`, and as
            soon as the record has something for them `column-importance`, `setting-importance`, `slices`,
            `parallel`, `contour`, `timeline`, `calibration`, and of a panel `series-years`; of the forecasts
            of the best or verified trial `forecasts`, `loss-difference`, `skill-by-year`, `residuals` and, of
            returns, `sign-strategy` or, of a panel, `long-short`. Axes name their units.

        Raises:
            StudyUnknown: The study was deleted.
        """
        import plotly.graph_objects as go

        from search.watching.plots.figures import figures
        from search.watching.view import study_view

        view = study_view(self._store, self._name)
        return {plot.id: go.Figure(dict(plot.figure)) for plot in figures(view)}

    def report(self, path: "str | Path", *, format: Literal["html", "md"] | None = None) -> Path:
        """Write everything about the study into one file that opens offline.

        Args:
            path: The file to write.
            format: `html` or `md`; None: by the ending of the file's name.

        Returns:
            The path of the file, which has about 5 MB as HTML.

        Raises:
            RequestError: `format` or the name's ending is unknown, or the file cannot be written.
        """
        from search.api.write_report import write_report

        require_one_of("format", format, ("html", "md"))
        return write_report(self._store, self._name, as_path("path", path), format).path

    @overload
    def export(
        self,
        path: "str | Path",
        *,
        by: SelectionRule | None = None,
        trial: SupportsIndex | None = None,
        top: None = None,
        verify: bool = False,
        seeds: int = 5,
        progress: bool = True,
    ) -> Path: ...

    @overload
    def export(
        self,
        path: "str | Path",
        *,
        by: SelectionRule | None = None,
        top: SupportsIndex,
        verify: bool = False,
        seeds: int = 5,
        progress: bool = True,
    ) -> list[Path]: ...

    def export(
        self,
        path: "str | Path",
        *,
        by: SelectionRule | None = None,
        trial: SupportsIndex | None = None,
        top: SupportsIndex | None = None,
        verify: bool = False,
        seeds: int = 5,
        progress: bool = True,
    ) -> Path | list[Path]:
        """Write the best accepted trial to a file; training it reproduces the same bits.

        Args:
            path: The file to write, `.yaml` or `.json`.
            by: `robust` takes the highest lower bound of skill, `value` or `loss` the lowest validation loss;
                of a study of several objectives `knee` the knee of the Pareto front, and `turnover`,
                `seconds`, `parameters` or `worst_fold` the trial of the front that is the lowest in it; None:
                robust.
            trial: The number of the trial to write instead, 0 or more.
            top: Write the K best, 1 or more, as FILE-1, FILE-2, …
            verify: Score the best on the test rows, as `ballast.verify` does, compared with the other K
                best; the answer is written into the files, and `summary().verified` has it.
            seeds: How many trainings with fresh seeds `verify` takes, 1 or more.
            progress: Log a line for each of these trainings.

        Returns:
            The path of the file, for `ballast.train` and `ballast.verify`; with `top` a list of paths, the
            best first.

        Raises:
            AnswerIsNo: No trial was accepted yet, the trial of this number was not, or it cannot be verified
                on its test rows.
            RequestError: `trial` is given with `by` or `top`, one is no such value, or a file cannot be
                written.
            TrialUnknown: The study has no trial of this number.
        """
        from search.api.export_study import export_study

        if trial is not None and not (by is None and top is None):
            raise RequestError("trial names one trial, by and top choose some; give one of them")
        require_one_of("by", by, RULES)
        count = 1 if top is None else as_whole_number("top", top, 1)
        score = partial(
            verify_with_log,
            seeds=as_whole_number("seeds", seeds, 1),
            top=count,
            by=by or "robust",
            store=self._store.url,
            progress=as_flag("progress", progress),
        )
        done = export_study(
            self._store,
            self._name,
            as_path("path", path),
            by=by,
            top=count,
            trial=None if trial is None else as_whole_number("trial", trial),
            verify=score if as_flag("verify", verify) else None,
        )
        paths = [each.path for each in done.trials]
        return paths[0] if top is None else paths

    def void(self, trial: SupportsIndex, *, why: str) -> "VoidedTrial":
        """Void a finished trial: it becomes suspicious, is never the best again, and the sampler avoids it.

        Trials with the very same result, which are copies of it or which it was copied from, are voided with
        it. Verdict, value and skill of before stay on record. Workers may run meanwhile.

        Args:
            trial: The number of a trial that has ended, 0 or more.
            why: What is wrong with it, for people; it stays on record.

        Returns:
            `sentences()` says what was done; `also` are the trials that were voided with it, `exports` the
            files and models on record that were made from them, `evaluations` their verifications.

        Raises:
            TrialUnknown: The study has no trial of this number.
            RequestError: The trial is running, was voided before, is neither accepted nor unpromising, or
                `why` is empty.
        """
        from search.study.voiding import void_trial

        return void_trial(
            self._store, self._name, self._require_trial(trial), as_text("why", why, "a reason")
        )

    def replay(self, trial: SupportsIndex | None = None) -> "Replay":
        """Ask the sampler again under the trials that it had seen, and compare what it suggests.

        Args:
            trial: The number of the trial, 0 or more; None: all trials.

        Returns:
            `is_same` says whether no suggestion differs, `sentence()` how many were compared; `trials` has
            for each trial its number, `answer` (`same` to the bit, `different`, `not asked` or
            `cannot tell`), `why`, and `differences` with key, recorded and replayed value; `to_json()` the
            shape of `ballast replay --json`. Nothing is trained.

        Raises:
            StudyUnknown: The study was deleted.
            TrialUnknown: The study has no trial of this number.
            RequestError: `trial` is no whole number, or the study cannot be replayed, because a program
                deleted it in Optuna or a Ballast that did not keep its file started it.
        """
        from search.study.replay import replay_study

        return replay_study(self._store, self._name, None if trial is None else self._require_trial(trial))

    def _require_trial(self, given: SupportsIndex) -> int:
        """The number of a trial that is on record, as Python's own: a frame holds NumPy's."""
        number = as_whole_number("trial", given)
        query.trial(self._store, self._name, number)
        return number


def _open_again(url: str, name: str) -> Study:
    """Unpickle a study. Raises StoreMissing and StudyUnknown."""
    return Study(open_existing_store(url), name)
