"""`ballast`: one file per command, thin; this one joins them and turns errors into sentences and exit codes.

Exit codes: 0 done; 1 the answer is no, or whoever read the output left; 2 the request is wrong; 130
interrupted.
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
    *("run", "worker", "check", "status", "trials", "explain", "export", "report"),
    *("train", "verify", "predict", "track", "dashboard", "proxy", "delete", "rename"),
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
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line; every error that is foreseen is one sentence on stderr, and no traceback."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names and dashes on a terminal that is not UTF-8
    told = logging.StreamHandler()
    told.setFormatter(PlainFormatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(handlers=[told], level=logging.WARNING)
    try:
        try:
            if "--help" not in sys.argv:
                require_memory(next(iter(sys.argv[1:]), None))
            app(prog_name="ballast")  # typer turns a KeyboardInterrupt into exit code 130
        finally:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
    except BrokenPipeError:
        _let_go_of_stdout()
        sys.exit(1)
    except Exception as error:
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """Tell what went wrong and return the exit code; what nobody foresaw is raised again."""
    sentence, code = memory_shortage(error), 2
    is_short = sentence is not None
    if not is_short:  # else there is no memory to import what knows the other errors
        from search.failures import explain_failure

        sentence, code = explain_failure(error)
    if sentence is None:
        raise error
    with suppress(OSError):  # where stderr takes nothing, nobody can be told
        print(f"ballast: {sentence}", file=sys.stderr, flush=True)
    _let_go_of_stdout()
    if is_short and memory_limit() is not None:
        os._exit(code)  # libraries that were loaded by half crash when the interpreter ends
    return code


def _open_closed_streams() -> None:
    """Let a stream that the caller closed, as `>&-` does, be /dev/null.

    The next file opened would get its descriptor, be it the store, and what is printed would land in it. A
    shell may have put its script there, which nobody can write to.
    """
    for descriptor in range(3):
        if not _is_usable(descriptor):
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good


def _is_usable(descriptor: int) -> bool:
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError:
        return False
    return descriptor == 0 or flags & os.O_ACCMODE != os.O_RDONLY


def _let_go_of_stdout() -> None:
    """What could not be written cannot be at exit either, where the interpreter would complain of it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
