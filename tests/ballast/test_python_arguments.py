"""What a program gives to `import ballast`: NumPy's numbers, wrong types, and what a notebook shows of it."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ballast
from search.config.files.reader import ConfigSource
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.record.row_mapping import data_row, study_row
from storage import record
from storage.engine import Store, open_store
from tests.ballast.studies import ROOT, frame, framed_data, small_study

WRONG: dict[str, Callable[[Any], object]] = {
    "set is None": lambda _: ballast.check(small_study(), set=None),  # type: ignore[arg-type]
    "set is 3": lambda _: ballast.check(small_study(), set=3),  # type: ignore[arg-type]
    "store is 3": lambda _: ballast.check(small_study(), store=3),  # type: ignore[arg-type]
    "store is PosixPath": lambda _: ballast.load_study("a", store=Path("a.db")),  # type: ignore[arg-type]
    "workers is 1.5": lambda _: ballast.run(small_study(), workers=1.5),  # type: ignore[arg-type]
    "workers is '2'": lambda _: ballast.run(small_study(), workers="2"),  # type: ignore[arg-type]
    "workers is True": lambda _: ballast.run(small_study(), workers=True),
    "trials is 'x'": lambda _: ballast.run(small_study(), trials="x"),  # type: ignore[arg-type]
    "timeout is .1.": lambda _: ballast.run(small_study(), timeout=[1]),  # type: ignore[arg-type]
    "study is True": lambda _: ballast.check(True),  # type: ignore[arg-type]
    "study is None": lambda _: ballast.run(None),  # type: ignore[arg-type]
    "strict is 'no'": lambda _: ballast.run(small_study(), strict="no"),  # type: ignore[arg-type]
    "deep is 'no'": lambda _: ballast.check(small_study(), deep="no"),  # type: ignore[arg-type]
    "proxy is 3": lambda _: ballast.run(small_study(), proxy=3),  # type: ignore[arg-type]
    "workers=5000 is out": lambda _: ballast.run(small_study(), workers=5000),
    "engine='x' is unknown": lambda _: ballast.run(small_study(), engine="x"),  # type: ignore[arg-type]
    "name it like path='b.yaml'": lambda study: study.export("b.txt"),
    "devices is 3": lambda _: ballast.run(small_study(), devices=3),  # type: ignore[arg-type]
    "devices is .0.": lambda _: ballast.run(small_study(), devices=[0]),  # type: ignore[list-item]
    "cpus='x' is": lambda _: ballast.run(small_study(), cpus="x"),  # type: ignore[arg-type]
    "continue_from is 3": lambda _: ballast.run(small_study(), continue_from=3),  # type: ignore[arg-type]
    "seeds is 'x'": lambda _: ballast.verify("b.yaml", seeds="x"),  # type: ignore[arg-type]
    "top is 1.5": lambda _: ballast.verify("b.yaml", top=1.5),  # type: ignore[arg-type]
    "folder is {}": lambda _: ballast.load_model({}),  # type: ignore[arg-type]
    "name is None": lambda _: ballast.load_study(None),  # type: ignore[arg-type]
    "name is .'small'.": lambda _: ballast.load_study(["small"]),  # type: ignore[arg-type]
    "trial is '0'": lambda study: study.epochs("0"),
    "trial is 0.0": lambda study: study.findings(0.0),
    "trial is .0.": lambda study: study.settings([0]),
    "trial is 'x'": lambda study: study.export("b.yaml", trial="x"),
    "trial names one trial, by and top": lambda study: study.export("b.yaml", trial=0, top=2),
    "verify is 'x'": lambda study: study.export("b.yaml", verify="x"),
    "by is 'best'": lambda study: study.export("b.yaml", by="best"),
    "format is 'pdf'": lambda study: study.report("r.html", format="pdf"),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> ballast.Study:
    """A study of one trial on a frame whose times have a zone."""
    folder = tmp_path_factory.mktemp("study")
    given = small_study() | {"data": framed_data()}
    return ballast.run(given, data=frame(), store=f"sqlite:///{folder}/s.db", progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("said", WRONG)
def test_an_argument_of_a_wrong_type_or_value_is_named(
    said: str, study: ballast.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study.export("b.yaml")
    ballast.run(small_study("a"), progress=False) if said.startswith("name") else None
    with pytest.raises(ballast.errors.RequestError, match=said):
        WRONG[said](study)


TWO_COLUMNS_OF_ONE_NAME = pd.concat([frame(9), frame(9)], axis=1)
UNKEPT: dict[str, Callable[[], object]] = {
    "data has several columns named 'Close'": lambda: ballast.check(framed(), data=TWO_COLUMNS_OF_ONE_NAME),
    "data cannot be kept in .*/file/data: .*storage.files": lambda: ballast.check(
        framed(), data=frame(9), set={"storage.files": "file"}
    ),
}


def framed() -> dict[str, Any]:
    """A study whose source is a frame."""
    return small_study() | {"data": framed_data()}


@pytest.mark.parametrize("said", UNKEPT)
def test_a_frame_that_cannot_be_kept_is_explained(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(ballast.errors.RequestError, match=said):
        UNKEPT[said]()


def test_the_url_of_a_store_is_read_before_a_frame_is_kept_beside_it() -> None:
    with pytest.raises(ballast.errors.StoreError, match="'x' is not a store URL"):
        ballast.run(framed(), data=frame(9), store="x")


def test_the_number_of_a_trial_may_come_from_a_frame(study: ballast.Study, tmp_path: Path) -> None:
    trials = study.trials()
    best = trials.sort_values("value")["number"].iloc[0]
    assert isinstance(best, np.int64)
    assert len(study.epochs(best)) == 1
    assert len(study.settings(best)) > 0
    assert len(study.findings(best)) == 0
    assert study.export(tmp_path / "b.yaml", trial=best).is_file()


@pytest.mark.slow
def test_a_study_and_its_results_can_be_pickled_and_read_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = ballast.run(small_study(), store="sqlite:///s.db", progress=False)
    training = ballast.train(study.export("b.yaml"), save="model", progress=False)
    model = ballast.load_model("model")
    kept = pickle.dumps((study, training, model))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again, trained, loaded = pickle.loads(kept)
    assert list(again.trials()["value"]) == list(study.trials()["value"])
    assert (trained.value, len(trained.epochs())) == (training.value, 1)
    assert loaded.predict("sample:sp500").equals(model.predict("sample:sp500"))


@pytest.mark.slow
def test_a_loaded_model_does_not_need_its_folder_again(tmp_path: Path) -> None:
    study = ballast.run(small_study(), store="sqlite:///s.db", progress=False)
    ballast.train(study.export("b.yaml"), save="model", progress=False)
    model = ballast.load_model("model")
    Path("model").rename("moved")
    assert len(model.predict("sample:sp500")) > 0


@pytest.mark.slow
def test_the_best_trials_are_exported_and_the_first_is_verified(study: ballast.Study, tmp_path: Path) -> None:
    paths = study.export(tmp_path / "b.yaml", top=1, verify=True, seeds=1, progress=False)
    assert paths == [tmp_path / "b.yaml"]
    assert study.summary().verified is not None


@pytest.mark.slow
def test_what_a_notebook_shows_of_a_result_is_short(study: ballast.Study, tmp_path: Path) -> None:
    path = study.export(tmp_path / "b.yaml")
    store = f"sqlite:///{tmp_path}/s.db"
    results = (
        *(study, study.summary(), ballast.check(small_study(), store=store)),
        *(ballast.train(path, progress=False), ballast.verify(path, seeds=1, store=store, progress=False)),
    )
    for result in results:
        assert len(repr(result)) < 400
        assert repr(result).startswith(f"<{type(result).__name__}")


def test_forecasts_of_a_frame_with_a_zone_can_be_joined_to_it(study: ballast.Study, tmp_path: Path) -> None:
    path = study.export(tmp_path / "b.yaml")
    ballast.train(path, save=tmp_path / "model", progress=False)
    model = ballast.load_model(tmp_path / "model")
    forecasts = model.predict(frame())
    assert pd.DatetimeIndex(forecasts["time"]).isin(frame().index).all()
    assert forecasts["of"].isna().sum() == 1
    with pytest.raises(ballast.errors.DataError, match=r"^data does not fit .*'Close' is missing"):
        model.predict(frame().rename(columns={"Close": "Price"}))


@pytest.mark.parametrize("code", ["ballast.run({})", "ballast.errors", "from ballast.errors import ALL"])
def test_a_file_in_the_place_of_a_package_is_named(code: str, tmp_path: Path) -> None:
    (tmp_path / "search.py").touch()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", f"import ballast\n{code}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1].startswith(
        f"ballast.packages.ShadowedPackage: {tmp_path}/search.py is imported in place of the package 'search'"
    )


def test_a_study_that_the_store_lacks_is_answered_with_those_that_it_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with closing(open_store(url)) as store:
        with pytest.raises(ballast.errors.StudyUnknown, match=r"; it holds no study yet$"):
            ballast.load_study("nope", store=url)
        begin_small_study(store)
    with pytest.raises(ballast.errors.StudyUnknown, match=r"no study 'nope' in \S+; it holds 'small'$"):
        ballast.load_study("nope", store=url)


def begin_small_study(store: Store) -> None:
    resolved = resolve(ConfigSource("study dict", json.dumps(small_study())))
    data = load_study_data(resolved)
    record.create_study(store, study_row(resolved, data), [], [], data_row("small", data))
