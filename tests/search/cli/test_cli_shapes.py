"""What other programs rely on: JSON of the promised shapes, without escape codes in pipes."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.cli.options import print_json
from storage.verdicts import Verdict
from tests.search.terminal.colour_codes import colour_code

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy


@pytest.mark.slow
def test_the_shapes_of_a_finished_study(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study().name
    ran = ballast("run", path, "--json", "--trials", 2, "--name", "a: b")
    assert ran.code == 0, ran.err
    status = ballast("status", "a: b", "--json").json
    assert ran.json == status
    assert list(status) == [
        *("study", "trials", "verdicts", "best", "skill_shown", "verified", "rivals_losses", "above_naive"),
        *("leak_warnings", "best_seed_losses", "voided", "settings", "effective_rows", "pareto"),
        *("known_to_optuna", "running"),
    ]
    assert status["running"] == []
    assert status["verified"] is None
    assert {"har", "linear"} <= status["rivals_losses"].keys()
    assert status["study"] == "a: b"
    assert status["verdicts"] == {"accepted": 2}
    assert list(status["best"]) == ["number", "value", "skill"]
    assert [shape["study"] for shape in ballast("status", "--json").json] == ["a: b"]
    assert re.search(r"  2 accepted, \d above har$", ballast("status").out, re.MULTILINE)
    rows = ballast("trials", "a: b", "--json").json
    assert [list(row) for row in rows] == [
        ["number", "verdict", "reasons", "value", "skill", "params", "epochs", "duration_s", "seed"]
    ] * 2
    assert ballast("trials", "a: b", "--verdict", "failed", "--json").json == []
    exported = ballast("export", "a: b", "-o", "best.yaml", "--json").json
    assert exported[0]["path"] == "best.yaml"
    trained = ballast("train", "best.yaml", "--json")
    assert trained.code == 0
    assert trained.json["reproduced"] is True
    assert trained.json["value"] == status["best"]["value"] == exported[0]["value"]


@pytest.mark.slow
def test_the_shape_of_a_study_that_was_verified(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study().name).code == 0
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    verified = ballast("verify", "best.yaml", "--seeds", 1, "--json").json
    status = ballast("status", "small", "--json").json
    assert list(status["verified"]) == ["verdict", "skill", "strongest_rival", "at", "did_not_hold"]
    assert status["verified"]["verdict"] == verified["verdict"]
    assert status["verified"]["skill"] == verified["skill"]
    assert status["skill_shown"] is (verified["verdict"] == "holds")
    told = ballast("status", "small").out
    assert told.startswith(f"{verified['verdict'].capitalize()}: on unseen rows skill ")
    assert ballast("export", "small", "-o", "again.yaml").code == 0
    header = Path("again.yaml").read_text().partition("\n\n")[0]
    assert f"# {verified['verdict'].capitalize()}: on unseen rows skill " in header
    again = ballast("run", "study.yaml").out
    assert f"{verified['verdict'].capitalize()}: on unseen rows skill " in again
    assert "above the noise floor" not in told + header + again


def test_a_suspicious_trial_has_the_number_that_made_it_so(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    ran = ballast("run", write_study(leak=True).name, "--trials", 1)
    (row,) = ballast("trials", "small", "--json").json
    assert list(row["suspicion"]) == ["finding", "value", "limit"]
    assert row["suspicion"]["finding"] == "skill_too_high"
    assert row["suspicion"]["value"] > row["suspicion"]["limit"]
    number = f"{row['suspicion']['value']:+.4f} > {row['suspicion']['limit']:+.4f}"
    for told in (ran.out, ballast("trials", "small").out):
        assert number in told
    assert "nothing is worth exporting: all trials are suspicious (1), too good to be true" in ran.out
    (line,) = ballast("trials", "small", "--watch", "--json").out.splitlines()
    assert json.loads(line) == row


def test_the_shape_of_check(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(models={"gru": {"dropout": 0.9}}).name
    checked = ballast("check", path, "--json")
    assert checked.code == 0
    known = ["ok", "findings", "refusals", "clamps", "rows", "worked_row", "detected", "panel"]
    assert list(checked.json) == known
    assert list(checked.json["worked_row"]) == ["features_until", "target_at", "target"]
    assert checked.json["ok"] is True
    assert list(checked.json["rows"]) == ["train", "validation", "test"]
    (clamp,) = checked.json["clamps"]
    assert list(clamp) == ["key", "declared", "effective", "reason"]
    assert (clamp["key"], clamp["declared"], clamp["effective"]) == ("models.gru.dropout", 0.9, 0.5)
    assert not Path("ballast.db").exists()


def test_a_failed_check_is_no_and_names_its_findings(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(rows=60)
    checked = ballast("check", path.name, "--json")
    assert checked.code == 1
    assert checked.json["ok"] is False
    assert [*checked.json["findings"][0]] == [
        *("code", "severity", "where", "value", "threshold", "message", "series")
    ]
    refused = ballast("run", path.name)
    assert refused.code == 1
    assert refused.told[0] == "ballast: the data audit found what must not be trained on:"
    assert not any("Traceback" in line for line in refused.told)


def test_numbers_that_json_has_not_become_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"value": float("nan"), "list": [float("-inf"), 1.5, None], "é": True})
    assert capsys.readouterr().out == (
        '{\n  "value": "nan",\n  "list": [\n    "-inf",\n    1.5,\n    null\n  ],\n  "é": true\n}\n'
    )


def test_a_pipe_gets_no_escape_codes_and_no_folded_keys(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(models={"gru": {"dropout": 0.9}}).name
    shown = ballast("run", path)
    assert "\x1b" not in shown.out + shown.err
    assert "models.gru.dropout" in shown.out
    assert "best configuration: trial" in shown.out
    assert "write it to a file: ballast export small -o best.yaml" in shown.out
    for command in (
        ("trials", "small"),
        ("status",),
        ("status", "small"),
        ("explain", "small"),
        ("check", path),
    ):
        told = ballast(*command)
        assert told.code == 0
        assert "\x1b" not in told.out
    assert "space.models.gru.learning_rate" in ballast("explain", "small").out


def test_a_terminal_gets_a_live_view_and_no_colour_where_none_is_wanted(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    live = ballast("run", write_study().name)
    assert live.code == 0, live.err
    assert "2/2" in live.out
    assert "2 accepted" in live.out
    assert "trials an hour" in live.out
    assert re.search(r"best +trial \d, loss \d", live.out)
    assert f"{colour_code(Verdict.ACCEPTED)}accepted" in live.out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in ballast("trials", "small").out


def test_a_password_is_never_shown(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    path, url = write_study().name, "postgresql://ada:hunter2@127.0.0.1:1/ballast"
    told = [
        ballast("check", path, "--set", f"storage.url={url}"),
        ballast("check", path, "--set", f"storage.url={url}", "--set", f"storage.url={url}"),
        ballast("run", path, "--store", url),
        ballast("status", "--store", f"{url}?password=hunter2"),
        ballast("doctor", "--store", url),
    ]
    monkeypatch.setenv("BALLAST_STORE", url)
    told.append(ballast("trials", "small"))
    assert [result.code for result in told] == [2, 2, 2, 2, 1, 2]
    assert "hunter2" not in "".join(result.out + result.err for result in told)
    assert "ada:***@127.0.0.1" in told[0].out
