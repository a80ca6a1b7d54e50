"""The measure of colours agrees with published values, and finds the colours of Ballast far enough apart."""

import pytest

from benchmarks.pictures.colour_vision import (
    BACKGROUNDS,
    VISIONS,
    as_seen,
    closest_pair,
    contrast,
    difference,
)
from search.text import COLOURS
from search.watching.plots import plotly_parts
from search.watching.plots.plotly_parts import DASHES, GREY, LINE_COLOURS, LINE_DASHES, SYMBOLS, verdict_text

LEAST_DIFFERENCE = 16.0
"""CIEDE2000 between two verdicts; docs/watching.md and search/text.py name it."""
GRAPHICS, TEXT = 3.0, 4.5
"""Contrasts that WCAG 2.2 asks for: 1.4.11 and 1.4.3."""
VERDICTS = {verdict_text(verdict): colour for verdict, colour in COLOURS.items()}
LINES = {colour: colour for colour in LINE_COLOURS}


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_that_of_the_test_data_of_sharma_wu_and_dalal(
    one: tuple[float, ...], other: tuple[float, ...], published: float
) -> None:
    assert difference(one, other) == pytest.approx(published, abs=1e-4)


def test_white_is_white_and_black_is_black_for_every_vision() -> None:
    for vision in VISIONS:
        assert as_seen("#ffffff", vision) == pytest.approx([100, 0, 0], abs=0.1)
        assert as_seen("#000000", vision) == pytest.approx([0, 0, 0], abs=1e-9)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


def test_red_and_green_of_one_lightness_are_alike_for_those_who_cannot_tell_them_apart() -> None:
    pair = {"red": "#b06040", "green": "#748024"}
    assert closest_pair(pair, "deuteranopia").difference < 0.5 * closest_pair(pair, "normal").difference


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("palette", [VERDICTS, LINES], ids=["verdicts", "lines"])
def test_any_two_colours_are_far_apart_for_every_vision(palette: dict[str, str], vision: str) -> None:
    assert closest_pair(palette, vision).difference >= LEAST_DIFFERENCE


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_colour_stands_out_in_light_and_dark(background: str) -> None:
    for colour in (*COLOURS.values(), *LINE_COLOURS, plotly_parts.REFERENCE_COLOUR, GREY):
        assert contrast(colour, BACKGROUNDS[background]) >= GRAPHICS
    assert max(contrast(GREY, BACKGROUNDS["white"]), contrast(GREY, "#000000")) >= TEXT


def test_every_verdict_has_a_shape_and_a_dash_of_its_own() -> None:
    for shapes in (SYMBOLS, DASHES):
        assert set(shapes) == set(COLOURS)
        assert len(set(shapes.values())) == len(COLOURS)
    assert len(LINE_DASHES) >= len(LINE_COLOURS)
