"""What listens where: this machine alone, unless somebody says otherwise and is warned."""

import sys
from contextlib import suppress
from ipaddress import ip_address

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""What every machine calls itself."""


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host in LOCAL_HOSTS


def warn_if_exposed(host: str, what: str) -> None:
    """Say on stderr what anybody who reaches `host` can do; nothing for an address of this machine."""
    if not is_local(host):
        print(f"warning: {what} has no log-in; whoever reaches {host} can delete studies", file=sys.stderr)
