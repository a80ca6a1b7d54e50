"""Requests that a page from elsewhere could make a browser send, and what is told of every answer."""

from typing import TYPE_CHECKING, Any

import pytest

from search.watching.server.allowed_hosts import allowed_hosts, parse_allowed_hosts
from search.watching.server.request_checks import (
    refuse_cross_site_writes,
    require_allowed_host,
    with_security_headers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

ALLOWED = allowed_hosts("127.0.0.1", "127.0.0.1", parse_allowed_hosts(["ballast.example"]))


def reached(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
    start_response(
        "200 OK", [("Access-Control-Allow-Origin", "*"), ("Content-Security-Policy", "default-src 'self'")]
    )
    return [b"reached"]


SERVED = with_security_headers(require_allowed_host(ALLOWED, refuse_cross_site_writes(ALLOWED, reached)))


def asked(method: str = "GET", **environ: str | None) -> tuple[int, list[tuple[str, str]]]:
    """The status and the headers of the answer to a request."""
    said: list[Any] = []
    usual = {"REQUEST_METHOD": method, "REQUEST_URI": "/", "HTTP_HOST": "localhost:8080"}
    given = {key: value for key, value in {**usual, **environ}.items() if value is not None}

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        said.extend([int(status[:3]), headers])

    tuple(SERVED(given, start))
    return said[0], said[1]


def status(method: str = "GET", **environ: str | None) -> int:
    return asked(method, **environ)[0]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "BREW"])
def test_a_host_that_is_not_allowed_gets_nothing(method: str) -> None:
    assert status(method, HTTP_HOST="evil.example") == 403
    assert status(method, HTTP_HOST="evil.example", HTTP_X_FORWARDED_HOST="localhost") == 403
    assert status(method, HTTP_HOST="") == 400
    assert status(method, HTTP_HOST="localhost, localhost") == 400
    assert status(method, HTTP_HOST="localhost", HTTP_X_FORWARDED_HOST="evil.example") == 200


def test_a_request_without_host_is_refused() -> None:
    assert status(HTTP_HOST=None) == 400


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/", 200), ("//evil.example/", 200), ("*", 200), ("http://localhost:8080/", 200),
        ("http://evil.example/", 403),
        ("http://localhost@evil.example/", 400), ("http://evil.example:80", 403), ("evil.example:443", 400),
        ("http:///", 400), ("http://[::1", 400), ("", 400),
    ],
)  # fmt: skip
def test_a_target_that_is_a_whole_url_must_name_an_allowed_host_as_well(target: str, code: int) -> None:
    assert status(REQUEST_URI=target) == code


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:3000", "https://x, https://y"]
)
def test_a_foreign_origin_may_read_and_change_nothing(origin: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "post", "BREW"):
        assert status(method, HTTP_ORIGIN=origin) == 403
    for method in ("GET", "HEAD", "OPTIONS"):
        assert status(method, HTTP_ORIGIN=origin) == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "nonsense", ""])
def test_what_the_browser_says_is_from_another_site_changes_nothing(site: str) -> None:
    assert status("POST", HTTP_SEC_FETCH_SITE=site) == 403
    assert status("POST", HTTP_SEC_FETCH_SITE=site, HTTP_ORIGIN="http://localhost:8080") == 403
    assert status("GET", HTTP_SEC_FETCH_SITE=site) == 200


def test_our_own_page_a_named_proxy_and_a_shell_may_change_something() -> None:
    json = {"CONTENT_TYPE": "application/json; charset=utf-8", "CONTENT_LENGTH": "2"}
    assert (
        status("POST", HTTP_ORIGIN="http://localhost:8080", HTTP_SEC_FETCH_SITE="same-origin", **json) == 200
    )
    assert status("DELETE", HTTP_ORIGIN="https://ballast.example", HTTP_HOST="ballast.example") == 200
    assert status("DELETE", HTTP_ORIGIN="https://ballast.example", HTTP_HOST="127.0.0.1:8080") == 200
    assert status("POST", **json) == 200
    assert status("POST") == 200


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "text/plain; application/json",
     "application/jsonx", "", "text/plain, application/json"],
)  # fmt: skip
def test_a_body_that_a_form_could_send_is_refused(kind: str) -> None:
    assert status("POST", CONTENT_TYPE=kind, CONTENT_LENGTH="2") == 415


def test_every_answer_carries_the_security_headers_and_none_is_shared_with_other_origins() -> None:
    for code, environ in ((200, {}), (403, {"HTTP_HOST": "evil.example"}), (400, {"HTTP_HOST": ""})):
        told, headers = asked(**environ)
        assert told == code
        policies = [value for name, value in headers if name == "Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policies[-1]
        assert ("X-Content-Type-Options", "nosniff") in headers
        assert ("Referrer-Policy", "same-origin") in headers
        assert not any(name.lower().startswith("access-control-") for name, _ in headers)
