"""How well colours are told apart by people with any colour vision, and how well they stand out.

    python -m benchmarks.pictures.colour_vision

Prints, for each kind of colour vision, the least difference between two colours of the palettes, and each
colour's contrast with the backgrounds on which it is drawn.

Dichromacy is simulated as in Machado, Oliveira & Fernandes (2009), "A physiologically-based model for
simulation of color vision deficiency", at severity 1. Differences are CIEDE2000 (Sharma, Wu & Dalal 2005),
contrasts those of WCAG 2.2. Colours are texts such as `#6d6e5d`, in sRGB.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

VISIONS: Mapping[str, Vector] = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
"""What a person sees of a colour, as a matrix on its linear red, green and blue."""
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
"""D65, the white of sRGB."""
BACKGROUNDS: Mapping[str, str] = {
    "white": "#ffffff",
    "black": "#000000",
    "the report, dark": "#14181d",
    "a card of optuna-dashboard, dark": "#1e1e1e",
}


class ClosestPair(NamedTuple):
    """The two colours of a palette that differ least, by name, and their difference."""

    difference: float
    one: str
    other: str


def closest_pair(palette: Mapping[str, str], vision: str) -> ClosestPair:
    """Return the two colours that people with this vision, a key of VISIONS, confuse most easily."""
    seen = {name: as_seen(colour, vision) for name, colour in palette.items()}
    return min(ClosestPair(difference(seen[a], seen[b]), a, b) for a, b in combinations(seen, 2))


def as_seen(colour: str, vision: str) -> Vector:
    """Return the colour as CIE L*a*b*, shape (3,), for this vision."""
    seen = np.clip(VISIONS[vision] @ _linear(colour), 0.0, 1.0)
    share = _TO_XYZ @ seen / _WHITE
    x, y, z = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one: Sequence[float] | Vector, other: Sequence[float] | Vector) -> float:
    """Return the CIEDE2000 difference of two colours in L*a*b*; about 1 is just noticeable side by side."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    grey = 0.5 * (1 - _saturation((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2))
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn, hue = _hues(h1, h2) if c1 * c2 else (0.0, h1 + h2)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    weight = 1 + sum(
        share * math.cos(math.radians(times * hue + shift))
        for share, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    d_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    d_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    d_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    blue = math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2))))
    rotated = -2 * _saturation(chroma) * blue * d_chroma * d_hue
    return math.sqrt(d_light**2 + d_chroma**2 + d_hue**2 + rotated)


def _saturation(chroma: float) -> float:
    return math.sqrt(chroma**7 / (chroma**7 + 25.0**7))


def _hues(h1: float, h2: float) -> tuple[float, float]:
    """Return the turn from one hue to the other and the hue between them, in degrees."""
    turn = (h2 - h1 + 180) % 360 - 180
    return turn, (h1 + turn / 2) % 360


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2, from 0 (black) to 1 (white)."""
    return float(np.array([0.2126, 0.7152, 0.0722]) @ _linear(colour))


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2.2, from 1 to 21: text needs 4.5, graphics need 3."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _linear(colour: str) -> Vector:
    parts = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def main() -> None:
    """Print the table of both palettes."""
    from search.text import COLOURS
    from search.watching.plots.plotly_parts import LINE_COLOURS, verdict_text

    verdicts = {verdict_text(verdict): colour for verdict, colour in COLOURS.items()}
    for title, palette in (("verdicts", verdicts), ("lines", {colour: colour for colour in LINE_COLOURS})):
        for vision in VISIONS:
            found = closest_pair(palette, vision)
            print(
                f"{title:9} {vision:13} least difference {found.difference:4.1f}: {found.one}, {found.other}"
            )
        for name, colour in palette.items():
            ratios = ", ".join(f"{contrast(colour, back):.2f} on {on}" for on, back in BACKGROUNDS.items())
            print(f"{title:9} {name:13} {colour} contrast {ratios}")


if __name__ == "__main__":
    main()
