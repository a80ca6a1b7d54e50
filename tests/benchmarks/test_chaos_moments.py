"""The moments at which benchmarks/chaos.py kills a worker are functions that the product has."""

import pytest

from benchmarks.chaos_faults.faulty_worker import Moment, place
from benchmarks.chaos_faults.kinds import KINDS

MOMENTS = [
    moment for kind in KINDS for moment in (*kind.moments, *(kind.writer.moments if kind.writer else ()))
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_the_product_has_what_a_moment_waits_for(moment: Moment) -> None:
    owner, name = place(moment)
    assert callable(getattr(owner, name))


def test_a_moment_that_the_product_has_outgrown_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no _train_step"):
        place(Moment("gone", "trainer.training.loop:_train_step"))
