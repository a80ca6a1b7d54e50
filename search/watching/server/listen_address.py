"""Addresses to listen on: this machine only by default; any other address gets a warning."""

import sys
from contextlib import suppress
from ipaddress import ip_address

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""The names that every machine has for itself."""


def is_local(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host in LOCAL_HOSTS


def warn_if_exposed(host: str, what: str) -> None:
    """Warn on stderr what anybody who reaches `host` can do, unless only this machine reaches it."""
    if not is_local(host):
        print(f"warning: {what} has no log-in; whoever reaches {host} can delete studies", file=sys.stderr)
