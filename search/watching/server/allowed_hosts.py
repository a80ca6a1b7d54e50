"""The names that a server answers to.

The owner of another site can point its name at this machine (DNS rebinding); the browser then treats our
answers as answers of that site. The name is in the `Host` header, so a server that knows its own names
refuses such requests.
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
    """A name or address in its normal form, and a port; None is no port."""

    name: str
    port: int | None = None


def read_host(header: str) -> Host | None:
    """Parse a `Host` header or the host of a URL; return None if it is missing, doubled or malformed.

    Upper case, one dot at the end, and different spellings of an IP address make no difference.
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
    """Return the IPv4 address inside a mapped IPv6 address (`::ffff:127.0.0.1` is 127.0.0.1), else the
    address.
    """
    return getattr(address, "ipv4_mapped", None) or address


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts that requests may name; a host without a port is allowed with every port."""

    always: frozenset[Host]
    named: frozenset[Host] = field(default_factory=frozenset)
    """Those that `--allowed-hosts` names."""
    own_addresses: bool = False
    """Whether every address of this machine is allowed as well."""

    def allows(self, host: Host) -> bool:
        """Return whether the server answers a request for `host`."""
        known = self.always | self.named
        if Host(host.name) in known or host in known:
            return True
        if host.port is None and any(Host(host.name, port) in known for port in _PORTS.values()):
            return True
        return self.own_addresses and _is_own_address(host.name)

    def is_same_origin(self, origin: str, host: Host) -> bool:
        """Return whether an `Origin` header names the server that a request for `host` went to.

        A proxy may write another name into `Host`; its public name must then be one of `named`, with the port
        unless that is the default one of http or https.
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
    """Return whether `name` is an IP address of this machine: only those can be bound."""
    try:
        address = ip_address(name)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((name, 0))
    except (ValueError, OSError):
        return False
    return True


def parse_allowed_hosts(options: Iterable[str]) -> frozenset[Host]:
    """Parse the values of `--allowed-hosts`, each a list with commas. Raises RequestError for what is not
    a host.
    """
    return frozenset(_parse_host(part.strip()) for text in options for part in text.split(","))


def allowed_hosts(host: str, bound: str, named: frozenset[Host]) -> AllowedHosts:
    """Return the hosts of a server that was asked to listen on `host` and is bound to the address `bound`.

    They are the names of the loopback interface, `host`, and the `named` ones. A server that listens on every
    address and has no `named` hosts also answers to this machine's name and addresses.
    """
    everywhere = ip_address(bound).is_unspecified and not named
    own = [*LOCAL_HOSTS, host, bound, *([socket.gethostname()] if everywhere else [])]
    always = frozenset(Host(name) for name in map(_plain_name, own) if name)
    return AllowedHosts(always, named, everywhere)


def _parse_host(text: str) -> Host:
    """Parse one host of `--allowed-hosts`. `NAME:*` is MLflow's form of NAME with any port."""
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
    """Return a name as browsers send it: `bücher.example` becomes `xn--bcher-kva.example`."""
    with suppress(UnicodeError):
        return text if text.isascii() else text.encode("idna").decode("ascii")
    return text
