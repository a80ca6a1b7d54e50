"""A trial's curves as JSON and as a picture."""

import io
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from search.watching.publishing.curves_picture import HEIGHT, WIDTH
from search.watching.publishing.trial_files import curves_json, draw_curves
from search.watching.view import TrialView, trial_view
from storage import tables
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow


@pytest.fixture
def view(write_study: "WriteStudy", launch: "Launch") -> TrialView:
    """A trial that was really run, with a step that the guard might have skipped."""
    done = launch(write_study(), "study.trials=1", "training.epochs=3")
    found = trial_view(done.store, "small", 0)
    assert (found.trial.verdict, len(found.epochs)) == (Verdict.ACCEPTED, 3)
    cut = tables.FindingRow(
        study="small",
        trial=0,
        kind="nonfinite_loss",
        epoch=1,
        step=found.epochs[0].steps + 1,
        value=math.nan,
        message="the loss is nan",
        action="skip_and_cut",
        lr_before=found.epochs[0].learning_rate,
        lr_after=found.epochs[0].learning_rate / 10,
    )
    return replace(found, findings=[cut])


def changed(row: tables.Epoch, **changes: Any) -> tables.Epoch:
    columns = {column.key: getattr(row, column.key) for column in tables.Epoch.__table__.columns}
    return tables.Epoch(**(columns | changes))


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
    return image.convert("RGB")


def colours(png: bytes) -> int:
    return len(opened(png).getcolors(WIDTH * HEIGHT) or [])


def ink(png: bytes) -> int:
    """Pixels that are not background."""
    return sum(opened(png).convert("L").histogram()[:200])


def test_the_json_has_every_epoch_and_finding(view: TrialView) -> None:
    told = json.loads(curves_json(view))
    assert {key: told[key] for key in ("study", "trial", "verdict", "seed")} == {
        "study": "small",
        "trial": 0,
        "verdict": "accepted",
        "seed": view.trial.seed,
    }
    assert [row["validation_loss"] for row in told["epochs"]] == [e.validation_loss for e in view.epochs]
    (finding,) = told["findings"]
    assert (finding["kind"], finding["action"], finding["value"]) == ("nonfinite_loss", "skip_and_cut", "nan")
    assert "study" not in told["epochs"][0]


def test_numbers_that_json_has_not_are_text(view: TrialView) -> None:
    odd = changed(view.epochs[0], train_loss=math.nan, grad_norm_max=math.inf)
    told = json.loads(curves_json(replace(view, epochs=[odd])), parse_constant=lambda word: pytest.fail(word))
    assert (told["epochs"][0]["train_loss"], told["epochs"][0]["grad_norm_max"]) == ("nan", "inf")


def test_the_picture_has_its_size_and_is_not_blank(view: TrialView) -> None:
    png = draw_curves(view)
    assert colours(png) > 8
    assert ink(png) > ink(draw_curves(replace(view, epochs=[], findings=[]))) + 200


def test_the_same_trial_gives_the_same_bytes_whatever_was_drawn_between(view: TrialView) -> None:
    other = replace(view, epochs=[changed(view.epochs[0], validation_loss=90.0)], findings=[])
    first, between = draw_curves(view), draw_curves(other)
    assert first != between
    assert draw_curves(view) == first
    assert draw_curves(other) == between


def test_threads_take_turns(view: TrialView) -> None:
    others = [
        replace(view, epochs=[changed(row, validation_loss=0.1 * n) for row in view.epochs])
        for n in range(1, 5)
    ]
    one_by_one = [draw_curves(other) for other in others]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(draw_curves, others * 3)) == one_by_one * 3
    assert len(set(one_by_one)) == 4


_ANY = st.floats() | st.sampled_from([0.0, -1.0, 1e-308, 1e308, 5e-324])


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_ANY, _ANY, _ANY, _ANY), max_size=4), st.none() | st.integers(0, 3))
def test_whatever_the_numbers_a_picture_comes_out_without_a_warning(
    view: TrialView, rows: list[tuple[float, float, float, float]], best_epoch: int | None
) -> None:
    epochs = [
        changed(view.epochs[0], epoch=n, train_loss=a, validation_loss=b, learning_rate=c, grad_norm_max=d)
        for n, (a, b, c, d) in enumerate(rows)
    ]
    columns = {column.key: getattr(view.trial, column.key) for column in tables.Trial.__table__.columns}
    trial = tables.Trial(**(columns | {"best_epoch": best_epoch}))
    assert colours(draw_curves(replace(view, trial=trial, epochs=epochs))) > 4
