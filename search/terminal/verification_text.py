"""Prints the report of a verification: the answer first, then its evidence."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median, stdev
from typing import TYPE_CHECKING

from rich.console import RenderableType

from search.record.evaluations import UNRECORDED_EVALUATIONS_NOTE, source_shown
from search.record.rival_facts import describe_gain_over_rivals, rival_notes
from search.record.searched_rows import EarlierSearch, effective_configurations
from search.record.verification_answer import DOES_NOT_HOLD, refutation_sentence
from search.selection.leak_warnings import leak_warning_sentence
from search.selection.selection_evidence import (
    LONG_ONLY,
    TRAIN_MEAN_SIGN,
    SelectionEvidence,
    SuspiciousTrials,
)
from search.selection.statistics.diebold_mariano import DieboldMariano
from search.selection.statistics.market_timing import MarketTiming
from search.selection.statistics.stationary_bootstrap import MIN_BOOTSTRAP_ROWS
from search.terminal.coverage_text import coverage_parts
from search.terminal.panel_text import panel_sentences, unseen_series_sentences
from search.terminal.result_tables import console, values_table
from search.terminal.text import say
from search.terminal.text_table import TextTable
from search.text import p_text, short_value
from storage import tables

if TYPE_CHECKING:
    from search.selection.verification_report import CandidateResult, VerificationReport


def print_verification(report: "VerificationReport") -> None:
    """Print the whole report on standard output."""
    screen = console()
    for part in _parts(report):
        screen.print(part)


def verdict_line(scored: "CandidateResult") -> str:
    """The verdict and its reason, in one line."""
    return f"{scored.candidate.name}: {scored.conclusion.verdict}: {scored.conclusion.reason}."


def _earlier_refutation(scored: "CandidateResult", earlier: Sequence[tables.Evaluation]) -> Iterator[str]:
    """A sentence about an earlier *does not hold* for the same configuration, which a later answer keeps."""
    mine = [each for each in earlier if each.configuration == scored.candidate.digest]
    no = [each for each in mine if each.verdict == DOES_NOT_HOLD and each.report is not None]
    if no and scored.conclusion.verdict != DOES_NOT_HOLD:
        yield f"{refutation_sentence(no[-1].looked_at, no[-1].report or {})}."


def _parts(report: "VerificationReport") -> Iterator[RenderableType]:
    first = report.scored[0]
    for scored in report.scored:
        yield verdict_line(scored)
        yield from _earlier_refutation(scored, report.earlier)
        yield from _against_rivals(scored)
    if report.warnings:
        yield leak_warning_sentence(report.warnings)
    yield from (f"Not as it was exported: {change}." for change in report.changes)
    yield _seed_table(first)
    if len(first.values) > 1:
        yield (
            f"Median seed: loss {median(first.values):.6f}; between seeds the loss spreads by "
            f"{stdev(first.values):.6f} (standard deviation)."
        )
    yield _naive_table(first)
    if first.rivals:
        yield _rival_table(first)
    if first.panel is not None:
        yield from panel_sentences(first.panel)
    if first.unseen_series is not None:
        yield from unseen_series_sentences(first.unseen_series)
    yield from coverage_parts(first.coverage)
    if report.confidence_set is not None:
        yield _set_sentence(report)
    yield from _rows_sentences(report)
    yield from _of_study(report.evidence)


def _seed_table(scored: "CandidateResult") -> TextTable:
    best = scored.naive[scored.baseline]
    rows = [
        (
            refit.seed,
            None if value is None else f"{value:.6f}",
            None if value is None else f"{1 - value / best:+.4f}",
            refit.outcome if refit.forecasts is not None else refit.findings[-1].message,
        )
        for refit, value in scored.by_seed()
    ]
    return values_table(("seed", "loss", "skill", "training"), rows)


def _naive_table(scored: "CandidateResult") -> TextTable:
    return _comparison("naive forecast", scored, scored.naive, scored.comparisons)


def _rival_table(scored: "CandidateResult") -> TextTable:
    answer = scored.strongest_rival
    return _comparison("rival", scored, scored.rivals, {} if answer is None else answer.comparisons)


def _comparison(
    kind: str, scored: "CandidateResult", losses: Mapping[str, float], tests: Mapping[str, DieboldMariano]
) -> TextTable:
    """A row for each forecast of a kind, lowest loss first, compared with the model."""
    rows = [
        (
            name,
            f"{loss:.6f}",
            None if scored.value is None else f"{1 - scored.value / loss:+.4f}",
            f"{test.statistic:.2f}" if (test := tests.get(name)) else None,
            p_text(test.p_better) if test else None,
        )
        for name, loss in sorted(losses.items(), key=lambda pair: pair[1])
    ]
    return values_table((kind, "loss", "skill over it", "Diebold–Mariano", "p (not better)"), rows)


def _against_rivals(scored: "CandidateResult") -> Iterator[str]:
    """The second answer: whether the network beats the strongest fitted rival."""
    answer = scored.strongest_rival
    if answer is None:
        return
    yield f"Better than the strongest rival: {answer.verdict}: {answer.reason}."
    value = math.inf if scored.value is None else scored.value
    if (
        gain := describe_gain_over_rivals(str(answer.verdict), answer.name, scored.rivals, value)
    ) is not None:
        yield f"{gain[0].upper()}{gain[1:]}."
    yield from (f"Rival {name} is missing: {reason}." for name, reason in scored.rivals_absent.items())
    notes = rival_notes({"rivals": scored.rivals, "rivals_notes": scored.rivals_notes})
    yield from (f"Of {names}, {note}." for names, note in notes.items())


def _set_sentence(report: "VerificationReport") -> str:
    found = report.confidence_set
    assert found is not None
    p_values = ", ".join(f"{name} (p {p_text(p)})" for name, p in found.p_values.items())
    return (
        f"Model confidence set: with {100 * (1 - found.size):.4g} % confidence the best is among "
        f"{', '.join(found.included)}. All: {p_values}."
    )


def _rows_sentences(report: "VerificationReport") -> Iterator[str]:
    """Which rows were scored, which commands used them before, and what the store cannot know."""
    unseen, scored = report.unseen, report.scored[0]
    rows = (
        f"{scored.rows['test']} test rows of {source_shown(unseen.source)}, "
        f"{unseen.first_time:%Y-%m-%d} to {unseen.last_time:%Y-%m-%d}"
    )
    used = [*_evaluation_clauses(report), *map(_search_clause, scored.searches)]
    if used:
        searched = f"; {_configuration_count(scored.searches)}" if scored.searches else ""
        yield (
            f"{rows}: {'; '.join(used)}. {scored.candidate.name} is configuration "
            f"{scored.evaluation_number} that these rows judge{searched}; hence a confidence of "
            f"{_level(scored)}. Rows that are used again are no "
            "longer unseen."
        )
    else:
        yield f"{rows}: nobody has looked at them before, as far as this store knows."
    yield f"{UNRECORDED_EVALUATIONS_NOTE}."


def _evaluation_clauses(report: "VerificationReport") -> Iterator[str]:
    """A clause for each command that scored these rows before: how often, when, and which of the rows."""
    for kind in dict.fromkeys(each.kind for each in report.earlier):
        evaluations = [each for each in report.earlier if each.kind == kind]
        last = evaluations[-1]
        whose = f"trial {last.trial} of {last.study}" if last.trial is not None else f"a file of {last.study}"
        yield (
            f"looked at {_times(len(evaluations))} before by ballast "
            f"{kind}{_shared_rows(report, evaluations)}, "
            f"last on {last.looked_at:%Y-%m-%d} by {last.looked_by} ({whose}: {last.verdict or 'broken off'})"
        )


def _shared_rows(report: "VerificationReport", earlier: Sequence[tables.Evaluation]) -> str:
    """`, on 60 % of them, 2019-01-02 to 2020-12-31`: the largest share scored at once, and the whole span."""
    parts = [part for each in earlier if (part := report.unseen.shared_with(each)) is not None]
    if not parts:
        return ""
    share, first = max(part.share for part in parts), min(part.first for part in parts)
    at_most = "up to " if len({part.share for part in parts}) > 1 else ""
    last = max(part.last for part in parts)
    return f", on {at_most}{_percent(share)} of them, {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _search_clause(search: EarlierSearch) -> str:
    return (
        f"study {search.study!r} searched on {_percent(search.share)} of them, {search.first:%Y-%m-%d} to "
        f"{search.last:%Y-%m-%d}, with {search.trials} trials"
    )


def _configuration_count(searches: Sequence[EarlierSearch]) -> str:
    """`3 trials on half of the rows count as 3·√0.5 = 2.12 configurations`."""
    counted = [f"{each.trials}·√{each.share:.3g}" for each in searches]
    trials = " and ".join(f"{each.trials} trials on {_percent(each.share)}" for each in searches)
    total = effective_configurations(searches) - 1
    return f"{trials} of the rows count as {' + '.join(counted)} = {total:.3g} configurations"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _level(scored: "CandidateResult") -> str:
    return "none" if scored.interval is None else f"{100 * scored.interval.level:.4g} %"


def _of_study(evidence: SelectionEvidence | str) -> Sequence[str]:
    if isinstance(evidence, str):
        return [f"Nothing is known of a whole study: {short_value(evidence)}."]
    sentences = [
        f"The study: luck alone reaches a validation skill of {evidence.noise_floor:.4f} by the formula, of "
        f"{evidence.measured_floor:.4f} as measured on the forecasts of its {evidence.trials} trials; p "
        f"value of luck {p_text(evidence.reality_check)}."
    ]
    if evidence.overfitting is not None:
        found = evidence.overfitting
        sentences.append(
            f"Probability of backtest overfitting: {found.probability:.3f} ({found.splits} splits of "
            f"{evidence.rows} validation rows, {found.trials} trials). It measures whether the ranking of "
            "the trials is stable: how often the best on one half of the rows is in the worse half of the "
            "trials on the other. It does not measure skill over a naive forecast."
        )
    if evidence.sharpe is not None:
        ratio = evidence.sharpe
        sentences.append(
            f"Holding the sign of its forecast: Sharpe ratio {ratio.sharpe:+.4f} per row, where the luckiest "
            f"of {ratio.trials} trials without skill reaches {ratio.expected_maximum:+.4f}; deflated Sharpe "
            f"ratio {ratio.probability:.3f}. Where returns drift, most of this is the drift; what counts is "
            "what the position earns beyond one that needs no forecast:"
        )
    sentences += [_timing_sentence(name, each) for name, each in (evidence.timing or {}).items()]
    if evidence.suspicious_trials.trials:
        sentences.append(_quarantined_sentence(evidence.suspicious_trials))
    return sentences


def _timing_sentence(name: str, found: MarketTiming) -> str:
    over = {
        LONG_ONLY: "always being long",
        TRAIN_MEAN_SIGN: "holding the sign of the mean return of the training rows",
    }[name]
    differs = f"its position differs in {found.differing} of {found.rows} rows"
    if found.sharpe is None or found.expected_maximum is None or found.probability is None:
        return f"Beyond {over}: nothing to tell, {differs}; it takes {MIN_BOOTSTRAP_ROWS}."
    return (
        f"Beyond {over}: {differs}, where the difference has a Sharpe ratio of {found.sharpe:+.4f} per "
        f"row, and the luckiest of {found.trials} trials reaches {found.expected_maximum:+.4f}; deflated "
        f"Sharpe ratio {found.probability:.3f}."
    )


def _quarantined_sentence(found: SuspiciousTrials) -> str:
    count = "1 trial" if found.trials == 1 else f"{found.trials} trials"
    skill = (
        ""
        if found.highest_skill is None
        else f"; the highest skill among them is {found.highest_skill:+.4f}, of trial {found.trial}"
    )
    return (
        f"Quarantined in the study: {count} with a result too good to be believed{skill}. A leak that lifted "
        "them may lift this one as well."
    )


def print_notice(sentence: str) -> None:
    """Print to standard error what the user of a verification should know."""
    say(sentence, to_stderr=True)
