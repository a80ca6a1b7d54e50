"""Serves optuna-dashboard on our store, as a WSGI application over a storage object."""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from search.errors import RequestError
from search.study import optuna_storage
from storage.engine import Store

_LOCAL = ("127.0.0.1", "localhost", "::1")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line per request would bury the address."""


def warning(host: str) -> str | None:
    """What to say of an address that others can reach."""
    if host in _LOCAL:
        return None
    return f"warning: optuna-dashboard has no log-in; whoever reaches {host} can delete studies"


def serve(store: Store, host: str, port: int) -> None:
    """Serve until Ctrl-C; RequestError if the address cannot be had."""
    application = wsgi(optuna_storage(store))  # a storage object: with a URL each page is 20 times slower
    try:
        server = make_server(host, port, application, server_class=_Server, handler_class=_Quiet)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a port is a number from 0 to 65535"
        raise RequestError(
            f"cannot listen on {host}:{port}: {reason}; take another: ballast dashboard --port 0"
        ) from None
    if (danger := warning(host)) is not None:
        print(danger, file=sys.stderr)
    print(f"http://{host}:{server.server_port}/  (store {store.shown_url}; Ctrl-C ends)", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
