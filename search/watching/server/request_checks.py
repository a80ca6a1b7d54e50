"""Checks of requests before the dashboard gets them, and security headers of its answers.

Each check is a WSGI application around another. The dashboard has no log-in: without these checks it would
carry out whatever a page of another site makes a browser send.
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
"""Values of `Sec-Fetch-Site` of requests by our own page, or by a user who types the address."""

_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_SECURITY = (
    ("Content-Security-Policy", _POLICY),  # in addition to the page's own policy: a browser obeys both
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
_SHARING = "access-control-"
"""Prefix of headers that let other origins read an answer; optuna-dashboard sends one with files."""


def require_allowed_host(hosts: AllowedHosts, application: "WSGIApplication") -> "WSGIApplication":
    """Answer only requests that name one of `hosts`.

    `X-Forwarded-Host` does not count, since anybody can send it. A request without `Host`, as HTTP/1.0
    allows, is refused.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for named in _hosts_of(environ):
            host = read_host(named)
            if host is None:
                return _refused(
                    start_response, "400 Bad Request", f"the request names no host: {named[:99]!r}"
                )
            if not hosts.allows(host):
                reason = (
                    f"this server does not answer to {host.name!r}; open the address that it printed, "
                    "or start it with --allowed-hosts and this name"
                )
                return _refused(start_response, "403 Forbidden", reason)
        return application(environ, start_response)

    return answer


def refuse_cross_site_writes(hosts: AllowedHosts, application: "WSGIApplication") -> "WSGIApplication":
    """Refuse a request that may change something if a page of another site sent it.

    Browsers say so in `Origin` and `Sec-Fetch-Site`. Browsers too old to send either let another site send no
    JSON without asking the server first, and only JSON is accepted.
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
    """Answer only GET and HEAD requests: the dashboard changes nothing for those."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _READS:
            return application(environ, start_response)
        reason = "this dashboard is read-only; start one without --read-only to change the store"
        return _refused(start_response, "403 Forbidden", reason)

    return answer


def with_security_headers(application: "WSGIApplication") -> "WSGIApplication":
    """Add headers with which browsers frame no answer, guess no type, and tell other sites nothing of our
    pages.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            kept = [header for header in headers if not header[0].lower().startswith(_SHARING)]
            return start_response(status, [*kept, *_SECURITY], *error)

        return application(environ, start)

    return answer


def _hosts_of(environ: "WSGIEnvironment") -> list[str]:
    """Return the `Host` header and, if the target of the request is a whole URL, its host, which has
    precedence.
    """
    target = environ.get("REQUEST_URI", "/")
    named = [environ.get("HTTP_HOST", "")]
    return named if target.startswith("/") or target == "*" else [*named, _netloc(target)]


def _netloc(target: str) -> str:
    try:
        return urlsplit(target).netloc
    except ValueError:  # a bracket that is not closed
        return ""


def _is_json(environ: "WSGIEnvironment") -> bool:
    """Return whether the content type is JSON; a request without type and body counts as JSON."""
    kind = environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower()
    return kind == "application/json" or (not kind and environ.get("CONTENT_LENGTH", "0") in {"", "0"})


def _refused(start_response: "StartResponse", status: str, reason: str) -> list[bytes]:
    start_response(status, [("Content-Type", "application/json")])  # optuna-dashboard's form of an error
    return [json.dumps({"reason": reason}).encode()]
