"""What commands draw on a terminal of 80 columns, as a page that can be photographed."""

import io
import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from benchmarks.pictures.servers import surroundings

COLUMNS = 80
_PAGE = """<!DOCTYPE html><meta charset="utf-8"><style>{stylesheet}
body {{ margin: 0; background: {background}; color: {foreground} }}
pre {{ margin: 0; padding: 16px; width: max-content; font: 15px/1.35 "DejaVu Sans Mono", monospace }}
</style><body><pre>{code}</pre></body>"""


def as_page(store: str, *commands: Sequence[str]) -> str:
    """An HTML page of these commands of `ballast` and of what they say on this store."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for words in commands:
        console.print(f"[bold]$ ballast {' '.join(words)}[/bold]", highlight=False)
        console.print(Text.from_ansi(_said(store, words)), soft_wrap=True)
    return console.export_html(theme=DIMMED_MONOKAI, code_format=_PAGE)


def _said(store: str, words: Sequence[str]) -> str:
    """What a command prints for a terminal, with its colours."""
    environment = {
        **surroundings(store),
        "FORCE_COLOR": "1",
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
    }
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "search.cli", *words]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
