"""Serves optuna-dashboard on a store of Ballast, with Ballast's notes, plots and files on its pages."""

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bottle import request
from optuna_dashboard import wsgi

from search.errors import RequestError
from search.record.artifacts import AllArtifactFolders, artifact_folders
from search.watching.publishing.study_publisher import publish_all_while_serving
from search.watching.server.allowed_hosts import allowed_hosts, parse_allowed_hosts
from search.watching.server.dashboard_plugins import (
    ArtifactPlugin,
    FigureTextPlugin,
    RefuseRenamePlugin,
    StartPagePlugin,
    StudyPagePlugin,
)
from search.watching.server.dashboard_storage import DashboardStorage
from search.watching.server.http_server import make_server
from search.watching.server.listen_address import warn_if_exposed
from search.watching.server.request_checks import (
    refuse_cross_site_writes,
    refuse_writes,
    require_allowed_host,
    with_security_headers,
)
from storage.engine import Store

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_LAST_PORT = 65535
_LARGEST_UPLOAD = 128 * 2**20
"""The largest request in bytes: optuna-dashboard reads it into memory."""
_LARGEST_READ = 65_536
"""The largest request in bytes to a read-only dashboard."""


def dashboard_application(store: Store, storage: DashboardStorage) -> "WSGIApplication":
    """Return the dashboard of a store. It gets a storage object: with a URL each page would be 20 times
    slower.
    """
    served = wsgi(storage, artifact_store=AllArtifactFolders(lambda: artifact_folders(store)))
    served.install(StartPagePlugin(store, storage))
    served.install(FigureTextPlugin())
    served.install(StudyPagePlugin(storage))
    served.install(RefuseRenamePlugin(storage))
    served.install(ArtifactPlugin())
    served.add_hook("before_request", _accept_any_encoding)
    return served  # type: ignore[no-any-return]


def _accept_any_encoding() -> None:
    """Give a request without `Accept-Encoding` one: optuna-dashboard answers 500 to a static file without."""
    request.environ.setdefault("HTTP_ACCEPT_ENCODING", "identity")


def serve_dashboard(
    store: Store, host: str, port: int, *, changeable: bool = True, hosts: Sequence[str] = ()
) -> None:
    """Serve until Ctrl-C.

    If not `changeable`, neither the browser nor Ballast writes anything. Raises RequestError if the address
    is not free, or if one of the allowed `hosts` is not a host.
    """
    named = parse_allowed_hosts(hosts)
    storage = DashboardStorage(store)
    listening = _listening(host, port)
    allowed = allowed_hosts(host, listening.getsockname()[0], named)
    served = dashboard_application(store, storage)
    if not changeable:
        served = refuse_writes(served)
    served = with_security_headers(require_allowed_host(allowed, refuse_cross_site_writes(allowed, served)))
    server = make_server(served, listening, _LARGEST_UPLOAD if changeable else _LARGEST_READ)
    warn_if_exposed(host, "optuna-dashboard")
    how = "" if changeable else "read-only; "
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    print(f"{address}  (store {store.shown_url}; {how}Ctrl-C ends)", flush=True)
    with publish_all_while_serving(store, storage.preload) if changeable else _preloading(storage):
        server.run()  # a KeyboardInterrupt ends it without an error
        server.close()
    print("stopped", file=sys.stderr)


def _listening(host: str, port: int) -> socket.socket:
    try:
        if not 0 <= port <= _LAST_PORT:
            raise OSError(0, f"a port is a number from 0 to {_LAST_PORT}")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise RequestError(
            f"cannot listen on {host}:{port}: {error.strerror}; take another: ballast dashboard --port 0"
        ) from None


@contextmanager
def _preloading(storage: DashboardStorage) -> Iterator[None]:
    threading.Thread(target=storage.preload, daemon=True).start()
    yield
