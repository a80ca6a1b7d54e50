"""The Pareto front of points, and its knee: pure functions with answers that are plain to see."""

import pytest

from search.selection.statistics.pareto import knee_point, pareto_front


def test_the_front_is_what_no_other_point_beats_in_every_coordinate() -> None:
    assert pareto_front([(1, 4), (2, 2), (3, 3), (4, 1), (2, 5)]) == [0, 1, 3]


def test_a_point_as_low_in_one_coordinate_and_lower_in_another_wins() -> None:
    assert pareto_front([(1, 4), (1, 3)]) == [1]


def test_of_equal_points_the_first_is_on_the_front() -> None:
    assert pareto_front([(1, 2), (1, 2), (2, 1)]) == [0, 2]


def test_no_points_have_an_empty_front() -> None:
    assert pareto_front([]) == []


def test_three_coordinates_keep_what_is_lowest_in_any_of_them() -> None:
    assert pareto_front([(1, 9, 9), (9, 1, 9), (9, 9, 1), (9, 9, 9)]) == [0, 1, 2]


def test_the_knee_is_farthest_below_the_line_between_the_ends_whatever_the_units() -> None:
    front = [(0.0, 1000.0), (0.1, 200.0), (0.5, 150.0), (1.0, 0.0)]
    assert knee_point(front) == 1
    assert knee_point([(1e6 * x, y / 1e3) for x, y in front]) == 1


def test_a_front_that_bends_outwards_has_its_knee_at_the_first_end() -> None:
    assert knee_point([(0.0, 1.0), (0.9, 0.9), (1.0, 0.0)]) == 0


def test_a_single_point_is_its_own_knee() -> None:
    assert knee_point([(3.0, 7.0)]) == 0


def test_the_knee_of_three_objectives_has_the_lowest_sum_of_scaled_values() -> None:
    assert knee_point([(0, 1, 1), (0.2, 0.2, 0.2), (1, 0, 1), (1, 1, 0)]) == 1


def test_an_empty_front_has_no_knee() -> None:
    with pytest.raises(ValueError, match="an empty front has no knee"):
        knee_point([])
