"""What colours mean on a terminal: verdicts, layers, severities; each beside its word, never in its place."""

from collections.abc import Mapping

from rich.text import Text

from search.config.layers import Layer
from storage.verdicts import Verdict
from trainer.text import printable

VERDICT_STYLE: dict[Verdict | None, str] = {
    Verdict.ACCEPTED: "#00956c",
    Verdict.UNPROMISING: "#828282",
    Verdict.UNSTABLE: "#ae7800",
    Verdict.SUSPICIOUS: "#c36298",
    Verdict.INTERRUPTED: "#2496d8",
    Verdict.FAILED: "#d65f00",
    None: "#0078c0",
}
"""The hues of search.text.COLOURS, each as light as can be read on a black ground and on a white one."""
LAYER_STYLE = {
    Layer.CLAMP: VERDICT_STYLE[Verdict.UNSTABLE],
    Layer.GUARD: VERDICT_STYLE[Verdict.SUSPICIOUS],
    Layer.SAMPLED: VERDICT_STYLE[None],
    Layer.CLI: "bold",
}
SEVERITY_STYLE = {
    "error": VERDICT_STYLE[Verdict.FAILED],
    "warning": VERDICT_STYLE[Verdict.UNSTABLE],
    "info": VERDICT_STYLE[Verdict.UNPROMISING],
}


def plain_text(text: str, style: str = "") -> Text:
    """Text of anybody's, which cannot move the cursor and is no markup."""
    return Text(printable(text), style=style)


def verdict_cell(verdict: Verdict | None) -> Text:
    """A verdict in its colour."""
    return Text("running" if verdict is None else str(verdict), style=VERDICT_STYLE[verdict])


def count_cells(counts: Mapping[Verdict | None, int], of_accepted: str = "") -> tuple[Text, ...]:
    """`10 accepted`, `2 unstable`, in the order of the verdicts, those still running last.

    `of_accepted` is what else there is to say of those accepted, as ` (7 above har)`.
    """
    words = {verdict: str(verdict or "running") for verdict in (*Verdict, None)}
    words[Verdict.ACCEPTED] += of_accepted
    cells = tuple(
        Text(f"{counts[verdict]} {told}", style=VERDICT_STYLE[verdict])
        for verdict, told in words.items()
        if counts.get(verdict)
    )
    return cells or (Text("no trial yet"),)


def layer_cell(layer: Layer) -> Text:
    """A layer in its colour, if it changes what a study file says."""
    return Text(str(layer), style=LAYER_STYLE.get(layer, ""))


def trial_end_line(
    number: int, verdict: Verdict | None, value: float | None, skill: float | None, message: str | None
) -> Text:
    """`trial 12 unstable, loss 0.46, skill +0.16: why it ended`, on one line, however long the reason.

    A suspicious trial has no loss and no skill here: its reason names the number that was refused, and those
    of an earlier epoch would contradict it.
    """
    if verdict is Verdict.SUSPICIOUS:
        value = skill = None
    line = Text(f"trial {number} ", no_wrap=True, overflow="ellipsis") + verdict_cell(verdict)
    if value is not None:
        line.append(f", loss {value:.6f}")
    if skill is not None:
        line.append(f", skill {skill:+.4f}")
    return line.append(f": {printable(message)}" if message else "")
