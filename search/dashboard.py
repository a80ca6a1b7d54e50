"""Serves optuna-dashboard on our store, with what Ballast knows put where the dashboard shows it."""

import json
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import waitress
from optuna_dashboard import wsgi

from search.artifacts import EveryFolder, folders_of
from search.errors import RequestError
from search.exposure import LOCAL, is_local, warn_if_exposed
from search.watching.answers import FilesElsewhere, NamesStay, TrialsOfPages
from search.watching.publisher import all_published
from search.watching.showcase import Showcase
from storage.engine import Store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_THREADS = 8
_LAST_PORT = 65535
_READS = ("GET", "HEAD")


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


def read_only(application: "WSGIApplication") -> "WSGIApplication":
    """Answer only requests that change nothing: everything that the dashboard writes is no GET."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _READS:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        reason = "this dashboard is read-only; start one without --read-only to change the store"
        return [json.dumps({"reason": reason}).encode()]

    return answer


def _hostname(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:  # a bracket that is not closed
        return None


def application(store: Store, showcase: Showcase) -> "WSGIApplication":
    """The dashboard of a store: a storage object, since with a URL each page is 20 times slower."""
    served = wsgi(showcase, artifact_store=EveryFolder(lambda: folders_of(store)))
    served.install(TrialsOfPages(showcase))
    served.install(NamesStay(showcase))
    served.install(FilesElsewhere())
    return served  # type: ignore[no-any-return]


def serve(store: Store, host: str, port: int, *, changeable: bool = True) -> None:
    """Serve until Ctrl-C; RequestError if the address cannot be had.

    Unless `changeable`, nothing is written, by the browser or by us.
    """
    showcase = Showcase(store)
    served = application(store, showcase)
    if not changeable:
        served = read_only(served)
    if is_local(host):
        served = for_this_machine(served)
    listening = _listening(host, port)
    server = waitress.create_server(served, sockets=[listening], threads=_THREADS, ident=None)
    warn_if_exposed(host, "optuna-dashboard")
    how = "" if changeable else "read-only; "
    address = f"http://{host}:{listening.getsockname()[1]}/"
    print(f"{address}  (store {store.shown_url}; {how}Ctrl-C ends)", flush=True)
    with all_published(store, showcase.warmed_up) if changeable else _warming_up(showcase):
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
def _warming_up(showcase: Showcase) -> Iterator[None]:
    threading.Thread(target=showcase.warmed_up, daemon=True).start()
    yield
