"""What a request must fulfil before the dashboard sees it, and what browsers are told of every answer.

Each is a WSGI application around another. The dashboard has no log-in, so that whatever a browser can be made
to send by a page from elsewhere would be done.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from search.watching.server.allowed_hosts import AllowedHosts, Host, read_host

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_READS = ("GET", "HEAD")
_SAFE = (*_READS, "OPTIONS")
_OWN_SITE = ("same-origin", "none")
"""Values of `Sec-Fetch-Site` of requests that our own page makes, or the user by hand."""

_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_SECURITY = (
    ("Content-Security-Policy", _POLICY),  # besides the page's own: a browser obeys both
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
_SHARING = "access-control-"
"""Headers that let other origins read an answer; optuna-dashboard sends one with files."""


def require_allowed_host(hosts: AllowedHosts, application: "WSGIApplication") -> "WSGIApplication":
    """Answer only requests that are meant for one of `hosts`.

    Neither a proxy's `X-Forwarded-Host` counts, which anybody can send, nor a missing `Host`, which HTTP/1.0
    allows.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for meant in _hosts_of(environ):
            host = read_host(meant)
            if host is None:
                return _refused(
                    start_response, "400 Bad Request", f"the request names no host: {meant[:99]!r}"
                )
            if not hosts.admit(host):
                reason = (
                    f"this server does not answer to {host.name!r}; open the address that it printed, "
                    "or start it with --allowed-hosts and this name"
                )
                return _refused(start_response, "403 Forbidden", reason)
        return application(environ, start_response)

    return answer


def refuse_cross_site_writes(hosts: AllowedHosts, application: "WSGIApplication") -> "WSGIApplication":
    """Refuse what may change something if another page made the browser send it.

    Browsers tell by `Origin` and `Sec-Fetch-Site`. What sends neither is no browser of the last years; of
    those, a page from elsewhere can send no JSON unasked, and nothing but JSON is accepted.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _SAFE:
            return application(environ, start_response)
        host = read_host(environ.get("HTTP_HOST", "")) or Host("")
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and not hosts.is_same_origin(origin, host):
            reason = (
                f"a page of {origin[:99]!r} may change nothing here; if that is a proxy before this server, "
                "start it with --allowed-hosts and the proxy's name"
            )
            return _refused(start_response, "403 Forbidden", reason)
        if environ.get("HTTP_SEC_FETCH_SITE", "none").lower() not in _OWN_SITE:
            return _refused(start_response, "403 Forbidden", "a page of another site may change nothing here")
        if not _is_json(environ):
            return _refused(
                start_response, "415 Unsupported Media Type", "what is sent must be application/json"
            )
        return application(environ, start_response)

    return answer


def refuse_writes(application: "WSGIApplication") -> "WSGIApplication":
    """Answer only requests that change nothing: everything that the dashboard writes is no GET."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _READS:
            return application(environ, start_response)
        reason = "this dashboard is read-only; start one without --read-only to change the store"
        return _refused(start_response, "403 Forbidden", reason)

    return answer


def with_security_headers(application: "WSGIApplication") -> "WSGIApplication":
    """Tell browsers to frame no answer, guess no type, name our pages to no other site, share with none."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            kept = [header for header in headers if not header[0].lower().startswith(_SHARING)]
            return start_response(status, [*kept, *_SECURITY], *error)

        return application(environ, start)

    return answer


def _hosts_of(environ: "WSGIEnvironment") -> list[str]:
    """The `Host` header, and the host of a request whose target is a whole URL, which would go before it."""
    target = environ.get("REQUEST_URI", "/")
    named = [environ.get("HTTP_HOST", "")]
    return named if target.startswith("/") or target == "*" else [*named, _netloc(target)]


def _netloc(target: str) -> str:
    try:
        return urlsplit(target).netloc
    except ValueError:  # a bracket that is not closed
        return ""


def _is_json(environ: "WSGIEnvironment") -> bool:
    """Whether the body is JSON by its type; a request without type and body is as well."""
    kind = environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower()
    return kind == "application/json" or (not kind and environ.get("CONTENT_LENGTH", "0") in {"", "0"})


def _refused(start_response: "StartResponse", status: str, reason: str) -> list[bytes]:
    start_response(status, [("Content-Type", "application/json")])  # optuna-dashboard's form of an error
    return [json.dumps({"reason": reason}).encode()]
