"""`ballast`: one file per command, thin; this one joins them and turns errors into sentences and exit codes.

Exit codes: 0 done; 1 the answer is no; 2 the request is wrong; 130 interrupted.
"""

import logging
import os
import sys
from importlib import import_module
from io import TextIOWrapper

import typer

from trainer.text import PlainFormatter

COMMANDS = (
    *("run", "worker", "check", "status", "trials", "explain", "export", "report"),
    *("train", "verify", "predict", "track", "dashboard", "proxy", "db", "doctor"),
)

app = typer.Typer(
    name="ballast",
    help="Search hyperparameters of GRU forecasters, and do not be fooled while doing so.",
    epilog="Start with: ballast run configs/studies/sp500-volatility.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name in COMMANDS:
    import_module(f"search.cli.{_name}").register(app)


def main() -> None:
    """Run the command line; every error that is foreseen is one sentence on stderr, and no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names and dashes on a terminal that is not UTF-8
    told = logging.StreamHandler()
    told.setFormatter(PlainFormatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(handlers=[told], level=logging.WARNING)
    try:
        try:
            app(prog_name="ballast")  # typer turns a KeyboardInterrupt into exit code 130
        finally:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
    except BrokenPipeError:
        _let_go_of_stdout()
        sys.exit(1)
    except Exception as error:
        from search.cli.failures import explain_failure  # errors are known to modules that are slow to import

        sentence, code = explain_failure(error)
        if sentence is None:
            raise
        print(f"ballast: {sentence}", file=sys.stderr)
        _let_go_of_stdout()
        sys.exit(code)


def _let_go_of_stdout() -> None:
    """What could not be written cannot be at exit either, where the interpreter would complain of it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
