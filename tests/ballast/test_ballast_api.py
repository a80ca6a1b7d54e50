"""`import ballast`: cheap, complete, documented, and the same as the command line."""

import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import ballast
from tests.ballast.studies import ROOT, frame, framed_data, small_study

HEAVY = ("torch", "optuna", "sqlalchemy", "pandas", "numpy", "pydantic", "typer")
CALLS: tuple[Callable[..., Any], ...] = (
    *(
        ballast.run,
        ballast.init,
        ballast.load_study,
        ballast.check,
        ballast.train,
        ballast.verify,
        ballast.refit,
        ballast.load_model,
    ),
    *(ballast.Study.trials, ballast.Study.forecasts, ballast.Study.epochs, ballast.Study.findings),
    *(ballast.Study.settings, ballast.Study.summary, ballast.Study.figures, ballast.Study.report),
    *(ballast.Study.export, ballast.Model.predict),
)


def in_a_process(code: str) -> str:
    """What a fresh Python prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_the_import_loads_nothing_heavy() -> None:
    code = f"import sys, ballast; dir(ballast); print([m for m in {HEAVY} if m in sys.modules])"
    assert in_a_process(code) == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    pages = (ROOT / "docs" / "notebook.md").read_text()
    assert dir(ballast) == sorted(ballast.__all__)
    for name in ballast.__all__:
        assert getattr(ballast, name) is not None
        assert f"ballast.{name}" in pages, name
    assert not hasattr(ballast, "no_such_name")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__qualname__)
def test_a_public_docstring_names_arguments_returns_and_errors(call: Callable[..., Any]) -> None:
    text = inspect.getdoc(call) or ""
    named = [name for name in inspect.signature(call).parameters if name != "self"]
    assert re.search(r"^Returns:$", text, re.M)
    assert re.search(r"^Raises:$", text, re.M)
    assert re.findall(r"^    (\w+): ", text.partition("Args:")[2].partition("Returns:")[0], re.M) == named


@pytest.mark.slow
def test_a_dict_is_run_and_read_again() -> None:
    study = ballast.run(small_study(), set={"study.trials": 2}, progress=False)
    assert list(study.trials()["verdict"]) == ["accepted", "accepted"]
    again = ballast.load_study("small")
    (setting,) = [row for row in again.settings().to_dict("records") if row["key"] == "study.trials"]
    assert (setting["value"], setting["layer"], setting["origin"]) == (2, "cli", "--set study.trials=2")
    assert len(again.epochs(0)) == 1
    best, other = again.forecasts(), again.forecasts(bounds_of=0)
    bounds = ["lower_80", "upper_80", "lower_95", "upper_95"]
    assert {"time", "fold", "target", "trial_0", "trial_1", *bounds} <= set(best)
    middle = (other["lower_95"] + other["upper_95"]) / 2
    assert np.allclose(middle, other["trial_0"])
    chosen = study.summary().best
    assert chosen is not None
    number = chosen.number
    assert best[bounds].equals(again.forecasts(bounds_of=number)[bounds])
    inside = best["target"].between(best["lower_80"], best["upper_80"])
    assert 0.75 < inside.mean() < 0.85
    with pytest.raises(ballast.errors.TrialUnknown):
        again.forecasts(bounds_of=9)
    with pytest.raises(ballast.errors.TrialUnknown):
        again.epochs(9)


def test_what_is_wrong_is_said_in_one_sentence_each() -> None:
    wrong = small_study() | {"training": {"epochs": "x", "nope": 1}}
    with pytest.raises(ballast.errors.ConfigError) as caught:
        ballast.run(wrong, progress=False)
    assert [str(each.location) for each in caught.value.problems] == ["study dict", "study dict"]
    with pytest.raises(ballast.errors.RequestError, match="study is 3; give the path of a file or a dict"):
        ballast.run(3)  # type: ignore[arg-type]
    with pytest.raises(ballast.errors.RequestError, match="workers is 0; it must be 1 or more"):
        ballast.run(small_study(), workers=0)
    with pytest.raises(ballast.errors.RequestError, match="data is of type list"):
        ballast.check(small_study() | {"data": framed_data()}, data=[1.0])
    assert not Path("ballast.db").exists()


@pytest.mark.slow
def test_a_frame_is_kept_by_its_digest_and_read_again() -> None:
    given = small_study() | {"data": framed_data()}
    ballast.run(given, data=frame(), progress=False)
    study = ballast.run(given, data=frame(), progress=False)
    (kept,) = Path("ballast.db.files/data").iterdir()
    source = study.settings().set_index("key").loc["data.source", "value"]
    assert source == str(kept.absolute())
    assert ballast.check(given, data=frame()).ok
    changed = ballast.check(given, data=frame() * 2)
    assert not changed.ok
    assert "small" in changed.refusals[0]


@pytest.mark.slow
def test_pandas_and_arrow_give_the_same_rows() -> None:
    given = small_study() | {"data": framed_data()}
    prices = frame()
    moments = pd.DatetimeIndex(prices.index).tz_convert("UTC").to_pydatetime()
    times = pa.array(moments, pa.timestamp("us", "America/New_York"))
    table = pa.table({"Date": times, "Close": prices["Close"].to_numpy()})
    assert ballast.check(given, data=table).rows == ballast.check(given, data=frame()).rows


@pytest.mark.slow
def test_wildcards_stand_for_the_columns_of_a_frame() -> None:
    returns = np.random.default_rng(1).standard_normal((5026, 2))
    table = frame().assign(f2=returns[:, 0], f1=returns[:, 1])
    given = small_study() | {"data": framed_data() | {"features": ["f*"]}}
    found = ballast.check(given, data=table)
    assert found.ok
    assert [made.name for made in found.resolved.trial_config.data.features] == ["f2", "f1"]


@pytest.mark.slow
def test_a_study_runs_in_another_thread_and_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[ballast.Study] = []
    thread = threading.Thread(target=lambda: found.append(ballast.run(small_study(), progress=False)))
    thread.start()
    thread.join(60)
    assert len(found[0].trials()) == 1
    ballast.run(small_study("other"), progress=False)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_ctrl_c_ends_the_trial_and_raises_and_nothing_is_lost() -> None:
    code = (
        "import sys, json, ballast\n"
        f"study = {small_study(trials=200, epochs=20)!r}\n"
        "try:\n    ballast.run(study)\n"
        "except KeyboardInterrupt as stop:\n    print('stopped:', stop)\n"
        "print(len(ballast.load_study('small').trials()) > 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "trial 0 is" in line:
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopped: study 'small' was interrupted" in out
    assert out.strip().endswith("True")


@pytest.mark.slow
def test_the_session_of_the_notebook_prints_what_its_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "notebook.md").read_text()
    names: dict[str, Any] = {}
    for code, said in re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.S):
        exec(code, names)
        assert capsys.readouterr().out == said


def test_changes_of_a_price_are_not_clipped_like_returns(tmp_path: Path) -> None:
    prices = np.cumsum(np.random.default_rng(0).normal(0, 1.5, 900)) - 40
    table = pd.DataFrame({"Date": pd.bdate_range("2015-01-01", periods=900), "Close": prices})
    study = {
        "study": {"name": "oil", "trials": 1},
        "data": {
            "source": "unused.parquet",
            "time": "Date",
            "features": [{"name": "d", "column": "Close", "transform": "difference"}],
            "target": {"column": "Close", "transform": "difference", "kind": "return"},
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
        },
        "space": {"models.gru.learning_rate": {"low": 1e-3, "high": 5e-3, "log": True}},
    }
    found = ballast.check(study, data=table, store=f"sqlite:///{tmp_path}/b.db")
    assert "target_clipped" not in set(found.findings()["code"])
    assert found.ok, found.refusals
