"""`ballast dashboard`: serves optuna-dashboard on a store."""

from typing import Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import StoreUrl

_EPILOG = "Example: ballast dashboard --port 8080"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="dashboard", epilog=_EPILOG)(dashboard)


def dashboard(
    store: StoreUrl = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 chooses a free one.")] = 8080,
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Other host names of the dashboard than localhost, with commas. May be repeated.",
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Serve a store that the browser cannot change.")
    ] = False,
) -> None:
    """Serve optuna-dashboard on this store until Ctrl-C."""
    from search.watching.server.dashboard import serve_dashboard

    serve_dashboard(
        open_existing_store(store), host, port, changeable=not read_only, hosts=allowed_hosts or ()
    )
