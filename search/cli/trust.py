"""How the report of a verification looks: the answer first, then what it rests on."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median, stdev
from typing import TYPE_CHECKING

from rich.console import RenderableType

from search.cli.grid import Grid
from search.cli.show import console, table
from search.evidence import Evidence
from search.looks import source_shown
from search.trust.diebold_mariano import DieboldMariano
from search.trust.rivals import RivalVerdict
from search.words import cell

if TYPE_CHECKING:
    from search.scored import Report, Scored


def print_report(report: "Report") -> None:
    """The whole report on standard output."""
    screen = console()
    for part in _parts(report):
        screen.print(part)


def verdict_line(scored: "Scored") -> str:
    """The answer and its reason, in one line."""
    return f"{scored.candidate.name} {scored.conclusion.answer}: {scored.conclusion.reason}."


def _parts(report: "Report") -> Iterator[RenderableType]:
    first = report.scored[0]
    for scored in report.scored:
        yield verdict_line(scored)
        yield from _against_rivals(scored)
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
    if report.best_set is not None:
        yield _set_sentence(report)
    yield _look_sentence(report)
    yield from _of_study(report.evidence)


def _seed_table(scored: "Scored") -> Grid:
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
    return table(("seed", "loss", "skill", "training"), rows)


def _naive_table(scored: "Scored") -> Grid:
    return _comparison("naive forecast", scored, scored.naive, scored.comparisons)


def _rival_table(scored: "Scored") -> Grid:
    answer = scored.strongest_rival
    return _comparison("rival", scored, scored.rivals, {} if answer is None else answer.comparisons)


def _comparison(
    kind: str, scored: "Scored", losses: Mapping[str, float], tests: Mapping[str, DieboldMariano]
) -> Grid:
    """Each forecast of a kind, the one with the lowest loss first, beside the model."""
    rows = [
        (
            name,
            f"{loss:.6f}",
            None if scored.value is None else f"{1 - scored.value / loss:+.4f}",
            f"{test.statistic:.2f}" if (test := tests.get(name)) else None,
            f"{test.p_better:.4f}" if test else None,
        )
        for name, loss in sorted(losses.items(), key=lambda pair: pair[1])
    ]
    return table((kind, "loss", "skill over it", "Diebold–Mariano", "p"), rows)


def _against_rivals(scored: "Scored") -> Iterator[str]:
    """The second answer: whether the network does better than forecasters that cost seconds."""
    answer = scored.strongest_rival
    if answer is None:
        return
    yield f"Better than the strongest rival: {answer.verdict}: {answer.reason}."
    if answer.verdict is not RivalVerdict.YES and answer.name == "linear":
        yield "A ridge on these features does as well; the network adds nothing that these rows can show."
    yield from (f"Rival {name} is missing: {reason}." for name, reason in scored.rivals_absent.items())


def _set_sentence(report: "Report") -> str:
    found = report.best_set
    assert found is not None
    told = ", ".join(f"{name} (p {p:.3f})" for name, p in found.p_values.items())
    return (
        f"Model confidence set: with {1 - found.size:.0%} confidence the best is among "
        f"{', '.join(found.included)}. All: {told}."
    )


def _look_sentence(report: "Report") -> str:
    unseen, scored = report.unseen, report.scored[0]
    rows = (
        f"{scored.rows['test']} test rows of {source_shown(unseen.source)}, "
        f"{unseen.first_time:%Y-%m-%d} to {unseen.last_time:%Y-%m-%d}"
    )
    if not report.earlier:
        return f"{rows}: nobody has looked at them before, as far as this store knows."
    last = report.earlier[-1]
    whose = f"trial {last.trial} of {last.study}" if last.trial is not None else f"a file of {last.study}"
    return (
        f"{rows}: looked at {_times(len(report.earlier))} before, last on {last.looked_at:%Y-%m-%d} by "
        f"{last.looked_by} ({whose}: {last.verdict or 'broken off'}). {scored.candidate.name} is "
        f"configuration {scored.look} that they judge, hence a confidence of {_level(scored)}; rows that "
        "keep judging are no longer unseen."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _level(scored: "Scored") -> str:
    return "none" if scored.interval is None else f"{scored.interval.level:.4g}"


def _of_study(evidence: Evidence | str) -> Sequence[str]:
    if isinstance(evidence, str):
        return [f"Nothing is known of a whole study: {cell(evidence)}."]
    told = [
        f"The study: luck alone reaches a validation skill of {evidence.noise_floor:.4f} by the formula, of "
        f"{evidence.measured_floor:.4f} as measured on the forecasts of its {evidence.trials} trials; how "
        f"well luck explains the best of them: p {evidence.luck:.3f}."
    ]
    if evidence.overfitting is not None:
        found = evidence.overfitting
        told.append(
            f"Probability of backtest overfitting: {found.probability:.3f} ({found.splits} splits of "
            f"{evidence.rows} validation rows, {found.trials} trials)."
        )
    if evidence.sharpe is not None:
        ratio = evidence.sharpe
        told.append(
            f"Holding the sign of its forecast: Sharpe ratio {ratio.sharpe:+.4f} per row, where the luckiest "
            f"of {ratio.trials} trials without skill reaches {ratio.expected_maximum:+.4f}; deflated Sharpe "
            f"ratio {ratio.probability:.3f}."
        )
    return told
