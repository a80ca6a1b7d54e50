"""Regressions of rivals have the lowest loss, whichever it is."""

import numpy as np
import pytest

from trainer.data.arrays import Floats
from trainer.losses import MSE, AbsoluteError, HuberLoss, Loss, QLike, mean_loss
from trainer.rivals.reweighted import coefficients
from trainer.rivals.ridge import fit_ridge

OTHERS: list[Loss] = [AbsoluteError(), HuberLoss(0.3), QLike(2.0, 0.4)]
EVERY_OTHER = pytest.mark.parametrize("loss", OTHERS, ids=lambda loss: loss.name)


def skewed_rows(rows: int = 600) -> tuple[Floats, Floats]:
    """Terms (rows, 3) and targets whose errors are skewed, with far ones among them."""
    random = np.random.default_rng(0)
    terms = np.column_stack([np.ones(rows), random.standard_normal((rows, 2))])
    return terms, terms @ [0.2, 0.5, -0.3] + 0.3 * (random.gamma(0.7, 1.5, rows) - 1)


def test_the_squared_error_has_the_coefficients_of_least_squares() -> None:
    terms, target = skewed_rows()
    np.testing.assert_array_equal(
        coefficients(terms, target, MSE), np.linalg.lstsq(terms, target, rcond=None)[0]
    )


@EVERY_OTHER
def test_no_other_coefficients_have_a_lower_loss(loss: Loss) -> None:
    terms, target = skewed_rows()
    found = coefficients(terms, target, loss)
    lowest = mean_loss(terms @ found, target, loss)
    assert lowest < 0.995 * mean_loss(terms @ coefficients(terms, target, MSE), target, loss)
    for column in range(3):
        for by in (-0.01, 0.01):
            moved = found + by * np.eye(3)[column]
            assert mean_loss(terms @ moved, target, loss) > lowest - 1e-5


@EVERY_OTHER
def test_a_constant_alone_is_the_best_constant(loss: Loss) -> None:
    _, target = skewed_rows()
    (found,) = coefficients(np.ones((len(target), 1)), target, loss)
    assert found == pytest.approx(loss.best_constant(target), abs=5e-3)


@EVERY_OTHER
def test_a_ridge_regression_has_a_lower_loss_than_that_of_least_squares(loss: Loss) -> None:
    terms, target = skewed_rows()
    x = terms[:, 1:]

    def fitted(by: Loss) -> float:
        predict = fit_ridge(lambda rows: x[rows], target, [(np.arange(300), np.arange(310, 600))], by)
        return mean_loss(predict(x), target, loss)

    assert fitted(loss) < 0.995 * fitted(MSE)


def test_targets_that_no_float_can_hold_leave_the_coefficients_of_least_squares() -> None:
    terms, target = skewed_rows()
    target[0] = 1e4  # a variance of exp(8000)
    kept = coefficients(terms, target, QLike(2.0, 0.4))
    np.testing.assert_array_equal(kept, coefficients(terms, target, MSE))
