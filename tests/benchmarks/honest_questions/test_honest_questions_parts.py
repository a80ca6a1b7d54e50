"""benchmarks/honest_questions: what is run, what is on record, and when a goal is reached."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.honest_questions import part_a, part_b, part_c, part_d, part_e
from benchmarks.honest_questions.__main__ import PARTS, main
from benchmarks.honest_questions.ballast import Answer, Said, Verified, searched, skill_on_test
from benchmarks.honest_questions.hosts import HORIZONS, return_study
from benchmarks.honest_questions.part import Done, Task, add, recorded
from benchmarks.honest_questions.simulate import before, normal, prices
from benchmarks.null_and_signal.study import Judged
from search.config.resolve import resolve

HOLDS = Verified("holds", "", 0.02, "zero", None, {})
BLOCKED = Answer((Said("leads_target", "error", "leak", "leak: it leads"),), {})
WARNED = Answer((Said("leads_target", "warning", "leak", "leak: it may lead"),), {"accepted": 3})
SILENT = Answer((), {"accepted": 3})
QUARANTINED = Answer((), {"accepted": 2, "suspicious": 1})


def of(part: str, kind: str, *found: Any) -> list[Done]:
    return [Done(Task(part, kind, 1, draw), each) for draw, each in enumerate(found)]


def strongest(verdict: str) -> Answer:
    return replace(SILENT, verified=replace(HOLDS, strongest={"name": "har", "verdict": verdict}))


def test_every_part_has_tasks_at_every_horizon_and_a_quick_run_fewer() -> None:
    for letter in "ab":
        tasks = PARTS[letter].tasks(False)
        assert {task.horizon for task in tasks} == set(HORIZONS)
        assert len(tasks) >= 30 * len(HORIZONS)
    assert len(PARTS["c"].tasks(False)) == 200
    for part in PARTS.values():
        quick = part.tasks(True)
        assert set(quick) <= set(part.tasks(False))
        assert len(quick) <= 10


def test_what_is_on_record_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "found.jsonl"
    for task in PARTS["a"].tasks(True):
        add(path, Done(task, asked(SILENT)), seed=3)
    assert main(["--part", "a", "--quick", "--seed", "3", "--output", str(path)]) == 0
    told = capsys.readouterr()
    assert "reached  honest studies blocked or quarantined: 0 of 8" in told.out
    assert told.err == ""
    assert recorded(path, seed=4) == {}


def asked(answer: Answer, declared: Answer | None = None) -> dict[str, Any]:
    return {"answer": answer.to_json(), "declared": None if declared is None else declared.to_json()}


def test_one_accused_study_in_forty_is_the_most() -> None:
    honest = [asked(SILENT)] * 39
    one = part_a.goals(of("a", "random walk", *honest, asked(BLOCKED, SILENT)))
    assert [goal.reached for goal in one] == [True, True]
    two = part_a.goals(of("a", "random walk", *honest, asked(BLOCKED, SILENT), asked(QUARANTINED)))
    assert [goal.reached for goal in two] == [False, True]
    assert "2 of 41" in two[0].told


def test_a_refusal_must_name_the_key_that_makes_it_honest() -> None:
    honest = [asked(SILENT)] * 39
    stays = part_a.goals(of("a", "random walk", *honest, asked(BLOCKED, BLOCKED)))
    assert [goal.reached for goal in stays] == [True, False]


def test_each_message_about_honest_data_is_printed() -> None:
    told = part_a.tables(of("a", "random walk", asked(BLOCKED, SILENT)))
    assert "random walk, h = 1: error leads_target: leak: it leads" in told


@pytest.mark.parametrize(
    ("lift", "answer", "reached"),
    [
        (0.031, SILENT, [False, True]),
        (0.029, SILENT, [True, True]),
        (0.5, BLOCKED, [True, True]),
        (0.5, QUARANTINED, [True, True]),
        (0.5, replace(BLOCKED, said=(replace(BLOCKED.said[0], where="vol"),)), [False, True]),
        (0.0, replace(SILENT, verified=HOLDS), [True, False]),
        (0.5, replace(QUARANTINED, verified=HOLDS), [True, False]),
        (0.0, replace(WARNED, verified=HOLDS), [True, True]),
    ],
)
def test_a_leak_that_lifts_must_be_flagged_by_name_and_none_may_hold_unnamed(
    lift: float, answer: Answer, reached: list[bool]
) -> None:
    found = {"lift": lift, "clean_holds": False, "answer": answer.to_json()}
    assert [goal.reached for goal in part_b.goals(of("b", "mean by month", found))] == reached


@pytest.mark.parametrize(("lift", "reached"), [(0.0, True), (0.04, False)])
def test_a_column_that_lifts_nothing_leaves_an_honest_skill_honest(lift: float, reached: bool) -> None:
    found = {"lift": lift, "clean_holds": True, "answer": replace(SILENT, verified=HOLDS).to_json()}
    assert part_b.goals(of("b", "mean by month", found))[1].reached is reached


def test_one_claim_over_the_strongest_rival_in_twenty_is_the_most() -> None:
    answers = [strongest("no")] * 17 + [strongest("cannot tell")] * 2
    one, two = [*answers, strongest("yes")], [*answers, *[strongest("yes")] * 2]
    assert [goal.reached for goal in part_c.goals(of("c", "HAR", *(a.to_json() for a in one)))] == [True] * 2
    assert not part_c.goals(of("c", "HAR", *(a.to_json() for a in two)))[0].reached


def test_a_study_without_a_second_answer_shows_nothing() -> None:
    answers = [strongest("no"), replace(SILENT, verified=HOLDS)]
    assert not part_c.goals(of("c", "HAR", *(answer.to_json() for answer in answers)))[1].reached


@pytest.mark.parametrize("name", part_d.STUDIES)
@pytest.mark.parametrize("horizon", part_d.HORIZONS)
def test_the_study_of_a_real_series_is_one_that_can_be_run(name: str, horizon: int, tmp_path: Path) -> None:
    file = part_d.study_of(Task("d", name, horizon), seed=0)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(file))
    config = resolve(path).trial_config.data
    assert config.target.horizon == horizon
    assert config.split.method == "walk_forward"


def test_the_table_of_real_series_has_losses_and_skill_over_each() -> None:
    over = {"har": {"skill": 0.05, "low": 0.01, "high": 0.09, "level": 0.95, "block": 1}}
    found = {"rows": 9, "losses": {"har": 0.5, "gru": 0.475}, "over": over, "absent": {"garch": "why"}}
    done = of("d", "sp500", {**found, "verdict": "holds", "strongest_rival": None})
    told = part_d.tables(done)
    assert "| sp500 | 1 | 9 | 0.5000 | 0.4750 |" in told
    assert "+0.050 (+0.010 … +0.090)" in told
    assert not part_d.goals(done)[0].reached


def test_power_below_least_squares_is_a_missed_goal() -> None:
    gru, none = replace(SILENT, verified=HOLDS).to_json(), SILENT.to_json()
    ols, not_ols = vars(Judged("holds", "")), vars(Judged("cannot tell", ""))
    kind = "R² 2%, two columns"
    both = of("e", kind, {"answer": gru, "least_squares": ols}, {"answer": none, "least_squares": not_ols})
    assert [goal.reached for goal in part_e.goals(both)] == [True]
    behind = of("e", kind, {"answer": gru, "least_squares": ols}, {"answer": none, "least_squares": ols})
    assert [goal.reached for goal in part_e.goals(behind)] == [False]


def test_least_squares_finds_a_strong_linear_signal() -> None:
    judged = part_e.least_squares(part_e.signal(np.random.default_rng(0), 0.05, ("a",)), seed=0)
    assert judged.holds
    assert judged.skill == pytest.approx(0.05, abs=0.03)


@pytest.mark.slow
def test_a_leak_lifts_the_skill_on_test_rows_and_its_study_goes_through_verification() -> None:
    random = np.random.default_rng(0)
    told = normal(random)
    frame = prices(np.sqrt(0.03) * before(told) + np.sqrt(0.97) * normal(random))
    with_signal = return_study("with", frame.assign(told=told), 1, "told")
    without = return_study("without", frame, 1)
    assert skill_on_test(with_signal, seed=0) - skill_on_test(without, seed=0) == pytest.approx(
        0.03, abs=0.02
    )
    answer = searched(with_signal, seed=0, trials=2)
    assert sum(answer.verdicts.values()) == 2
    assert answer.verified is not None
    assert answer.verified.rivals["gru"] < answer.verified.rivals["zero"]
    assert Answer.from_json(answer.to_json()) == answer


@pytest.mark.slow
def test_a_quick_run_reaches_its_goals() -> None:
    assert main(["--quick"]) == 0
