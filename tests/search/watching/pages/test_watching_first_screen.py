"""The first screen of a page answers what a reader asks first, in whatever state the study is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from search.record.verification_answer import VerificationAnswer
from search.selection.summary import Summary
from search.watching.blocks import CodeBlock, Paragraph, TableBlock
from search.watching.pages.first_screen import first_screen
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
FACTS = {
    "baseline": {"name": "har", "loss": 0.5},
    "skill_ceiling": 0.3,
    "audit": [{"severity": "warning", "code": "x", "message": "y"}, {"severity": "info", "code": "z"}],
    "rivals": {},
}
QUESTIONS = [
    *("Is there skill?", "Over whom?", "Does it hold?"),
    *("What is best?", "What went wrong?", "What next?"),
]


def a_trial(number: int, verdict: Verdict | None, skill: float | None = None, **more: Any) -> tables.Trial:
    known: dict[str, Any] = {"params": {"models.gru.hidden_size": 32, "training.learning_rate": 0.0012345}}
    value = None if skill is None else 0.5 * (1 - skill)
    known |= {"seed": 1, "started_at": NOON, "worker": "w", "value": value, "skill": skill}
    return tables.Trial(study="s", number=number, verdict=verdict, **(known | more))


def a_view(
    trials: Sequence[tables.Trial] = (),
    findings: Sequence[tables.FindingRow] = (),
    verified: VerificationAnswer | None = None,
    **facts: Any,
) -> StudyView:
    study = tables.StudyRow(
        name="s",
        created_at=NOON,
        study_file="s.yaml",
        policy_file="p.yaml",
        seed=0,
        wanted=20,
        fingerprints={},
        versions={},
        facts=FACTS | facts,
    )
    counts: dict[str, int] = {}
    for trial in trials:
        name = "running" if trial.verdict is None else trial.verdict.value
        counts[name] = counts.get(name, 0) + 1
    accepted = [t for t in trials if t.verdict is Verdict.ACCEPTED]
    best = min(accepted, key=lambda trial: trial.value or 0.0, default=None)
    above = sum((trial.skill or 0.0) > 0 for trial in accepted)
    data = tables.DataFingerprint(
        study="s", source="x.csv", sha256="0", rows=9, first_time="1", last_time="2", columns=[]
    )
    return StudyView(
        summary=Summary(study, counts, best, 0.01, 1.0, above_naive=above, verified=verified),
        conclusive=len(trials),
        data=data,
        settings=[],
        clamps=[],
        space=[],
        trials=trials,
        findings=findings,
        epochs={},
    )


def verified(verdict: str, skill: float = 0.02) -> VerificationAnswer:
    report = {"skill": skill, "value": 0.5, "seeds": [{}, {}, {}]}
    return VerificationAnswer(verdict, 0, NOON, report)


def answers(view: StudyView) -> dict[str, str]:
    (table,) = [block for block in first_screen(view, "sqlite:///x.db") if isinstance(block, TableBlock)]
    assert [row[0] for row in table.rows] == QUESTIONS
    return {row[0]: row[1] for row in table.rows}


def command(view: StudyView) -> str | None:
    found = [block.text for block in first_screen(view) if isinstance(block, CodeBlock)]
    return found[0] if found else None


def test_a_finished_study_with_skill_names_its_best_trial_and_the_export() -> None:
    view = a_view([a_trial(0, Verdict.ACCEPTED, 0.1), a_trial(1, Verdict.UNPROMISING)])
    told = answers(view)
    assert first_screen(view)[0] == Paragraph(view.summary.sentence(), strong=True)
    assert told["Is there skill?"] == "yes: +0.1000 on validation rows, where luck alone reaches 0.0100"
    assert told["Over whom?"] == "har, the best naive forecast: +0.1000 (validation rows)"
    assert told["Does it hold?"].startswith("not known")
    assert told["What is best?"] == "trial 0: loss 0.4500, hidden_size 32, learning_rate 0.00123"
    assert told["What went wrong?"] == "1 pruned as unpromising, as intended; 1 warning of the data audit"
    assert command(view) == "ballast export s -o best.yaml"


def test_a_study_without_skill_says_none_shown() -> None:
    view = a_view([a_trial(0, Verdict.ACCEPTED, 0.002)])
    told = answers(view)
    assert told["Is there skill?"].startswith("none shown: +0.0020 on validation rows")
    assert told["What next?"].startswith("Nothing is worth verifying yet")


@pytest.mark.parametrize(
    ("verdict", "skill", "next_command"),
    [
        ("holds", "yes on unseen rows; ", "ballast export s --trial 0 -o best.yaml"),
        ("does not hold", "none shown on unseen rows; ", "ballast check s.yaml"),
        ("cannot tell", "none shown on unseen rows; ", None),
    ],
)
def test_the_newest_answer_of_verify_is_told(verdict: str, skill: str, next_command: str | None) -> None:
    view = a_view([a_trial(0, Verdict.ACCEPTED, 0.1)], verified=verified(verdict))
    told = answers(view)
    assert told["Does it hold?"] == f"{verdict}: skill +0.0200 on unseen rows (trial 0, 2026-11-29)"
    assert told["Is there skill?"].startswith(skill)
    assert told["What next?"]
    assert command(view) == next_command


def test_a_running_study_is_to_be_watched() -> None:
    view = a_view([a_trial(0, None)])
    assert answers(view)["Is there skill?"].startswith("not yet")
    assert answers(view)["What is best?"] == "no trial"
    assert command(view) == "ballast trials s --watch"


def test_a_study_without_trials_is_to_be_run() -> None:
    view = a_view(audit=[])
    assert answers(view)["What went wrong?"] == "nothing"
    assert command(view) == "ballast run s.yaml"


def test_a_study_whose_trials_all_failed_tells_the_newest_message_in_one_line() -> None:
    messages = ["the first", f"ValueError: no\nroom {'x' * 500}"]
    view = a_view([a_trial(n, Verdict.FAILED, message=text) for n, text in enumerate(messages)])
    told = answers(view)["What went wrong?"]
    assert told.startswith("2 failed; trial 1 failed: ValueError: no room xxx")
    assert len(told) < 300
    assert command(view) == "ballast trials s"


def test_findings_of_the_guard_are_counted_with_their_trials() -> None:
    known: dict[str, Any] = {"kind": "k", "value": 1.0, "message": "m", "action": "stop", "lr_before": 1e-3}
    findings = [
        tables.FindingRow(study="s", trial=trial, epoch=epoch, step=1, lr_after=1e-3, **known)
        for trial, epoch in ((0, 0), (0, 1), (2, 0))
    ]
    view = a_view([a_trial(n, Verdict.UNSTABLE) for n in range(3)], findings)
    assert "3 unstable; 3 findings of the guard in 2 trials" in answers(view)["What went wrong?"]
