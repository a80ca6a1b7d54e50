"""The `ballast` command: joins the commands, and turns an error into one sentence and an exit code.

Exit codes: 0 done; 1 the answer is no, or the reader of the output closed the pipe; 2 the request is wrong;
130 interrupted.
"""

import fcntl
import logging
import os
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from search.memory import memory_limit, memory_shortage, require_memory
from search.version import VERSION
from trainer.text import PlainFormatter

COMMANDS = (
    *(
        "init",
        "run",
        "walk_forward",
        "worker",
        "check",
        "calibrate",
        "status",
        "trials",
        "compare",
        "explain",
        "replay",
        "export",
        "report",
    ),
    *("train", "verify", "refit", "predict", "track", "dashboard", "proxy", "void", "delete", "rename"),
    *("db", "doctor", "schema"),
)

app = typer.Typer(
    name="ballast",
    help="Search hyperparameters of GRU forecasters, and do not be fooled while doing so.",
    epilog="Start with: ballast run sample:sp500-volatility",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _name in COMMANDS:
    import_module(f"search.cli.{_name}").register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ballast {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that come before a command."""


def main() -> None:
    """Run the command line. An expected error prints one sentence on stderr and no traceback."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal is UTF-8
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    try:
        try:
            if "--help" not in sys.argv:
                require_memory(next(iter(sys.argv[1:]), None))
            app(prog_name="ballast")  # typer turns a KeyboardInterrupt into exit code 130
        finally:
            sys.stdout.flush()  # at exit it is too late to report a full disk or a closed pipe
    except BrokenPipeError:
        _discard_stdout()
        sys.exit(1)
    except Exception as error:
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Print what went wrong and return the exit code. An unexpected error is raised again."""
    sentence, code = memory_shortage(error), 2
    is_short = sentence is not None
    if not is_short:  # else there is no memory for this import
        from search.failures import explain_failure

        sentence, code = explain_failure(error)
    if sentence is None:
        raise error
    with suppress(OSError):  # stderr may be closed or its disk full
        print(f"ballast: {sentence}", file=sys.stderr, flush=True)
    _discard_stdout()
    if is_short and memory_limit() is not None:
        os._exit(code)  # libraries that were loaded in part crash when the interpreter ends
    return code


def _open_closed_streams() -> None:
    """Open /dev/null in place of each standard stream that the caller closed, as `>&-` does.

    Otherwise the next file that is opened, such as the store, gets the descriptor, and printed text is
    written into it. A shell may have its script, read-only, on the descriptor.
    """
    for descriptor in range(3):
        if not _is_usable(descriptor):
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - never closed


def _is_usable(descriptor: int) -> bool:
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError:
        return False
    return descriptor == 0 or flags & os.O_ACCMODE != os.O_RDONLY


def _discard_stdout() -> None:
    """Replace stdout by /dev/null if it cannot be written; else the interpreter prints an error at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
