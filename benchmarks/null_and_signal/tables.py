"""What the outcomes say, as tables in Markdown, and whether the goals are reached."""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from benchmarks.null_and_signal.study import Outcome

MOST_CLAIMED = 0.05
"""Goal: the largest share of null data sets that verification may find skill in."""
NEARLY_ALL = 0.9
"""Goal: the least share of them in which judging by the best validation loss alone does."""

_VERIFIED, _BY_VALUE = "verified: holds", "best loss alone"
_COUNTS: dict[str, Callable[[Outcome], bool]] = {
    _VERIFIED: lambda o: o.ballast.holds,
    "oracle: holds": lambda o: o.oracle.holds,
    "skill shown": lambda o: o.skill_shown,
    "luck p ≤ 5 %": lambda o: o.luck is not None and o.luck <= 0.05,
    _BY_VALUE: lambda o: o.value_claims,
    "the same, over the mean": lambda o: o.value_claims_over_mean,
}
_SKILLS: dict[str, Callable[[Outcome], float | None]] = {
    "best, validation": lambda o: o.validation_skill,
    "verified, test": lambda o: o.ballast.skill,
    "oracle, test": lambda o: o.oracle.skill,
}


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, of `of` ≥ 1 trials: Clopper & Pearson (1934), "The use of confidence or
    fiducial limits illustrated in the case of the binomial".
    """
    from scipy.stats import binomtest

    found = binomtest(hits, of).proportion_ci(0.95)
    return float(found.low), float(found.high)


def report(outcomes: Sequence[Outcome]) -> str:
    """All tables, one below the other."""
    null = sorted((o for o in outcomes if o.group == "null"), key=lambda o: o.number)
    signal = sorted((o for o in outcomes if o.group == "signal"), key=lambda o: (o.r2, o.kind))
    parts = []
    if null:
        parts += [f"{len(null)} data sets without signal, {null[0].trials} trials each: who claims skill"]
        parts += [_table(null, "returns", lambda o: o.kind), _shares(null)]
    if signal:
        parts += [f"{len(signal)} data sets with a signal, {signal[0].trials} trials each: who finds it"]
        parts += [_table(signal, "planted R²", lambda o: f"{o.r2:.1%}")]
        parts += [_table(signal, "mean and noise", lambda o: o.kind), _shares(signal)]
    return "\n\n".join([*parts, "\n".join(goals(null))])


def goals(null: Sequence[Outcome]) -> list[str]:
    """A line for each goal; none without null data sets."""
    if not null:
        return []
    most, least = MOST_CLAIMED * len(null), NEARLY_ALL * len(null)
    claimed, by_value = (sum(map(_COUNTS[name], null)) for name in (_VERIFIED, _BY_VALUE))
    return [
        f"goal without signal, {_VERIFIED}: at most {MOST_CLAIMED:.0%}: {_ends(claimed <= most)}",
        f"goal without signal, {_BY_VALUE}: at least {NEARLY_ALL:.0%}: {_ends(by_value >= least)}",
    ]


def _ends(is_reached: bool) -> str:
    return "reached" if is_reached else "missed"


def reached(outcomes: Iterable[Outcome]) -> bool:
    """Whether no goal is missed."""
    return not any(line.endswith("missed") for line in goals([o for o in outcomes if o.group == "null"]))


def _table(outcomes: Sequence[Outcome], what: str, group: Callable[[Outcome], str]) -> str:
    """A row for each group in the order of the outcomes, and one for all: counts, and mean skills."""
    rows = {name: [o for o in outcomes if group(o) == name] for name in dict.fromkeys(map(group, outcomes))}
    head = [what, "sets", *_COUNTS, *(f"skill: {name}" for name in _SKILLS)]
    lines = [_row(name, members) for name, members in (*rows.items(), ("all", outcomes))]
    return "\n".join([_line(head), _line(["---"] * len(head)), *lines])


def _row(name: str, members: Sequence[Outcome]) -> str:
    counts = [str(sum(map(count, members))) for count in _COUNTS.values()]
    return _line([name, str(len(members)), *counts, *(_mean(members, of) for of in _SKILLS.values())])


def _mean(members: Sequence[Outcome], of: Callable[[Outcome], float | None]) -> str:
    known = [value for member in members if (value := of(member)) is not None]
    return f"{fmean(known):+.4f}" if known else "–"


def _shares(outcomes: Sequence[Outcome]) -> str:
    """Each count as a share with its interval; what verification said; what became of the trials."""
    lines = []
    for name, count in _COUNTS.items():
        hits, of = sum(map(count, outcomes)), len(outcomes)
        low, high = share_interval(hits, of)
        lines.append(f"- {name}: {hits} of {of} = {hits / of:.1%} ({low:.1%} … {high:.1%})")
    lines.append(f"- verification says: {_counted([o.ballast.answer for o in outcomes])}")
    lines.append(
        f"- trials: {_counted([v for o in outcomes for v, n in o.verdicts.items() for _ in range(n)])}"
    )
    return "\n".join(lines)


def _counted(names: Sequence[str]) -> str:
    return ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
