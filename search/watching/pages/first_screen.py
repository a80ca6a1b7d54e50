"""The first screen of a study's page: what a reader asks first, each question answered in a line. Pure."""

from collections.abc import Iterator

from search.record.verification_answer import DOES_NOT_HOLD, HOLDS, VerificationAnswer
from search.selection.summary import Summary
from search.text import one_line, short_value
from search.watching.blocks import Block, CodeBlock, Paragraph, TableBlock
from search.watching.pages.panel_sections import better_series_text
from search.watching.pages.study_sections import step_blocks, study_steps
from search.watching.pages.trial_sections import loss_text, skill_text
from search.watching.view import StudyView
from storage.commands import ballast_command
from storage.verdicts import Verdict
from trainer.text import shortened

_WRONG = (Verdict.UNSTABLE, Verdict.SUSPICIOUS, Verdict.FAILED, Verdict.INTERRUPTED)
_MOST_SETTINGS = 8
"""Settings of the best trial that are named; its own section has all of them."""
_LONGEST_MESSAGE = 160


def first_screen(view: StudyView, store: str | None = None) -> list[Block]:
    """Return the headline, the answers, and the command to type next; all of it fits 1280 × 800 pixels.

    `store` is as in `ballast_command`.
    """
    summary = view.summary
    done = f"{view.conclusive} of {view.study.wanted} trials are done."
    if summary.accepted:
        done += f" Of {summary.accepted} accepted ones {summary.above_naive} are above {summary.baseline}."
    text, command = _next(view, store)
    answers = [
        ("Is there skill?", _skill(summary)),
        ("Over whom?", _over_whom(view)),
        ("Does it hold?", _holds(summary.verified)),
        ("What is best?", _best(summary)),
        ("What went wrong?", "; ".join(_wrong(view)) or "nothing"),
        ("What next?", text),
    ]
    return [
        Paragraph(summary.sentence(), strong=True),
        Paragraph(done),
        TableBlock(("question", "answer"), answers),
        *command,
    ]


def _skill(summary: Summary) -> str:
    """Return the answer of the newest evidence: unseen rows if they were asked, else validation rows."""
    best, verified = summary.best, summary.verified
    if best is None or best.skill is None:
        return (
            "not yet: no trial was accepted" if summary.verdicts.get("running") else "no trial was accepted"
        )
    where = f"{skill_text(best.skill)} on validation rows, where luck alone reaches {summary.floor:.4f}"
    if verified is None:
        return f"{'yes' if summary.above_floor else 'none shown'}: {where}"
    return f"{'yes' if verified.verdict == HOLDS else 'none shown'} on {verified.rows}; {where}"


def _over_whom(view: StudyView) -> str:
    summary, best = view.summary, view.summary.best
    if best is None:
        return "nobody"
    parts = [f"{summary.baseline}, the best naive forecast: {skill_text(best.skill)}"]
    if summary.rival is not None and summary.skill_over_rival is not None:
        parts.append(f"{summary.rival.name}, the strongest rival: {skill_text(summary.skill_over_rival)}")
    if view.panel is not None:
        parts.append(f"{view.panel.skill.reference}: better {better_series_text(view.panel)}")
    return f"{'; '.join(parts)} (validation rows)"


def _holds(verified: VerificationAnswer | None) -> str:
    if verified is None:
        return "not known: no rows that no search has seen were asked"
    rival = verified.strongest_rival
    beside = "" if rival is None else f"; over {rival['name']}, the strongest rival: {rival['verdict']}"
    return (
        f"{verified.verdict}: skill {skill_text(verified.skill)} on {verified.rows}{beside} "
        f"(trial {verified.trial}, {verified.at:%Y-%m-%d})"
    )


def _best(summary: Summary) -> str:
    best = summary.best
    if best is None:
        return "no trial"
    named = [f"{key.rpartition('.')[2]} {_short(value)}" for key, value in sorted(best.params.items())]
    more = f" and {len(named) - _MOST_SETTINGS} more" if len(named) > _MOST_SETTINGS else ""
    settings = "".join(f", {text}" for text in named[:_MOST_SETTINGS])
    return f"trial {best.number}: loss {loss_text(best.value)}{settings}{more}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else short_value(value)


def _wrong(view: StudyView) -> Iterator[str]:
    """Yield the trials that ended badly, the guard's findings, what was pruned, and the audit's warnings."""
    counts = view.summary.verdicts
    bad = [f"{counts[verdict]} {verdict}" for verdict in _WRONG if counts.get(verdict)]
    if bad:
        yield ", ".join(bad)
    failed = [trial for trial in view.trials if trial.verdict is Verdict.FAILED]
    if failed:
        message = shortened(one_line(failed[-1].message or "no message"), _LONGEST_MESSAGE)
        yield f"trial {failed[-1].number} failed: {message}"
    if view.findings:
        trials = len({found.trial for found in view.findings})
        yield f"{_counted(len(view.findings), 'finding')} of the guard in {_counted(trials, 'trial')}"
    if pruned := counts.get(Verdict.UNPROMISING):
        yield f"{pruned} pruned as unpromising, as intended"
    told = [found for found in view.study.facts["audit"] if found["severity"] != "info"]
    if told:
        yield f"{_counted(len(told), 'warning')} of the data audit"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _next(view: StudyView, store: str | None) -> tuple[str, list[Block]]:
    """Return what to do up to the first command, and that command."""
    texts: list[str] = []
    for line in _lines(view, store):
        for block in step_blocks(line, store):
            if isinstance(block, CodeBlock):
                return " ".join(texts), [block]
            texts.append(block.text)
    return " ".join(texts), []


def _lines(view: StudyView, store: str | None) -> Iterator[str]:
    summary, study = view.summary, view.study
    if summary.verdicts.get("running"):
        yield f"wait, for it is still running; watch it: {_command('trials', study.name, store, watch=True)}"
    elif not view.trials:
        yield f"no trial has been started; start it: {_command('run', study.study_file, store)}"
    else:
        yield from study_steps(view, store)
        if summary.verified is not None and summary.verified.verdict == DOES_NOT_HOLD:
            yield f"then look at the changed study: {ballast_command('check', study.study_file)}"


def _command(name: str, what: str, store: str | None, **options: bool) -> str:
    return ballast_command(name, what, store=store, **options)
