"""Finds text on a page whose contrast with its background is too low, from the colours that are drawn."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEAST, LEAST_LARGE = 4.5, 3.0
"""WCAG 2.2, 1.4.3: large is from 24 pixels on, bold from 18.66 on."""

_LOOK = """([root, least, leastLarge]) => {
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const linear = part => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const over = (top, ground) => {
        const alpha = top[3] ?? 1;
        return [0, 1, 2].map(i => alpha * top[i] + (1 - alpha) * ground[i]);
    };
    const ground = element => {
        if (element === null) return [255, 255, 255];
        const style = getComputedStyle(element), colour = parts(style.backgroundColor);
        if ((colour[3] ?? 1) === 1) return colour;
        let below = ground(element.parentElement);
        const veil = style.backgroundImage.match(/rgba?\\([^)]*\\)/);  // a raised card of a dark page
        if (veil !== null) below = over(parts(veil[0]), below);
        return over(colour, below);
    };
    const found = [], walker = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement, style = getComputedStyle(element);
        const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
        if (!walker.currentNode.textContent.trim() || !shown || element.closest("script, style")) continue;
        seen += 1;
        const colour = parts(element instanceof SVGElement ? style.fill : style.color);
        const size = parseFloat(style.fontSize), bold = parseInt(style.fontWeight) >= 700;
        const large = size >= 24 || (bold && size >= 18.66);
        const below = ground(element), [a, b] = [light(over(colour, below)), light(below)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < (large ? leastLarge : least))
            found.push([walker.currentNode.textContent.trim().slice(0, 60), Math.round(100 * ratio) / 100]);
    }
    return [seen, found];
}"""


def low_contrasts(page: "Page", root: str) -> list[Any]:
    """Return `[text, contrast]` of each text in the element `root`, a selector, that is too pale.

    Raises AssertionError if there is no text at all.
    """
    seen, found = page.evaluate(_LOOK, [root, LEAST, LEAST_LARGE])
    assert seen
    return list(found)
