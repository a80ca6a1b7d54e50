"""A study of a frame goes on after the folder with its store and files was moved."""

from pathlib import Path

import pytest

import ballast
from search.workers.join import JoinTarget, join_and_work
from search.workers.progress import NoProgress
from tests.ballast.studies import frame, framed_data, small_study

GIVEN = small_study() | {"data": framed_data()}
STORE = "sqlite:///here/s.db"
MOVED = "sqlite:///there/s.db"


def study_in_a_moved_folder() -> ballast.Study:
    """The study with one trial, after `here` was renamed to `there`."""
    Path("here").mkdir()
    ballast.run(GIVEN, data=frame(), store=STORE, progress=False)
    Path("here").rename("there")
    return ballast.load_study("small", store=MOVED)


@pytest.mark.slow
def test_a_moved_study_goes_on_with_its_frame() -> None:
    study_in_a_moved_folder()
    assert len(ballast.run(GIVEN, data=frame(), trials=2, store=MOVED, progress=False).trials()) == 2


@pytest.mark.slow
def test_a_worker_joins_a_moved_study_of_a_frame() -> None:
    study_in_a_moved_folder()
    assert join_and_work(JoinTarget(MOVED, "small"), NoProgress(), lambda: False).done == 1


@pytest.mark.slow
def test_an_export_of_a_moved_study_of_a_frame_is_rerun_to_the_same_bits() -> None:
    study = study_in_a_moved_folder()
    exported = study.export("best.yaml")
    assert str(Path("there").absolute()) in exported.read_text()
    assert ballast.train(exported, store=MOVED, progress=False).reproduced


@pytest.mark.slow
def test_a_configuration_that_is_moved_together_with_its_frame_is_rerun() -> None:
    Path("here").mkdir()
    ballast.run(GIVEN, data=frame(), store=STORE, progress=False).export("here/best.yaml")
    Path("here").rename("there")
    assert ballast.train("there/best.yaml", store=MOVED, progress=False).reproduced
