"""Serves optuna-dashboard on our store, as a WSGI application over a storage object."""

import sys
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from search.errors import RequestError
from search.exposure import LOCAL, is_local, warn_if_exposed
from search.optuna_storage import optuna_storage
from storage.engine import Store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line per request would bury the address."""


def for_this_machine(application: "WSGIApplication") -> "WSGIApplication":
    """Answer only requests that name this machine.

    A page from elsewhere may point its own domain to 127.0.0.1 (DNS rebinding), and would then be let in by
    the browser as if it were ours.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if _hostname(environ.get("HTTP_HOST", "")) in LOCAL:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"this address is not this machine's; open the one that `ballast dashboard` printed\n"]

    return answer


def _hostname(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:  # a bracket that is not closed
        return None


def serve(store: Store, host: str, port: int) -> None:
    """Serve until Ctrl-C; RequestError if the address cannot be had."""
    application = wsgi(optuna_storage(store))  # a storage object: with a URL each page is 20 times slower
    if is_local(host):
        application = for_this_machine(application)
    try:
        server = make_server(host, port, application, server_class=_Server, handler_class=_Quiet)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a port is a number from 0 to 65535"
        raise RequestError(
            f"cannot listen on {host}:{port}: {reason}; take another: ballast dashboard --port 0"
        ) from None
    warn_if_exposed(host, "optuna-dashboard")
    print(f"http://{host}:{server.server_port}/  (store {store.shown_url}; Ctrl-C ends)", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
