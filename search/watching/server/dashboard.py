"""Serves optuna-dashboard on our store, with what Ballast knows put where the dashboard shows it."""

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optuna_dashboard import wsgi

from search.errors import RequestError
from search.record.artifacts import AllArtifactFolders, artifact_folders
from search.watching.publishing.study_publisher import publish_all_while_serving
from search.watching.server.allowed_hosts import allowed_hosts, parse_allowed_hosts
from search.watching.server.dashboard_plugins import ArtifactPlugin, RefuseRenamePlugin, StudyPagePlugin
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
"""Bytes of a request; what optuna-dashboard takes into memory."""
_LARGEST_READ = 65_536
"""Bytes of a request to a dashboard that takes no changes."""


def dashboard_application(store: Store, showcase: DashboardStorage) -> "WSGIApplication":
    """The dashboard of a store: a storage object, since with a URL each page is 20 times slower."""
    served = wsgi(showcase, artifact_store=AllArtifactFolders(lambda: artifact_folders(store)))
    served.install(StudyPagePlugin(showcase))
    served.install(RefuseRenamePlugin(showcase))
    served.install(ArtifactPlugin())
    return served  # type: ignore[no-any-return]


def serve_dashboard(
    store: Store, host: str, port: int, *, changeable: bool = True, hosts: Sequence[str] = ()
) -> None:
    """Serve until Ctrl-C; RequestError if the address cannot be had, or one of the allowed `hosts` is none.

    Unless `changeable`, nothing is written, by the browser or by us.
    """
    named = parse_allowed_hosts(hosts)
    showcase = DashboardStorage(store)
    listening = _listening(host, port)
    allowed = allowed_hosts(host, listening.getsockname()[0], named)
    served = dashboard_application(store, showcase)
    if not changeable:
        served = refuse_writes(served)
    served = with_security_headers(require_allowed_host(allowed, refuse_cross_site_writes(allowed, served)))
    server = make_server(served, listening, _LARGEST_UPLOAD if changeable else _LARGEST_READ)
    warn_if_exposed(host, "optuna-dashboard")
    how = "" if changeable else "read-only; "
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    print(f"{address}  (store {store.shown_url}; {how}Ctrl-C ends)", flush=True)
    with publish_all_while_serving(store, showcase.warmed_up) if changeable else _warming_up(showcase):
        server.run()  # until a KeyboardInterrupt, which it takes for the end
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
def _warming_up(showcase: DashboardStorage) -> Iterator[None]:
    threading.Thread(target=showcase.warmed_up, daemon=True).start()
    yield
