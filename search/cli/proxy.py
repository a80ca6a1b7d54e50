"""`ballast proxy`: serves Optuna's gRPC proxy, which reads and caches a store for many workers."""

from typing import Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import StoreUrl

_EPILOG = "Example: ballast proxy --store postgresql://ballast@db/ballast --port 13000"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="proxy", epilog=_EPILOG)(proxy)


def proxy(
    store: StoreUrl = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port.")] = 13000,
) -> None:
    """Serve Optuna's part of the store to `ballast worker --proxy HOST:PORT`, until Ctrl-C."""
    from search.sampling.optuna_storage import serve_proxy
    from search.watching.server.listen_address import warn_if_exposed

    opened = open_existing_store(store)
    warn_if_exposed(host, "Optuna's gRPC proxy")
    print(f"{host}:{port}  (store {opened.shown_url}; Ctrl-C ends)", flush=True)
    serve_proxy(opened, host, port)
