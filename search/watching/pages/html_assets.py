"""The style sheet of a page, and the script that draws its figures.

`showSendToCloud` is off: Plotly would offer to upload a figure to its cloud.
"""

from collections.abc import Mapping

from storage.verdicts import Verdict

_DISC = "M6 1a5 5 0 1 0 .01 0z"
VERDICT_SHAPES: Mapping[Verdict, tuple[str, bool]] = {
    Verdict.ACCEPTED: (_DISC, False),
    Verdict.UNPROMISING: (_DISC, True),
    Verdict.UNSTABLE: ("M.5 1.5h11L6 11z", False),
    Verdict.SUSPICIOUS: ("M6 0l6 6-6 6-6-6z", False),
    Verdict.INTERRUPTED: ("M1.5 1.5h9v9h-9z", True),
    Verdict.FAILED: ("M3 .5l3 3 3-3L11.5 3l-3 3 3 3L9 11.5l-3-3-3 3L.5 9l3-3-3-3z", False),
}
"""A path in a box of 12 × 12 that looks like the verdict's symbol in figures (plotly_parts.SYMBOLS), and
whether it is an outline."""


def figure_text_rule(figure: str, colour: str = "currentColor") -> str:
    """Return a style that draws the text of figures in the colour of the text around them.

    `figure` is the selector of what holds a figure. Plotly chooses the colour of text on coloured grounds
    itself, in hover labels and in bars, by its contrast.
    """
    grounds = ", ".join(f"{layer} text" for layer in (".hoverlayer", ".barlayer"))
    return f"{figure} text:not({grounds}) {{ fill: {colour} !important }}"


STYLE = (
    """
:root { --text: #1a1f26; --quiet: #5b6470; --line: #d8dde3; --back: #fff; --band: #f5f7f9; --link: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7eb; --quiet: #9aa4b0; --line: #343b45; --back: #14181d; --band: #1c2229; --link: #6bf }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 1.5rem 1.25rem 4rem }
h1, h2, h3, p, figcaption, a { overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem }
p { max-width: 75ch; margin: .5rem 0 }
p.strong { font-size: 1.1rem; font-weight: 600 }
a { color: var(--link) }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1.2rem 0 0; padding: 0; list-style: none }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem }
table { border-collapse: collapse; font-size: .9rem }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; vertical-align: top }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; border-bottom: 1px solid var(--line) }
td { border-bottom: 1px solid var(--line) }
tbody tr:hover { background: var(--band) }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.w { white-space: nowrap }
.t { min-width: min(24ch, 45vw); max-width: 80ch; overflow-wrap: anywhere }
.verdict { white-space: nowrap }
.verdict svg { width: .75em; height: .75em; margin-right: .45em; vertical-align: -.05em }
pre { overflow-x: auto; padding: .75rem 1rem; background: var(--band); border-radius: 6px; font-size: .85rem }
figure { margin: 1.75rem 0 }
figcaption { max-width: 75ch; color: var(--quiet); font-size: .9rem }
.plot { min-height: 420px }
"""
    + figure_text_rule(".plot")
    + """
@media print {
  :root { --text: #000; --quiet: #444; --line: #bbb; --back: #fff; --band: #fff; --link: #000 }
  body { font-size: 9.5pt }
  main { max-width: none; padding: 0 }
  nav { display: none }
  .scroll, pre { overflow: visible }
  pre { white-space: pre-wrap; border: 1px solid var(--line) }
  h2, h3, figcaption { break-after: avoid }
  tr, figure { break-inside: avoid }
}
"""
)

SCRIPT = """
for (const figure of document.querySelectorAll("figure")) {
  const place = figure.querySelector(".plot");
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  layout.modebar = { bgcolor: "rgba(0,0,0,0)" };
  Plotly.newPlot(place, data, layout, { responsive: true, displaylogo: false, showSendToCloud: false });
}
"""
