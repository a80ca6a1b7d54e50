"""The names that a server answers to.

A page from elsewhere may point its own name at this machine (DNS rebinding); the browser then takes our
answers for that page's own. The name stands in the `Host` header, so a server that knows its names refuses
such requests.
"""

import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from search.errors import RequestError
from search.watching.server.listen_address import LOCAL_HOSTS

_HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::(?P<port>\d{1,5}|\*))?", re.IGNORECASE
)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@]+)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


@dataclass(frozen=True)
class Host:
    """A name or address in its one spelling, and a port; None stands for no port."""

    name: str
    port: int | None = None


def read_host(header: str) -> Host | None:
    """What a `Host` header or the host of a URL says; None where it is missing, doubled or malformed.

    Upper case, one dot at the end, and the spelling of an IP address make no difference.
    """
    found = _HOST.fullmatch(header)
    if found is None or found["port"] == "*":
        return None
    port = None if found["port"] is None else int(found["port"])
    name = _plain_name(found["name"])
    return None if name is None or (port or 0) > _LAST_PORT else Host(name, port)


def _plain_name(name: str) -> str | None:
    if name.startswith("["):
        try:
            return str(_mapped(ip_address(name[1:-1])))
        except ValueError:
            return None
    with suppress(ValueError):
        return str(ip_address(name))
    return name.lower()


def _mapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does: `::ffff:127.0.0.1` is 127.0.0.1."""
    return getattr(address, "ipv4_mapped", None) or address


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts that requests may be meant for; one without a port is allowed with any."""

    always: frozenset[Host]
    named: frozenset[Host] = field(default_factory=frozenset)
    """Those that `--allowed-hosts` names."""
    own_addresses: bool = False
    """Whether every address of this machine is allowed, too."""

    def admit(self, host: Host) -> bool:
        """Whether a request for `host` may be answered."""
        known = self.always | self.named
        if Host(host.name) in known or host in known:
            return True
        if host.port is None and any(Host(host.name, port) in known for port in _PORTS.values()):
            return True
        return self.own_addresses and _is_own_address(host.name)

    def is_same_origin(self, origin: str, host: Host) -> bool:
        """Whether an `Origin` header names the server that a request for `host` went to.

        A proxy may have put another name into `Host`; its public name must then be one of `named`, with the
        port if that is not the usual one of http or https.
        """
        found = _ORIGIN.fullmatch(origin)
        named = None if found is None else read_host(found["host"])
        if found is None or named is None:
            return False
        usual = _PORTS[found["scheme"].lower()]
        port = named.port or usual
        if (named.name, port) == (host.name, host.port or usual):
            return True
        return Host(named.name, port) in self.named or (port == usual and Host(named.name) in self.named)


def _is_own_address(name: str) -> bool:
    """Whether `name` is an IP address of this machine: only those can be bound."""
    try:
        address = ip_address(name)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((name, 0))
    except (ValueError, OSError):
        return False
    return True


def parse_allowed_hosts(given: Iterable[str]) -> frozenset[Host]:
    """The hosts of `--allowed-hosts`, each element a list with commas. RequestError for what is no host."""
    return frozenset(_given(part.strip()) for text in given for part in text.split(","))


def allowed_hosts(host: str, bound: str, named: frozenset[Host]) -> AllowedHosts:
    """The hosts of a server that was told to listen on `host` and listens on the address `bound`.

    They are the names of the loopback interface, `host`, and those that are `named`. A server that listens on
    every address and has none named answers to this machine's name and addresses.
    """
    everywhere = ip_address(bound).is_unspecified and not named
    own = [*LOCAL_HOSTS, host, bound, *([socket.gethostname()] if everywhere else [])]
    always = frozenset(Host(name) for name in map(_plain_name, own) if name)
    return AllowedHosts(always, named, everywhere)


def _given(text: str) -> Host:
    """One host of `--allowed-hosts`. `NAME:*` is MLflow's way to write NAME with any port."""
    with suppress(ValueError):
        return Host(str(_mapped(ip_address(text))))  # an IPv6 address without brackets
    ascii_name = _ascii(text).removesuffix(":*")
    found = read_host(ascii_name)
    if found is None or found.port == 0:
        raise RequestError(
            f"--allowed-hosts: {text!r} is no host; give a name or an address, with a port if only that one "
            "is meant: ballast dashboard --allowed-hosts ballast.example,10.0.0.5:8080"
        )
    return found


def _ascii(text: str) -> str:
    """A name as browsers send it: `bücher.example` is `xn--bcher-kva.example`."""
    with suppress(UnicodeError):
        return text if text.isascii() else text.encode("idna").decode("ascii")
    return text
