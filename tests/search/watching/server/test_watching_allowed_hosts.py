"""Which hosts a server answers to, in all the spellings that a request may use."""

import socket

import pytest

from search.errors import RequestError
from search.watching.server.allowed_hosts import (
    AllowedHosts,
    Host,
    allowed_hosts,
    parse_allowed_hosts,
    read_host,
)


def hosts(host: str = "127.0.0.1", *given: str, bound: str | None = None) -> AllowedHosts:
    return allowed_hosts(host, bound or host, parse_allowed_hosts(given))


def admits(allowed: AllowedHosts, header: str) -> bool:
    host = read_host(header)
    return host is not None and allowed.allows(host)


@pytest.mark.parametrize(
    "header",
    ["localhost", "LocalHost:8080", "localhost.", "localhost.:8080", "127.0.0.1", "127.0.0.1:1", "[::1]",
     "[::1]:80",
     "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:8080"],
)  # fmt: skip
def test_the_loopback_names_are_allowed_in_every_spelling(header: str) -> None:
    for allowed in (hosts(), hosts("10.0.0.5"), hosts("0.0.0.0", "ballast.example"), hosts("::", "x")):
        assert admits(allowed, header)


@pytest.mark.parametrize(
    "header",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "evil-localhost", "localhost..",
     ".localhost",
     "localhost:", "localhost:x", "localhost:99999", "localhost:*", "localhost, evil.example",
     "localhost,localhost",
     "user@localhost", "localhost/", "localhost#", "localhost\\@evil.example", " localhost", "localhost\t",
     "", ".",
     "[::1", "::1", "[::1]x", "[localhost]", "127.0.0.1.evil.example", "127.1", "2130706433", "0x7f000001",
     "10.0.0.5", "[::2]", "lоcalhost", "localhost\x00"],
)  # fmt: skip
def test_anything_else_is_not(header: str) -> None:
    assert not admits(hosts(), header)
    assert not admits(hosts("0.0.0.0", "ballast.example"), header)


def test_the_address_that_it_listens_on_is_allowed() -> None:
    assert admits(hosts("10.0.0.5"), "10.0.0.5:8080")
    assert admits(hosts("fe80::1"), "[fe80::1]:8080")
    named = hosts("box", bound="10.0.0.5")
    assert admits(named, "box:8080")
    assert admits(named, "10.0.0.5")
    assert not admits(named, "10.0.0.6")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_on_every_address_it_answers_to_this_machine_by_name_and_address_unless_told_otherwise(
    host: str,
) -> None:
    bound = host or "0.0.0.0"
    free, told = hosts(host, bound=bound), hosts(host, "ballast.example", bound=bound)
    assert admits(free, socket.gethostname())
    assert admits(free, "127.0.0.2:8080")  # all of 127.0.0.0/8 is this machine's
    assert not admits(free, "192.0.2.1")  # kept for examples, and so nobody's
    assert not admits(free, "evil.example")
    assert not admits(told, "127.0.0.2")
    assert not admits(told, socket.gethostname())
    assert admits(told, "ballast.example")


def test_named_hosts_come_as_lists_and_one_by_one() -> None:
    given = parse_allowed_hosts(
        ["a.example, B.Example:8080", "::1,[::2]:80", "c.example:*", "bücher.example"]
    )
    assert given == {
        Host("a.example"),
        Host("b.example", 8080),
        Host("::1"),
        Host("::2", 80),
        Host("c.example"),
        Host("xn--bcher-kva.example"),
    }


def test_a_port_counts_where_it_is_named() -> None:
    allowed = hosts("127.0.0.1", "any.example", "one.example:8080", "usual.example:443")
    assert admits(allowed, "any.example:1234")
    assert admits(allowed, "one.example:8080")
    assert not admits(allowed, "one.example:8081")
    assert not admits(allowed, "one.example")
    assert admits(allowed, "usual.example")  # a browser leaves the usual ports out
    assert admits(allowed, "usual.example:443")
    assert not admits(allowed, "sub.any.example")


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "*.example",
        "",
        "a,,b",
        "http://a.example",
        "a.example/",
        "a.example:",
        "a:0",
        "a:65536",
        "a b",
        "a@b",
    ],
)
def test_what_is_no_host_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(RequestError, match="is no host; give a name or an address") as refused:
        parse_allowed_hosts([text])
    assert "ballast dashboard --allowed-hosts ballast.example" in str(refused.value)


SAME = [
    ("http://localhost:8080", "localhost:8080"),
    ("http://LOCALHOST:8080", "localhost:8080"),
    ("http://localhost", "localhost"),
    ("http://localhost:80", "localhost"),
    ("https://ballast.example", "ballast.example"),  # a proxy took the TLS off
    ("http://[::1]:8080", "[::1]:8080"),
    ("https://ballast.example", "127.0.0.1:8080"),  # a proxy put its own name in
    ("https://ballast.example:8443", "127.0.0.1:8080"),
]
FOREIGN = [
    ("null", "localhost:8080"),
    ("", "localhost:8080"),
    ("http://localhost:3000", "localhost:8080"),
    ("http://127.0.0.1:8080", "localhost:8080"),
    ("http://evil.example", "localhost:8080"),
    ("http://localhost:8080.evil.example", "localhost:8080"),
    ("http://localhost:8080@evil.example", "localhost:8080"),
    ("http://localhost:8080, http://evil.example", "localhost:8080"),
    ("http://localhost:8080/", "localhost:8080"),
    ("file://localhost:8080", "localhost:8080"),
    ("chrome-extension://localhost", "localhost"),
    ("http://ballast.example:3000", "ballast.example:8080"),
    ("http://other.example", "127.0.0.1:8080"),
]


@pytest.mark.parametrize(("origin", "host"), [*SAME, *FOREIGN])
def test_a_page_is_ours_if_it_is_from_the_same_place_or_from_a_named_proxy(origin: str, host: str) -> None:
    meant = read_host(host)
    assert meant is not None
    allowed = hosts("127.0.0.1", "ballast.example,ballast.example:8443")
    assert allowed.is_same_origin(origin, meant) is ((origin, host) in SAME)
