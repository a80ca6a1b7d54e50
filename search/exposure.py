"""What listens where: this machine alone, unless somebody says otherwise and is warned."""

import sys

LOCAL = ("127.0.0.1", "localhost", "::1")


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    return host in LOCAL


def warn_if_exposed(host: str, what: str) -> None:
    """Say on stderr what anybody who reaches `host` can do; nothing for an address of this machine."""
    if not is_local(host):
        print(f"warning: {what} has no log-in; whoever reaches {host} can delete studies", file=sys.stderr)
